#!/usr/bin/python3
"""Lists the listening TCP sockets of a frozen machine, each with its program's command line.

usage: sockets.py SNAPSHOT [KERNEL_FOLDER...]
"""
import re
import sys

import xray86


def command_line(session, pid):
    """What /proc/PID/cmdline says in the snapshot."""
    words = session.run(["cat", f"/proc/{pid}/cmdline"]).stdout.split(b"\0")
    return b" ".join(words).decode(errors="replace").strip()


def main():
    snapshot, *folders = sys.argv[1:]
    try:
        with xray86.open(snapshot, kernel_path=folders) as session:
            facts = session.facts
            print(f"Linux {facts.release} ({facts.architecture}), {facts.memory >> 20} MiB")
            result = session.run(["ss", "-Htlnp"], check=True)
            for line in result.stdout.decode().splitlines():
                address = line.split()[3]
                pids = re.findall(r"pid=(\d+)", line)
                print(f"{address:30} {command_line(session, pids[0]) if pids else '?'}")
            if result.losses:
                print(f"incomplete: {result.losses}", file=sys.stderr)
    except xray86.Error as error:
        sys.exit(f"sockets.py: {error}")


if __name__ == "__main__":
    main()
