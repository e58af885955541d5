"""The speed benchmark times the real job, says no, and says what it left out."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import speed
import speed_ptychi
import speed_rates
from figures import Figure, MissingData
from stopwatch import Options, repeat, threads

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.reconstruction import iterative
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate

ONCE = Options(threads=1, repeats=1)


@pytest.fixture(scope="module")
def small():
    return simulate(SimulationSettings(sample="bars", size=32, points=36, step_px=3.0, seed=1))


def values(figures):
    return {(figure.case, figure.name): figure.value for figure in figures}


def test_the_rates_are_those_of_the_job_and_of_the_published_network(small, monkeypatch):
    monkeypatch.setattr(speed_rates, "natural_scan", lambda photons: small)
    monkeypatch.setattr(speed_rates, "_PLAIN_PATTERNS", 4)
    found = values(speed_rates.rates(ONCE))
    assert all(value > 0 and math.isfinite(value) for value in found.values())
    cases = {case for case, _ in found}
    assert len(cases) == 2, "by the clock and by the processor's"
    for case in cases:
        ratio = found[case, "first pass"] / found[case, "published network, plainly"]
        assert found[case, "first pass / plainly published"] == pytest.approx(ratio)


def test_every_stage_is_found_and_takes_part_of_the_job(small, monkeypatch):
    monkeypatch.setattr(speed_rates, "natural_scan", lambda photons: small)
    figures = list(speed_rates.stages(ONCE))
    whole, *stages = (figure.value for figure in figures)
    assert whole > 0
    for figure, spent in zip(figures[1:], stages, strict=True):
        assert 0 < spent * small.scan.n_points / 1e3 < whole, figure.name


class SlowClock:
    """A clock on which every epoch takes a second, half of it the processor's."""

    def read(self):
        return 1.0, 0.5


def race(monkeypatch, errors):
    """An engine against two pictures; its n-th epoch is `errors[n - 1]` away from the truth."""

    def iterate(scan, settings):
        for number, error in enumerate(errors, start=1):
            if error is None:
                raise SettingsError("step", None, "it diverged", remedy="smaller steps")
            yield SimpleNamespace(number=number, object=error, corner_px=())

    monkeypatch.setattr(iterative, "iterate", iterate)
    monkeypatch.setattr(speed_ptychi, "_Clock", SlowClock)
    judge = SimpleNamespace(error=lambda object_, corner_px: object_)
    pictures = [
        speed_ptychi._Picture("rough", 0.1, 0.1, 0.3),
        speed_ptychi._Picture("fine", 0.01, 0.01, 0.1),
    ]
    return list(speed_ptychi._race(ONCE, None, judge, "lsqml", pictures))


def test_an_engine_is_timed_to_the_first_picture_as_good(monkeypatch):
    figures = race(monkeypatch, [0.5, 0.25, 0.2, 0.09, 0.01])
    found = values(figures)
    assert found["lsqml / network", "rough"] == pytest.approx(2 / 0.1)
    assert found["lsqml / network", "fine"] == pytest.approx(4 / 0.01)
    assert found["lsqml / network, processor's time", "fine"] == pytest.approx(2 / 0.01)
    assert found["pty-chi lsqml, all the points", "4 epochs"] == 4
    assert [figure.holds for figure in figures if figure.bar] == [True]


@pytest.mark.parametrize("errors", [[0.5, 0.25, 0.2], [0.5, 0.25, 0.2, None]])
def test_an_engine_that_never_gets_there_is_said_not_to(monkeypatch, errors):
    names = [name for _, name in values(race(monkeypatch, errors))]
    assert "as good as rough" in names
    assert "NOT as good as fine" in names


def test_a_missing_engine_is_left_out(monkeypatch):
    with pytest.raises(MissingData, match="diverged"):
        race(monkeypatch, [None])


def test_the_command_says_no_and_writes_what_it_found(monkeypatch, tmp_path, capsys):
    def slow(options):
        yield Figure("a case", "rate", 3.0, "/s", (">=", 5))
        yield Figure("a case", "told", 1.0)

    def absent(options):
        raise MissingData("no such thing here")
        yield

    monkeypatch.setattr(speed, "ROWS", {"slow": slow, "absent": absent})
    table, report = tmp_path / "t.md", tmp_path / "r.json"
    monkeypatch.setattr("sys.argv", ["speed", "--json", str(report), "--markdown", str(table)])
    assert speed.main() == 1
    assert "absent: left out, no such thing here" in capsys.readouterr().out
    assert "| a case | rate | 3 /s | >= 5 | **missed** |" in table.read_text()
    assert [figure["value"] for figure in json.loads(report.read_text())["figures"]] == [3, 1]


def test_repeats_warm_up_first_and_give_the_threads_back():
    import torch

    calls = []
    before = torch.get_num_threads()
    with threads(1):
        timing = repeat(3, lambda: calls.append(torch.get_num_threads()))
    assert calls == [1] * 4
    assert torch.get_num_threads() == before
    assert 0 <= timing.median <= timing.slowest
    assert np.isfinite(timing.processor)
