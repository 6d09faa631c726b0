"""The code that runs: checks of `usage` about modules of the snapshot. An x86-64 snapshot with the modules dummy and veth, whose kernel names its data."""
import glob
import mmap
import os
import shutil
import struct
import subprocess
import tempfile

from kernel_data import KernelData

COMMAND = ("sh", "-c", "cat /proc/net/dev; ip -s link; cat /sys/class/net/dummy0/statistics/tx_bytes")
OWN = "xray86: note: code of modules is the snapshot's own, unverified (--code product)\n"
TRUSTED = "xray86: note: code of the module {} is the snapshot's own, unverified (--trust-module)\n"


def trusted_by_name(test):
    """--trust-module runs the snapshot's own code of the modules that it names, and of no others."""
    own = test.run("--code", "product", "--", *COMMAND)
    test.expect("the snapshot's own code", own[0] == 0 and "dummy0" in own[1] and own[2] == OWN, own)
    for way in ("context", "tags"):
        both = test.run("--redirect", way, "--code", "trusted", "--trust-module", "veth", "--trust-module", "dummy", "--", *COMMAND)
        test.expect(f"--trust-module ({way})", both[:2] == own[:2] and sorted(both[2].splitlines(True)) == [TRUSTED.format(name) for name in ("dummy", "veth")], both)
        one = test.run("--redirect", way, "--code", "trusted", "--trust-module", "veth", "--", "cat", "/proc/net/dev")
        test.expect(f"--trust-module of another module ({way})", one[0] == 1 and "(of the snapshot's module dummy)" in one[2], one)


def proven(test):
    """Code of modules is that of their files, and what it answers is what the snapshot's own code does."""
    own = test.run("--code", "product", "--", *COMMAND)
    for way in ("context", "tags"):
        seen = test.run("--redirect", way, "--code", "verified", "--", *COMMAND)
        test.expect(f"modules that are proven ({way})", seen == (0, own[1], ""), seen, own)


# -- modules that were changed in the snapshot --

class Edited:
    """A raw copy of the snapshot, with its kernel's data and the symbols of its modules."""

    def __init__(self, test):
        self.test, self.snapshot = test, test.snapshot
        self.copy = tempfile.NamedTemporaryFile(dir=test.snapshot.directory)  # pylint: disable=consider-using-with
        subprocess.run(["cp", "--sparse=always", f"{self.snapshot.directory}/memory.raw", self.copy.name], check=True)
        symbols = test.run("--", "cat", "/proc/kallsyms")[1]
        self.symbols = {(words[3], words[2]): int(words[0], 16) for words in map(str.split, symbols.splitlines()) if len(words) == 4}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.copy.close()

    def put(self, place, data):
        """place: of the kernel's data, from them."""
        with open(self.copy.name, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            kernel = KernelData.of_snapshot(self.test.xray86, self.snapshot, memory)
            address = place(kernel)
            for i, byte in enumerate(data):
                memory[kernel.translate(address + i)] = byte

    def of_dummy(self, name):
        return self.symbols["[dummy]", name]

    def run(self, way, *words, path=None):
        line = [self.test.xray86, "run", self.copy.name, "--kernel-path", path or self.snapshot.kernel_path, "--redirect", way, *words, "--", *COMMAND]
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=200, check=False, env=self.test.environment(), text=True)
        return done.returncode, done.stdout, done.stderr


def in_operations(edited):
    """Where dummy's operations have dummy_get_stats64()."""
    def place(kernel):
        start = edited.of_dummy("dummy_netdev_ops")
        words = struct.unpack("<128Q", kernel.read(start, 1024))
        return start + 8 * words.index(edited.of_dummy("dummy_get_stats64"))
    return place


# A change: where, in a snapshot and its kernel; and what stands there then.
CODE = (lambda edited: lambda kernel: edited.of_dummy("dummy_get_stats64") + 12, b"\xe9\x11\x22\x33\x44")
CONSTANT = (in_operations, struct.pack("<Q", 0xffffffffc7654320))
HIDING = (lambda edited: lambda kernel: kernel.symbols["kptr_restrict"], b"\2")
TOLD_CODE = ("code of the module dummy was changed", "dummy_get_stats64+0xc [dummy] has e9 11 22 33 44;", "the code of its file ran instead")
TOLD_CONSTANT = ("constant data of the snapshot's kernel were changed", "has 0xffffffffc7654320 and not dummy_get_stats64+0")

# Where a module is, memory tells. If it was changed, the kernel is asked, even if it hides addresses.
HOOKS = (("code of a module", (CODE,), TOLD_CODE), ("constant data of a module", (CONSTANT,), TOLD_CONSTANT),
         ("/proc/sys/kernel/kptr_restrict", (HIDING,), ()), ("code of a module, and kptr_restrict", (HIDING, CODE), TOLD_CODE))


def changed(test):
    """Hooks in a module's code and in its constant data are passed by and told; a kernel that hides addresses tells them nevertheless."""
    plain = test.run("--code", "verified", "--", *COMMAND)
    for what, changes, told in HOOKS:
        with Edited(test) as edited:
            for place, data in changes:
                edited.put(place(edited), data)
            for way in ("context", "tags"):
                seen = edited.run(way, "--code", "verified")
                test.expect(f"{what} ({way})", seen[:2] == plain[:2] and plain[0] == 0 and seen[2].count("\n") == bool(told) and all(words in seen[2] for words in told), seen)


def lying(test):
    """A kernel that says of a changed module that a section is where it cannot be, or is not: the module is not run, and one note says why."""
    plain = test.run("--code", "verified", "--", *COMMAND)
    text = int(test.run("--", "cat", "/sys/module/dummy/sections/.text")[1], 16)

    def told(kernel):
        """Where the kernel has the address that it tells."""
        names = {kernel.read(kernel.field(module, "module", "name"), 5): module for module in kernel.modules()}
        start = kernel.word(kernel.field(names[b"dummy"], "module", "sect_attrs"))
        return start + 8 * struct.unpack("<256Q", kernel.read(start, 2048)).index(text)

    for address, reason in ((test.snapshot.manifest["kaslr"]["text_virtual"] + 0x1000, "its section .text cannot be where the snapshot says"),
                            (text + 0x1000, "that is not proven, since "), (0x1000, "its section .text cannot be where the snapshot says"),
                            (0, "the snapshot hides where its sections are")):
        with Edited(test) as edited:
            edited.put(told, struct.pack("<Q", address))
            if not address:
                seen = edited.run("context", "--code", "verified")
                test.expect("a module that is not said to be anywhere, and was not changed", seen == plain and plain[0] == 0, seen)
            edited.put(CODE[0](edited), CODE[1])
            seen = edited.run("context", "--code", "verified")
        test.expect(f"a module that is said to be at {address:#x}", seen[0] == 1 and seen[2].count("xray86: note: ") == 1 and reason in seen[2]
                    and "(of the snapshot's module dummy)" in seen[2], seen)


# -- files of modules that are no proof --

def no_file(path, _):
    os.unlink(path)


def truncated(path, _):
    os.truncate(path, os.path.getsize(path) // 2)


def other_build(path, build):
    """Another build ID."""
    with open(path, "r+b") as file:
        data = file.read()
        file.seek(data.index(build))
        file.write(bytes(len(build)))


def build_id(path):
    """Of an ELF file: what is behind the note's header."""
    with open(path, "rb") as file:
        data = file.read()
    at = data.index(b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0")
    return data[at + 16:at + 36]


FILES = ((no_file, "its file was not found"), (truncated, "dummy.ko"), (other_build, "its file is of another build"))


def unproven(test):
    """Without the right file, calls that need a module are given up, and one note says why; the user may trust the module."""
    own = test.run("--code", "product", "--", *COMMAND)
    for change, reason in FILES:
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(f"{test.snapshot.kernel_path}/boot", f"{folder}/boot")
            shutil.copytree(f"{test.snapshot.kernel_path}/lib", f"{folder}/lib", ignore=lambda _, names: [name for name in names if name in ("sound", "media", "gpu")])
            path, = glob.glob(f"{folder}/lib/modules/*/kernel/drivers/net/dummy.ko")
            os.chmod(path, 0o644)
            change(path, build_id(path))
            words = ["--kernel-path", folder, "--code", "verified"]
            seen = subprocess.run([test.xray86, "run", test.snapshot.image, *words, "--", "cat", "/proc/net/dev"], stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=200, check=False, env=test.environment(), text=True)
            notes = [line for line in seen.stderr.splitlines() if line.startswith("xray86: note: ")]
            test.expect(f"a module of which {reason}", seen.returncode == 1 and len(notes) == 1 and "(of the snapshot's module dummy)" in notes[0]
                        and "that is not proven, since " in notes[0] and reason in notes[0] and "--trust-module dummy runs the snapshot's own" in notes[0], seen)
            seen = subprocess.run([test.xray86, "run", test.snapshot.image, *words, "--trust-module", "dummy", "--", *COMMAND], stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=200, check=False, env=test.environment(), text=True)
            test.expect(f"and that is trusted ({reason})", (seen.returncode, seen.stdout, seen.stderr) == (0, own[1], TRUSTED.format("dummy")), seen)


STEPS = (trusted_by_name, proven, changed, lying, unproven)
