"""Streams and strings: checks of `usage` about what goes into a command and out of it, and what becomes of it on its way."""
import glob
import os
import resource
import subprocess
import tempfile
import time


def shell(test, line):
    """With $RUN, the run up to the command: for redirections. Statuses and bytes."""
    environment = {**test.environment(), "RUN": " ".join(test.line("--")), "LINE": " ".join(test.line())}
    done = subprocess.run(["bash", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False, env=environment)
    return done.returncode, done.stdout, done.stderr


def odd_streams(test):
    """Streams that are closed, full, limited, non-blocking, or cannot be read; and small stacks."""
    rows = [
        ("standard input is closed", "$RUN cat <&-", 0, b"", b""),
        ("standard input is a directory", "$RUN cat </", 0, b"", b"xray86: note: the command gets an empty standard input, since it cannot be read: Is a directory\n"),
        ("standard output is closed", "$RUN uname -n >&-", 125, b"", b"xray86: writing the command's output: Bad file descriptor\n"),
        ("standard output is closed, and nothing is written", "$RUN true >&-", 0, b"", b""),
        ("standard output is full", "$RUN uname -n >/dev/full", 125, b"", b"xray86: writing the command's output: No space left on device\n"),
        ("standard error is closed", "$RUN ls /none 2>&-", 2, b"", b""),
        ("standard error is full", "$RUN ls /none 2>/dev/full", 125, b"", b""),
        ("counters, and standard error is full", "$LINE --stats -- true 2>/dev/full", 125, b"", b""),
        ("the trace is full", "$LINE --trace=/dev/full -- uname -n", 125, b"product-vm\n", b"xray86: /dev/full: No space left on device\n"),
        ("a limited file", "f=$(mktemp); ulimit -f 1; $RUN cat /proc/kallsyms >$f; s=$?; rm $f; exit $s", 125, b"", b"xray86: writing the command's output: File too large\n"),
        ("a small stack", "ulimit -s 64; $RUN uname -n", 0, b"product-vm\n", b""),
        ("a small stack, and no cache", "ulimit -s 64; $LINE --no-cache -- uname -n", 0, b"product-vm\n", b""),
    ]
    for name, line, *wanted in rows:
        seen = shell(test, line)
        test.expect(name, list(seen) == wanted, seen)


def slow_reader(test):
    """A non-blocking pipe takes a part; the rest waits for room."""
    image = glob.glob(f"{test.snapshot.kernel_path}/boot/vmlinuz-*")[0]
    plain = subprocess.run([test.xray86, "symbols", image], capture_output=True, check=True).stdout
    for line, wanted in (([test.xray86, "symbols", image], plain), (test.line("--", "seq", "100000"), b"".join(b"%d\n" % n for n in range(1, 100001)))):
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=writer, env=test.environment())
        os.close(writer)
        time.sleep(1)
        with os.fdopen(reader, "rb") as file:
            seen = file.read()
        test.expect("a non-blocking pipe", process.wait() == 0 and seen == wanted, line, len(seen), len(wanted))


def on_terminal(test, words, stream, locale):
    """What arrives on a pseudo terminal that is the stream (1 or 2); the other one is a pipe. Line ends as they were."""
    control, terminal = os.openpty()
    streams = {1: subprocess.PIPE, 2: subprocess.PIPE, stream: terminal}
    process = subprocess.Popen(test.line(*words), stdin=subprocess.DEVNULL, stdout=streams[1], stderr=streams[2], env={**test.environment(), "LC_ALL": locale})
    os.close(terminal)
    seen = b""
    while True:
        try:
            piece = os.read(control, 65536)
        except OSError:  # nobody has the terminal any more
            break
        seen += piece
    os.close(control)
    other = (process.stderr if stream == 1 else process.stdout).read()
    process.communicate()
    return process.returncode, seen.replace(b"\r\n", b"\n"), other


def terminals(test):
    """Control characters of the command's output are shown escaped on a terminal, each stream by its own; elsewhere, and with --raw, they are as they were."""
    text = b"a\tb\x1b[31mred\x07\xc2\x9b31m\xc3\xa9\xff\x7f\\\n"
    utf8 = b"a\tb\\033[31mred\\007\\302\\23331m\xc3\xa9\\377\\177\\\n"
    ascii_only = utf8.replace(b"\xc3\xa9", b"\\303\\251")
    script = "".join(f"\\{byte:03o}" for byte in text)
    words = ["--", "sh", "-c", f"printf '{script}'; printf '{script}' >&2"]
    for stream in (1, 2):
        for name, options, locale, wanted in (("UTF-8", [], "C.UTF-8", utf8), ("C", [], "C", ascii_only), ("--raw", ["--raw"], "C.UTF-8", text)):
            seen = on_terminal(test, [*options, *words], stream, locale)
            test.expect(f"escapes on a terminal as stream {stream}: {name}", seen == (0, wanted, text), seen)
    incomplete = on_terminal(test, ["--", "printf", r"a\303"], 1, "C.UTF-8")
    test.expect("an incomplete character at the end", incomplete == (0, b"a\\303", b""), incomplete)


def odd_path(test, *options):
    done = subprocess.run([*test.line("--trace", *options, "--"), "stat", b"/\xff\xc3\xa9"], stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False,
                          env=test.environment())
    return done.stderr


# -- what the agent is given --

def many_strings(test):
    """Arguments and environment as many and as long as this machine's kernel takes them, on both kernels' agents."""
    roots = [(test.snapshot, ""), (test.other, f"{test.other.directory}/root")]
    arguments, variables = [str(n) for n in range(6000)] + ["x" * 131071], {f"LC_V{n}": str(n) for n in range(6000)}
    for snapshot, root in roots:
        line = [test.xray86, "run", snapshot.image, "--kernel-path", snapshot.kernel_path, "--root", root, "--"]
        done = subprocess.run([*line, "echo", *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False, env=test.environment())
        test.expect(f"6000 arguments and a long one on {snapshot.name}", (done.returncode, done.stdout.decode().split()) == (0, arguments), done.stderr)
        done = subprocess.run([*line, "env"], stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False, env={**test.environment(), **variables})
        seen = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
        test.expect(f"6000 variables on {snapshot.name}", done.returncode == 0 and variables.items() <= seen.items(), done.stderr, len(seen))


def as_long_as_possible(test):
    """All of 6 MiB, with an unlimited stack; the name of a script, which the kernel adds, does not fit any more, and then is told of."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    if resource.getrlimit(resource.RLIMIT_STACK)[1] != resource.RLIM_INFINITY:
        return
    with tempfile.TemporaryDirectory() as directory:
        folder = "/".join([directory, *["d" * 200] * 15])
        os.makedirs(folder)
        script = f"{folder}/script"
        with open(script, "w", encoding="utf-8") as file:
            file.write("#!/bin/echo\n")
        os.chmod(script, 0o755)
        for left, status in ((0, 126), (12000, 0)):
            done = longest_run(test, script, left, lambda: resource.setrlimit(resource.RLIMIT_STACK, unlimited))
            told = b"script: Argument list too long" in done.stderr and done.stderr.count(b"\n") == 1
            test.expect("the longest arguments", done.returncode == status and told == bool(status) and (status or len(done.stdout) > 6200000), done.returncode,
                        len(done.stdout), done.stderr[-200:])


def longest_run(test, command, left, prepare):
    """The longest arguments that this machine takes, less `left` bytes."""
    for size in range((6 << 20) - left, 6000000, -400):
        words = ["x" * 131071] * (size // 131072) + ["y" * (size % 131072)]
        try:
            return subprocess.run(test.line("--", command, *words), stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False, env=test.environment(),
                                  preexec_fn=prepare)
        except OSError:
            continue
    raise RuntimeError("this machine takes no long arguments")


def no_room(test):
    """A program that the trusted VM's memory does not hold."""
    with tempfile.NamedTemporaryFile() as file:
        with open("/usr/bin/true", "rb") as program:
            file.write(program.read())
        file.truncate(200 << 20)
        file.flush()
        os.chmod(file.name, 0o755)
        seen = test.run("--memory", "128", "--no-cache", "--", file.name)
        test.expect("no room for the program", seen[:2] == (125, "") and file.name in seen[2] and "No space left on device: give it more with --memory" in seen[2]
                    and seen[2].count("\n") == 1, seen)


def odd_paths(test):
    """Paths that are no UTF-8, in both forms of a trace."""
    seen = [odd_path(test, *options) for options in ([], ["--json"])]
    test.expect("a path that is no UTF-8", rb'"/\377\303\251"' in seen[0] and b"[47,255,195,169]" in seen[1], seen)


def opened_anew(test):
    """/dev/fd/N of a file of the snapshot is another open file, which begins at its start. A deleted file has no path: it is the same open file."""
    text = test.snapshot.truth("cat-notes", "out")
    for way in ("context", "tags"):
        script = "exec 3</srv/files/notes.txt; cat /dev/fd/3 /proc/self/fd/3; cat <&3; cat /dev/stdin </srv/files/notes.txt"
        seen = test.run("--redirect", way, "--", "sh", "-c", script)
        test.expect(f"a descriptor of the snapshot is opened anew ({way})", seen == (0, text * 4, ""), seen)
        seen = test.run("--redirect", way, "--", "sh", "-c", "cp /srv/files/notes.txt /srv/files/gone; exec 3</srv/files/gone; rm /srv/files/gone; cat /dev/fd/3")
        test.expect(f"a descriptor of a deleted file is opened ({way})", seen == (0, text, ""), seen)


STEPS = (odd_streams, opened_anew, slow_reader, terminals, odd_paths, many_strings, as_long_as_possible, no_room)
