"""What a trained `ptychonn-probe` network is polished on: scans reconstructed as a job does it.

Small fields teach a network fast, but their sweeps are only like those of a job: fewer points,
no momentum, other subsets, and never so far apart. Here scans of some hundred points go through
the very passes and sweeps that a job would do with the network as it is, and the network learns
from what each of them told it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet, object_error
from napari_ptychonn.reconstruction.events import never
from napari_ptychonn.reconstruction.frame import make_frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.placed import object_on
from napari_ptychonn.reconstruction.sweep_stage import SWEEP_MOMENTUM, SWEEP_REGULARISATION
from napari_ptychonn.reconstruction.sweeps import SweepState, sweep_object
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.simulation.probes import PROBE_KINDS
from napari_ptychonn.simulation.scans import PathKind
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import Simulation, simulate, simulate_lazily
from napari_ptychonn.training.drawn_samples import polishing_sample
from napari_ptychonn.training.examples import ExampleSettings
from napari_ptychonn.training.losses import patch_error, tile_error
from napari_ptychonn.training.probe_recipe import ProbeRecipe
from napari_ptychonn.training.rooms import PassRecord, run_passes

__all__ = ["SCANS", "ScanForm", "SweptRecipe"]

_PATHS: tuple[PathKind, ...] = ("raster", "jittered", "spiral", "fermat")
_LARGEST_SIDE_PX = 512
_MARGIN, _MULTIPLE = 16, 8
_CROPS = ((0.6, 128, 8), (0.4, 192, 4))
"""Chance, side and number of the crops of a step: slow phase is not seen in small ones."""
_TILE, _STEPS_PER_SCAN = 32, 7
_DARK, _FEWEST_LIT = 0.2, 0.1
_BATCH = 128
_FLOOR = 1e-6
_SWEEPS_AFTER, _FEWER_AFTER_MANY, _MANY_PASSES = (2, 22), (2, 8), 6
_SWEPT_AFTER, _SWEPT_FROM_PHOTONS = 0.7, 2e3


@dataclass(frozen=True, slots=True)
class ScanForm:
    """Scans of a kind.

    Attributes
    ----------
    chance : float
        Share of the scans.
    points : tuple of int
        Fewest and most points; a third of them where patterns have twice the side.
    steps : tuple of float
        Least and largest step, in diameters of the probe's brightest part.
    photons : tuple of float
        Least and most photons in a pattern, as powers of ten.
    """

    chance: float
    points: tuple[int, int]
    steps: tuple[float, float]
    photons: tuple[float, float]


SCANS = (
    ScanForm(0.35, (150, 450), (0.1, 0.45), (3.0, 6.7)),
    ScanForm(0.25, (200, 900), (0.1, 0.45), (1.7, 3.4)),
    ScanForm(0.20, (70, 200), (0.45, 0.85), (3.0, 6.3)),
    ScanForm(0.20, (16, 60), (0.9, 1.45), (3.0, 6.3)),
)
"""Usual ones; with few photons; with a fifth of the points; with so few points that hardly any two
overlap."""
_LIGHT_WITHIN_DIAMETER = 0.9
_DOUBLE_SIZE = 0.22


class SweptRecipe:
    """`ptychonn-probe`, further: any sample under any probe, as jobs meet it.

    An example is some scans, reconstructed with the network as it is; then it learns for some
    steps on crops of what the passes told it.

    Parameters
    ----------
    examples : ExampleSettings
        Its `size` is the usual pattern side, its `fields` the scans of an example.
    channels : tuple of int
        Widths of the network.
    blocks : int
        Its residual blocks at the coarsest level.
    scans : tuple of ScanForm, optional
        What scans are drawn; None: :data:`SCANS`.
    """

    def __init__(
        self,
        examples: ExampleSettings,
        channels: tuple[int, int, int],
        blocks: int,
        *,
        scans: tuple[ScanForm, ...] | None = None,
    ) -> None:
        self._fields = ProbeRecipe(examples, channels, blocks)
        self._size, self._count = examples.size, examples.fields
        self._scans = SCANS if scans is None else scans

    def module(self) -> ProbeAwareNet:
        """Return a network with fresh weights."""
        return self._fields.module()

    def validate(
        self, network: ProbeAwareNet, device: torch.device, *, autocast: bool
    ) -> dict[str, float]:
        """Errors on the fields of :class:`~napari_ptychonn.training.probe_recipe.ProbeRecipe`."""
        return self._fields.validate(network, device, autocast=autocast)

    def draw(self, rng: np.random.Generator) -> tuple[Simulation, ...]:
        """Scans with their truths."""
        return tuple(self._draw_one(rng) for _ in range(self._count))

    def losses(
        self,
        network: ProbeAwareNet,
        drawn: tuple[Simulation, ...],
        rng: np.random.Generator,
        device: torch.device,
        *,
        autocast: bool,
    ) -> Iterator[Tensor]:
        """Mean log errors on batches of crops: every scan and every dose counts alike."""
        rooms = [_reconstructed(network, simulation, rng, device) for simulation in drawn]
        chances = [chance for chance, _, _ in _CROPS]
        for _ in range(_STEPS_PER_SCAN * len(rooms)):
            _, side, count = _CROPS[int(rng.choice(len(_CROPS), p=chances))]
            wide = [room for room in rooms if min(room.truth.shape) >= side] or rooms
            shortest = min(min(room.truth.shape) for room in wide)
            side = min(side, shortest // _MULTIPLE * _MULTIPLE)
            crops = [_lit_crop(wide, side, rng) for _ in range(count)]
            after, before, light, error, truth, weight, peak = (
                torch.stack(column) for column in zip(*crops, strict=True)
            )
            found = network.improve(
                after, before, light, error, peak=peak[:, None, None], autocast=autocast
            )
            yield _log_error(found, truth, weight)

    def _draw_one(self, rng: np.random.Generator) -> Simulation:
        while True:
            chances = np.array([form.chance for form in self._scans])
            form = self._scans[int(rng.choice(len(chances), p=chances / chances.sum()))]
            doubled = rng.random() < _DOUBLE_SIZE
            points = int(rng.integers(*form.points, endpoint=True))
            settings = SimulationSettings(
                probe=str(rng.choice(PROBE_KINDS)),
                size=self._size * (2 if doubled else 1),
                points=max(12, points // 3) if doubled else points,
                photons=float(10 ** rng.uniform(*form.photons)),
                path=_PATHS[int(rng.integers(len(_PATHS)))],
                second_mode=_sometimes(rng, 0.06, rng.uniform(0.02, 0.15)),
                position_error_px=_sometimes(rng, 0.05, rng.uniform(0.1, 0.6)),
                background=_sometimes(rng, 0.08, 10 ** rng.uniform(-3, -1.5)),
                gap_px=round(_sometimes(rng, 0.06, self._size / 16)),
                seed=int(rng.integers(2**31)),
            )
            probe = simulate_lazily(replace(settings, points=1)).truth.probe[0]
            step = rng.uniform(*form.steps) * _diameter(probe)
            settings = replace(settings, step_px=max(1.5, float(step)))
            shape = simulate_lazily(settings).truth.object.shape
            if max(shape) > _LARGEST_SIDE_PX:
                continue
            sample = polishing_sample((shape[0], shape[1]), rng)
            simulation = simulate(replace(settings, sample_array=sample))
            if settings.second_mode and rng.random() < 0.5:
                # Nobody at the beamline knew of it.
                told = simulation.truth.probe[:1].copy()
                return Simulation(replace(simulation.scan, probe=told), simulation.truth)
            return simulation


@dataclass(frozen=True, slots=True)
class _Room:
    """What the passes over one scan told the network.

    Attributes
    ----------
    after, before, light, error : list of Tensor, (H, W)
        As the network takes them, pass by pass.
    truth : Tensor, (H, W) complex64
        The object as it was.
    known : Tensor, (H, W) bool
        Where.
    """

    after: list[Tensor]
    before: list[Tensor]
    light: list[Tensor]
    error: list[Tensor]
    truth: Tensor
    known: Tensor


def _reconstructed(
    network: ProbeAwareNet, simulation: Simulation, rng: np.random.Generator, device: torch.device
) -> _Room:
    """Do what a job does, and keep what the network is told."""
    scan, truth = simulation
    assert scan.probe is not None
    frame = make_frame(scan.positions_px, scan.pattern_shape).to(device)
    measurements = Measurements(scan, np.arange(scan.n_points), device)
    probe = torch.from_numpy(scan.probe).to(device)
    corner = truth.corner_m
    label = ObjectResult(truth.object, (truth.pixel_m,) * 2, "m", corner, Path(), "simulation")
    placed, known = object_on(label, frame, (truth.pixel_m,) * 2)
    room = _Room([], [], [], [], placed, known)

    def keep(after: Tensor, before: Tensor, light: Tensor, unexplained: Tensor) -> None:
        room.after.append(after.clone())
        room.before.append(before.clone())
        room.light.append(light.clone())
        room.error.append(object_error(light, unexplained).clone())

    found = torch.ones_like(placed)
    seed = int(rng.integers(2**16))
    for record in run_passes(
        network, measurements, frame, probe, update_probe=False, seed=seed, batch_size=_BATCH,
        should_stop=never,
    ):  # fmt: skip
        if isinstance(record, PassRecord):
            swept, found = record.swept, record.found
            keep(swept.after, swept.before, swept.light, swept.unexplained)
    photons = float((probe.abs() ** 2).sum())
    if photons > _SWEPT_FROM_PHOTONS and rng.random() < _SWEPT_AFTER:
        some = _FEWER_AFTER_MANY if len(room.after) > _MANY_PASSES else _SWEEPS_AFTER
        for state in sweep_object(
            measurements, frame, found, probe, int(rng.integers(*some)), update_probe=False,
            seed=seed, batch_size=_BATCH, should_stop=never,
            regularisation=SWEEP_REGULARISATION, momentum=SWEEP_MOMENTUM,
        ):  # fmt: skip
            if isinstance(state, SweepState):
                last = state
        assert last.light is not None
        assert last.unexplained is not None
        keep(last.object, found, last.light, last.unexplained)
    return room


def _lit_crop(rooms: list[_Room], side: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
    """A crop of what one pass told: after, before, light, error, truth, weight, peak."""
    for _ in range(100):
        room = rooms[int(rng.integers(len(rooms)))]
        number = int(rng.integers(len(room.after)))
        light = room.light[number]
        rows, columns = (_cut(length, side, rng) for length in light.shape)
        cut = (rows[0], columns[0])
        believed = torch.zeros((side, side), device=light.device)
        believed[rows[1], columns[1]] = 1
        weight = _well_lit(light)[cut] * room.known[cut] * believed
        lit = light[cut].amax() >= _DARK * light.amax()
        if lit and weight.sum() >= _FEWEST_LIT * believed.sum():
            break
    angle = torch.tensor(rng.uniform(0, 2 * np.pi), dtype=torch.float32)
    phase = torch.polar(torch.ones(()), angle).to(light.device)
    turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))

    def turned(values: Tensor) -> Tensor:
        return (values.flip(-1) if mirrored else values).rot90(turns, (-2, -1))

    objects = (room.after[number], room.before[number], room.truth)
    after, before, truth = (turned(values[cut] * phase) for values in objects)
    rest = (turned(values) for values in (light[cut], room.error[number][cut]))
    return after, before, *rest, truth, turned(weight), light.amax()


def _cut(length: int, side: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """A stretch of that side, and what of it is believed: a cut edge lacks its neighbours."""
    start = int(rng.integers(0, length - side, endpoint=True))
    low = 0 if start < _MULTIPLE else _MARGIN
    high = 0 if start + side > length - _MULTIPLE else _MARGIN
    return slice(start, start + side), slice(low, side - high)


def _well_lit(light: Tensor) -> Tensor:
    """Weight (H, W) of every pixel: near 1 where a scan is well lit, little on its rim.

    The rim is noisiest, and is not what one looks at: with more weight the middle suffers.
    """
    lit = light[light > 0]
    typical = torch.quantile(lit, 0.9) if len(lit) else light.new_ones(())
    return light / (light + typical)


def _log_error(found: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean log error (B, H, W) relative to the object's power, as a whole and in tiles."""
    power = patch_error(torch.zeros_like(found), truth, weight).clamp_min(1e-6)
    whole = patch_error(found, truth, weight).clamp_min(0) / power
    tiles = tile_error(found, truth, weight, np.gcd(_TILE, found.shape[-1])).clamp_min(0) / power
    return 0.5 * ((whole + _FLOOR).log() + (tiles + _FLOOR).log()).mean()


def _diameter(probe: NDArray[np.complex64]) -> float:
    """That of a disc as large as the brightest pixels that hold most of the light."""
    light = np.sort((np.abs(probe) ** 2).ravel())[::-1]
    area = 1 + np.searchsorted(np.cumsum(light) / light.sum(), _LIGHT_WITHIN_DIAMETER)
    return float(2 * np.sqrt(area / np.pi))


def _sometimes(rng: np.random.Generator, chance: float, value: float) -> float:
    return float(value) if rng.random() < chance else 0.0
