"""Scan formats that other distributions bring, by the entry points ``napari_ptychonn.formats``.

A format that is broken is said and left out: it may not keep anybody from opening a file.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

import numpy as np

from napari_ptychonn.errors import PtychonnError, ScanError
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents, ScanFormat
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["GROUP", "BrokenFormatError", "FormatWarning", "third_party_formats"]

GROUP = "napari_ptychonn.formats"
"""Entry point group: each entry is a class without arguments, or an object, that is a
:class:`napari_ptychonn.scan.contents.ScanFormat`."""


class FormatWarning(UserWarning):
    """A third-party format is broken and is left out."""


class BrokenFormatError(ScanError):
    """A third-party format failed on a file otherwise than by an error for the person."""


@cache
def third_party_formats() -> tuple[ScanFormat, ...]:
    """Formats of all installed distributions, loaded when they are first asked for.

    Returns
    -------
    tuple of ScanFormat
        Sorted by the names of their entry points. None of them raises anything but a
        PtychonnError.

    Warns
    -----
    FormatWarning
        A format cannot be loaded; the sentence names its distribution.
    """
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    guarded = (_guarded(point) for point in points)
    return tuple(found for found in guarded if found is not None)


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A third-party format whose failures stay its own."""

    format: ScanFormat
    distribution: str

    @property
    def name(self) -> str:
        return self.format.name

    def detect(self, container: Container) -> bool:
        try:
            return bool(self.format.detect(container))
        except PtychonnError:
            return False
        except Exception as error:  # noqa: BLE001  (code of others; said, and left out)
            _warn(f"{self._who()} cannot look at {container.path.name}: {_say(error)}")
            return False

    def load(self, container: Container, options: ScanOptions) -> Contents:
        try:
            contents = self.format.load(container, options)
        except PtychonnError:
            raise
        except Exception as error:
            raise self._broken(container, _say(error)) from error
        problem = _problem(contents)
        if problem is not None:
            raise self._broken(container, problem)
        return contents

    def _who(self) -> str:
        return f"the scan format {self.name!r} of {self.distribution}"

    def _broken(self, container: Container, problem: str) -> BrokenFormatError:
        remedy = f"tell its authors, or uninstall {self.distribution}"
        sentence = f"{self._who()} failed: {problem}"
        return BrokenFormatError("scan file", container.path, sentence, remedy=remedy)


def _guarded(point: EntryPoint) -> _Guarded | None:
    distribution = point.dist.name if point.dist is not None else point.value
    try:
        loaded = point.load()
        found = loaded() if isinstance(loaded, type) else loaded
        has_methods = callable(found.detect) and callable(found.load)
        if has_methods and isinstance(found.name, str):
            return _Guarded(found, distribution)
        problem = "its name is no string, or detect or load is no function"
    except Exception as error:  # noqa: BLE001  (code of others; said, and left out)
        problem = _say(error)
    _warn(f"the scan format {point.name!r} of {distribution} is left out: {problem}")
    return None


def _problem(contents: object) -> str | None:
    """What is wrong with what a format gave, so that nothing after it stumbles."""
    if not isinstance(contents, Contents):
        return f"it gave {type(contents).__name__} and no Contents"
    if not isinstance(contents.patterns, PatternSource):
        return f"its patterns are {type(contents.patterns).__name__} and no PatternSource"
    for role in ("positions", "mask", "probe"):
        value = getattr(contents, role)
        if value is not None and not isinstance(value, np.ndarray):
            return f"its {role} are {type(value).__name__} and no array"
    return None


def _say(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _warn(sentence: str) -> None:
    warnings.warn(sentence, FormatWarning, stacklevel=2)
