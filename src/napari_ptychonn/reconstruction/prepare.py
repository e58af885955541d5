"""From a scan and settings to what a reconstruction works on; refusals come from here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.network.fit import check_fits
from napari_ptychonn.network.preprocess import patch_pixel_scale, processed_shape
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.network.weights import Network, channels_last, load_network
from napari_ptychonn.optics.probe import defocused_probes, guess_probes, scale_probe
from napari_ptychonn.reconstruction.device import choose_device
from napari_ptychonn.reconstruction.extent import BYTES_PER_PIXEL, require_room
from napari_ptychonn.reconstruction.frame import Frame, make_frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.points import select_points, spread_evenly
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.reconstruction.start import LaidStart, Start, lay_start, scale_start
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.results.result import ObjectResult

__all__ = ["Prepared", "prepare", "probe_subset"]

_SURVEYED = 400
_PROBE_PIXELS = 400 * 128 * 128
_GUESS_PIXELS = 150 * 64 * 64


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a reconstruction works on.

    Attributes
    ----------
    scan, settings
        As asked for.
    network : Network
        On `device`.
    device : torch.device
        Where it runs.
    batch_size : int
        Patterns at a time.
    chosen : ndarray, (M,) intp
        Points in use.
    measurements : Measurements
        Their counts.
    frame : Frame
        Their windows, on `device`.
    pixel : tuple[float, float]
        Pixel (y, x) of the patches in the scan's unit.
    patch_scale : tuple[float, float]
        The same in object pixels of the scan.
    probes : tuple of Tensor, (modes, h, w) complex64
        The probe in √photons; where it is a guess, several to choose from; none where
        the network does without and the scan has none, or where patches and patterns have
        different grids, so that misfit, probe and sweeps mean nothing.
    probe_is_guess : bool
        Whether it is to be refined.
    power_is_guess : bool
        Whether its photons were taken from the brightest patterns.
    messages : tuple of str
        What the person should know.
    start : Start or None
        Object to start from; None: flat.
    """

    scan: Scan
    settings: ReconstructionSettings
    network: Network
    device: torch.device
    batch_size: int
    chosen: NDArray[np.intp]
    measurements: Measurements
    frame: Frame
    pixel: tuple[float, float]
    patch_scale: tuple[float, float]
    probes: tuple[Tensor, ...]
    probe_is_guess: bool
    power_is_guess: bool
    messages: tuple[str, ...]
    start: Start | None = None


def prepare(
    scan: Scan,
    settings: ReconstructionSettings,
    network: Network | None = None,
    *,
    start: ObjectResult | None = None,
    chosen: NDArray[np.intp] | None = None,
) -> Prepared:
    """Check that everything fits, and lay it out.

    Parameters
    ----------
    scan : Scan
        What is worked on.
    settings : ReconstructionSettings
        How.
    network : Network, optional
        A loaded network; None: the one that `settings` names.
    start : ObjectResult, optional
        Object to start from.
    chosen : ndarray, (M,) intp, optional
        Numbers of the points to use; None: as `settings` say.

    Raises
    ------
    ScanError
        The scan cannot be reconstructed (near field, no light, points too far apart), or the
        start is not of it.
    NetworkError, SettingsError
        Network or settings do not fit the scan.
    """
    if scan.near_field is not None:
        raise ScanError(
            "scan",
            scan.provenance.path,
            f"a far-field reconstruction does not apply: {scan.near_field}",
            remedy="use a near-field engine for this scan",
        )
    device = choose_device(settings.device)
    if network is None:
        network = load_network(settings.network, device=device)
    channels_last(network.module.to(device))
    card = network.card
    check_fits(card, scan)
    if chosen is None:
        chosen = select_points(scan.positions, settings.fraction, settings.region)
    patch_shape = processed_shape(card.preprocessing, scan.pattern_shape)
    scale = patch_pixel_scale(card.preprocessing, scan.pattern_shape)
    one_grid = patch_shape == scan.pattern_shape and scale == (1.0, 1.0)
    base = scan.pixel_m or (1.0, 1.0)
    frame = make_frame(scan.positions_px[chosen] / np.asarray(scale), patch_shape).to(device)
    require_room(scan, chosen, frame, device)
    pixel = (base[0] * scale[0], base[1] * scale[1])
    _refuse_passes(settings, network, start)
    laid = None if start is None else lay_start(start, scan, frame, pixel)
    brought = None if laid is None else laid.probe
    found, is_guess, is_scaled, messages = _probes(
        scan, chosen, needed=card.needs_probe, brought=brought
    )
    probes = tuple(torch.from_numpy(probe).to(device) for probe in found if one_grid)
    batch_size = settings.batch_size or _default_batch(patch_shape, device)
    beside = BYTES_PER_PIXEL * frame.shape[0] * frame.shape[1]
    measurements = Measurements(scan, chosen, device, beside=beside)
    started = None
    if laid is not None:
        _require_probe(laid, probes)
        started = scale_start(laid, measurements, frame, probes[0], batch_size=batch_size)
    return Prepared(
        scan=scan,
        settings=settings,
        network=network,
        device=device,
        batch_size=batch_size,
        chosen=chosen,
        measurements=measurements,
        frame=frame,
        pixel=pixel,
        patch_scale=scale,
        probes=probes,
        probe_is_guess=is_guess,
        power_is_guess=is_scaled,
        messages=messages if started is None else (*messages, *started.messages),
        start=started,
    )


def probe_subset(
    prepared: Prepared, *, guess: bool, among: NDArray[np.intp] | None = None
) -> tuple[Measurements, Frame]:
    """Points enough to find the probe from, spread over the scan.

    With `guess`, fewer: they only have to tell candidates apart. `among` are the places (in
    `prepared.chosen`) that may be taken; None: all.
    """
    height, width = prepared.scan.pattern_shape
    count = max(60, (_GUESS_PIXELS if guess else _PROBE_PIXELS) // (height * width))
    rows = np.arange(prepared.frame.n_points) if among is None else among
    corners = prepared.frame.corners.cpu().numpy()[rows].astype(np.float64)
    kept = rows[_compact(corners, count) if guess else spread_evenly(corners, count)]
    measurements = Measurements(prepared.scan, prepared.chosen[kept], prepared.device)
    return measurements, prepared.frame.subset(torch.from_numpy(kept).to(prepared.device))


def _refuse_passes(
    settings: ReconstructionSettings, network: Network, start: ObjectResult | None
) -> None:
    """Refuse passes that would come from nothing, or forget the start."""
    if start is None and settings.passes == 0:
        raise SettingsError(
            "passes", None, "0 passes, and no object to start from",
            remedy="choose what to start from, or 1 pass or more",
        )  # fmt: skip
    if start is not None and settings.passes != 0 and isinstance(network.module, PtychoNN):
        raise SettingsError(
            "start", start.path,
            f"the network {network.card.name} sees raw patterns alone, and would forget the object",
            remedy="set passes to 0, to sweep from it, or choose a network that takes a probe",
        )  # fmt: skip


def _require_probe(start: LaidStart, probes: tuple[Tensor, ...]) -> None:
    if not probes:
        raise SettingsError(
            "start", start.source,
            "without a probe on the grid of the patches there is nothing to sweep with",
            remedy="give a probe, or choose a network that takes one",
        )  # fmt: skip


def _default_batch(pattern_shape: tuple[int, int], device: torch.device) -> int:
    """Patterns per batch: caches on a CPU, memory on a GPU."""
    pixels = pattern_shape[0] * pattern_shape[1]
    budget = 64 * 64 * 64 if device.type == "cpu" else 64 * 64 * 4096
    return max(1, budget // pixels)


def _compact(corners: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """The `count` points nearest to the middle one: they overlap as much as the scan does."""
    middle = np.median(corners, axis=0)
    return np.sort(np.argsort(((corners - middle) ** 2).sum(1), kind="stable")[:count])


def _probes(
    scan: Scan,
    chosen: NDArray[np.intp],
    *,
    needed: bool,
    brought: NDArray[np.complex64] | None,
) -> tuple[list[NDArray[np.complex64]], bool, bool, tuple[str, ...]]:
    """Probes, whether they are guesses, whether their power is one, and what is to be said."""
    surveyed = chosen[spread_evenly(scan.positions[chosen], _SURVEYED)]
    sums = np.empty(len(surveyed))
    mean = np.zeros(scan.pattern_shape)
    for start in range(0, len(surveyed), 32):
        patterns = scan.patterns.read(surveyed[start : start + 32]) * scan.mask
        sums[start : start + 32] = patterns.sum((1, 2))
        mean += patterns.sum(0) / len(surveyed)
    if not sums.max() > 0:
        raise ScanError(
            "patterns",
            scan.provenance.path,
            f"{scan.provenance.datasets.get('patterns', 'the patterns')}: no photon in any of "
            f"{len(surveyed)} patterns looked at",
            remedy="check the dataset chosen for patterns, and the mask",
        )
    if brought is not None:
        # Still a guess: it is refined along, but not searched for anew.
        probe, scaled = scale_probe(brought, sums, believed=True)
        return [probe], True, scaled, ()
    if scan.probe is not None:
        probe, scaled = scale_probe(scan.probe, sums, believed=True)
        rescaled = ("The probe's scale was set by the brightest patterns.",) if scaled else ()
        probes = defocused_probes(probe) if scan.probe_is_guess and needed else [probe]
        return probes, scan.probe_is_guess, scaled, rescaled
    if not needed:
        return [], False, False, ()
    said = "The scan has no probe: one is guessed from the mean pattern, and refined."
    guesses = [scale_probe(probe, sums, believed=False)[0] for probe in guess_probes(mean)]
    return guesses, True, True, (said,)
