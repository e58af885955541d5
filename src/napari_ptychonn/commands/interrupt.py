"""Ctrl-C and SIGTERM: commands end at once, jobs end with what they have."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from napari_ptychonn.reconstruction.events import ShouldStop

__all__ = ["EXIT_STOPPED", "Interrupted", "interruptible", "stop_on_signal"]

EXIT_STOPPED = 130
"""Exit code of a command that the user stopped."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STDERR = 2


class Interrupted(BaseException):
    """The user stopped the program; like KeyboardInterrupt, no ``except Exception`` takes it."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn both signals into :class:`Interrupted`, so that files under way are cleaned up."""
    with _handlers(_interrupt):
        yield


@contextmanager
def stop_on_signal() -> Iterator[ShouldStop]:
    """Let the first signal ask the job to stop, and the second one interrupt it.

    Yields
    ------
    callable
        Says whether a signal came.
    """
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            _interrupt(number, frame)
        asked = True
        # Not print: a signal may arrive while something is being printed.
        os.write(_STDERR, b"\nStopping and keeping what there is; once more to give up.\n")

    with _handlers(ask):
        yield lambda: asked


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


@contextmanager
def _handlers(handler: signal._HANDLER) -> Iterator[None]:
    before = [signal.signal(number, handler) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, old in zip(_SIGNALS, before, strict=True):
            signal.signal(number, old)
