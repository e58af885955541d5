"""Whether a network can work on a scan, said before any work is done."""

from __future__ import annotations

from napari_ptychonn.errors import NetworkError
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.preprocess import processed_shape
from napari_ptychonn.scan.model import Scan

__all__ = ["check_fits"]


def check_fits(card: NetworkCard, scan: Scan, *, probe_available: bool = True) -> None:
    """Refuse a network that does not fit the scan.

    Parameters
    ----------
    card : NetworkCard
        Of the network.
    scan : Scan
        To be reconstructed.
    probe_available : bool
        False: the scan has no probe, and none is to be estimated.

    Raises
    ------
    NetworkError
        The patterns have the wrong size, or the probe it needs is missing.
    """
    subject = f"network '{card.name}'"
    height, width = processed_shape(card.preprocessing, scan.pattern_shape)
    raw = f"{scan.pattern_shape[0]}×{scan.pattern_shape[1]}"
    size = f"{height}×{width}"
    now = f"patterns of {raw} pixels"
    if (height, width) != scan.pattern_shape:
        now += f" ({size} after its preprocessing)"
    where = scan.provenance.path
    if card.pattern_size is not None and (height, width) != (card.pattern_size,) * 2:
        raise NetworkError(
            subject, where,
            f"takes patterns of {card.pattern_size}×{card.pattern_size} pixels, "
            f"but the scan has {now}",
            remedy="choose 'ptychonn-probe', which takes any size that is a multiple of 8, or a "
            "network made for this detector",
        )  # fmt: skip
    multiple = card.size_multiple
    if height % multiple or width % multiple:
        raise NetworkError(
            subject, where,
            f"takes sides that are multiples of {multiple}, but the scan has {now}",
            remedy=f"crop or pad the patterns to {_nearest(height, multiple)}×"
            f"{_nearest(width, multiple)}",
        )  # fmt: skip
    if card.needs_probe and not probe_available:
        raise NetworkError(
            subject, where, "must be told the probe, and the scan has none",
            remedy="give a probe file, let the probe be estimated, or choose a network of the "
            "'ptychonn' family",
        )  # fmt: skip


def _nearest(side: int, multiple: int) -> int:
    return max(multiple, round(side / multiple) * multiple)
