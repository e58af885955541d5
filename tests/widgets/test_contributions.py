"""What napari is offered: files opened, reconstructions saved, samples made on demand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import napari
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image
from npe2 import PluginManager, PluginManifest

from napari_ptychonn import contributions
from napari_ptychonn.errors import OutputError
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.reconstruction import product
from napari_ptychonn.reconstruction.as_result import as_result
from napari_ptychonn.reconstruction.result import Reconstruction, RunReport
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.export.product import write_product
from napari_ptychonn.scan.model import Provenance
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.simulation.settings import SAMPLE_SCANS, SimulationSettings
from napari_ptychonn.simulation.simulate import simulate_to_cxi
from napari_ptychonn.widgets import layers
from napari_ptychonn.widgets.placement import KEY
from napari_ptychonn.widgets.scan_layers import make_layers

CENTIMETRE = 3
"""TIFF's ResolutionUnit for pixels per centimetre."""


@pytest.fixture(scope="module")
def scan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scans") / "wafer.cxi"
    simulate_to_cxi(path, SimulationSettings(size=32, points=30, step_px=3.0, seed=1))
    return path


@pytest.fixture
def result() -> Reconstruction:
    rng = np.random.default_rng(0)
    waves = rng.random((20, 24)) * np.exp(1j * rng.uniform(-3, 3, (20, 24)))
    waves[:2] = np.nan
    return Reconstruction(
        object=waves.astype(np.complex64),
        pixel=(20e-9, 10e-9),
        unit="m",
        corner=(1e-6, 2e-6),
        probe=np.ones((1, 8, 8), np.complex64),
        positions=rng.random((5, 2)) * 1e-6,
        indices=np.arange(5),
        coverage=rng.random((20, 24)).astype(np.float32),
        disagreement=rng.random((20, 24)).astype(np.float32),
        misfit=rng.random(5).astype(np.float32),
        settings=ReconstructionSettings(sweeps=3),
        card=NetworkCard("test", "ptychonn-probe"),
        provenance=Provenance(Path("wafer.cxi"), "CXI"),
        report=RunReport(0.02, 1.0, 5.0, "cpu", 2, 0, 3),
        patches=np.full((5, 8, 8), 1j, np.complex64),
    )


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    shown: list[str] = []
    monkeypatch.setattr(contributions, "show_error", shown.append)
    return shown


def tuples_of(result: Reconstruction) -> list[Any]:
    made = layers.add_reconstruction(ViewerModel(), result)
    return [layer.as_layer_data_tuple() for layer in made]


def tuple_of(result: Reconstruction, kind: str) -> Any:
    return next(each for each in tuples_of(result) if each[1]["metadata"][KEY]["kind"] == kind)


def test_a_scan_is_opened_as_patterns_and_positions(scan_file: Path) -> None:
    read = contributions.get_reader(str(scan_file))
    assert read is not None
    patterns, positions = read(str(scan_file))
    assert patterns[1]["name"] == "wafer patterns"
    counts = open_scan(scan_file).patterns.read(np.array([7]))[0]
    assert np.asarray(patterns[0][7]) == pytest.approx(np.log10(1 + counts))
    assert positions[0] == pytest.approx(open_scan(scan_file).positions * 1e9)


def test_several_scans_are_opened_together(scan_file: Path) -> None:
    paths = [str(scan_file), str(scan_file)]
    read = contributions.get_reader(paths)
    assert read is not None
    assert len(read(paths)) == 4


def test_files_that_are_no_scan_are_left_to_other_readers(scan_file: Path, tmp_path: Path) -> None:
    other, arrays = tmp_path / "other.h5", tmp_path / "other.npz"
    with h5py.File(other, "w") as file:
        file["temperature"] = np.arange(5.0)
    np.savez(arrays, temperature=np.arange(5.0))
    assert contributions.get_reader(str(other)) is None
    assert contributions.get_reader(str(arrays)) is None
    assert contributions.get_reader(str(tmp_path)) is None
    assert contributions.get_reader(str(tmp_path / "missing.h5")) is None
    assert contributions.get_reader([str(scan_file), str(other)]) is None


def test_frames_without_positions_are_left_to_other_readers(tmp_path: Path) -> None:
    frames = tmp_path / "tomogram.nxs"
    with h5py.File(frames, "w") as file:
        file["entry/data/data"] = np.ones((5, 16, 16), np.uint16)
    assert contributions.get_reader(str(frames)) is None
    beside = tmp_path / "tomogram_positions.csv"
    beside.write_text("y_um,x_um\n" + "".join(f"{n},{n % 2}\n" for n in range(5)))
    assert contributions.get_reader(str(frames)) is not None
    beside.unlink()
    with h5py.File(frames, "a") as file:
        file["entry/positions"] = np.random.default_rng(0).random((5, 2))
    assert contributions.get_reader(str(frames)) is not None


def test_a_file_cut_off_gives_one_message_and_no_layers(
    scan_file: Path, tmp_path: Path, messages: list[str]
) -> None:
    cut = tmp_path / "cut.cxi"
    cut.write_bytes(scan_file.read_bytes()[:5000])
    read = contributions.get_reader(str(cut))
    assert read is not None
    assert read(str(cut)) == [(None,)]
    assert len(messages) == 1
    assert str(cut) in messages[0]


def test_a_file_that_is_not_hdf5_gives_one_message(tmp_path: Path, messages: list[str]) -> None:
    words = tmp_path / "words.h5"
    words.write_text("these are words")
    read = contributions.get_reader(str(words))
    assert read is not None
    assert read(str(words)) == [(None,)]
    assert len(messages) == 1
    assert "words.h5" in messages[0]


def test_a_reconstruction_is_saved_and_opened_again(result: Reconstruction, tmp_path: Path) -> None:
    path = str(tmp_path / "out.h5")
    assert contributions.write_reconstruction(path, tuples_of(result)) == [path]
    assert np.array_equal(product.load(path).object, result.object, equal_nan=True)
    read = contributions.get_reader(path)
    assert read is not None
    made = {each[1]["metadata"][KEY]["kind"]: each for each in read(path)}
    assert np.array_equal(made["object phase"][0], np.angle(result.object), equal_nan=True)
    assert made["object phase"][1]["translate"] == pytest.approx((1000, 2000))


def test_a_result_of_another_program_is_opened_as_layers(
    result: Reconstruction, tmp_path: Path
) -> None:
    path, other = tmp_path / "theirs.h5", as_result(result)
    two_modes = np.stack([np.ones((8, 8)), np.full((8, 8), 0.1j)]).astype(np.complex64)
    write_product(path, replace(other, probe=two_modes))
    read = contributions.get_reader(str(path))
    assert read is not None
    made = make_layers(read(str(path)))
    kinds = ("probe amplitude", "probe phase", "object amplitude", "object phase", "positions")
    assert [layer.name for layer in made] == [f"theirs {kind}" for kind in kinds]
    assert all(str(unit) == "nanometer" for layer in made for unit in layer.units[-2:])
    phase, places = made[3], made[4]
    assert phase.scale == pytest.approx((20.0, 10.0))
    assert phase.translate == pytest.approx((1000.0, 2000.0))
    np.testing.assert_allclose(phase.data, np.angle(result.object), atol=1e-6)
    assert places.data == pytest.approx(result.positions * 1e9, rel=1e-6)
    assert made[0].data.shape == (2, 8, 8)
    # Left of the object, at the size that it has on the sample.
    assert made[0].scale[1:] == pytest.approx(phase.scale)
    assert made[0].translate[2] + 8 * 10.0 < phase.translate[1]
    tiff = contributions.write_tiff(
        str(tmp_path / "phase.tif"), phase.data, phase.as_layer_data_tuple()[1]
    )
    np.testing.assert_allclose(tifffile.imread(tiff), phase.data)


def test_a_probe_and_positions_that_a_result_lacks_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "wave.npz"
    np.savez(path, objectGuess=np.ones((20, 24), np.complex64))
    read = contributions.get_reader(str(path))
    assert read is not None
    amplitude, phase = make_layers(read(str(path)))
    assert (amplitude.name, phase.name) == ("wave object amplitude", "wave object phase")
    assert str(phase.units[0]) == "pixel"


def test_one_layer_is_enough_to_save_the_reconstruction(
    result: Reconstruction, tmp_path: Path
) -> None:
    path = str(tmp_path / "out.h5")
    contributions.write_reconstruction(path, [tuple_of(result, "misfit")])
    assert product.load(path).misfit == pytest.approx(result.misfit)


def test_layers_without_a_reconstruction_are_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "out.h5"
    with pytest.raises(OutputError, match="no reconstruction"):
        contributions.write_reconstruction(str(path), [(np.zeros((4, 4)), {"name": "a"}, "image")])
    assert not path.exists()


def test_two_reconstructions_are_not_saved_as_one(result: Reconstruction, tmp_path: Path) -> None:
    both = tuples_of(result) + tuples_of(replace(result))
    with pytest.raises(OutputError, match="2 reconstructions"):
        contributions.write_reconstruction(str(tmp_path / "out.h5"), both)


@pytest.mark.parametrize(
    "kind", ["object amplitude", "object phase", "coverage", "disagreement", "phase patches"]
)
def test_a_tiff_has_the_values_and_the_pixel_size(
    kind: str, result: Reconstruction, tmp_path: Path
) -> None:
    path = tmp_path / "out.tif"
    data, keywords, _ = tuple_of(result, kind)
    assert contributions.write_tiff(str(path), data, keywords) == [str(path)]
    with tifffile.TiffFile(path) as file:
        assert np.array_equal(file.asarray(), np.asarray(data), equal_nan=True)
        tags = file.pages[0].tags
        assert tags["ResolutionUnit"].value == CENTIMETRE
        # Pixels of 20 nm along y and 10 nm along x: 5e5 and 1e6 in a centimetre.
        for name, per_centimetre in {"YResolution": 5e5, "XResolution": 1e6}.items():
            above, below = tags[name].value
            assert above / below == pytest.approx(per_centimetre, rel=1e-6)


def test_a_tiff_of_a_map_says_how_it_was_made(result: Reconstruction, tmp_path: Path) -> None:
    path = tmp_path / "coverage.tif"
    data, keywords, _ = tuple_of(result, "coverage")
    contributions.write_tiff(str(path), data, keywords)
    with tifffile.TiffFile(path) as file:
        described = json.loads(file.pages[0].description)
    assert described["settings"]["sweeps"] == 3
    assert described["name"] == "wafer coverage"


def test_a_tiff_of_an_image_in_pixels_claims_no_length(tmp_path: Path) -> None:
    path = tmp_path / "plain.tif"
    layer = Image(np.arange(12, dtype=np.uint8).reshape(3, 4), name="plain")
    data, keywords, _ = layer.as_layer_data_tuple()
    contributions.write_tiff(str(path), data, keywords)
    with tifffile.TiffFile(path) as file:
        assert np.array_equal(file.asarray(), layer.data)
        assert file.pages[0].tags["ResolutionUnit"].value != CENTIMETRE


def test_a_tiff_that_cannot_be_written_is_an_error_with_a_remedy(
    result: Reconstruction, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    data, keywords, _ = tuple_of(result, "coverage")
    with pytest.raises(OutputError, match="choose a folder"):
        contributions.write_tiff(str(tmp_path / "file" / "out.tif"), data, keywords)


@pytest.mark.parametrize(
    ("sample", "name"),
    [
        (contributions.sample_circuit, "circuit-zone-plate"),
        (contributions.sample_cells, "cells-wrong-probe"),
    ],
)
def test_sample_data_are_simulated_scans_with_their_own_name(
    sample: Callable[[], list[Any]], name: str
) -> None:
    patterns, positions = sample()
    assert [each[1]["name"] for each in (patterns, positions)] == [
        f"{name} patterns",
        f"{name} positions",
    ]
    assert len(positions[0]) == SAMPLE_SCANS[name].points == len(patterns[0])


def test_opening_and_saving_in_a_window(
    make_napari_viewer: Callable[..., napari.Viewer],
    npe2pm: PluginManager,
    repository: Path,
    scan_file: Path,
    result: Reconstruction,
    tmp_path: Path,
) -> None:
    manifest = repository / "src" / "napari_ptychonn" / "napari.yaml"
    npe2pm.register(PluginManifest.from_file(manifest))
    viewer = make_napari_viewer()
    listeners = len(viewer.layers.events.inserted.callbacks)
    opened = viewer.open(scan_file, plugin="napari-ptychonn")
    assert [layer.name for layer in opened] == ["wafer patterns", "wafer positions"]
    assert viewer.canvas.overlays.scale_bar.visible
    assert len(viewer.layers.events.inserted.callbacks) == listeners
    # The whole is in view, not the first layer alone: to fit it again changes nothing.
    seen = (*viewer.scene.camera.center, viewer.scene.camera.zoom)
    viewer.reset_view()
    assert seen == pytest.approx((*viewer.scene.camera.center, viewer.scene.camera.zoom))
    viewer.dims.set_current_step(0, 3)
    layers.add_reconstruction(viewer, result)
    saved = viewer.layers.save(str(tmp_path / "out.h5"), plugin="napari-ptychonn")
    assert saved == [str(tmp_path / "out.h5")]
    again = viewer.open(saved[0], plugin="napari-ptychonn")
    assert again[3].name.startswith("wafer object phase")
    assert again[3].colorbar.visible
