"""An object amplifies nowhere where the power of its probe is a guess."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.reconstruction.events import Message
from napari_ptychonn.reconstruction.job import reconstruct, reconstruct_events
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.reconstruction.transmission import amplification
from napari_ptychonn.simulation.samples import Contrast
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate

QUICK = ReconstructionSettings(device="cpu", sweeps=0, passes=4)


@pytest.fixture(scope="module")
def absorbing():
    """Half of the light is lost nearly everywhere; some pixels are empty."""
    return simulate(
        SimulationSettings(
            sample="fractal", contrast=Contrast("coupled", lowest=0.3, phase_range=-1.0),
            size=32, points=144, photons=1e6, seed=4,
        )
    )  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(brightest=st.floats(1.05, 3.0), photons=st.floats(1e3, 1e7), seed=st.integers(0, 2**16))
def test_the_factor_is_what_the_brightest_pixels_have_above_one(brightest, photons, seed):
    rng = np.random.default_rng(seed)
    amplitude = rng.uniform(0.2, 1.0, (96, 96)) * brightest
    noise = rng.normal(0, np.sqrt(0.5 / photons), (2, 96, 96))
    object_ = torch.from_numpy(amplitude + noise[0] + 1j * noise[1]).to(torch.complex64)
    found = amplification(object_, torch.full((96, 96), photons))
    assert found == pytest.approx(brightest, abs=0.01 + 3 * np.sqrt(0.5 / photons))
    assert found <= brightest + np.sqrt(0.5 / photons)


@settings(deadline=None, max_examples=40)
@given(photons=st.floats(1, 1e6), seed=st.integers(0, 2**16))
def test_noise_of_a_transparent_object_is_not_taken_for_amplification(photons, seed):
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, np.sqrt(0.5 / photons), (2, 96, 96))
    object_ = torch.from_numpy(1 + noise[0] + 1j * noise[1]).to(torch.complex64)
    # 0.1 % of normal numbers are more than 3.1 of their deviations above their mean.
    least = 1 + 1.6 * np.sqrt(0.5 / photons)
    assert 1 <= amplification(object_, torch.full((96, 96), photons)) <= least


def test_bright_noise_in_the_dark_is_not_looked_at():
    object_ = torch.ones((64, 64), dtype=torch.complex64)
    light = torch.full((64, 64), 1e4)
    object_[:16], light[:16] = 7.0, 10.0
    assert amplification(object_, light) == 1
    assert amplification(object_, torch.zeros_like(light)) == 1


def test_without_a_probe_the_object_transmits_all_light_at_most(absorbing):
    scan = replace(absorbing.scan, probe=None)
    result = reconstruct(scan, QUICK)
    assert np.nanquantile(np.abs(result.object), 0.99) < 1.02
    assert any("amplifies nowhere" in text for text in result.report.messages)
    given = (np.abs(absorbing.truth.probe) ** 2).sum()
    brightest = scan.patterns.read(np.arange(scan.n_points)).sum((1, 2)).max()
    power = (np.abs(result.probe) ** 2).sum()
    assert abs(power - given) < 0.6 * abs(brightest - given)


def test_what_is_handed_over_leaves_patterns_as_they_are(absorbing, monkeypatch):
    """Object and probe have opposite factors, and the misfit stays."""
    scan = replace(absorbing.scan, probe=None)
    bounded = reconstruct(scan, QUICK)
    from napari_ptychonn.reconstruction import transmission

    monkeypatch.setattr(transmission, "amplification", lambda *_: 1.0)
    free = reconstruct(scan, QUICK)
    factor = np.nanmedian(np.abs(free.object) / np.abs(bounded.object))
    assert factor > 1.05
    np.testing.assert_allclose(bounded.object * factor, free.object, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(bounded.probe / factor, free.probe, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(bounded.coverage, free.coverage * factor**2, rtol=1e-3)
    assert bounded.report.misfit == pytest.approx(free.report.misfit, rel=1e-3)


def test_a_power_that_is_known_is_kept(absorbing):
    *_, finished = events = list(reconstruct_events(absorbing.scan, QUICK))
    assert not any(isinstance(e, Message) and "amplifies nowhere" in e.text for e in events)
    np.testing.assert_allclose(finished.result.probe, absorbing.scan.probe)
