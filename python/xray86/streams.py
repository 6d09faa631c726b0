"""Standard input of a command, from whatever a caller has."""
from __future__ import annotations

import os
import select
from typing import Any, Callable, Optional

# size, and whether the command can do nothing but wait -> bytes (none: the end), or None: nothing yet
Source = Callable[[int, bool], Optional[bytes]]

_IDLE_MS = 50


def _of_bytes(data: Any) -> Source:
    rest = memoryview(data).cast("B")

    def read(size: int, _idle: bool) -> bytes:
        nonlocal rest
        taken, rest = rest[:size], rest[size:]
        return bytes(taken)

    return read


def _of_descriptor(descriptor: int) -> Source:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)

    def read(size: int, idle: bool) -> Optional[bytes]:
        if not poll.poll(_IDLE_MS if idle else 0):
            return None
        try:
            return os.read(descriptor, size)
        except BlockingIOError:
            return None

    return read


def _of_file(file: Any) -> Source:
    def read(size: int, _idle: bool) -> Optional[bytes]:
        data = file.read(size)
        if data is not None and not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"stdin gave {type(data).__name__}, not bytes: open it in binary mode")
        if data is not None and len(data) > size:
            raise ValueError("stdin gave more bytes than it was asked for")
        return None if data is None else bytes(data)

    return read


def _descriptor_of(file: Any) -> Optional[int]:
    try:
        return file.fileno()
    except (AttributeError, OSError):  # io.UnsupportedOperation is an OSError
        return None


def source_of(stdin: Any) -> Optional[Source]:
    """stdin: None (empty), bytes, a descriptor, or an object with fileno() or read(). As in subprocess, an object that has a descriptor is
    read by that, past what Python may have buffered."""
    if stdin is None:
        return None
    if isinstance(stdin, (bytes, bytearray, memoryview)):
        return _of_bytes(stdin)
    if isinstance(stdin, int):
        return _of_descriptor(stdin)
    descriptor = _descriptor_of(stdin)
    if descriptor is not None:
        return _of_descriptor(descriptor)
    if hasattr(stdin, "read"):
        return _of_file(stdin)
    raise TypeError(f"stdin must be bytes or a binary file, not {type(stdin).__name__}")
