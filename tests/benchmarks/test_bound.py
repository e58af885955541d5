"""What photons allow who know the spectrum lies between the truth and a flat object."""

from dataclasses import replace

import bound
import pytest
import torch
from suite import CASES

SMALL = replace(CASES["moon-coins-overlap-40"], size=32, points=49, overlap=0.75)


@pytest.fixture
def doses(monkeypatch):
    cases = {"dim": replace(SMALL, photons=1e3), "bright": replace(SMALL, photons=1e5)}
    monkeypatch.setattr(bound, "CASES", cases)
    monkeypatch.setattr(bound, "_TURNS", 60)
    return cases


def test_more_photons_allow_more(doses):
    found = {name: {f.name: f.value for f in bound.bound(name)} for name in doses}
    best = "from the truth, spectrum known"
    assert found["bright"][best] < 0.5 * found["dim"][best]
    for errors in found.values():
        assert 0 < errors[best] < errors["flat"]
        assert errors["network alone"] < errors["flat"]


def test_a_spectrum_holds_the_power_of_its_field():
    field = torch.randn(24, 40, generator=torch.Generator().manual_seed(1))
    white = bound._spectrum(field)
    assert white.shape == (24, 21)
    assert float(white.mean()) == pytest.approx(float(field.square().mean()), rel=0.1)
    # A field of one frequency has none of the others.
    wave = torch.sin(2 * torch.pi * torch.arange(24) / 6)[:, None].expand(24, 40)
    power = bound._spectrum(wave)
    assert power[4, 0] > 100 * power[12, 0]
