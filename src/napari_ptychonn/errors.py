"""Errors that are meant for the person: what, where, and what to do about it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["NetworkError", "OutputError", "PtychonnError", "ScanError", "SettingsError"]


MAX_LETTERS = 600
"""Of a problem or a remedy: what is longer is no sentence for a person."""


class PtychonnError(Exception):
    """Base of every error that the window and the shell show as one message.

    Parameters
    ----------
    subject : str
        The thing that is wrong, for instance ``"positions"``.
    where : str, Path or None
        The file it was found in, where there is one.
    problem : str
        What is wrong, with the dataset's name and the numbers.
    remedy : str
        What the person can do.
    """

    def __init__(
        self, subject: str, where: str | Path | None, problem: str, *, remedy: str
    ) -> None:
        self.subject = subject
        self.where = None if where is None else str(where)
        self.problem = _one_line(problem)
        self.remedy = _one_line(remedy)
        place = f"{self.where}: " if self.where else ""
        super().__init__(f"{place}{subject}: {self.problem} ({self.remedy})")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.subject, self.where, self.problem, self.remedy)


class ScanError(PtychonnError):
    """A scan file, or a file beside it, cannot be used."""


class NetworkError(PtychonnError):
    """A network file cannot be used, or does not fit the scan."""


class SettingsError(PtychonnError):
    """A setting is out of range, or does not fit the scan."""


class OutputError(PtychonnError):
    """A result cannot be written."""


def _one_line(words: str) -> str:
    """Words of files and libraries may be long, have line breaks, or be no text at all."""
    line = "".join(
        letter if letter.isprintable() else "\ufffd" for letter in " ".join(words.split())
    )
    return line if len(line) <= MAX_LETTERS else f"{line[:MAX_LETTERS]} …"


def _rebuild(
    kind: type[PtychonnError], subject: str, where: str | None, problem: str, remedy: str
) -> PtychonnError:
    return kind(subject, where, problem, remedy=remedy)
