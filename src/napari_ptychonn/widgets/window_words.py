"""What an error says in the window: fields of the Load scan dock in place of shell options."""

from __future__ import annotations

import re
from pathlib import Path

from napari_ptychonn.errors import PtychonnError

__all__ = ["as_notification", "in_the_window"]

DOCK = "Load scan"
FIELDS = {
    "dataset": "Datasets",
    "positions": "Positions > From file",
    "positions-dataset": "Positions > Dataset",
    "positions-columns": "Positions > Columns",
    "positions-unit": "Positions > Unit",
    "raster": "Positions > or raster",
    "probe": "Datasets > Probe file",
    "mask": "Detector > Mask file",
    "background": "Detector > Background",
    "energy-ev": "Geometry > Energy",
    "distance-m": "Geometry > Distance, mm",
    "detector-pixel-m": "Geometry > Detector pixel, µm",
    "pixel-m": "Geometry > or object pixel, nm",
}
"""Option without its dashes, to the fold and the field that do the same."""

_OPTION = re.compile(
    r"--(?P<option>[a-z][a-z-]*[a-z])"
    # Placeholders mean nothing beside a field; a value (scan.h5:/a, 20,30,1e-6) does.
    r"(?: (?P<role>[a-z_]+|ROLE)=/PATH| [A-Z]+(?:,[A-Z]+)*\b(?![.:])| m\|[a-z|]+)?"
)
_ONE_OF_SEVERAL = re.compile(r"--positions [^()]+:/DATASET\b")
"""One option in the shell, but a field of its own in the window."""


def in_the_window(error: BaseException | str) -> str:
    """The words of an error, or a message, with fields in place of options; the first says where.

    An option that has no field stays as it is.
    """
    named: list[str] = []

    def field_of(found: re.Match[str]) -> str:
        field = FIELDS.get(found["option"])
        if field is None:
            return found[0]
        role = found["role"]
        if role is not None and role != "ROLE":
            field += f" > {role.replace('_', ' ').capitalize()}"
        field = field if named else f"{DOCK} > {field}"
        named.append(field)
        return f"'{field}'"

    words = _ONE_OF_SEVERAL.sub("--positions-dataset", str(error))
    return _OPTION.sub(field_of, words)


def as_notification(error: PtychonnError) -> str:
    """The same for a notification, which shows some forty letters before it is unfolded.

    A path alone would fill them, so the file's name comes first, and the path last.
    """
    words, where = in_the_window(error), error.where
    if where is None or where == Path(where).name or not words.startswith(where):
        return words
    return f"{Path(where).name}{words[len(where) :]}; the file is {where}"
