#!/usr/bin/env python3
"""What `xray86 run` costs: a warm run beside the first, start-up, and redirection beside the same command on the trusted VM itself.

usage: run.py [--runs N] [--build DIR] [--linux DIR] [--json FILE] SNAPSHOT...      snapshots of DIR/snapshots, made by `make snapshots`

Redirection: each command is run in a shell's loop that first starts as many processes as the snapshot has, so that both have the same to tell of: by
--redirect context and tags on the snapshot, by --redirect none on the trusted VM. The cost of a command is the difference between a loop of many rounds and one of
one, so that start-up and the processes' start do not count. Instructions are exact; times are medians, of runs that take turns.
"""
import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/snapshots"))
from snapshot import Snapshot  # noqa: E402

WAYS = ["none", "context", "tags"]
ROUNDS = 12
COMMANDS = ["ps aux", "ps -eLf", "ls -l /proc", "cat /proc/meminfo", "cat /proc/1/maps", "cat /proc/net/tcp", "cat /proc/[0-9]*/status", "ss -tan", "ip addr", "ip route",
            "netstat -tan", "lsmod", "uname -a", "uptime", "free", "date", "pstree", "pgrep -l sh", "find /proc/sys", "sysctl -a"]


def command_line(args, snapshot, image, way, words, *options):
    return [f"{args.build}/xray86", "run", image, "--kernel-path", snapshot.kernel_path, "--root", f"{snapshot.directory}/root", "--redirect", way,
            "--timeout", "10000", "--budget", "1000G", *options, "--", *words]


def execute(args, line, cache=None):
    """Seconds and the counters, if asked for."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C", "XDG_CACHE_HOME": cache or args.cache}
    start = time.monotonic()
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment)
    seconds = time.monotonic() - start
    errors = done.stderr.decode(errors="replace")
    if done.returncode == 125:
        sys.exit(f"{' '.join(line)}: {errors}")
    found = re.search(r"^\{.*\}$", errors, re.MULTILINE)
    return seconds, json.loads(found.group()) if found else None


def median_seconds(args, line):
    return statistics.median(execute(args, line)[0] for _ in range(args.runs))


# -- a run as a whole --

def whole(args, snapshot):
    """The first run, later ones, how long it takes until the snapshot and the trusted VM are there (a command that is not ends a run at that point), and a run
    of a command that does nothing."""
    line = command_line(args, snapshot, snapshot.image, "context", ["ps", "aux"])
    with tempfile.TemporaryDirectory() as cache:
        first = execute(args, line, cache)[0]
    execute(args, line)
    nothing = command_line(args, snapshot, snapshot.image, "context", ["/no-such-command"])
    empty = command_line(args, snapshot, snapshot.image, "context", ["true"])
    return {"first_run": first, "warm_run": median_seconds(args, line), "start_up": median_seconds(args, nothing),
            "empty_run": median_seconds(args, empty), **open_session(args, snapshot)}


def open_session(args, snapshot):
    """By the library: the first command of a session with what opening takes, and a later one."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "XDG_CACHE_HOME": args.cache}
    line = [f"{args.build}/bench/session", snapshot.image, snapshot.kernel_path, f"{snapshot.directory}/root", "true"]
    samples = [[float(word) for word in subprocess.run(line, stdout=subprocess.PIPE, check=True, text=True, env=environment).stdout.split()] for _ in range(args.runs + 1)]
    return {"session_first": statistics.median(first for first, _ in samples[1:]), "session_later": statistics.median(later for _, later in samples[1:])}


def peak_memory(args, line):
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C", "XDG_CACHE_HOME": args.cache}
    with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        return usage.ru_maxrss / 1024


def sparse(args, snapshot):
    """The same memory in a file of 64 GiB, the rest a hole: ratios to the file as it is."""
    raw = f"{snapshot.directory}/memory.raw"
    with tempfile.NamedTemporaryFile(dir=snapshot.directory) as large:
        subprocess.run(["cp", "--sparse=always", raw, large.name], check=True)
        os.truncate(large.name, 64 << 30)
        lines = [command_line(args, snapshot, image, "context", ["uname", "-a"]) for image in (raw, large.name)]
        times = [median_seconds(args, line) for line in lines]
        memory = [peak_memory(args, line) for line in lines]
    return {"time_ratio": times[1] / times[0], "memory_ratio": memory[1] / memory[0]}


# -- redirection --

def loop(command, rounds, processes):
    return ["sh", "-c", f"i=0; while [ $i -lt {processes} ]; do sleep 100000 & i=$((i+1)); done; i=0; "
                        f"while [ $i -lt {rounds} ]; do {command} >/dev/null 2>&1; i=$((i+1)); done; exit 0"]


def count_processes(args, snapshot, way):
    done = subprocess.run(command_line(args, snapshot, snapshot.image, way, ["sh", "-c", "echo /proc/[0-9]*"]), capture_output=True, check=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "HOME": "/root", "XDG_CACHE_HOME": args.cache})
    return len(done.stdout.split())


def cost(args, snapshot, command, processes):
    """{way: (instructions, seconds)} of one round."""
    lines = {(way, rounds): command_line(args, snapshot, snapshot.image, way, loop(command, rounds, processes if way == "none" else 0), "--stats", "--json")
             for way in WAYS for rounds in (1, ROUNDS + 1)}
    samples = {key: [] for key in lines}
    for _ in range(args.runs):
        for key, line in lines.items():
            seconds, counters = execute(args, line)
            samples[key].append((seconds, counters["instructions"]))
    result = {}
    for way in WAYS:
        few, many = (samples[way, rounds] for rounds in (1, ROUNDS + 1))
        seconds = statistics.median(s for s, _ in many) - statistics.median(s for s, _ in few)
        result[way] = ((many[0][1] - few[0][1]) / ROUNDS, seconds / ROUNDS)
    return result


def ratio(value, base):
    """None: one of the differences is nothing but noise of the host."""
    return value / base if value > 0 and base > 0 else None


def mean(values):
    """Of the ratios that there are."""
    known = [value for value in values if value is not None]
    return math.exp(statistics.mean(math.log(value) for value in known)) if known else None


def shown(value, width=0):
    return f"{'noise' if value is None else f'{value:.2f}':>{width}}"


def redirection(args, snapshot):
    missing = max(0, count_processes(args, snapshot, "context") - count_processes(args, snapshot, "none"))
    rows = {}
    print(f"\n{snapshot.name}: {'command':20} {'Minstr':>8} {'context':>8} {'tags':>8}   {'ms':>8} {'context':>8} {'tags':>8}")
    for command in COMMANDS:
        costs = cost(args, snapshot, command, missing)
        base = costs["none"]
        ratios = {way: [ratio(costs[way][i], base[i]) for i in (0, 1)] for way in ("context", "tags")}
        rows[command] = {"instructions": base[0], "seconds": base[1], "ratios": {way: dict(zip(("instructions", "time"), ratios[way])) for way in ratios}}
        print(f"{'':{len(snapshot.name) + 1}} {command:20} {base[0] / 1e6:8.2f} {shown(ratios['context'][0], 8)} {shown(ratios['tags'][0], 8)}   "
              f"{base[1] * 1e3:8.1f} {shown(ratios['context'][1], 8)} {shown(ratios['tags'][1], 8)}", flush=True)
    summary = {way: {what: mean(row["ratios"][way][what] for row in rows.values()) for what in ("instructions", "time")} for way in ("context", "tags")}
    return {"commands": rows, "mean": summary}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--build", default="build")
    parser.add_argument("--linux", default=None, help="the kernels' trees, BUILD/linux unless told")
    parser.add_argument("--json", default=None, help="where the figures go, too")
    parser.add_argument("snapshots", nargs="+")
    args = parser.parse_args()
    args.kernels, args.directory = args.linux or f"{args.build}/linux", f"{args.build}/snapshots"
    args.cache = os.path.abspath(f"{args.build}/cache")
    figures = {}
    for name in args.snapshots:
        snapshot = Snapshot(args, name)
        figures[name] = {"run": whole(args, snapshot), "sparse_64_gib": sparse(args, snapshot), "redirection": redirection(args, snapshot)}
        run, large, ratios = figures[name]["run"], figures[name]["sparse_64_gib"], figures[name]["redirection"]["mean"]
        print(f"{name}: ps aux: first run {run['first_run']:.2f} s, warm {run['warm_run']:.2f} s, of that {run['start_up'] * 1e3:.0f} ms until snapshot and VM are there; "
              f"true: {run['empty_run'] * 1e3:.0f} ms, in an open session {run['session_first'] * 1e3:.0f} ms and then {run['session_later'] * 1e3:.0f} ms; "
              f"64 GiB sparse against {os.path.getsize(snapshot.directory + '/memory.raw') >> 20} MiB: time {large['time_ratio']:.2f}, memory {large['memory_ratio']:.2f}")
        print(f"run: {name}: redirected/not, time: context {shown(ratios['context']['time'])}, tags {shown(ratios['tags']['time'])}; "
              f"instructions: context {shown(ratios['context']['instructions'])}, tags {shown(ratios['tags']['instructions'])}", flush=True)
    if args.json:
        with open(args.json, "w", encoding="ascii") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
