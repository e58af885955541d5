"""What a network file says about itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from napari_ptychonn.errors import NetworkError

__all__ = ["CARD_VERSION", "NetworkCard", "Preprocessing"]

CARD_VERSION = 1
Family = Literal["ptychonn", "ptychonn-probe"]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How raw counts become a `ptychonn` network's input, in this order.

    Attributes
    ----------
    crop : int
        Detector pixels cut from every side.
    resize : int or None
        Side of the square that the rest is resized to (anti-aliased); None: as it is.
    threshold : float
        Counts below this become 0.
    subtract_mean_pattern : bool
        Subtract the scan's mean pattern.
    standardise : bool
        Subtract the mean and divide by the standard deviation of the whole stack.
    flux : float or None
        Patterns are multiplied so that a pattern with no sample sums to this;
        None: counts as they are.
    """

    crop: int = 0
    resize: int | None = None
    threshold: float = 0.0
    subtract_mean_pattern: bool = False
    standardise: bool = False
    flux: float | None = None


@dataclass(frozen=True, slots=True)
class NetworkCard:
    """The self-description inside a network file.

    Attributes
    ----------
    name : str
        Name in lists.
    family : {"ptychonn", "ptychonn-probe"}
        Raw patterns alone, or patterns with a probe.
    architecture : Mapping
        Keyword arguments that rebuild the module.
    pattern_size : int or None
        The one pattern side (pixels, after preprocessing) it takes; None: any multiple of
        `size_multiple`.
    size_multiple : int
        Pattern sides must be a multiple of this.
    needs_probe : bool
        Whether it must be told a probe (or a guess).
    outputs : {"amplitude+phase", "phase"}
        A phase-only network leaves the amplitude at 1.
    preprocessing : Preprocessing
        Used by the `ptychonn` family.
    training : Mapping
        How and on what it was trained.
    metrics : Mapping
        Measured figures, with the case in the key.
    limits : str
        Where it does not work.
    licence, source, version : str
        Licence of the weights, where they come from, and which edition.
    parents : tuple of str
        Networks it was fine-tuned from, oldest first.
    """

    name: str
    family: Family
    architecture: Mapping[str, Any] = field(default_factory=dict)
    pattern_size: int | None = None
    size_multiple: int = 8
    needs_probe: bool = False
    outputs: Literal["amplitude+phase", "phase"] = "amplitude+phase"
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    limits: str = ""
    licence: str = "BSD-3-Clause"
    source: str = "napari-ptychonn"
    version: str = "1"
    parents: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The card as JSON, with the card's own format version."""
        return json.dumps({"card_version": CARD_VERSION, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, *, where: str) -> NetworkCard:
        """Read a card back.

        Parameters
        ----------
        text : str
            JSON made by :meth:`to_json`.
        where : str
            The file it came from, for the error.

        Raises
        ------
        NetworkError
            The JSON is no card, or one of a newer format.
        """
        remedy = "use a network file written by this program, or import foreign weights with "
        remedy += "'napari-ptychonn networks import'"
        try:
            fields = json.loads(text)
            version = fields.pop("card_version")
            if version > CARD_VERSION:
                raise NetworkError(
                    "card", where, f"format {version} is newer than {CARD_VERSION}",
                    remedy="update napari-ptychonn",
                )  # fmt: skip
            fields["preprocessing"] = Preprocessing(**fields["preprocessing"])
            fields["parents"] = tuple(fields["parents"])
            return cls(**fields)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NetworkError(
                "card", where, f"not a network card: {error}", remedy=remedy
            ) from None
