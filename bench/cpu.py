#!/usr/bin/env python3
"""Speed of the CPU core beside QEMU TCG and Bochs, on the benchmark kernels, in one run.

usage: cpu.py [--build DIR] [--runs N] KERNEL...

Each kernel prints "begin" and "end CHECKSUM" on the serial port; the time between the two lines, read from outside, is what
counts, so firmware and boot loaders do not. Machines take turns kernel by kernel; medians are compared. All must print the same checksum.
Also counts instructions (xray86 --stats), for MIPS.
"""
import argparse
import fcntl
import math
import os
import pty
import re
import shutil
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time

TIMEOUT = 300
BOCHSRC = """
config_interface: textconfig
display_library: term
megs: 256
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={fifo}
sound: driver=dummy
log: {log}
panic: action=fatal
clock: sync=none
cpu: model=corei7_sandy_bridge_2600k, ips=50000000
"""


def watch(lines, kill):
    """Seconds between the marks in an iterable of lines, and the checksum; kills the machine at the end."""
    timer = threading.Timer(TIMEOUT, kill)
    timer.start()
    started = None
    try:
        for line in lines:
            line = line.strip()
            if line == "begin":
                started = time.monotonic()
            elif line.startswith("end ") and started:
                return time.monotonic() - started, line.split()[1]
    finally:
        timer.cancel()
        kill()
    raise RuntimeError("the kernel did not come to its end")


def run_piped(command):
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1) as process:
        return watch(process.stdout, process.kill)


def xray86(options):
    return lambda image, args: run_piped([f"{args.build}/xray86", "boot", image, *options])


def qemu(image, args):
    return run_piped(["qemu-system-x86_64", "-accel", "tcg", "-display", "none", "-serial", "stdio", "-m", "256", "-cpu", "max",
                      "-device", "isa-debug-exit,iobase=0xf4", "-kernel", image])


def make_iso(image):
    """A CD with GRUB, which speaks multiboot, for machines that do not."""
    iso = image + ".iso"
    if os.path.exists(iso) and os.path.getmtime(iso) >= os.path.getmtime(image):
        return iso
    tree = image + ".tree"
    os.makedirs(f"{tree}/boot/grub", exist_ok=True)
    shutil.copy(image, f"{tree}/boot/kernel.elf")
    with open(f"{tree}/boot/grub/grub.cfg", "w") as config:
        config.write("set timeout=0\nmenuentry kernel {\n multiboot /boot/kernel.elf\n boot\n}\n")
    subprocess.run(["grub-mkrescue", "-o", iso, tree, "--install-modules=multiboot normal iso9660 biosdisk"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return iso


def drain(terminal):
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass


def bochs(image, args):
    """Debian's Bochs has only interactive displays, and its debugger built in: it gets a terminal, and is told to continue."""
    base = image + ".bochs"
    fifo, rc, commands = base + ".fifo", base + ".rc", base + ".commands"
    with open(rc, "w") as file:
        file.write(BOCHSRC.format(iso=make_iso(image), fifo=fifo, log=base + ".log"))
    with open(commands, "w") as file:
        file.write("c\n")
    if os.path.exists(fifo):
        os.unlink(fifo)
    os.mkfifo(fifo)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    process = subprocess.Popen(["bochs", "-q", "-f", rc, "-rc", commands], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL,
                               env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    threading.Thread(target=drain, args=(ours,), daemon=True).start()
    try:
        with open(fifo, errors="replace") as serial:
            return watch(serial, process.kill)
    finally:
        process.wait()
        os.close(ours)


MACHINES = {"xray86": xray86([]), "tagged": xray86(["--engine", "tagged"]), "qemu-tcg": qemu, "bochs": bochs}


def instructions(image, args):
    report = subprocess.run([f"{args.build}/xray86", "boot", image, "--stats"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return int(re.search(r"^instructions +(\d+)", report.stderr, re.M).group(1))


def measure(kernel, args):
    image = f"{args.build}/bench/{kernel}.elf"
    times = {name: [] for name in MACHINES}
    sums = {}
    for _ in range(args.runs):
        for name, machine in MACHINES.items():
            seconds, sums[name] = machine(image, args)
            times[name].append(seconds)
    if len(set(sums.values())) != 1:
        sys.exit(f"{kernel}: the machines disagree: {sums}")
    return {name: statistics.median(values) for name, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("kernels", nargs="+")
    args = parser.parse_args()

    ratios = {"bochs": [], "qemu-tcg": [], "tagged": []}
    print(f"seconds, median of {args.runs}; ratios of speed\n")
    print(f"{'kernel':10} {'Minstr':>7} {'xray86':>7} {'tagged':>7} {'qemu':>7} {'bochs':>7} {'MIPS':>6} {'/bochs':>7} {'/qemu':>7} {'tag/plain':>9}")
    for kernel in args.kernels:
        count = instructions(f"{args.build}/bench/{kernel}.elf", args)
        t = measure(kernel, args)
        speed = {name: t[name] / t["xray86"] for name in ("bochs", "qemu-tcg")}
        speed["tagged"] = t["xray86"] / t["tagged"]
        for name, value in speed.items():
            ratios[name].append(value)
        print(f"{kernel:10} {count / 1e6:7.1f} {t['xray86']:7.3f} {t['tagged']:7.3f} {t['qemu-tcg']:7.3f} {t['bochs']:7.3f} "
              f"{count / 1e6 / t['xray86']:6.0f} {speed['bochs']:7.2f} {speed['qemu-tcg']:7.2f} {speed['tagged']:9.2f}", flush=True)
    means = {name: math.exp(statistics.fmean(map(math.log, values))) for name, values in ratios.items()}
    print(f"\ncpu: xray86/bochs {means['bochs']:.2f}, xray86/qemu-tcg {means['qemu-tcg']:.2f}, tagged/plain {means['tagged']:.2f}")


if __name__ == "__main__":
    main()
