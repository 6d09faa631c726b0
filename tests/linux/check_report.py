"""What the in-guest check (check/) prints, read and judged."""
import os
import re

from emulator import Failure

HERE = os.path.dirname(os.path.abspath(__file__))


def group_names():
    with open(f"{HERE}/check/check.h", encoding="ascii") as file:
        return [name for name in re.findall(r"^void check_(\w+)\(", file.read(), re.M)]


def check_report(machine, groups):
    """One run of linux-check: the number of its checks, all of which must have passed, all groups having run."""
    start = machine.position
    count, failed = (int(text) for text in machine.expect(r"linux-check: (\d+) checks, (\d+) failed").groups())
    report = machine.console[start:machine.position].decode(errors="replace")
    if failed:
        raise Failure(f"{failed} of {count} checks failed: " + " | ".join(re.findall("FAIL .*", report)))
    counts = {name: int(number) for name, number in re.findall(r"^(\w+): (\d+) checks", report, re.M)}
    if list(counts) != groups or sum(counts.values()) != count:
        raise Failure(f"groups {counts}, wanted {groups} with {count} checks")
    return count


def check_reports(machine, bits):
    """The numbers of checks of what init's test=check runs: the kernel's own programs, and a 64-bit kernel's 32-bit ones."""
    groups = group_names()
    counts = [check_report(machine, groups)]
    if bits == 64:
        counts.append(check_report(machine, [name for name in groups if name != "module"]))
    return counts
