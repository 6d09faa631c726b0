#!/usr/bin/env python3
"""Booting Debian's kernels to a shell, beside QEMU TCG, in one run: the same kernel, initramfs and parameters for both.

usage: boot.py [--runs N] [--build DIR] FLAVOUR...

The time from the start of the program to the shell's first line on the serial port; the two take turns, and medians are compared. QEMU runs its
firmware and the kernel's decompressor, as -kernel does; xray86 runs neither. Then, for each kernel of the tests: instructions to the shell, where
they go, and the most memory that the process had beyond the guest's.
"""
import argparse
import math
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/linux"))
from emulator import Emulator  # noqa: E402
from kernels import KERNELS, kernel  # noqa: E402

SHELL = "shell is here"
MEMORY = 512
TIMEOUT = 600


def trusted_parameters(args, tested):
    """What --trusted-parameters gives, as the guest sees it."""
    with Emulator(xray86(args, tested, ["--trusted-parameters", "--append", "test=shell"]), TIMEOUT) as machine:
        machine.expect(SHELL)
        machine.expect("# ")
        machine.send("cat /proc/cmdline; poweroff -f\n")
        return machine.expect(r"\n(console=\S+[^\r\n]*) test=shell").group(1).decode()


def xray86(args, tested, options):
    return [f"{args.build}/xray86", "boot", tested.image(args.linux), "--initrd", tested.initramfs(args.linux), "--memory", str(MEMORY), *options]


def qemu(args, tested, append):
    program = "qemu-system-x86_64" if tested.bits == 64 else "qemu-system-i386"
    return [program, "-accel", "tcg", "-m", str(MEMORY), "-kernel", tested.image(args.linux), "-initrd", tested.initramfs(args.linux),
            "-append", append, "-display", "none", "-serial", "stdio", "-no-reboot"]


def seconds(command):
    start = time.monotonic()
    with Emulator(command, TIMEOUT) as machine:
        machine.expect(SHELL)
        return time.monotonic() - start


def compare(args, tested, label, append):
    times = {"xray86": [], "qemu": []}
    for _ in range(args.runs):
        times["xray86"].append(seconds(xray86(args, tested, ["--append", append])))
        times["qemu"].append(seconds(qemu(args, tested, append)))
    ours, theirs = (statistics.median(times[name]) for name in times)
    print(f"{tested.flavour:12} {label:8} {ours:8.2f} {theirs:8.2f} {ours / theirs:7.2f}", flush=True)
    return ours / theirs


def peak_memory(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1)) / 1024


def costs(args, tested, parameters):
    """Instructions to the shell, memory beyond the guest's, and the functions that take most."""
    options = ["--append", parameters + " test=shell", "--stats", "--profile"]
    with Emulator(xray86(args, tested, options), TIMEOUT) as machine:
        machine.expect(SHELL)
        machine.expect("# ")
        beyond = peak_memory(machine.process) - MEMORY
        machine.send("poweroff -f\n")
        machine.finish(0)
        profile = re.findall(r"^ *([\d.]+) %  (.+)$", machine.errors.decode(), re.M)
        return machine.instructions(), beyond, profile


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("flavours", nargs="+")
    args = parser.parse_args()
    args.linux = f"{args.build}/linux"

    print(f"seconds to the shell, median of {args.runs}\n")
    print(f"{'kernel':12} {'':8} {'xray86':>8} {'qemu':>8} {'ratio':>7}")
    ratios = {"trusted": [], "default": []}
    parameters = {}
    for flavour in args.flavours:
        tested = kernel(flavour)
        parameters[flavour] = trusted_parameters(args, tested)
        ratios["trusted"].append(compare(args, tested, "trusted", parameters[flavour] + " test=shell"))
        ratios["default"].append(compare(args, tested, "default", "console=ttyS0 test=shell"))

    print(f"\ninstructions to the shell and off, with the trusted parameters; memory beyond the guest's {MEMORY} MiB (MiB; negative: not all of it was touched)\n")
    for tested in KERNELS:
        instructions, beyond, profile = costs(args, tested, trusted_parameters(args, tested))
        top = ", ".join(f"{name} {share} %" for share, name in profile[:8])
        print(f"{tested.flavour:12} {instructions / 1e9:6.3f} G  {beyond:7.1f} MiB  {top}", flush=True)
    means = {name: math.exp(statistics.fmean(map(math.log, values))) for name, values in ratios.items()}
    print(f"\nboot: xray86/qemu-tcg {means['trusted']:.2f} (trusted parameters), {means['default']:.2f} (default parameters)")


if __name__ == "__main__":
    main()
