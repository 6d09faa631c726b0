"""The manifest of a snapshot: what is known about the product VM from outside and from its own /proc, as JSON for tests to compare with.

Read from the ground truth's last commands (`commands`), from QEMU's registers, and from what the VM was made of.
"""
import re


# Where a stop finds the CPUs (the table of variants), by what machine.Machine.registers() says of each.
CAUGHT = {
    "idle": lambda cpus: all(cpu["halted"] and cpu["cpl"] == 0 for cpu in cpus),
    "user": lambda cpus: any(cpu["cpl"] == 3 for cpu in cpus),
    "kernel": lambda cpus: any(cpu["cpl"] == 0 and not cpu["halted"] for cpu in cpus),
}


def is_caught(where, cpus):
    return CAUGHT[where](cpus)


def _iomem(text, what):
    """The physical address at which a range of /proc/iomem begins, its name being given."""
    match = re.search(rf"^\s*([0-9a-f]+)-[0-9a-f]+ : {what}$", text, re.MULTILINE)
    return int(match.group(1), 16)


def _symbols(text):
    symbols = {}
    for line in text.splitlines():
        address, _, name = line.split()[:3]
        symbols[name] = int(address, 16)
    return symbols


def _processes(text):
    """PID, name, state and parent of each process, from /proc/PID/stat."""
    processes = [re.match(r"(\d+) \((.*)\) (\S) (\d+)", line).groups() for line in text.splitlines()]
    return sorted(({"pid": int(pid), "comm": comm, "state": state, "ppid": int(ppid)} for pid, comm, state, ppid in processes),
                  key=lambda process: process["pid"])


def build(variant, kernel, commands, cpus, files):
    output = {command.name: command.output.decode("utf-8", "replace") for command in commands}
    symbols = _symbols(output["kernel-symbols"])
    return {
        "name": variant["name"],
        "architecture": variant["arch"],
        "kernel": {"package": kernel.package, "release": kernel.release, "banner": output["version"].rstrip("\n"), "image": kernel.image,
                   "tree": kernel.tree},
        "command_line": output["cmdline"].rstrip("\n"),
        "cpus": int(variant["cpus"]),
        "cpu_model": variant["cpu"],
        "memory_mib": int(variant["memory"]),
        "modules": [name for name in variant["modules"].split(",") if name],
        "kaslr": {"text_virtual": symbols["_text"], "text_physical": _iomem(output["iomem"], "Kernel code")},
        "symbols": symbols,
        "page_table_isolation": "PTI" in output["meltdown"],
        "five_level_paging": bool(re.search(r"^flags.* la57", output["cpuinfo"], re.MULTILINE)),
        "caught": variant["caught"],
        "cpu_state": cpus,
        "boot_id": output["boot-id"].strip(),
        "date_seconds": int(output["date-seconds"]),
        "uptime_seconds": float(output["proc-uptime"].split()[0]),
        "roles": {name: int(pid) for name, pid in (line.split("=") for line in output["roles"].split())},
        "processes": _processes(output["processes"]),
        "files": files,
    }
