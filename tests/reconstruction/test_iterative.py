"""pty-chi on our scans: the same frame, scale and photons, and nothing left behind.

Without pty-chi (the extra `iterative`) only its absence is tested.
"""

import random
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.optics.propagation import diffract, shift_probe
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction import ptychi_task
from napari_ptychonn.reconstruction.comparison import compare
from napari_ptychonn.reconstruction.frame import make_frame
from napari_ptychonn.reconstruction.iterative import IterativeSettings, iterate
from napari_ptychonn.scan.model import Provenance, Scan
from napari_ptychonn.scan.patterns import ArrayPatterns


@pytest.fixture(scope="module")
def ptychi():
    """pty-chi, or a skipped test that says why."""
    with warnings.catch_warnings():
        # What its dependencies warn of while they are imported is not ours.
        warnings.simplefilter("ignore")
        try:
            return __import__("ptychi.api.task")
        except (ImportError, RuntimeError, OSError) as error:
            pytest.skip(f"pty-chi (the extra `iterative`) cannot be imported: {error}")


def settings(engine="lsqml", **changes):
    """Settings for the CPU and batches of ten, which suit a hundred points."""
    return IterativeSettings(**{"engine": engine, "batch_size": 10, "device": "cpu", **changes})


def compared(simulation, epoch):
    """The object against the truth inside the scanned rectangle."""
    truth, positions = simulation.truth, simulation.scan.positions_px
    corner = tuple(value / truth.pixel_m for value in truth.corner_m)
    region = (tuple(positions.min(0)), tuple(positions.max(0)))
    return compare(epoch.object, epoch.corner_px, truth.object, corner, region)


def exact_scan(shape, rng, *, modes=1, subpixel=True):
    """A scan of 30 points without noise, its object on the frame, and its probe."""
    positions = rng.uniform(-9, 9, (30, 2))
    if not subpixel:
        positions = np.rint(positions)
    frame = make_frame(positions, shape)
    y, x = (np.arange(side) - side // 2 for side in shape)
    round_light = np.exp(-(y[:, None] ** 2 + x**2) / (0.02 * shape[0] * shape[1]))
    probe = torch.from_numpy(
        np.stack([round_light * (1 + 0.1j * y[:, None]) * x**number for number in range(modes)])
    ).to(torch.complex64)
    probe *= 300 / probe.abs().square().sum().sqrt()
    grain = rng.normal(size=(2, *frame.shape))
    object_ = torch.from_numpy((0.8 + 0.1 * grain[0]) * np.exp(0.5j * grain[1])).to(torch.complex64)
    local = shift_probe(probe, frame.shifts)
    patches = cut_windows(object_, frame.indices(torch.arange(30)))
    patterns = np.fft.fftshift(diffract(local, patches).numpy(), axes=(1, 2))
    scan = Scan(
        patterns=ArrayPatterns(patterns),
        positions=positions,
        unit="px",
        mask=np.ones(shape, bool),
        provenance=Provenance(None, "made in memory"),
        probe=probe.numpy(),
    )
    return scan, object_.numpy(), probe.numpy()


@pytest.mark.parametrize("engine", ["lsqml", "rpie"])
@pytest.mark.parametrize("shape", [(32, 32), (24, 30), (25, 31)])
def test_the_truth_fits_the_photons_exactly_in_the_terms_of_the_engine(ptychi, engine, shape, rng):
    # Any other DC, sign or centre of positions, probe scale or corner would misfit by about
    # the mean count, 90,000 / pixels.
    scan, object_, probe = exact_scan(shape, rng)
    (epoch,) = iterate(scan, settings(engine, epochs=1), start_object=object_, start_probe=probe)
    assert epoch.loss < 1e-4 * 90_000 / (shape[0] * shape[1])
    assert epoch.object.shape == object_.shape
    assert np.abs(epoch.object - object_).max() < 0.02
    assert np.linalg.norm(epoch.probe - probe) < 1e-5 * np.linalg.norm(probe)


def test_incoherent_modes_add_up_as_ours_do(ptychi, rng):
    scan, object_, probe = exact_scan((32, 32), rng, modes=2, subpixel=False)
    (epoch,) = iterate(scan, settings(epochs=1), start_object=object_, start_probe=probe)
    assert epoch.loss < 1e-4 * 90_000 / 32**2
    assert epoch.probe.shape == (2, 32, 32)


@pytest.mark.parametrize(("engine", "epochs"), [("lsqml", 20), ("rpie", 20)])
def test_a_known_probe_leads_to_the_truth(ptychi, simulation, engine, epochs):
    found = list(iterate(simulation.scan, settings(engine, epochs=epochs)))
    assert [epoch.number for epoch in found] == list(range(1, epochs + 1))
    same = compared(simulation, found[-1])
    # 1e5 photons over 1,024 pixels; 0.017 and 0.026 were measured.
    assert same.nrmse < 0.04
    assert max(map(abs, same.shift_px)) < 0.02
    assert found[-1].loss < 0.2 * found[0].loss
    assert compared(simulation, found[0]).nrmse > 3 * same.nrmse


@pytest.mark.parametrize("engine", ["lsqml", "rpie"])
def test_a_wrong_probe_is_refined_and_keeps_its_power(ptychi, simulation, engine):
    wrong = simulation.truth.probe * np.linspace(0.3, 1.7, 32, dtype=np.float32)
    wrong *= np.linalg.norm(simulation.truth.probe) / np.linalg.norm(wrong)
    kept, refined = (
        list(
            iterate(
                simulation.scan,
                settings(engine, epochs=8, update_probe=update),
                start_probe=wrong,
            )
        )[-1]
        for update in (False, True)
    )
    truth = simulation.truth.probe
    assert np.allclose(kept.probe, wrong, atol=1e-4)
    assert _unlike(refined.probe, truth) < 0.6 * _unlike(wrong, truth)
    assert np.linalg.norm(refined.probe) == pytest.approx(np.linalg.norm(wrong), rel=1e-4)
    assert refined.loss < kept.loss


def test_more_modes_share_the_power_of_the_start(ptychi, simulation):
    *_, last = iterate(simulation.scan, settings(epochs=1, probe_modes=3, update_probe=True))
    assert last.probe.shape == (3, 32, 32)
    powers = (np.abs(last.probe) ** 2).sum((1, 2))
    assert powers.sum() == pytest.approx(1e5, rel=1e-3)
    assert powers[0] > 0.8 * powers.sum()


def test_wrong_positions_are_refined(ptychi, simulation, rng):
    scan = simulation.scan
    pixel = np.asarray(scan.pixel_m)
    error = rng.normal(0, 0.7, scan.positions.shape)
    shaken = replace(scan, positions=scan.positions + error * pixel)
    *_, last = iterate(shaken, settings(epochs=20, noise="gaussian", update_positions=True))
    # A common shift moves the object along.
    left = last.positions_px - scan.positions_px
    left -= left.mean(0)
    assert np.sqrt((left**2).mean()) < 0.7 * np.sqrt(((error - error.mean(0)) ** 2).mean())


def test_a_warm_start_is_where_it_goes_on(ptychi, simulation):
    *_, far = iterate(simulation.scan, settings(epochs=8))
    start = far.object.copy()
    start[0, 0] = np.nan
    first, *_ = iterate(simulation.scan, settings(epochs=1), start_object=start)
    assert first.loss < 1.1 * far.loss
    assert np.isfinite(first.object).all()


def test_the_frame_is_that_of_the_points_in_use(ptychi, simulation):
    points = np.arange(5, 60, 2)
    (epoch,) = iterate(simulation.scan, settings(epochs=1), points=points)
    frame = make_frame(simulation.scan.positions_px[points], (32, 32))
    assert epoch.object.shape == frame.shape
    assert epoch.corner_px == frame.corner_px
    assert np.allclose(epoch.positions_px, simulation.scan.positions_px[points], atol=1e-3)


def test_the_same_seed_finds_the_same_object(ptychi, simulation):
    first, again = (
        list(iterate(simulation.scan, settings(epochs=2, batching="uniform", seed=5)))[-1]
        for _ in range(2)
    )
    np.testing.assert_allclose(first.object, again.object, atol=1e-5)


def test_a_stop_is_heard_before_the_next_batch(ptychi, simulation):
    asked = []

    def should_stop():
        asked.append(True)
        return len(asked) > 14

    found = list(iterate(simulation.scan, settings(epochs=50), should_stop=should_stop))
    # Ten batches make an epoch.
    assert [(epoch.number, epoch.stopped) for epoch in found] == [(1, False), (1, True)]
    assert len(asked) == 15
    assert np.isfinite(found[-1].loss)
    assert not np.array_equal(found[0].object, found[1].object)


def test_the_process_is_as_before_at_every_event(ptychi, simulation):
    def state():
        return (
            torch.get_default_device(),
            torch.get_default_dtype(),
            torch.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),  # noqa: NPY002 (what pty-chi seeds)
            random.getstate(),
            list(warnings.filters),
            torch.is_grad_enabled(),
        )

    before = state()
    running = iterate(simulation.scan, settings(epochs=3))
    next(running)
    assert state() == before
    try:
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.manual_seed(11)
        before = state()
        assert np.isfinite(next(running).loss)
        assert state() == before
        running.close()
        assert state() == before
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)


def test_an_engine_that_diverges_says_so(ptychi, simulation):
    with pytest.raises(SettingsError, match=r"rpie diverged in epoch \d+.*smaller step"):
        list(iterate(simulation.scan, settings("rpie", step=1e6, batch_size=100)))


def test_too_little_memory_is_said_and_leaves_nothing_behind(ptychi, simulation, monkeypatch):
    running = iterate(simulation.scan, settings(epochs=2))
    next(running)
    task = ptychi.api.task.PtychographyTask

    def full(self, epochs):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(task, "run", full)
    before = torch.get_rng_state()
    with pytest.raises(SettingsError, match="smaller batches"):
        next(running)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError("No module named 'ptychi'", name="ptychi"), "is not installed"),
        (RuntimeError("operator torchvision::nms does not exist"), "torchvision::nms"),
    ],
)
def test_without_the_extra_the_person_is_told_what_to_install(monkeypatch, simulation, error, said):
    def fails(name):
        raise error

    monkeypatch.setattr(ptychi_task, "importlib", SimpleNamespace(import_module=fails))
    with pytest.raises(SettingsError, match=r'pip install "napari-ptychonn\[iterative\]"') as told:
        iterate(simulation.scan, settings())
    assert told.value.subject == "engine"
    assert said in told.value.problem


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"engine": "epie"}, "engine"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"probe_modes": 0}, "probe_modes"),
        ({"step": 0.0}, "step"),
        ({"regularisation": 1.5}, "regularisation"),
        ({"noise": "none"}, "noise"),
        ({"engine": "rpie", "batching": "compact"}, "batching"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(changes, named):
    with pytest.raises(SettingsError) as told:
        IterativeSettings(**changes)
    assert told.value.subject == named


def test_a_start_of_another_shape_is_refused(ptychi, simulation):
    with pytest.raises(SettingsError, match="start_object"):
        iterate(simulation.scan, settings(), start_object=np.ones((4, 4), np.complex64))
    with pytest.raises(SettingsError, match="start_probe"):
        iterate(simulation.scan, settings(), start_probe=np.ones((32, 32), np.complex64))


def test_a_near_field_scan_is_refused(simulation):
    near = replace(simulation.scan, near_field="holography")
    with pytest.raises(ScanError, match="holography"):
        iterate(near, settings())


def _unlike(probe, truth):
    """How far a probe is from the true one, its phase set aside."""
    turn = np.vdot(probe, truth)
    return np.linalg.norm(probe * turn / abs(turn) - truth) / np.linalg.norm(truth)
