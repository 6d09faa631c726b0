"""What can fail: one class for each code of xray86.h."""
from __future__ import annotations

import enum


class Code(enum.IntEnum):
    """enum xray86_code."""

    FAILED = 1
    NOT_FOUND = 2
    CANNOT_EXECUTE = 3
    NO_PROCESS = 4
    NO_KERNEL = 5
    NOT_THERE = 6
    CANCELLED = 7
    TIMEOUT = 8
    BUSY = 9
    INVALID = 10
    WORKER = 11


class Error(Exception):
    """The library could not do what it was asked. str() is one line: consequence, cause, what to do."""

    code: int = Code.FAILED


class NotFound(Error):
    """No such command on this machine."""

    code = Code.NOT_FOUND


class CannotExecute(Error):
    """The command is there and cannot be run."""

    code = Code.CANNOT_EXECUTE


class NoProcess(Error):
    """The snapshot has no process of this number."""

    code = Code.NO_PROCESS


class NoKernel(Error):
    """The snapshot's kernel image is needed and was not found: the message names its package."""

    code = Code.NO_KERNEL


class NotThere(Error):
    """Memory that is not mapped, not in the snapshot, or cannot be read."""

    code = Code.NOT_THERE


class Cancelled(Error):
    """By Session.cancel()."""

    code = Code.CANCELLED


class Timeout(Error):
    """The command's timeout or budget is spent."""

    code = Code.TIMEOUT


class Busy(Error):
    """A function that a session called used that session."""

    code = Code.BUSY


class Invalid(Error):
    """An argument that has no meaning."""

    code = Code.INVALID


class WorkerFailed(Error):
    """The isolated worker could not be started, or died: the session is of no use any more, open another one."""

    code = Code.WORKER


_classes = {kind.code: kind for kind in (Error, NotFound, CannotExecute, NoProcess, NoKernel, NotThere, Cancelled, Timeout, Busy, Invalid, WorkerFailed)}


def make_error(code: int, message: str) -> Error:
    """The exception of a code; one that this version of the package does not know is an Error with its number."""
    error = _classes.get(code, Error)(message)
    if code not in _classes:
        error.code = code
    return error
