"""Calls of the library that Python can interrupt.

Python handles signals between two steps of the main thread, and not while that thread is in C. So a long call of the main thread is made by
a helper thread, and the main thread waits for it: KeyboardInterrupt ends the wait and cancels the call. The functions that the library
calls back run in the main thread all the same: they, too, can be interrupted, and what they raise ends the call.

Other threads get no signals, and call the library themselves.
"""
from __future__ import annotations

import threading
from typing import Any, Callable, Optional


class _Job:
    """A function that the helper thread wants to have called."""

    def __init__(self, function: Callable[[], Any]):
        self.function = function
        self.value: Any = None
        self.called = False  # in the main thread
        self.released = False
        self.ready = threading.Lock()
        self.ready.acquire()  # pylint: disable=consider-using-with


class Call:
    """One call of the library. cancel: makes it end soon."""

    def __init__(self, cancel: Callable[[], None]):
        self._cancel = cancel
        self._cancelled = False
        self._value: Any = None
        self._failure: Optional[BaseException] = None  # what the call, a function that was called back, or a signal handler has raised
        self._job: Optional[_Job] = None
        self._wake: Optional[Any] = None  # None: no helper thread
        self._finished = False
        self._abandoned = False

    # -- in the thread that calls the library --

    def back(self, function: Callable[..., Any], *args: Any) -> Any:
        """For the library's callbacks: what function(*args) returns; None if it failed, or something has failed before."""
        if self._failure is not None or self._abandoned:
            return None
        if self._wake is None:
            try:
                return function(*args)
            except BaseException as failure:  # pylint: disable=broad-except
                self._failure = failure
                self._end()
                return None
        return self._hand_over(_Job(lambda: function(*args)))

    def _hand_over(self, job: _Job) -> Any:
        self._job = job
        self._ring()
        while not job.ready.acquire(timeout=1):
            if self._abandoned:
                return None
        return job.value

    def _ring(self) -> None:
        try:
            self._wake.release()  # type: ignore[union-attr]
        except RuntimeError:
            pass  # it has been rung and not been heard yet

    def _end(self) -> None:
        if not self._cancelled:
            self._cancel()
            self._cancelled = True

    def _work(self, function: Callable[[], Any], done: Callable[[], None]) -> None:
        try:
            self._value = function()
        except BaseException as failure:  # pylint: disable=broad-except
            self._failure = self._failure or failure
        finally:
            done()
            self._finished = True

    # -- in the thread that waits --

    def make(self, function: Callable[[], Any], done: Callable[[], None], apart: bool, leave: bool = False) -> Any:
        """Makes the call: what function() returns. Raises what was raised by it, in a callback, or by a signal handler.

        done    called when the library is not in use any more
        apart   it may take long: a helper thread makes it, if this is the main thread
        leave   it cannot be cancelled: who interrupts it does not wait for its end
        """
        if apart and threading.current_thread() is threading.main_thread():
            self._make_apart(function, done, leave)
        else:
            self._work(function, done)
        if self._failure is not None:
            raise self._failure
        return self._value

    def _make_apart(self, function: Callable[[], Any], done: Callable[[], None], leave: bool) -> None:
        def work() -> None:
            try:
                self._work(function, done)
            finally:
                self._ring()

        self._wake = threading.Lock()
        self._wake.acquire()  # pylint: disable=consider-using-with
        try:
            threading.Thread(target=work, name="xray86", daemon=True).start()
        except RuntimeError:  # no more threads
            done()
            raise
        try:
            while not self._finished and not (leave and self._failure is not None):
                try:
                    self._step()
                except BaseException as failure:  # pylint: disable=broad-except
                    self._failure = self._failure or failure
        finally:
            # A second exception that hit the few steps outside the inner try leaves the thread to itself: nobody answers it any more.
            self._abandoned = True
            if not self._finished:
                self._end()

    def _step(self) -> None:
        """May be interrupted by an exception before and after each of its steps, and is called again then."""
        job = self._job
        if self._failure is not None:
            self._end()
        if job and self._failure is None and not job.called:
            job.called = True
            job.value = job.function()
            self._release(job)
        elif job and not job.released:
            self._release(job)
        elif not self._finished:
            self._wake.acquire()  # type: ignore[union-attr]

    @staticmethod
    def _release(job: _Job) -> None:
        try:
            job.ready.release()
        except RuntimeError:
            pass  # done already, before an exception hit
        job.released = True
