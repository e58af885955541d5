"""A scan that teaches: laid out, split in space, its probe found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.errors import ScanError
from napari_ptychonn.network.weights import Network
from napari_ptychonn.reconstruction.direct import centre_weight
from napari_ptychonn.reconstruction.events import Message, ShouldStop
from napari_ptychonn.reconstruction.photons import photon_gain
from napari_ptychonn.reconstruction.placed import object_on
from napari_ptychonn.reconstruction.prepare import Prepared, prepare, probe_subset
from napari_ptychonn.reconstruction.probe_rounds import choose_probe, refine_probe
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.training.finetune_settings import FinetuneSettings
from napari_ptychonn.training.split import split_points, used_points

__all__ = ["TaughtScan", "find_probe", "fit_label", "lay_out"]

_SAME_SCALE = 0.02


@dataclass(slots=True)
class TaughtScan:
    """A scan that teaches.

    Attributes
    ----------
    prepared : Prepared
        The points in use, laid out.
    teaching, held_out : ndarray of intp
        Their numbers in the scan.
    weight : Tensor, (h, w) float32
        Light on a patch's pixels, over its largest value; where no probe is known, a
        Gaussian.
    probe : Tensor, (modes, h, w) complex64, or None
        The probe as far as it is known, √photons; it settles before the network learns.
    label : ObjectResult or None
        In the scan's coordinates.
    probe_settled : bool
        Whether the probe is to stay as it is.
    """

    prepared: Prepared
    teaching: NDArray[np.intp]
    held_out: NDArray[np.intp]
    weight: Tensor
    probe: Tensor | None = None
    label: ObjectResult | None = None
    probe_settled: bool = False

    def take_probe(self, probe: Tensor) -> None:
        """Use another probe from now on."""
        # What inference made cannot take part in learning; a copy can.
        probe = probe.clone()
        power = probe.abs().square().sum(0)
        self.probe, self.weight = probe, power / power.max()

    def state(self) -> dict[str, Any]:
        """What a resumed training must not find anew: probe and label."""
        label = self.label
        return {
            "probe": None if self.probe is None else self.probe.cpu(),
            "settled": self.probe_settled,
            "label": None if label is None else {
                "object": torch.from_numpy(np.ascontiguousarray(label.object)),
                "pixel": label.pixel, "unit": label.unit, "corner": label.corner,
                "path": str(label.path), "format": label.format,
            },
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self.probe_settled = state["settled"]
        if state["probe"] is not None:
            self.take_probe(state["probe"].to(self.prepared.device))
        if state["label"] is not None:
            kept = state["label"]
            self.label = ObjectResult(
                kept["object"].numpy(), kept["pixel"], kept["unit"], kept["corner"],
                Path(kept["path"]), kept["format"],
            )  # fmt: skip

    @property
    def scan(self) -> Scan:
        """The scan."""
        return self.prepared.scan


def lay_out(scan: Scan, settings: FinetuneSettings, network: Network) -> TaughtScan:
    """Check that a scan can teach a network, lay it out, and split its points.

    Raises
    ------
    ScanError, NetworkError, SettingsError
        It cannot.
    """
    used = used_points(scan, settings)
    asked = ReconstructionSettings(device=settings.device, seed=settings.seed)
    prepared = prepare(scan, asked, network, chosen=used)
    probe = prepared.probes[0] if prepared.probes else None
    shape = prepared.frame.patch_shape
    weight = (
        torch.from_numpy(centre_weight(shape)).to(prepared.device)
        if probe is None
        else probe.abs().square().sum(0)
    )
    lit = float(weight.sum().square() / weight.square().sum())
    gap = 2 * np.sqrt(lit / np.pi) * max(prepared.patch_scale)
    teaching, held_out = split_points(scan, used, settings.validation, gap)
    settled = not prepared.probe_is_guess
    return TaughtScan(
        prepared, teaching, held_out, weight / weight.max(), probe, probe_settled=settled
    )


def find_probe(taught: TaughtScan, *, should_stop: ShouldStop) -> Iterator[Message]:
    """Find a guessed probe from the teaching points, as a reconstruction does."""
    prepared = taught.prepared
    if taught.probe is None or taught.probe_settled:
        return
    rows = np.searchsorted(prepared.chosen, taught.teaching)
    if len(prepared.probes) > 1:
        tried = choose_probe(
            *probe_subset(prepared, guess=True, among=rows), list(prepared.probes),
            batch_size=prepared.batch_size, should_stop=should_stop,
        )  # fmt: skip
        for event in tried:
            if isinstance(event, Message):
                yield event
            else:
                taught.take_probe(event.probe)
    refined = refine_probe(
        *probe_subset(prepared, guess=False, among=rows), taught.probe, "auto",
        batch_size=prepared.batch_size, should_stop=should_stop,
    )  # fmt: skip
    for round_ in refined:
        if isinstance(round_, Message):
            yield round_
        else:
            taught.take_probe(round_.probe)


def fit_label(taught: TaughtScan) -> Message | None:
    """Give a label the scale at which, under the probe, it explains the photons.

    Other programs share out the photons between object and probe in their own way, and a
    network that is told the probe must answer with the object that belongs to it.

    Returns
    -------
    Message or None
        By how much the label was off; None: by less than 2 %.

    Raises
    ------
    ScanError
        No scale fits: the label is dark, or lies beside the points that teach.
    """
    prepared, label = taught.prepared, taught.label
    assert label is not None
    assert taught.probe is not None
    frame = prepared.frame
    object_, known = object_on(label, frame, prepared.pixel)
    middles = frame.corners + torch.tensor(
        [side // 2 for side in frame.patch_shape], device=known.device
    )
    teaching = torch.from_numpy(np.isin(prepared.chosen, taught.teaching)).to(known.device)
    gain = photon_gain(
        object_, known[middles[:, 0], middles[:, 1]] & teaching, prepared.measurements, frame,
        taught.probe, batch_size=prepared.batch_size,
    )  # fmt: skip
    if gain is None:
        raise ScanError(
            "labels", label.path, "the object lets no light through where the scan has photons",
            remedy="check that object and scan belong together",
        )  # fmt: skip
    taught.label = replace(label, object=label.object * np.float32(gain))
    off = abs(gain - 1) > _SAME_SCALE
    return Message(f"Label: amplitudes times {gain:.3g} fit the photons.") if off else None
