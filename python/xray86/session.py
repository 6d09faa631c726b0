"""Open snapshots: memory, facts, commands."""
from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
import subprocess
import threading
import weakref
from typing import Any, Callable, Iterable, List, Mapping, Optional, Sequence, Union

from ._api import ffi
from .calls import Call
from .errors import Busy, Cancelled, Error
from .library import Text, from_list, from_text, lib, raise_error, to_text
from .streams import source_of

_log = logging.getLogger("xray86")
_log.addHandler(logging.NullHandler())

_WAYS = {None: lib.XRAY86_WAY_DEFAULT, "context": lib.XRAY86_WAY_CONTEXT, "tags": lib.XRAY86_WAY_TAGS}
_CODES = {None: lib.XRAY86_CODE_DEFAULT, "trusted": lib.XRAY86_CODE_TRUSTED, "product": lib.XRAY86_CODE_PRODUCT,
          "verified": lib.XRAY86_CODE_VERIFIED}
_EIO = 5
_KEPT = 256 << 20  # bytes of a stream, as the library keeps


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a snapshot at once. None: not known, because no kernel was found, or not without its image."""

    format: str  # of the file
    architecture: Optional[str]  # "x86_64" or "i386"
    release: Optional[str]  # of the kernel, as uname -r
    banner: Optional[str]  # as /proc/version begins
    memory: int  # bytes of physical memory in the snapshot
    kernel_base: Optional[int]  # virtual address of _text
    uptime: Optional[float]  # seconds since boot
    cpus: Optional[int]


@dataclasses.dataclass(frozen=True)
class Result:
    """How a command ended, and what it wrote."""

    args: List[Any]
    returncode: int  # as subprocess has it: -N if signal N ended the command
    stdout: Optional[bytes]  # None: it went to on_stdout
    stderr: Optional[bytes]
    losses: Optional[str]  # why the answer may be incomplete; None: it is complete
    stats: dict  # counters, as `xray86 run --stats --json` prints them
    unproven: bool = False  # the kernel's image is not here: the answer is only as honest as the snapshot's own kernel code

    def check_returncode(self) -> None:
        """Raises subprocess.CalledProcessError unless the command ended with 0."""
        if self.returncode:
            raise subprocess.CalledProcessError(self.returncode, self.args, self.stdout, self.stderr)


class Session:
    """An open snapshot. Made by open(); a context manager that closes it.

    One thread at a time uses a session, and others wait for it; cancel() is for any thread and any signal handler. Functions that a session
    calls must not use it (Busy).
    """

    def __init__(self) -> None:
        self._handle = ffi.NULL
        self._life = threading.RLock()  # of the handle: nobody cancels what is being closed
        self._use = threading.Lock()
        self._user: Optional[int] = None  # the thread that has _use
        self._stale = False  # an interrupted call was cancelled, and may have ended without that
        self._found = False  # the kernel, which the first call may have to look for in the whole snapshot
        self._asked = 0  # how often cancel() was called
        self._call: Optional[Call] = None
        self._kept: List[Any] = []  # what C has pointers to

    # -- using it --

    def _begin(self) -> None:
        if self._user == threading.get_ident():
            raise Busy("a function that the session calls cannot use it: remember what it has to do, and do it afterwards")
        self._use.acquire()  # pylint: disable=consider-using-with
        self._user = threading.get_ident()

    def _end(self) -> None:
        self._call = None
        self._user = None
        self._use.release()

    def _make(self, function: Callable[[Any], Any], apart: bool) -> Any:
        """function(the library's session). apart: it may take long, and can be interrupted."""
        self._begin()
        try:
            handle = self._handle
            if handle == ffi.NULL:
                raise ValueError("the session is closed")
            call = self._call = Call(self._cancel_call)
        except BaseException:
            self._end()
            raise
        return call.make(lambda: self._attempt(lambda: function(handle)), self._end, apart)

    def _attempt(self, function: Callable[[], Any]) -> Any:
        """Once more, if it was ended by a cancellation that was meant for the call before and came too late for that."""
        stale, asked = self._stale, self._asked
        self._stale = False
        try:
            value = function()
        except Cancelled:
            ours, self._stale = self._stale, False
            if ours or not stale or asked != self._asked:
                raise
            value = function()
        except BaseException:
            self._stale |= stale
            raise
        else:
            self._stale |= stale
        self._found = True
        return value

    def _cancel_call(self) -> None:
        self._stale = True
        self._send_cancel()

    def _send_cancel(self) -> None:
        with self._life:
            if self._handle != ffi.NULL:
                lib.xray86_cancel(self._handle)

    def cancel(self) -> None:
        """Ends what the session is doing, soon: run() raises Cancelled. If it does nothing, its next call is ended."""
        self._asked += 1
        self._send_cancel()

    def close(self) -> None:
        """Closes the snapshot. Nothing happens if that is done already."""
        self._begin()
        try:
            with self._life:
                handle, self._handle = self._handle, ffi.NULL
            lib.xray86_close(handle)
            self._kept.clear()
        finally:
            self._end()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if self._handle != ffi.NULL:
            lib.xray86_close(self._handle)

    # -- facts --

    @property
    def facts(self) -> Facts:
        """The most important facts."""

        def get(handle: Any) -> Facts:
            facts = ffi.new("struct xray86_facts *")
            facts.size = ffi.sizeof("struct xray86_facts")
            raise_error(lib.xray86_get_facts(handle, facts))
            return Facts(
                to_text(facts.format) or "", to_text(facts.architecture), to_text(facts.release), to_text(facts.banner), facts.memory, facts.kernel_base or None,
                facts.uptime_ms / 1000 if facts.uptime_ms else None, facts.cpus or None)

        return self._make(get, apart=not self._found)

    @property
    def info(self) -> dict:
        """All that is known, as `xray86 info --json` prints it."""

        def get(handle: Any) -> dict:
            text = ffi.new("char **")
            raise_error(lib.xray86_get_info(handle, text))
            return json.loads(ffi.string(text[0]))

        return self._make(get, apart=True)

    # -- memory --

    @staticmethod
    def _buffer(size: int) -> Any:
        if size < 0:
            raise ValueError("a size cannot be negative")
        return ffi.new("unsigned char[]", size)

    def read(self, address: int, size: int) -> bytes:
        """Memory by the kernel's page tables. NotThere if not all of it can be read."""
        to = self._buffer(size)
        self._make(lambda handle: raise_error(lib.xray86_read_kernel(handle, address, to, size)), apart=not self._found)
        return bytes(ffi.buffer(to))

    def read_physical(self, address: int, size: int) -> bytes:
        """Physical memory."""
        to = self._buffer(size)
        self._make(lambda handle: raise_error(lib.xray86_read_physical(handle, address, to, size)), apart=not self._found)
        return bytes(ffi.buffer(to))

    def read_process(self, pid: int, address: int, size: int) -> bytes:
        """Memory by the page tables of a process, by its number in the initial PID namespace."""
        to = self._buffer(size)
        self._make(lambda handle: raise_error(lib.xray86_read_process(handle, pid, address, to, size)), apart=True)
        return bytes(ffi.buffer(to))

    # -- commands --

    def run(self, command: Sequence[Text], *, stdin: Any = None, env: Optional[Mapping[str, str]] = None, root: Optional[Text] = None, as_pid: int = 0,
            way: Optional[str] = None, code: Optional[str] = None, policy: Optional[Text] = None, timeout: Optional[float] = None, budget: int = 0, keep: bool = False,
            trust_modules: Sequence[str] = (), redirect: bool = True, on_stdout: Optional[Callable[[bytes], Any]] = None, on_stderr: Optional[Callable[[bytes], Any]] = None,
            trace: Optional[Callable[[dict], Any]] = None, check: bool = False) -> Result:  # pylint: disable=redefined-outer-name
        """Runs a command of this machine as if its process were in the snapshot, and waits for its end.

        command    its words; the first is looked for in the PATH of env unless it has a slash
        stdin      bytes, a descriptor, or a binary file (read while the command runs); None: empty
        env        the command's environment; None: only PATH, which is the usual one
        root       folder of the file system that the command and its libraries are from; None: this machine's
        as_pid     the process of the snapshot whose view is taken; 0: PID 1
        way        "context" or "tags"; both give the same
        code       for code of modules, which the trusted kernel lacks: "verified" (the default) runs the code of the module's file, "trusted"
                   gives the call up, "product" runs the snapshot's own
        trust_modules   names of modules whose code is the snapshot's own in any case
        policy     a policy file
        timeout    seconds of this machine's clock (Timeout); budget: instructions that the command may take
        keep       begin with what the last command with keep changed, and leave one's own changes for the next
        redirect   False: look at the trusted virtual machine itself, to measure and to compare
        on_stdout, on_stderr   called with each piece that the command writes, which is not in the result then; without them, a command that
                   writes more than 256 MiB to a stream is ended
        trace      called with each system call that went to the snapshot, as `xray86 run --trace --json` prints it
        check      raise subprocess.CalledProcessError if the command does not end with 0

        The functions are called in the thread that called run(); what they raise ends the command and is raised here.
        """
        if isinstance(command, (str, bytes)):
            raise TypeError("the command must be a list of words")
        words = [os.fspath(word) for word in command]
        run = _Run(self, words, stdin, on_stdout, on_stderr, trace)
        run.set("environment", None if env is None else [f"{name}={value}" for name, value in env.items()])
        run.set("root", root)
        run.set("policy", policy)
        run.set("trust_modules", list(trust_modules) or None)
        run.options.way, run.options.code = _choose("way", _WAYS, way), _choose("code", _CODES, code)
        setattr(run.options, "as", as_pid)
        run.options.budget = budget
        run.options.timeout = 0 if timeout is None else max(1, math.ceil(timeout))
        run.options.flags = (lib.XRAY86_KEEP if keep else 0) | (0 if redirect else lib.XRAY86_NO_REDIRECT)
        result = self._make(run.make, apart=True)
        if check:
            result.check_returncode()
        return result

    def _back(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._call.back(function, *args) if self._call else None


def _choose(what: str, values: Mapping, value: Optional[str]) -> int:
    if value not in values:
        raise ValueError(f"{what} must be one of {', '.join(repr(name) for name in values)}")
    return values[value]


def _callback(struct: str, field: str, function: Callable[..., Any], *failure: int) -> Any:
    """A function as the field of an options struct. failure: what C gets if it raises."""
    return ffi.callback(dict(ffi.typeof(struct).fields)[field].type, function, *failure)


class _Run:
    """One command: the library's options, and the functions it calls."""

    def __init__(self, session: Session, words: List[Any], stdin: Any, on_stdout: Optional[Callable[[bytes], Any]], on_stderr: Optional[Callable[[bytes], Any]],
                 trace: Optional[Callable[[dict], Any]]):
        self.session, self.words = session, words
        self.options = ffi.new("struct xray86_run_options *")
        self.options.size = ffi.sizeof("struct xray86_run_options")
        self.kept: List[Any] = []
        self.source = source_of(stdin)
        self.trace = trace
        self.takers = {lib.XRAY86_STDOUT: on_stdout, lib.XRAY86_STDERR: on_stderr}
        self.written = {lib.XRAY86_STDOUT: bytearray(), lib.XRAY86_STDERR: bytearray()}
        self.streaming = bool(on_stdout or on_stderr)
        if self.source:
            self.call_back("input", self.on_input, -1)
        if self.streaming:
            self.call_back("output", self.on_output, _EIO)
        if trace:
            self.call_back("trace", self.on_trace)

    def call_back(self, field: str, function: Callable[..., Any], *failure: int) -> None:
        self.kept.append(_callback("struct xray86_run_options", field, function, *failure))
        setattr(self.options, field, self.kept[-1])

    def set(self, field: str, value: Any) -> None:
        if value is None:
            return
        if isinstance(value, list):
            array, strings = from_list(value)
            self.kept += [array, strings]
        else:
            array = from_text(value)
            self.kept.append(array)
        setattr(self.options, field, array)

    # -- called by the library --

    def on_input(self, _opaque: Any, to: Any, size: int, idle: int) -> int:
        data = self.session._back(self.source, size, bool(idle))
        if data is None:
            return -1
        ffi.memmove(to, data, len(data))
        return len(data)

    def on_output(self, _opaque: Any, stream: int, data: Any, size: int) -> int:
        piece, taker, written = bytes(ffi.buffer(data, size)), self.takers[stream], self.written[stream]
        if not taker and len(written) + size <= _KEPT:
            written += piece
            return 0

        def take() -> bool:
            if not taker:
                raise Error("the command was ended, because it wrote more than 256 MiB: take its output in pieces (on_stdout, on_stderr)")
            taker(piece)
            return True

        return 0 if self.session._back(take) else _EIO

    def on_trace(self, _opaque: Any, text: Any) -> None:
        self.session._back(self.trace, json.loads(ffi.string(text)))

    # -- the call --

    def make(self, handle: Any) -> Result:
        array, _strings = from_list(self.words)
        to = ffi.new("xray86_result **")
        raise_error(lib.xray86_run(handle, array, self.options, to))
        result = ffi.gc(to[0], lib.xray86_result_destroy)
        return Result(self.words, os.waitstatus_to_exitcode(lib.xray86_result_status(result)), self.text_of(result, lib.XRAY86_STDOUT),
                      self.text_of(result, lib.XRAY86_STDERR), to_text(lib.xray86_result_losses(result)), json.loads(ffi.string(lib.xray86_result_stats(result))),
                      bool(lib.xray86_result_unproven(result)))

    def text_of(self, result: Any, stream: int) -> Optional[bytes]:
        if self.takers[stream]:
            return None
        if self.streaming:
            return bytes(self.written[stream])
        size = ffi.new("size_t *")
        text = lib.xray86_result_output(result, stream, size)
        return bytes(ffi.buffer(text, size[0])) if size[0] else b""


def open(snapshot: Text, *, kernel: Optional[Text] = None, kernel_path: Union[Text, Iterable[Text], None] = None, isolate: bool = True, memory: int = 0,  # pylint: disable=redefined-builtin
         cache: Union[Text, bool, None] = None, worker: Optional[Text] = None, on_note: Optional[Callable[[str], Any]] = None,
         on_progress: Optional[Callable[[Optional[str], int], Any]] = None) -> Session:
    """Opens a snapshot and finds the kernel in it. The first run() boots a trusted kernel of the same build, or takes it from the cache.

    kernel        the kernel's image; None: looked for by what the snapshot says of itself
    kernel_path   more folders to look for it in
    isolate       look into the snapshot in a process of its own, which has no privilege but reading; False: in this one
    memory        of the trusted virtual machine, bytes; 0: as it needs
    cache         folder for booted kernels; None: the user's own; False: neither use nor leave any
    worker        the xray86 program for isolate; None: the one that was installed with the library
    on_note       called with what a user should be told though nothing failed; None: it goes to the logger "xray86"
    on_progress   called a few times a second while something takes long: what, and how many instructions it has taken; what is None at its end
    """
    session = Session()
    options = ffi.new("struct xray86_open_options *")
    options.size = ffi.sizeof("struct xray86_open_options")
    kept = session._kept
    for field, value in (("kernel", kernel), ("cache", None if isinstance(cache, bool) else cache), ("worker", worker)):
        if value is not None:
            kept.append(from_text(value))
            setattr(options, field, kept[-1])
    if kernel_path is not None:
        array, strings = from_list([kernel_path] if isinstance(kernel_path, (str, bytes, os.PathLike)) else kernel_path)
        kept += [array, strings]
        options.kernel_path = array
    options.flags = (lib.XRAY86_ISOLATE if isolate else 0) | (lib.XRAY86_NO_CACHE if cache is False else 0)
    options.memory = memory
    reference = weakref.ref(session)  # what the session keeps does not keep the session

    def back(function: Callable[..., Any], *args: Any) -> None:
        session = reference()
        if session:
            session._back(function, *args)

    def take(field: str, function: Callable[..., Any]) -> None:
        kept.append(_callback("struct xray86_open_options", field, function))
        setattr(options, field, kept[-1])

    tell = on_note or _log.warning
    take("note", lambda _opaque, text: back(tell, to_text(text)))
    if on_progress:
        take("progress", lambda _opaque, what, count: back(on_progress, to_text(what), count))
    _open_session(session, from_text(snapshot), options)
    return session


def _open_session(session: Session, name: Any, options: Any) -> None:
    """Who interrupts this does not wait: the session closes itself when the library has opened it."""
    call = Call(lambda: None)
    session._call = call

    def work() -> None:
        to = ffi.new("xray86_session **")
        raise_error(lib.xray86_open(name, options, to))
        session._handle = to[0]

    def done() -> None:
        session._call = None

    call.make(work, done, apart=True, leave=True)
