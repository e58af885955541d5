"""A scan in pty-chi's terms, and what pty-chi finds in ours.

pty-chi's transform is not unitary, so its probe is ours over √(h·w). Its positions are
counted from a point of the object that can be chosen, and point at the middle of a patch:
(h − 1) / 2, where our centre is pixel h // 2.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.reconstruction.events import ShouldStop
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.iterative_settings import IterativeSettings
from napari_ptychonn.reconstruction.ptychi_globals import PtychiGlobals

__all__ = ["PtychiTask", "TaskStart", "load_ptychi"]

_MARGIN_PX = 2
_ROAMING_MARGIN_PX = 10
_LSQML_STEP = 0.9
_SUMMED_STEP = 0.6
_EPOCHS_TO_HALF = 10
_NEAREST_TIE = 0.4995
_MOMENTUM = 0.5
_FIXED_POSITION_EPOCHS = 3


def load_ptychi() -> tuple[Any, Any, Any]:
    """Import pty-chi: its ``api``, ``api.task`` and ``utils``.

    Raises
    ------
    SettingsError
        It is not installed, or cannot be imported.
    """
    try:
        return (
            importlib.import_module("ptychi.api"),
            importlib.import_module("ptychi.api.task"),
            importlib.import_module("ptychi.utils"),
        )
    # torchvision, which pty-chi needs, raises RuntimeError where it does not fit torch.
    except (ImportError, RuntimeError, OSError) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "ptychi"
        raise SettingsError(
            "engine",
            None,
            "pty-chi is not installed" if missing else f"pty-chi cannot be imported: {error}",
            remedy='pip install "napari-ptychonn[iterative]"',
        ) from error


@dataclass(frozen=True, slots=True)
class TaskStart:
    """What a task starts from.

    Attributes
    ----------
    counts : Tensor, (M, h, w) float32
        Photons, DC at the corner, on the CPU.
    mask : Tensor, (h, w) bool
        Good pixels, DC at the corner.
    frame : Frame
        Windows of the points.
    object : ndarray, (H, W) complex64
        On the frame.
    probe : ndarray, (modes, h, w) complex64
        √photons.
    update_probe : bool
        Whether the probe is refined.
    """

    counts: Tensor
    mask: Tensor
    frame: Frame
    object: NDArray[np.complex64]
    probe: NDArray[np.complex64]
    update_probe: bool


class PtychiTask:
    """One task of pty-chi, which leaves the process as it found it.

    Parameters
    ----------
    settings : IterativeSettings
        Engine and its settings.
    start : TaskStart
        What it works on.
    device : torch.device
        ``cpu`` or ``cuda``.
    """

    def __init__(self, settings: IterativeSettings, start: TaskStart, device: torch.device) -> None:
        self._start = start
        self._margin = _ROAMING_MARGIN_PX if settings.update_positions else _MARGIN_PX
        self._unit = float(np.sqrt(np.prod(start.frame.patch_shape)))
        self._globals = PtychiGlobals(device)
        api, task, utils = load_ptychi()
        probe = start.probe / self._unit
        places = _places(start.frame)
        with self._globals.lent():
            if settings.probe_modes is not None:
                probe = _with_modes(probe, settings.probe_modes, utils)
            self._power = float((np.abs(probe) ** 2).sum())
            self._task = task.PtychographyTask(
                self._options(api, settings, device),
                diffraction_data=start.counts,
                object_data=np.pad(start.object, self._margin, constant_values=1)[None],
                probe_data=probe[None],
                probe_position_y_px=places[:, 0],
                probe_position_x_px=places[:, 1],
                # Left out, it is said on the root logger, which installs a handler.
                opr_mode_weights_data=np.ones((len(places), 1), np.float32),
                valid_pixel_mask=start.mask.cpu().numpy(),
            )

    def epoch(self, should_stop: ShouldStop) -> float | None:
        """Run an epoch; its loss, or None where it was stopped."""

        def ask() -> None:
            if should_stop():
                raise _StopAsked

        reconstructor = self._task.reconstructor
        reconstructor.run_pre_update_hooks = ask
        with self._globals.lent():
            try:
                self._task.run(1)
            except _StopAsked:
                return None
        return float(reconstructor.loss_tracker.table.iloc[-1].loss)

    def object_and_probe(self) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
        """Object (H, W) on the frame, and probe (modes, h, w), √photons."""
        inner = slice(self._margin, -self._margin)
        object_ = self._task.get_data_to_cpu("object", as_numpy=True)[0, inner, inner]
        probe = self._task.get_data_to_cpu("probe", as_numpy=True)[0]
        scale = 1.0
        if self._start.update_probe:
            scale = float(np.sqrt((np.abs(probe) ** 2).sum() / self._power))
        return (
            (object_ * scale).astype(np.complex64),
            (probe * (self._unit / scale)).astype(np.complex64),
        )

    def places(self) -> NDArray[np.float64]:
        """Probe centres (M, 2), (y, x) in pixels of the frame."""
        found = self._task.get_data_to_cpu("probe_positions", as_numpy=True)
        return np.asarray(found, np.float64)

    def _options(self, api: Any, settings: IterativeSettings, device: torch.device) -> Any:
        options = api.LSQMLOptions() if settings.engine == "lsqml" else api.RPIEOptions()
        height, width = self._start.frame.patch_shape

        data = options.data_options
        data.fft_shift = False
        data.save_data_on_device = device.type == "cuda" and _fits(self._start.counts, device)

        object_ = options.object_options
        object_.determine_position_origin_coords_by = api.ObjectPosOriginCoordsMethods.SPECIFIED
        object_.position_origin_coords = [
            self._margin + (side - 1) / 2 - side // 2 for side in (height, width)
        ]
        # It makes the mean transmission 1: right only where nothing else fixes the scale.
        object_.remove_object_probe_ambiguity.enabled = self._start.update_probe
        options.probe_options.optimizable = self._start.update_probe
        _free_positions(options.probe_position_options, settings)

        how = options.reconstructor_options
        how.num_epochs = settings.epochs
        how.batch_size = settings.batch_size
        how.batching_mode = api.BatchingModes(settings.batching)
        how.random_seed = settings.seed
        how.default_device = api.Devices.GPU if device.type == "cuda" else api.Devices.CPU
        if settings.engine == "lsqml":
            object_.optimal_step_size_scaler = settings.step or _LSQML_STEP
            how.noise_model = api.NoiseModels(settings.noise)
            # The start is in √photons already, and the first epoch would do nothing else.
            how.rescale_probe_intensity_in_first_epoch = False
            if settings.batching == "compact":
                how.momentum_acceleration_gain = _MOMENTUM
        else:
            object_.step_size = settings.step or _summed_step(self._start, settings.batch_size)
            object_.alpha = settings.regularisation
            # Long steps find the object, and then follow the noise of every batch.
            object_.optimization_plan.step_size_scheduler_class = "LambdaLR"
            object_.optimization_plan.step_size_scheduler_options = {"lr_lambda": _shrinking}
        return options


def _summed_step(start: TaskStart, batch_size: int) -> float:
    """Step of rPIE, which sums the updates of a batch: shorter the more of them meet.

    How many do follows from the probe's area and the scan's, both in pixels.
    """
    light = (np.abs(start.probe) ** 2).sum(0)
    spot = float(light.sum() ** 2 / (light**2).sum())
    corners = start.frame.corners
    sides = (corners.amax(0) - corners.amin(0)).double() + np.sqrt(spot)
    meeting = min(batch_size, len(corners)) * spot / float(sides.prod())
    return min(1.0, _SUMMED_STEP / meeting)


def _shrinking(epoch: int) -> float:
    """Length of a step over the first one's: half after ten epochs, a fifth after forty."""
    return 1 / (1 + epoch / _EPOCHS_TO_HALF)


def _free_positions(options: Any, settings: IterativeSettings) -> None:
    """Let positions move, once there is an object to find them on.

    pty-chi's own step is 0.3, without momentum: in 40 epochs it took a fifth of an error of
    0.7 px away, and this two thirds.
    """
    options.optimizable = settings.update_positions
    options.step_size = 1.0
    options.optimization_plan.start = _FIXED_POSITION_EPOCHS
    options.correction_options.update_magnitude_limit = 0.3
    if settings.engine == "lsqml":
        options.momentum_acceleration_gain = _MOMENTUM


class _StopAsked(Exception):
    """The person wants pty-chi to stop."""


def _places(frame: Frame) -> NDArray[np.float32]:
    """Probe centres (M, 2), (y, x) in pixels of the frame.

    pty-chi rounds them anew to find the windows; half a pixel must not fall to the
    neighbour, whose window may lie outside.
    """
    half = np.asarray([side // 2 for side in frame.patch_shape])
    shifts = frame.shifts.cpu().numpy().clip(-_NEAREST_TIE, _NEAREST_TIE)
    return (frame.corners.cpu().numpy() + half + shifts).astype(np.float32)


def _with_modes(probe: NDArray[np.complex64], modes: int, utils: Any) -> NDArray[np.complex64]:
    """The first modes of a probe (K, h, w), or more of them, of the same power together."""
    total = (np.abs(probe) ** 2).sum()
    if modes > len(probe):
        wanted = np.zeros((1, modes, *probe.shape[1:]), np.complex64)
        wanted[0, 0] = probe[0]
        # pty-chi's part of it lies on the default device, which is lent by now.
        start = torch.from_numpy(wanted).to(torch.get_default_device())
        kept = utils.orthogonalize_initial_probe(start).cpu().numpy()[0]
    else:
        kept = probe[:modes]
    return (kept * np.sqrt(total / (np.abs(kept) ** 2).sum())).astype(np.complex64)


def _fits(counts: Tensor, device: torch.device) -> bool:
    """Whether the patterns take less than a quarter of the free memory."""
    free, _ = torch.cuda.mem_get_info(device)
    return 4 * counts.numel() * counts.element_size() < free
