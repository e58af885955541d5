"""Text files of numbers in columns: separators, headings, units.

Columns may be separated by semicolons, tabs, commas or blanks; with semicolons and tabs a
decimal comma is understood. Columns that hold words are allowed as long as nobody asks for
their numbers.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.units import is_length_unit
from napari_ptychonn.words import counted

__all__ = ["Table", "axis_columns", "heading_unit", "read_table"]

MAX_BYTES = 256 * 2**20
MAX_HEADING = 200
"""Letters; what is longer names no column and no unit."""
SEPARATORS = (";", "\t", ",", None)
UNIT = re.compile(r"^(?P<name>.*?)[\s_/]*[(\[]?(?P<unit>[a-zµμå]+)[)\]]?$", re.I)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of a text file, or of another that has such.

    Attributes
    ----------
    file : Path
        The file.
    headings : tuple of str
        Of the columns; empty where the file has none.
    values : ndarray, (rows, columns) float64
        NaN where a word is no number.
    lines : ndarray, (rows,) int64
        Line of each row in the file, from 1.
    stages : int or None
        So many of the first columns are of stages, and alone are taken without being asked
        for; None: the file does not tell.
    axes : tuple[int, int] or None
        Columns (y, x), where the file's structure tells; headings that tell win.
    """

    file: Path
    headings: tuple[str, ...]
    values: NDArray[np.float64]
    lines: NDArray[np.int64]
    stages: int | None = None
    axes: tuple[int, int] | None = None

    def place(self, choice: str | int) -> int:
        """Number, from 0, of the column that a number or a heading means.

        Raises
        ------
        ScanError
            There is no such column.
        """
        n_columns = self.values.shape[1]
        if isinstance(choice, str) and not choice.strip().isdecimal():
            wanted = choice.strip().lower()
            whole = [heading.lower() for heading in self.headings]
            for names in (whole, [_without_unit(name) for name in whole]):
                if names.count(wanted) == 1:
                    return names.index(wanted)
        elif int(choice) < n_columns:
            return int(choice)
        problem = f"there is no column {choice!r}"
        raise ScanError("positions", self.file, problem, remedy=self.offer())

    def column(self, choice: str | int) -> NDArray[np.float64]:
        """Numbers (rows,) of a column; a minus before it turns the sign around.

        Raises
        ------
        ScanError
            There is no such column, or a word in it is no number.
        """
        sign = 1.0
        if isinstance(choice, str) and choice.strip().startswith("-"):
            sign, choice = -1.0, choice.strip()[1:]
        place = self.place(choice)
        numbers = self.values[:, place]
        wrong = np.flatnonzero(~np.isfinite(numbers))
        if wrong.size:
            problem = f"line {self.lines[wrong[0]]} has no number in column {place}"
            remedy = "correct the line, or choose other columns with --positions-columns Y,X"
            raise ScanError("positions", self.file, problem, remedy=remedy)
        return np.asarray(sign * numbers, dtype=np.float64)

    def offer(self) -> str:
        """What a person can choose, as a remedy."""
        if self.headings:
            numbered = enumerate(self.headings[:20])
            there = ", ".join(f"{number} = {heading}" for number, heading in numbered)
        else:
            there = f"0 to {self.values.shape[1] - 1}"
        return f"choose with --positions-columns Y,X among the columns {there}"


def read_table(file: Path) -> Table:
    """Read a text file of columns.

    Parameters
    ----------
    file : Path
        Lines that start with ``#`` are comments; the last line above the numbers that has
        as many words as there are columns gives the headings.

    Raises
    ------
    ScanError
        The file is no text or too long, has no two columns of numbers, or a line has
        another number of columns.
    """
    lines = _lines(file)
    first, separator = _first_row(lines, file)
    width = len(_words(lines[first][1], separator))
    values, numbers = array("d"), array("q")
    for number, line in lines[first:]:
        words = _words(line, separator)
        if not words:
            continue
        if len(words) != width:
            problem = (
                f"line {number} has {counted(len(words), 'column')}, the lines above have {width}"
            )
            remedy = "correct the line: every one needs as many columns as the first"
            raise ScanError("positions", file, f"{problem}: {line[:60]!r}", remedy=remedy)
        values.extend(_number(word, separator) for word in words)
        numbers.append(number)
    table = np.frombuffer(values, dtype=np.float64).reshape(-1, width)
    headings = _headings([line for _, line in lines[:first]], width, separator)
    return Table(file, headings, table, np.frombuffer(numbers, dtype=np.int64))


def axis_columns(headings: Sequence[str]) -> tuple[int, int] | None:
    """Columns (y, x) where exactly one heading each can only mean that axis, else None."""
    found = []
    for axis in ("y", "x"):
        places = [place for place, name in enumerate(headings) if axis in _tokens(name)]
        if len(places) != 1:
            return None
        found.append(places[0])
    return (found[0], found[1]) if found[0] != found[1] else None


def heading_unit(heading: str) -> str | None:
    """Unit in a heading such as ``x_um``, ``y (nm)`` or ``X/mm``, None where it has none."""
    match = _unit_match(heading)
    if match is None or not match["name"] or not is_length_unit(match["unit"]):
        return None
    return match["unit"]


def _lines(file: Path) -> list[tuple[int, str]]:
    try:
        if file.stat().st_size > MAX_BYTES:
            problem = f"it is larger than {MAX_BYTES >> 20} MB"
            remedy = "give a text file with one line for each point"
            raise ScanError("positions", file, problem, remedy=remedy)
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        remedy = "save it as plain text (UTF-8)"
        raise ScanError("positions", file, f"cannot be read: {error}", remedy=remedy) from None
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


def _first_row(lines: list[tuple[int, str]], file: Path) -> tuple[int, str | None]:
    """Where the numbers begin, and what separates them."""
    for place, (_, line) in enumerate(lines):
        for separator in SEPARATORS:
            words = _words(line, separator)
            numbers = sum(not np.isnan(_number(word, separator)) for word in words)
            if numbers < 2:
                continue
            below = _words(lines[place + 1][1], separator) if place + 1 < len(lines) else words
            # A title with a date has words too, and not the columns of the next line.
            if len(below) == len(words) or numbers == len(words):
                return place, separator
    remedy = "two columns of numbers, (y, x), are needed"
    raise ScanError("positions", file, "no numbers are in it", remedy=remedy)


def _words(line: str, separator: str | None) -> list[str]:
    bare = line.split("#", 1)[0].strip()
    words = [word.strip() for word in bare.split(separator)]
    while words and not words[-1]:
        words.pop()
    return words


def _number(word: str, separator: str | None) -> float:
    try:
        return float(word.replace(",", ".") if separator in (";", "\t") else word)
    except ValueError:
        return float("nan")


def _headings(above: list[str], width: int, separator: str | None) -> tuple[str, ...]:
    for line in reversed(above):
        bare = line.lstrip("#").strip()
        # Between blanks, the unit of "y (nm)" is no heading of its own.
        joined = re.sub(r"(?<!\s)\s+(?=[(\[])", "", bare)
        for candidate in (separator, *SEPARATORS):
            words = (bare if candidate else joined).split(candidate)
            words = [word.strip().strip("\"'") for word in words]
            if len(words) == width and all(words):
                return tuple(words)
    return ()


def _unit_match(heading: str) -> re.Match[str] | None:
    bare = heading.strip()
    return UNIT.match(bare) if len(bare) <= MAX_HEADING else None


def _without_unit(heading: str) -> str:
    match = _unit_match(heading)
    return match["name"].strip() if match and heading_unit(heading) else heading


def _tokens(heading: str) -> list[str]:
    name = _without_unit(heading.strip().lower())
    return [token.removeprefix("pos").removesuffix("pos") for token in re.split(r"[^a-z]+", name)]
