"""Text files of positions whose columns are known: what beamlines write beside a scan.

The headings are those of the Orchestra and SoftGlueZynq files of LYNX (APS 31-ID) and of
cSAXS, as ptychodus' readers of them expect (``aps31id_lynx_*_position_file.py``): both
coordinates are stored with the opposite sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["TABLE_LAYOUTS", "TableLayout", "layout_of"]


@dataclass(frozen=True, slots=True)
class TableLayout:
    """Which columns of a text file are what.

    Attributes
    ----------
    name : str
        For people.
    y, x : str or int
        Column of a coordinate, by heading or by number counted from 0.
    number : str or int or None
        Column that says which pattern a row belongs to.
    unit : str
        Of both coordinates.
    scale : (y, x)
        Factors that bring the stored values to the convention, sign included.
    note : str
        Sentence for the provenance.
    min_columns : int
        A file with fewer columns is of another layout.
    is_whole : bool
        Whether its files hold whole numbers alone.
    """

    name: str
    y: str | int
    x: str | int
    number: str | int | None
    unit: str
    scale: tuple[float, float]
    note: str
    min_columns: int = 2
    is_whole: bool = False


_NEGATED = "coordinates of {} files have the opposite sign and are negated"

TABLE_LAYOUTS: Final[tuple[TableLayout, ...]] = (
    TableLayout(
        name="Orchestra",
        y="Average_y_st_fzp",
        x="Average_x_st_fzp",
        number="DataPoint",
        unit="um",
        scale=(-1.0, -1.0),
        note=_NEGATED.format("Orchestra"),
    ),
    TableLayout(
        name="SoftGlueZynq",
        y="Average_y_st_fzp",
        x="Average_x_st_fzp",
        number="Detector_Count",
        unit="um",
        scale=(-1.0, -1.0),
        note=_NEGATED.format("SoftGlueZynq"),
    ),
    TableLayout(
        name="SoftGlueZynq",
        y="y_st_fzp",
        x="x_st_fzp",
        number="Detector_Count",
        unit="um",
        scale=(-1.0, -1.0),
        note=_NEGATED.format("SoftGlueZynq"),
    ),
)


def layout_of(headings: Sequence[str]) -> TableLayout | None:
    """The known layout whose headings are all there, or None."""
    there = set(headings)
    for layout in TABLE_LAYOUTS:
        if {layout.y, layout.x, layout.number} <= there:
            return layout
    return None
