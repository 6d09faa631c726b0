"""The server VM: how it differs from the other product VMs, which are an initramfs. Its root is a disk (disk.py). Making it needs root, for a chroot."""
import hashlib
import os
import subprocess
import tempfile

import userland
from server import disk

HERE = os.path.dirname(os.path.abspath(__file__))
MAKE_INITRAMFS = os.path.join(HERE, "..", "..", "linux", "make-initramfs")
EARLY = "virtio_pci virtio_blk ext4 crc32c_generic".split()  # what the disk needs
# On a busy host the server has all the time that it needs: its clock goes by its instructions, and nothing in it is late. That takes a single CPU.
CLOCK = "-icount shift=1".split()
DEVICES = "-device virtio-rng-pci -netdev user,id=net,restrict=on -device virtio-net-pci,netdev=net,mac=02:00:00:00:00:10".split()

# What happens in it (root/usr/local/sbin/server-scenario), to be found in its memory.
CONTENTS = [b"minutes of the meeting", b"behind LUKS", b"password=hunter2", b"inside the box", b"the server is complete"]


def sources_digest():
    """Of all that decides what the server is, but for kernel and packages."""
    total = hashlib.sha256()
    for directory, _, files in sorted(os.walk(HERE)):
        for name in sorted(files):
            path = os.path.join(directory, name)
            if not name.endswith(".pyc"):
                with open(path, "rb") as file:
                    total.update(os.path.relpath(path, HERE).encode() + b"\0" + file.read() + b"\0")
    return total.hexdigest()


def _write_initrd(build, path, kernel_):
    """busybox, the modules for the disk in the order of their dependencies, and initramfs-init."""
    busybox = os.path.join(userland.fetch(build, "amd64", "busybox-static", ["busybox-static"]), "bin/busybox")
    with tempfile.TemporaryDirectory() as scratch:
        kernel_.install_modules(EARLY, scratch)
        order = []
        for name in EARLY:
            shown = subprocess.run(["modprobe", "-d", scratch, "-S", kernel_.release, "--show-depends", name], check=True, capture_output=True, text=True).stdout
            order += [os.path.relpath(line.split()[1], scratch) for line in shown.splitlines() if line.startswith("insmod")]
        with open(os.path.join(scratch, "modules"), "w", encoding="ascii") as file:
            file.write("".join(f"/{name}\n" for name in dict.fromkeys(order)))
        subprocess.run([MAKE_INITRAMFS, path, "--tree", scratch, "--file", "init=" + os.path.join(HERE, "initramfs-init"), "--file", "bin/busybox=" + busybox],
                       check=True)


def prepare(build, directory, variant, kernel_, _):
    """Makes root, disk and initrd in the directory; returns what machine.Machine is to have, and the files that are of no use afterwards."""
    root, image, initrd = (os.path.join(directory, name) for name in ("root", "disk", "initrd.cpio"))
    disk.make_tree(build, root, kernel_, disk.words_of("modules"), os.path.join(HERE, "commands"))
    disk.make_disk(root, image)
    _write_initrd(build, initrd, kernel_)
    append = f"root=/dev/vda rw systemd.show_status=0 audit=1 {variant['append']}"
    return {"initrd": initrd, "append": append.strip(), "disk": image, "devices": CLOCK + DEVICES}, [image, initrd]
