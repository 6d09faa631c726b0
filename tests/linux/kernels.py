"""Debian's kernels that are tested, and where `fetch` and the Makefile put their files."""
import glob
import os
import random
import re


class Kernel:
    def __init__(self, flavour, architecture):
        self.flavour = flavour
        self.architecture = architecture
        self.bits = 64 if architecture == "amd64" else 32

    def image(self, directory):
        return glob.glob(f"{directory}/{self.architecture}/linux-image-{self.flavour}/boot/vmlinuz-*")[0]

    def release(self, directory):
        return re.sub(".*/vmlinuz-", "", self.image(directory))

    def initramfs(self, directory):
        return glob.glob(f"{directory}/initramfs-{self.flavour}.cpio*")[0]

    def random_base(self, seed):
        """A virtual base that KASLR could choose: aligned as the setup header's kernel_alignment says, in the range of CONFIG_RANDOMIZE_BASE (of
        i386, where the kernel's memory goes with it, the part that a machine of 512 MiB has)."""
        chosen = random.Random(f"{seed} {self.flavour}")
        if self.bits == 64:
            return 0xffffffff81000000 + chosen.randrange(1, 400) * 0x200000
        return 0xc1000000 + chosen.randrange(1, 24) * 0x1000000


KERNELS = [Kernel("amd64", "amd64"), Kernel("cloud-amd64", "amd64"), Kernel("rt-amd64", "amd64"), Kernel("686", "i386"), Kernel("686-pae", "i386")]


def kernel(flavour):
    return next(kernel for kernel in KERNELS if kernel.flavour == flavour)


def seed_from(text):
    return int(text, 0) if text else int.from_bytes(os.urandom(4), "big")
