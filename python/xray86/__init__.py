"""Look into the frozen memory of a Linux machine with the ordinary tools of that system.

    import xray86

    with xray86.open("mem.elf") as session:
        print(session.facts.release)
        print(session.run(["ps", "aux"]).stdout.decode())

The snapshot is only ever read. It is looked into by a process of its own, which has no privilege but reading (isolate=False: by this
one). docs/python.md of xray86 tells more.
"""
from .errors import Busy, CannotExecute, Cancelled, Code, Error, Invalid, NoKernel, NoProcess, NotFound, NotThere, Timeout, WorkerFailed
from .library import version
from .session import Facts, Result, Session, open  # pylint: disable=redefined-builtin

__all__ = [
    "Busy", "CannotExecute", "Cancelled", "Code", "Error", "Facts", "Invalid", "NoKernel", "NoProcess", "NotFound", "NotThere", "Result", "Session", "Timeout",
    "WorkerFailed", "open", "version",
]
