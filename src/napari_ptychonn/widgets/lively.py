"""Keeps a window awake while a worker computes in Python.

Two things hold Python's lock for long: a full collection of garbage, half a second once torch
is loaded, and a worker that gives the lock away only every few milliseconds, while one paint
of a canvas takes it hundreds of times.
"""

from __future__ import annotations

import gc
import sys
import threading

__all__ = ["Lively"]

SWITCH_S = 0.0005
"""After this long a worker gives Python's lock to a window that waits for it."""

_LOCK = threading.Lock()
_LIVELY: list[Lively] = []
_ORDINARY_S: list[float] = []


class Lively:
    """From :meth:`begin` to :meth:`end` this process favours its window; others may nest."""

    def begin(self) -> None:
        """Hand over the lock sooner, and collect no garbage among what there is by now."""
        with _LOCK:
            if not _LIVELY:
                _ORDINARY_S[:] = [sys.getswitchinterval()]
                sys.setswitchinterval(min(SWITCH_S, _ORDINARY_S[0]))
            if self not in _LIVELY:
                _LIVELY.append(self)
            gc.freeze()

    def include(self) -> None:
        """Leave out of collections what has come since, too; a worker may be late with it."""
        with _LOCK:
            if self in _LIVELY:
                gc.freeze()

    def end(self) -> None:
        """Let everything be as it was; nothing happens where it has not begun."""
        with _LOCK:
            if self not in _LIVELY:
                return
            _LIVELY.remove(self)
            if not _LIVELY:
                sys.setswitchinterval(_ORDINARY_S[0])
                gc.unfreeze()
