"""Everything a reconstruction needs to be told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from napari_ptychonn.ranges import is_whole, make_plain, require, require_seed

__all__ = ["Auto", "ReconstructionSettings", "Region"]

Auto = Literal["auto"]


@dataclass(frozen=True, slots=True)
class Region:
    """A polygon in scan coordinates; only points inside it are used.

    Attributes
    ----------
    vertices : tuple of (float, float)
        Corners (y, x) in the scan's unit (metres, or pixels), three or more.
    """

    vertices: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        """Make the corners Python's own numbers, which JSON can hold."""
        plain = tuple((float(y), float(x)) for y, x in self.vertices)
        object.__setattr__(self, "vertices", plain)


@dataclass(frozen=True, slots=True)
class ReconstructionSettings:
    """Settings of :func:`napari_ptychonn.reconstruct`; widget, shell and Python fill the same.

    Attributes
    ----------
    network : str
        Name of a bundled or stored network, or the path of a network file.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    fraction : float
        Share of the scan points to use, 0 < fraction ≤ 1, spread evenly in space.
    passes : int or "auto"
        Network passes; each starts from the object that the last one found. "auto": four,
        and more, up to forty, where the points lie far apart; 0: none, with an object to start
        from.
    probe_rounds : int or "auto"
        Rounds of probe refinement; "auto": as many as lower the misfit.
    sweeps : int or "auto"
        Physics sweeps after the network; "auto": as many as held-out photons allow, and none
        where the passes themselves weighed the object against all patterns.
    batch_size : int or None
        Patterns per batch; None: chosen from pattern size and device.
    region : Region or None
        Use only the points inside; None: all.
    keep_patches : bool
        Whether the result holds the patch of every point too (at most 1 GB).
    seed : int
        Seed of everything random (photon hold-out, order of the sweeps).
    """

    network: str = "ptychonn-probe"
    device: str = "auto"
    fraction: float = 1.0
    passes: int | Auto = "auto"
    probe_rounds: int | Auto = "auto"
    sweeps: int | Auto = "auto"
    batch_size: int | None = None
    region: Region | None = None
    keep_patches: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no job could use.

        Raises
        ------
        SettingsError
            A value is out of its range.
        """
        make_plain(self)
        require_seed(self.seed)
        is_share = isinstance(self.fraction, int | float) and 0 < self.fraction <= 1
        require(is_share, "fraction", self.fraction, "give 0 < fraction <= 1")
        for name in ("passes", "probe_rounds", "sweeps"):
            value = getattr(self, name)
            require(value == "auto" or is_whole(value), name, value, "give auto, or 0 or more")
        if self.batch_size is not None:
            require(is_whole(self.batch_size, 1), "batch_size", self.batch_size, "give 1 or more")
        if self.region is not None:
            corners = len(self.region.vertices)
            require(corners >= 3, "region", f"{corners} corners", "give 3 corners or more")

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)
