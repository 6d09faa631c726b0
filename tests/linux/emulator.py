"""Runs a Linux kernel in an emulator with the console on pipes or a terminal: what the tests of this directory have in common."""
import errno
import os
import pty
import re
import select
import subprocess
import time


class Failure(Exception):
    """A test that failed: one line that says what was expected."""


class Emulator:
    """A machine that runs. The console's bytes gather in `console`; expect() looks for what comes after what it found last."""

    def __init__(self, command, timeout, terminal=False):
        self.console = b""
        self.errors = b""
        self.position = 0
        self.deadline = time.monotonic() + timeout
        if terminal:
            ours, theirs = pty.openpty()
            self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
            os.close(theirs)
            self.keys = self.screen = os.fdopen(ours, "r+b", buffering=0)
        else:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.keys, self.screen = self.process.stdin, self.process.stdout

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()

    def pump(self):
        """Waits for output and keeps it; False at its end."""
        pipes = [pipe for pipe in (self.screen, self.process.stderr) if not pipe.closed]
        if not pipes:
            return False
        ready, _, _ = select.select(pipes, [], [], max(0, self.deadline - time.monotonic()))
        if not ready:
            raise Failure(f"timeout, after: {self.tail()}")
        for pipe in ready:
            data = read(pipe)
            if not data:
                pipe.close()
            elif pipe is self.screen:
                self.console += data
            else:
                self.errors += data
        return True

    def tail(self):
        return (self.console + self.errors)[-400:].decode(errors="replace")

    def expect(self, pattern):
        """The match of the regular expression in what follows the last one."""
        while True:
            found = re.compile(pattern.encode()).search(self.console, self.position)
            if found:
                self.position = found.end()
                return found
            try:
                more = self.pump()
            except Failure as failure:
                raise Failure(f"no {pattern!r}, but {failure}") from None
            if not more:
                raise Failure(f"no {pattern!r}, but the end, after: {self.tail()}")

    def send(self, text):
        self.keys.write(text.encode())
        self.keys.flush()

    def finish(self, status):
        """Reads to the end; the process must exit with the status."""
        while self.pump():
            pass
        if self.process.wait() != status:
            raise Failure(f"status {self.process.returncode}, not {status}: {self.tail()}")

    def instructions(self):
        """The count that --stats prints at the end."""
        return int(re.search(rb"^instructions +(\d+)", self.errors, re.M).group(1))


def read(pipe):
    try:
        return os.read(pipe.fileno(), 65536)
    except OSError as error:
        if error.errno == errno.EIO:  # a terminal's other end is closed
            return b""
        raise


def boot(xray86, kernel, initramfs, append, *options, memory=512):
    """The command that boots the kernel with the trusted kernel's parameters, which are fast."""
    return [xray86, "boot", kernel, "--initrd", initramfs, "--trusted-parameters", "--append", append, "--memory", str(memory), "--stats", *options]
