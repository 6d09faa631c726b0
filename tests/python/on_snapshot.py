"""The Python package on a real snapshot. tests/snapshots/python-package runs it."""
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import xray86
from snapshot import Snapshot

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ENDLESS = ["sh", "-c", "while :; do :; done"]

snapshot = None
args = None


def set_up(arguments):
    global snapshot, args  # pylint: disable=global-statement
    args, snapshot = arguments, Snapshot(arguments, arguments.name)


def open_session(isolate=True, image=None, **options):
    return xray86.open(image or snapshot.image, kernel_path=snapshot.kernel_path, isolate=isolate, **options)


def children():
    """The processes that this one has started and has not waited for."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == os.getpid():
                    found.append(int(name))
        except OSError:
            pass  # it has ended
    return found


def soon(call, seconds=0.5):
    timer = threading.Timer(seconds, call)
    timer.start()
    return timer


class Answers(unittest.TestCase):
    """What both ways give, and that it is the same."""

    def both(self, function):
        seen = []
        for isolate in (True, False):
            with open_session(isolate) as session:
                seen.append(function(session))
        self.assertEqual(*seen)
        return seen[0]

    def test_facts(self):
        facts = self.both(lambda session: session.facts)
        kernel = snapshot.manifest["kernel"]
        self.assertEqual((facts.format, facts.release), ("ELF core", kernel["release"]))
        self.assertTrue(facts.banner.startswith(f"Linux version {facts.release} "))
        self.assertIn(facts.architecture, ("x86_64", "i386"))
        self.assertGreater(facts.memory, 64 << 20)

    def test_info(self):
        info = self.both(lambda session: session.info)
        done = subprocess.run([args.xray86, "info", "--json", snapshot.image, "--kernel-path", snapshot.kernel_path], capture_output=True, check=True)
        self.assertEqual(info, json.loads(done.stdout))

    def test_memory(self):
        def read(session):
            base = session.facts.kernel_base
            return session.read_physical(0x1000, 8), session.read(base, 1 << 21 | 5), session.read(base + 4090, 12), session.read(base, 0)

        _, whole, piece, none = self.both(read)
        self.assertEqual((len(whole), piece, none), (1 << 21 | 5, whole[4090:4102], b""))
        with open_session() as session:
            for function, address in ((session.read, 8), (session.read_physical, 1 << 50), (session.read, 2**64 - 4)):
                with self.assertRaises(xray86.NotThere) as caught:
                    function(address, 8)
                self.assertIn(hex(address), str(caught.exception))
            with self.assertRaises(ValueError):
                session.read(0, -1)

    def test_process_memory(self):
        """The first bytes of PID 1's program are those of an ELF file."""
        def read(session):
            maps = session.run(["cat", "/proc/1/maps"]).stdout.decode()
            return session.read_process(1, int(maps.split("-")[0], 16), 4)

        self.assertEqual(self.both(read), b"\x7fELF")
        with open_session() as session, self.assertRaises(xray86.NoProcess):
            session.read_process(999999, 0, 1)

    def test_commands(self):
        """The second run of a session has the counts of a first one."""
        def run(session):
            results = [session.run(command) for command in (["uname", "-a"], ["sh", "-c", "echo err >&2; cat /proc/version; exit 3"], ["uname", "-a"])]
            return [(result.stdout, result.stderr, result.returncode, result.stats, result.losses) for result in results]

        first, second, third = self.both(run)
        self.assertEqual((first[0].decode(), first[1:3]), (snapshot.truth("uname", "out"), (b"", 0)))
        self.assertEqual((second[0].decode(), second[1:3]), (snapshot.truth("version", "out"), (b"err\n", 3)))
        self.assertEqual(first, third)
        self.assertGreater(first[3]["instructions"], 0)

    def test_streams(self):
        data = bytes(range(256)) * 3000

        def run(session):
            pieces = []
            return [session.run(["cat"], stdin=stdin).stdout == data for stdin in (data, io.BytesIO(data))] + [
                session.run(["cat"]).stdout, session.run(["sh", "-c", "cat; echo end >&2"], stdin=data, on_stdout=pieces.append).stderr, b"".join(pieces) == data, len(pieces) > 1]

        self.assertEqual(self.both(run), [True, True, b"", b"end\n", True, True])

    def test_pipe(self):
        """Input comes while the command runs, in answer to what it wrote."""
        def run(session):
            reader, writer = os.pipe()
            with open(reader, "rb") as file:
                def answer(piece):
                    if piece == b"name?\n":
                        os.write(writer, b"xray\n")
                        os.close(writer)

                return session.run(["sh", "-c", "echo name?; read name; echo $name >&2; cat"], stdin=file, on_stdout=answer).stderr

        self.assertEqual(self.both(run), b"xray\n")

    def test_signals(self):
        def run(session):
            result = session.run(["sh", "-c", "kill -9 $$"])
            with self.assertRaises(subprocess.CalledProcessError):
                result.check_returncode()
            with self.assertRaises(subprocess.CalledProcessError):
                session.run(["false"], check=True)
            return result.returncode

        self.assertEqual(self.both(run), -signal.SIGKILL)

    def test_options(self):
        def run(session):
            calls = []
            env = session.run(["env"], env={"A": "1", "PATH": "/usr/bin"}).stdout
            plain = session.run(["env"]).stdout
            tags = session.run(["uname", "-n"], way="tags").stdout
            session.run(["sh", "-c", "echo changed >/proc/sys/kernel/hostname"], keep=True)
            kept = session.run(["hostname"], keep=True).stdout
            fresh = session.run(["hostname"]).stdout
            traced = session.run(["uname", "-n"], trace=calls.append).stdout
            return env, plain.startswith(b"PATH="), tags, kept, fresh, traced, [call["call"] for call in calls]

        env, plain, tags, kept, fresh, traced, calls = self.both(run)
        self.assertEqual((sorted(env.split()), plain, kept), ([b"A=1", b"PATH=/usr/bin"], True, b"changed\n"))
        self.assertEqual((tags, fresh, traced), (fresh, fresh, fresh))
        self.assertIn("uname", calls)

    def test_errors(self):
        rows = [(["no-such-command"], {}, xray86.NotFound), (["/etc/passwd"], {}, xray86.CannotExecute), (["true"], {"as_pid": 999999}, xray86.NoProcess),
                (ENDLESS, {"timeout": 1}, xray86.Timeout), (ENDLESS, {"budget": 50000000}, xray86.Timeout), ([], {}, xray86.Invalid),
                (["true"], {"env": {"": "x"}}, xray86.Invalid), (["true"], {"policy": "/none"}, xray86.Error)]

        def run(session):
            messages = []
            for command, options, kind in rows:
                with self.assertRaises(kind) as caught:
                    session.run(command, **options)
                self.assertEqual(caught.exception.code, kind.code)
                messages.append(str(caught.exception))
            for command, options, kind in (("ps aux", {}, TypeError), (["a\0"], {}, ValueError), (["a"], {"way": "no"}, ValueError)):
                with self.assertRaises(kind):
                    session.run(command, **options)
            return messages, session.run(["hostname"]).returncode

        self.both(run)

    def test_no_kernel(self):
        """Facts and memory are there without the kernel's image."""
        for isolate in (True, False):
            with xray86.open(snapshot.image, isolate=isolate, cache=False) as session:
                self.assertEqual(session.facts.release, snapshot.manifest["kernel"]["release"])
                self.assertEqual(len(session.read_physical(0x1000, 8)), 8)
                with self.assertRaises(xray86.NoKernel) as caught:
                    session.run(["true"], code="verified")
                self.assertIn("xray86 kernel SNAPSHOT --get", str(caught.exception))

    def test_no_cache(self):
        """Without a cache the kernel is booted once for a session; progress is told of meanwhile."""
        told = []
        with open_session(cache=False, on_progress=lambda what, count: told.append((what, count))) as session:
            first = session.run(["hostname"])
            count = len(told)
            self.assertEqual(first, session.run(["hostname"]))
        self.assertGreater(count, 0)
        self.assertEqual(count, len(told))


class Callbacks(unittest.TestCase):
    def test_exceptions(self):
        """What a callback raises ends the command, and is what run() raises; the session goes on."""
        class Mine(Exception):
            pass

        def fail(*_):
            raise Mine

        class File:
            read = fail

        for isolate in (True, False):
            with open_session(isolate) as session:
                expected = session.run(["hostname"])
                for options in ({"on_stdout": fail}, {"trace": fail}, {"stdin": File()}):
                    with self.assertRaises(Mine):
                        session.run(["sh", "-c", "hostname; cat; while :; do :; done"], **options)
                    self.assertEqual(session.run(["hostname"]), expected)

    def test_own_session(self):
        for isolate in (True, False):
            with open_session(isolate) as session:
                for function in (lambda _: session.run(["true"]), lambda _: session.facts, lambda _: session.close()):
                    with self.assertRaises(xray86.Busy):
                        session.run(["hostname"], on_stdout=function)

    def test_thread(self):
        """Callbacks run in the thread that called run()."""
        threads = []
        with open_session() as session:
            session.run(["hostname"], on_stdout=lambda _: threads.append(threading.current_thread()))
            other = threading.Thread(target=lambda: session.run(["hostname"], on_stdout=lambda _: threads.append(threading.current_thread())))
            other.start()
            other.join()
        self.assertEqual(threads, [threading.main_thread(), other])

    def test_cancel(self):
        for isolate in (True, False):
            with open_session(isolate) as session:
                expected = session.run(["hostname"])
                start = time.monotonic()
                timer = soon(session.cancel)
                with self.assertRaises(xray86.Cancelled):
                    session.run(ENDLESS)
                timer.join()
                self.assertLess(time.monotonic() - start, 30)
                self.assertEqual(session.run(["hostname"]), expected)
                session.cancel()  # the next one, then
                with self.assertRaises(xray86.Cancelled):
                    session.run(["hostname"])
                self.assertEqual(session.run(["hostname"]), expected)

    def test_closed(self):
        session = open_session()
        session.close()
        session.close()
        session.cancel()
        with self.assertRaises(ValueError):
            session.run(["true"])


class Threads(unittest.TestCase):
    def test_sessions(self):
        """Different sessions in different threads at once; and one session that two threads want."""
        seen = {}

        def run(name, session):
            seen[name] = [session.run(["sh", "-c", f"echo {name}; uname -r"]).stdout.decode() for _ in range(3)]

        with open_session() as first, open_session(isolate=False) as second:
            threads = [threading.Thread(target=run, args=(name, session)) for name, session in (("a", first), ("b", second), ("c", second))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(seen, {name: [f"{name}\n{snapshot.manifest['kernel']['release']}\n"] * 3 for name in "abc"})


class Worker(unittest.TestCase):
    def worker_of(self, before):
        workers = set(children()) - set(before)
        self.assertEqual(len(workers), 1)
        return workers.pop()

    def test_killed(self):
        """In the middle of a command, and while nothing happens. No zombie is left, and other sessions are well."""
        before = children()
        with open_session(isolate=False) as other:
            for command in (ENDLESS, ["hostname"]):
                session = open_session()
                worker = self.worker_of(before)
                timer = soon(lambda pid=worker: os.kill(pid, signal.SIGKILL), 2 if command is ENDLESS else 0)
                if command is not ENDLESS:
                    timer.join()
                for _ in range(2):
                    with self.assertRaises(xray86.WorkerFailed) as caught:
                        session.run(command)
                    self.assertIn("signal 9", str(caught.exception))
                timer.join()
                self.assertEqual(children(), before)
                session.close()
            self.assertEqual(other.run(["true"]).returncode, 0)

    def test_privileges(self):
        """The sandbox is entered before the snapshot is opened, and is the last one when a command runs. Nothing of ours is open there."""
        before = children()
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        with open_session() as session:
            worker = self.worker_of(before)
            self.assertEqual(session.facts.release, snapshot.manifest["kernel"]["release"])
            session.run(["true"])
            with open(f"/proc/{worker}/status", encoding="ascii") as file:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
            self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
            links = [os.readlink(f"/proc/{worker}/fd/{number}") for number in os.listdir(f"/proc/{worker}/fd")]
            self.assertNotIn(os.readlink(f"/proc/self/fd/{writer}"), links)
            self.assertEqual([link for link in links if link == "/dev/null"], ["/dev/null"] * 2)
        os.close(reader)
        os.close(writer)
        self.assertEqual(children(), before)

    def test_fault(self):
        """A mapped file that becomes shorter raises SIGBUS: in the worker, and the caller is told why."""
        before = children()
        with tempfile.TemporaryDirectory() as folder, open_session(cache=folder) as session:
            session.run(["true"])
            checkpoint, = (entry.path for entry in os.scandir(folder) if entry.stat().st_size > 1 << 20)
            os.truncate(checkpoint, 1 << 20)
            with self.assertRaises(xray86.WorkerFailed) as caught:
                session.run(["true"])
            self.assertIn("became shorter", str(caught.exception))
            self.assertEqual(children(), before)

    def test_hostile(self):
        """A snapshot that is cut off, or full of nonsense, is an error at most."""
        with tempfile.TemporaryDirectory() as folder:
            image = f"{folder}/memory.elf"
            shutil.copy(snapshot.image, image)
            with open_session(image=image) as session:
                address = session.facts.memory // 2
                self.assertEqual(len(session.read_physical(address, 4096)), 4096)
                os.truncate(image, 1 << 20)
                with self.assertRaises(xray86.NotThere):
                    session.read_physical(address + (1 << 20), 16 << 20)
            shutil.copy(snapshot.image, image)
            with open(image, "r+b") as file:
                for place in range(1 << 20, os.path.getsize(image), 4096 * 3):
                    file.seek(place)
                    file.write(os.urandom(64))
            try:
                with open_session(image=image) as session:
                    session.run(["ps", "aux"], timeout=60)
            except xray86.Error as error:
                self.assertTrue(str(error))

    def script(self, text, **options):
        """Another Python that has the package; its source is text."""
        head = f"import os, signal, subprocess, sys, threading, time, xray86\nIMAGE, KERNELS = {snapshot.image!r}, {snapshot.kernel_path!r}\nENDLESS = {ENDLESS!r}\n"
        head += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # what a shell starts in the background has it ignored
        return subprocess.Popen([sys.executable, "-c", head + text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def test_interrupt(self):
        """Control-C at a terminal, which the worker gets, too: in a command, in a callback that waits, and in a thread's way of waiting."""
        text = """
session = xray86.open(IMAGE, kernel_path=KERNELS, isolate=len(sys.argv) < 2)
expected = session.run(["hostname"])
def wait(_size):
    print("asked", flush=True)
    time.sleep(100)
class File:
    read = staticmethod(wait)
for options in {"on_stdout": lambda _: print("begun", flush=True)}, {"stdin": File()}:
    try:
        session.run(["sh", "-c", "echo x; cat; while :; do :; done"], **options)
    except KeyboardInterrupt:
        print("interrupted", session.run(["hostname"]) == expected, flush=True)
"""
        for arguments in ([], ["here"]):
            with self.script(text, start_new_session=True) if not arguments else self.script(text.replace("len(sys.argv) < 2", "False"), start_new_session=True) as run:
                for line in ("begun\n", "asked\n"):
                    self.assertEqual(run.stdout.readline(), line)
                    time.sleep(0.3)
                    start = time.monotonic()
                    os.killpg(run.pid, signal.SIGINT)
                    self.assertEqual(run.stdout.readline(), "interrupted True\n")
                    self.assertLess(time.monotonic() - start, 30)
                self.assertEqual((run.communicate()[1], run.returncode), ("", 0))

    def test_callers(self):
        """Who ignores its children, has all standard descriptors closed, or waits for any child, has a session all the same."""
        for text in ("signal.signal(signal.SIGCHLD, signal.SIG_IGN)", "os.closerange(0, 3)",
                     "threading.Thread(target=lambda: [time.sleep(0.01) or os.waitpid(-1, os.WNOHANG) for _ in iter(int, 1)], daemon=True).start()"):
            with tempfile.NamedTemporaryFile("r") as result:
                body = f"""
{text}
def use():
    with xray86.open(IMAGE, kernel_path=KERNELS) as session:
        return session.run(["hostname"]).stdout.decode()
seen = [use(), use()]
with open({result.name!r}, "w") as file:
    file.write(repr(seen))
time.sleep(0.1)
"""
                with self.script(body) as run:
                    run.wait()
                self.assertEqual(result.read(), repr([snapshot.truth("uname", "out").split()[1] + "\n"] * 2), text)

    def test_caller_dies(self):
        """And so does its worker, even in the middle of a command."""
        text = """
with xray86.open(IMAGE, kernel_path=KERNELS) as session:
    session.run(["sh", "-c", "echo x; while :; do :; done"], on_stdout=lambda _: print(
        subprocess.run(["ps", "-o", "pid=", "-C", "xray86", "--ppid", str(os.getpid())], stdout=subprocess.PIPE).stdout.split()[-1].decode(), flush=True))
"""
        with self.script(text) as run:
            worker = int(run.stdout.readline())
            run.kill()
            run.wait()
        for _ in range(100):
            if not os.path.exists(f"/proc/{worker}"):
                break
            time.sleep(0.1)
        self.assertFalse(os.path.exists(f"/proc/{worker}"))

    def test_forgotten(self):
        """A session that nobody closes is closed with its last reference."""
        before = children()
        session = open_session()
        self.worker_of(before)
        del session
        self.assertEqual(children(), before)


class Examples(unittest.TestCase):
    def test_sockets(self):
        done = subprocess.run([sys.executable, os.path.join(ROOT, "examples", "sockets.py"), snapshot.image, snapshot.kernel_path], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertIn(snapshot.manifest["kernel"]["release"], lines[0])
        self.assertTrue(any("web-server --port 8080" in line for line in lines[1:]), lines)
