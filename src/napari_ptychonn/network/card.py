"""What a network file says about itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from napari_ptychonn.errors import NetworkError
from napari_ptychonn.network.folders import HOW_TO_IMPORT

__all__ = ["CARD_VERSION", "INPUTS", "NetworkCard", "Preprocessing"]

CARD_VERSION = 2
Family = Literal["ptychonn", "ptychonn-probe"]
INPUTS: Mapping[str, str] = {"ptychonn": "patterns", "ptychonn-probe": "object-7c"}
"""What the networks of a family are shown, as the files say it: raw patterns, or seven channels
on the object, two of which are what all sweeps of a pass changed. The first `ptychonn-probe`
networks saw patches, and those of "object-7" the last sweep's change, in tensors of the same
shapes; those of "object-7b" did not say what noise is left in their answer."""


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
        """The card as JSON, with the card's own format version and what the network is shown."""
        shown = INPUTS.get(self.family)
        told = {"card_version": CARD_VERSION, "inputs": shown, **asdict(self)}
        return json.dumps(told, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, *, where: str, to_run: bool = True) -> NetworkCard:
        """Read a card back.

        Parameters
        ----------
        text : str
            JSON made by :meth:`to_json`.
        where : str
            The file it came from, for the error.
        to_run : bool
            Whether the network is to be run; False: the card is a record of one that was.

        Raises
        ------
        NetworkError
            The JSON is no card, or one of a newer format; or (to run) that of a network that
            must be shown something else than networks of its family are today.
        """
        remedy = "use a network file written by this program, or import foreign weights "
        remedy += HOW_TO_IMPORT
        try:
            fields = json.loads(text)
            version = fields.pop("card_version")
            if version > CARD_VERSION:
                raise NetworkError(
                    "card", where, f"format {version} is newer than {CARD_VERSION}",
                    remedy="update napari-ptychonn",
                )  # fmt: skip
            inputs = fields.pop("inputs", None)
            if to_run:
                _check_inputs(fields["family"], inputs, where)
            fields["preprocessing"] = Preprocessing(**fields["preprocessing"])
            fields["parents"] = tuple(fields["parents"])
            card = cls(**fields)
            _check_types(card)
            return card
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NetworkError(
                "card", where, f"not a network card: {error}", remedy=remedy
            ) from None


def _check_types(card: NetworkCard) -> None:
    """Refuse what a damaged or made-up file says, before somebody computes with it."""
    for kind, names in (
        (str, ("name", "family", "outputs", "limits", "licence", "source", "version")),
        (Mapping, ("architecture", "training", "metrics")),
        (bool, ("needs_probe",)),
        (int, ("size_multiple",)),
        (int | None, ("pattern_size",)),
    ):
        for name in names:
            if not isinstance(getattr(card, name), kind):
                raise TypeError(f"{name} is {getattr(card, name)!r}")
    if card.size_multiple < 1 or (card.pattern_size is not None and card.pattern_size < 1):
        raise ValueError("a pattern has no pixels")
    if not all(isinstance(value, int | float) for value in card.metrics.values()):
        raise TypeError("a metric is no number")
    if not all(isinstance(parent, str) for parent in card.parents):
        raise TypeError("a parent is no name")


def _check_inputs(family: str, inputs: str | None, where: str) -> None:
    wanted = INPUTS.get(family, inputs)
    # Those of `ptychonn` never changed, and its first files do not say them.
    if inputs == wanted or (inputs is None and family == "ptychonn"):
        return
    was = f"was made to see '{inputs}'" if inputs else "does not say what it was made to see"
    raise NetworkError(
        "card", where,
        f"this '{family}' network {was}; networks of its family now see '{wanted}'",
        remedy="use the bundled network, or train this one again from it",
    )  # fmt: skip
