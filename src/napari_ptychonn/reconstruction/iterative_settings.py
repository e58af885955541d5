"""Everything an iterative engine needs to be told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.ranges import make_plain, require, require_seed
from napari_ptychonn.reconstruction.settings import Auto

__all__ = ["Engine", "IterativeSettings"]

Engine = Literal["lsqml", "rpie"]


@dataclass(frozen=True, slots=True)
class IterativeSettings:
    """Settings of :func:`napari_ptychonn.reconstruction.iterative.iterate`.

    The defaults are those that came nearest to the truth on simulated scans; what None
    stands for depends on the engine.

    Attributes
    ----------
    engine : {"lsqml", "rpie"}
        Least-squares maximum likelihood (Odstrčil et al. 2018, doi:10.1364/OE.26.003108),
        or the regularised ptychographic iterative engine (Maiden et al. 2017,
        doi:10.1364/OPTICA.4.000736).
    epochs : int
        Times that every pattern is seen.
    batch_size : int
        Patterns per step.
    batching : {"random", "uniform", "compact"}
        Which points share a step: drawn blindly, spread out, or neighbours.
    noise : {"poisson", "gaussian"}
        Whose likelihood LSQML climbs; rPIE knows none.
    step : float or None
        Length of the object's steps. For LSQML a factor on the solved optimum (None:
        0.9), for rPIE on the sum of all updates of a batch in the first epoch (None: up to
        1, the shorter the more points of a batch overlap); later ones are shorter.
    regularisation : float
        α of rPIE for the object, 0 (Gauss-Newton) to 1 (gradient).
    update_probe : bool or "auto"
        Whether the probe is refined; "auto": where the scan has none, or only a guess.
    probe_modes : int or None
        Incoherent modes of the probe; None: as many as the start has.
    update_positions : bool
        Whether positions are refined too.
    seed : int
        Seed of the order of the points.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``; pty-chi knows no other.
    """

    engine: Engine = "lsqml"
    epochs: int = 60
    batch_size: int = 50
    batching: Literal["random", "uniform", "compact"] = "random"
    noise: Literal["poisson", "gaussian"] = "poisson"
    step: float | None = None
    regularisation: float = 0.3
    update_probe: bool | Auto = "auto"
    probe_modes: int | None = None
    update_positions: bool = False
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what no engine could use.

        Raises
        ------
        SettingsError
            A value is out of its range.
        """
        make_plain(self)
        require_seed(self.seed)
        _one_of("engine", self.engine, ("lsqml", "rpie"))
        _one_of("batching", self.batching, ("random", "uniform", "compact"))
        _one_of("noise", self.noise, ("poisson", "gaussian"))
        _one_of("update_probe", self.update_probe, (True, False, "auto"))
        for name in ("epochs", "batch_size", "probe_modes"):
            value = getattr(self, name)
            require(value is None or value >= 1, name, value, "give 1 or more")
        require(self.step is None or self.step > 0, "step", self.step, "give more than 0")
        require(0 <= self.regularisation <= 1, "regularisation", self.regularisation, "give 0 to 1")
        if self.batching == "compact" and self.engine == "rpie":
            raise SettingsError(
                "batching",
                None,
                "rPIE sums the updates of a batch, and neighbours in one batch make it diverge",
                remedy="choose random or uniform",
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    said = ", ".join(str(choice) for choice in allowed)
    require(value in allowed, name, value, f"choose one of: {said}")
