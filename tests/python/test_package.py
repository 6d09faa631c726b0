"""The Python package without a snapshot: definitions, arguments, errors."""
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import xray86
from xray86 import errors, streams
from xray86._api import ffi

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Definitions(unittest.TestCase):
    def test_header(self):
        """_api.py is made from xray86.h."""
        done = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "python", "make-definitions"), "--check"], capture_output=True, text=True, check=False,
                              env={"PATH": "/usr/bin:/bin"})
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_codes(self):
        """Each code of the header has its member, and its class."""
        named = {name.removeprefix("XRAY86_"): value for name, value in ffi.typeof("enum xray86_code").relements.items()}
        self.assertEqual(named, {code.name: code.value for code in xray86.Code})
        for code in xray86.Code:
            error = errors.make_error(code, "text")
            self.assertEqual((error.code, str(error), type(error) is xray86.Error), (code, "text", code == xray86.Code.FAILED))
        self.assertEqual((errors.make_error(99, "").code, xray86.Error("").code), (99, xray86.Code.FAILED))

    def test_version(self):
        with open(os.path.join(ROOT, "include", "xray86.h"), encoding="utf-8") as header:
            self.assertIn(f'#define XRAY86_VERSION "{xray86.version()}"', header.read())

    def test_no_library(self):
        done = subprocess.run([sys.executable, "-c", "import xray86"], capture_output=True, text=True, check=False, env={**os.environ, "XRAY86_LIBRARY": "/none.so"})
        self.assertIn("ImportError: xray86 cannot be used", done.stderr)
        self.assertIn("/none.so", done.stderr)


class Opening(unittest.TestCase):
    def test_no_file(self):
        for isolate in (True, False):
            with self.assertRaises(xray86.Error) as caught:
                xray86.open("/none.elf", isolate=isolate)
            self.assertIn("/none.elf", str(caught.exception))
            self.assertNotIsInstance(caught.exception, xray86.WorkerFailed)

    def test_arguments(self):
        with self.assertRaises(ValueError):
            xray86.open("a\0b")
        with self.assertRaises(xray86.Invalid):
            xray86.open("/dev/null", isolate=False, memory=5)

    def test_no_worker(self):
        with self.assertRaises(xray86.WorkerFailed) as caught:
            xray86.open("/dev/null", worker="/none/xray86")
        self.assertIn("/none/xray86", str(caught.exception))

    def test_wrong_worker(self):
        """Programs that are no worker: they end, or say something else."""
        for program in ("/bin/true", "/bin/false"):
            with self.assertRaises(xray86.WorkerFailed) as caught:
                xray86.open("/dev/null", worker=program)
            self.assertIn(f"status {int(program == '/bin/false')}", str(caught.exception))
        with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as script:
            script.write("#!/bin/sh\necho 'I am \033[31mevil' >&2\nhead -c 100 /dev/zero >&3\nexec sleep 100\n")
        os.chmod(script.name, 0o755)
        try:
            with self.assertRaises(xray86.WorkerFailed) as caught:
                xray86.open("/dev/null", worker=script.name)
        finally:
            os.unlink(script.name)
        self.assertIn("sent what is no answer", str(caught.exception))

    def test_interrupt(self):
        """Who does not want to wait for a worker that says nothing does not have to."""
        with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as script:
            script.write("#!/bin/sh\nexec cat <&3\n")
        os.chmod(script.name, 0o755)
        head = "import signal, xray86\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which in the background of a shell is ignored
        text = f"{head}print('begun', flush=True)\nxray86.open('/dev/null', worker={script.name!r})"
        try:
            with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
                run.stdout.readline()
                time.sleep(1)
                start = time.monotonic()
                run.send_signal(signal.SIGINT)
                self.assertIn("KeyboardInterrupt", run.communicate()[1])
                self.assertLess(time.monotonic() - start, 20)
        finally:
            os.unlink(script.name)


class Streams(unittest.TestCase):
    def test_bytes(self):
        read = streams.source_of(b"abcde")
        self.assertEqual([read(2, False), read(2, False), read(2, True), read(2, True)], [b"ab", b"cd", b"e", b""])
        self.assertIsNone(streams.source_of(None))

    def test_pipe(self):
        """A descriptor that has nothing yet is not waited for."""
        reader, writer = os.pipe()
        with open(reader, "rb") as file:
            read = streams.source_of(file)
            self.assertEqual([read(9, False), read(9, True)], [None, None])
            os.write(writer, b"abc")
            self.assertEqual(read(2, False), b"ab")
            os.close(writer)
            self.assertEqual([read(9, False), read(9, False)], [b"c", b""])

    def test_wrong(self):
        for stdin in ("text", 1.5, object()):
            with self.assertRaises(TypeError):
                streams.source_of(stdin)

        class Text:
            def read(self, _size):
                return "text"

        with self.assertRaises(TypeError):
            streams.source_of(Text())(5, False)


if __name__ == "__main__":
    unittest.main()
