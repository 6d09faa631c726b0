"""The library, and how it and Python pass things to each other."""
from __future__ import annotations

import os
from typing import Any, Iterable, Optional, Union

from ._api import ffi
from .errors import make_error

Text = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


def _load() -> Any:
    name = os.environ.get("XRAY86_LIBRARY") or "libxray86.so.0"
    try:
        return ffi.dlopen(name)
    except OSError as error:
        raise ImportError(f"xray86 cannot be used, because its library cannot be loaded: {error}. Install libxray86-0, or set XRAY86_LIBRARY to the file's path") from None


lib = _load()


def to_text(pointer: Any) -> Optional[str]:
    """A C string of the library's. Bytes that are not UTF-8 survive, as in file names."""
    return None if pointer == ffi.NULL else ffi.string(pointer).decode(errors="surrogateescape")


def from_text(text: Text) -> Any:
    """A C string that lives as long as the object."""
    data = os.fsencode(text)
    if b"\0" in data:
        raise ValueError("a text for xray86 must have no NUL byte")
    return ffi.new("char[]", data)


def from_list(texts: Iterable[Text]) -> tuple:
    """An array of C strings ended by NULL, and what must live as long as it."""
    strings = [from_text(text) for text in texts]
    return ffi.new("char *[]", strings + [ffi.NULL]), strings


def raise_error(error: Any) -> None:
    """Raises what an xray86_error says; NULL is success."""
    if error == ffi.NULL:
        return
    code, message = int(lib.xray86_error_code(error)), to_text(lib.xray86_error_message(error))
    lib.xray86_error_destroy(error)
    raise make_error(code, message or "")


def version() -> str:
    """The library's version."""
    return to_text(lib.xray86_version()) or ""
