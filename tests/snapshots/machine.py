"""A product VM in QEMU: started, watched on its console until it is complete, stopped where it is wanted, and dumped.

Dumps go through a named pipe, so that zeros become holes of the file, whatever the VM's memory.
"""
import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

QEMU = "qemu-system-x86_64"
READY, FAILED = "READY-FOR-DUMP", "PRODUCT-FAILED"
TRUTH_END = b"\nend\n"
TIMEOUT = 900            # seconds without a sign of life; an idle host sees one every second, or in 40 of a server, but a VM may be made beside other work
CAUGHT_TRIES = 1000      # stops at a random moment until the CPUs are as wanted

MIB = 1 << 20
BLOCK = 4096             # the grain of holes
LOW_MEMORY_LIMIT = 0xe0000000    # QEMU's "pc": with more than this, only LOW_MEMORY_SPLIT stays below 4 GiB
LOW_MEMORY_SPLIT = 0xc0000000
HIGH_MEMORY = 1 << 32


class MachineError(Exception):
    """Says what went wrong, and where more of it stands."""


def memory_ranges(size):
    """Where RAM of that size lies: pairs of physical address and length."""
    if size < LOW_MEMORY_LIMIT:
        return [(0, size)]
    return [(0, LOW_MEMORY_SPLIT), (HIGH_MEMORY, size - LOW_MEMORY_SPLIT)]


def _copy_sparse(pipe, target, offset):
    """Copies what comes through the pipe to the file from the offset on, and cuts the file after it."""
    zeros = bytes(MIB)
    with open(pipe, "rb", buffering=0) as source, open(target, "r+b" if os.path.exists(target) else "wb") as file:
        fcntl.fcntl(source, fcntl.F_SETPIPE_SZ, MIB)
        while chunk := source.read(MIB):
            for start in range(0, len(chunk), BLOCK):
                block = chunk[start:start + BLOCK]
                if block != zeros[:len(block)]:
                    file.seek(offset + start)
                    file.write(block)
            offset += len(chunk)
        file.truncate(offset)


class Machine:
    """directory gets the console's log, the truth's stream and the dumps; disk: an image for /dev/vda; devices: more words for QEMU; say(text) is called
    with progress."""

    def __init__(self, directory, *, kernel, initrd, append, cpu, cpus, memory, say, disk=None, devices=()):
        self.directory, self.memory, self.say = directory, memory * MIB, say
        self.console, self.truth = self.path("console"), self.path("truth-stream")
        if not shutil.which(QEMU):
            raise MachineError(f"there is no {QEMU}; make deps installs it")
        self.scratch = tempfile.mkdtemp()    # of a short name, which sockets need
        self.socket, self.pipe = os.path.join(self.scratch, "qmp"), os.path.join(self.scratch, "pipe")
        with open(self.path("qemu-errors"), "wb") as errors:
            self.process = subprocess.Popen(
                [QEMU, "-accel", "tcg,tb-size=256", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                 "-cpu", cpu, "-smp", str(cpus), "-m", str(memory), "-kernel", kernel, "-initrd", initrd,
                 "-append", "console=ttyS0 quiet panic=-1 " + append, "-serial", "file:console", "-serial", "file:truth-stream",
                 "-qmp", f"unix:{self.socket},server=on,wait=off",
                 *(["-drive", f"if=virtio,format=raw,cache=unsafe,file={disk}"] if disk else []), *devices],
                cwd=directory, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)

    def path(self, name):
        return os.path.join(self.directory, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.scratch)

    def _text(self, path):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def _fail(self, what):
        texts = ((path, self._text(path).strip()[-1500:]) for path in (self.path("qemu-errors"), self.console))
        raise MachineError("\n".join([what, *(f"{path} ends:\n{text}" for path, text in texts if text)]))

    def wait_until_ready(self):
        """Shows the guest's stages as they come; returns when it is ready and all of its truth is out."""
        deadline, shown, sizes = time.monotonic() + TIMEOUT, 0, None
        while True:
            ended = self.process.poll() is not None
            text = self._text(self.console)
            stages = re.findall(r"^product: (.*?)\r?\n", text, re.MULTILINE)
            for stage in stages[shown:]:
                self.say(stage)
            shown = len(stages)
            if READY in text and self._truth_is_complete():
                return
            if FAILED in text:
                self._fail("the guest's init failed")
            if ended:
                self._fail(f"QEMU ended early, status {self.process.returncode}")
            before, sizes = sizes, [os.path.getsize(path) for path in (self.console, self.truth) if os.path.exists(path)]
            if sizes != before:
                deadline = time.monotonic() + TIMEOUT
            if time.monotonic() > deadline:
                self._fail(f"the guest has said nothing for {TIMEOUT} s")
            time.sleep(0.1)

    def _truth_is_complete(self):
        with open(self.truth, "rb") as file:
            file.seek(max(0, os.path.getsize(self.truth) - len(TRUTH_END)))
            return file.read() == TRUTH_END

    def connect(self):
        monitor = socket.socket(socket.AF_UNIX)
        monitor.settimeout(TIMEOUT)
        monitor.connect(self.socket)
        self.stream = monitor.makefile("rw")
        self.stream.readline()
        self.qmp("qmp_capabilities")

    def qmp(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        while line := self.stream.readline():
            reply = json.loads(line)
            if "error" in reply:
                raise MachineError(f"QEMU's {command}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]
        return self._fail(f"QEMU ended during {command}")

    def registers(self):
        """QEMU's text, and for each CPU its privilege level, whether it is halted, and CR3."""
        text = self.qmp("human-monitor-command", **{"command-line": "info registers -a"})
        cpus = [{"cpl": int(re.search(r"CPL=(\d)", cpu).group(1)), "halted": re.search(r"HLT=(\d)", cpu).group(1) == "1",
                 "cr3": int(re.search(r"CR3=([0-9a-f]+)", cpu).group(1), 16)}
                for cpu in re.split(r"^CPU#\d+", text, flags=re.MULTILINE)[1:]]
        return text, cpus

    def stop_when(self, wanted):
        """Stops the VM with its CPUs as wanted, which is a function of them; returns registers()."""
        for _ in range(CAUGHT_TRIES):
            self.qmp("stop")
            text, cpus = self.registers()
            if wanted(cpus):
                return text, cpus
            self.qmp("cont")
            time.sleep(0.005)
        return self._fail(f"in {CAUGHT_TRIES} tries, no stop found the CPUs as the variant wants them")

    def _dump(self, target, command, offset=0, **arguments):
        os.mkfifo(self.pipe)
        copier = threading.Thread(target=_copy_sparse, args=(self.pipe, target, offset), daemon=True)
        copier.start()
        name, prefix = ("filename", "") if command == "pmemsave" else ("protocol", "file:")
        self.qmp(command, **arguments, **{name: prefix + self.pipe})
        copier.join(TIMEOUT)
        os.unlink(self.pipe)

    def dump_raw(self, target):
        for start, length in memory_ranges(self.memory):
            self._dump(target, "pmemsave", start, val=start, size=length)

    def dump_elf(self, target, paging=False):
        self._dump(target, "dump-guest-memory", paging=paging)

    def dump_elf_paging(self, target):
        self.dump_elf(target, paging=True)
