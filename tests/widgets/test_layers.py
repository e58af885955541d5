"""Scans and reconstructions in the viewer: the right place, unit, colour and name, and lazily."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer, Points
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.reconstruction.events import Snapshot
from napari_ptychonn.reconstruction.result import Reconstruction, RunReport
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.model import Provenance, Scan
from napari_ptychonn.widgets import layers
from napari_ptychonn.widgets.placement import KEY
from napari_ptychonn.widgets.result_layers import limits

SIDE = 16
PIXEL_M = (20e-9, 10e-9)


@dataclass
class CountingPatterns:
    """Pattern i holds 10^i − 1 counts everywhere, and every read is noted."""

    shape: tuple[int, int, int]
    reads: list[list[int]] = field(default_factory=list)

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        self.reads.append([int(index) for index in indices])
        counts = 10.0 ** (np.asarray(indices) % 5) - 1
        return np.broadcast_to(counts[:, None, None], (len(indices), *self.shape[1:])).astype(
            np.float32
        )


@pytest.fixture(autouse=True)
def no_leaks() -> None:
    """Nothing here has a window that could leak; a viewer's model is enough."""


def make_scan(points: int = 25, *, known: bool = True, name: str = "star") -> Scan:
    across = int(np.sqrt(points))
    grid = np.stack(np.divmod(np.arange(points), across), 1) * 4.0 + 100.0
    return Scan(
        patterns=CountingPatterns((points, SIDE, SIDE)),
        positions=grid * PIXEL_M if known else grid,
        unit="m" if known else "px",
        mask=np.ones((SIDE, SIDE), np.bool_),
        provenance=Provenance(Path(f"{name}.cxi"), "CXI"),
        pixel_m=PIXEL_M if known else None,
    )


def make_reconstruction(scan: Scan, **changes: Any) -> Reconstruction:
    rng = np.random.default_rng(0)
    used = np.arange(0, scan.n_points, 2)
    shape = (34, 40)
    waves = (1 + 0.2 * rng.random(shape)) * np.exp(1j * rng.uniform(-3, 3, shape))
    waves[0] = np.nan
    patches = np.exp(0.1j * used)[:, None, None] * np.full((1, SIDE, SIDE), 0.5)
    pixel = scan.pixel_m or (1.0, 1.0)
    corner = scan.positions.min(0) - np.multiply(pixel, SIDE // 2)
    result = Reconstruction(
        object=waves.astype(np.complex64),
        pixel=pixel,
        unit=scan.unit,
        corner=(float(corner[0]), float(corner[1])),
        probe=np.ones((1, SIDE, SIDE), np.complex64),
        positions=scan.positions[used],
        indices=used,
        coverage=np.ones(shape, np.float32),
        disagreement=rng.random(shape).astype(np.float32),
        misfit=rng.random(len(used)).astype(np.float32),
        settings=ReconstructionSettings(sweeps=3),
        card=NetworkCard("test", "ptychonn-probe", {"width": 32}),
        provenance=scan.provenance,
        report=RunReport(0.02, 1.0, 25.0, "cpu", 2, 0, 3),
        patches=patches.astype(np.complex64),
    )
    return replace(result, **changes)


def by_kind(made: list[Layer]) -> dict[str, Layer]:
    return {layer.metadata[KEY]["kind"]: layer for layer in made}


def test_patterns_are_read_one_at_a_time_and_few_of_them() -> None:
    scan = make_scan(400)
    layers.add_scan(ViewerModel(), scan)
    assert all(len(read) == 1 for read in scan.patterns.reads)
    assert len({read[0] for read in scan.patterns.reads}) <= 14


def test_the_slider_shows_the_pattern_of_its_point_on_a_log_scale() -> None:
    viewer, scan = ViewerModel(), make_scan()
    patterns = by_kind(layers.add_scan(viewer, scan))["patterns"]
    for point in (0, 3, 24):
        scan.patterns.reads.clear()
        viewer.dims.set_current_step(0, point)
        assert scan.patterns.reads == [[point]]
        seen = patterns._slice.image.raw  # what is on the screen; napari has no public name for it
        assert seen.shape == (SIDE, SIDE)
        # Pattern i holds 10^i − 1 counts, so log10(1 + counts) is i; float32 has 7 digits.
        assert seen == pytest.approx(point % 5, abs=1e-6)


def test_contrast_reaches_the_brightest_good_pixel() -> None:
    patterns = layers.scan_layers(make_scan())[0]
    assert patterns[1]["contrast_limits"] == pytest.approx((0, 4))


def test_a_hot_pixel_does_not_set_the_contrast() -> None:
    scan = make_scan()
    hot = np.zeros((scan.n_points, SIDE, SIDE), np.float32)
    hot[:, 2, 2], hot[:, 5, 5] = 1e9, 99
    mask = scan.mask.copy()
    mask[2, 2] = False
    source = type("Source", (), {"shape": hot.shape, "read": lambda self, which: hot[which]})()
    patterns = layers.scan_layers(replace(scan, patterns=source, mask=mask))[0]
    assert patterns[1]["contrast_limits"] == pytest.approx((0, 2))


@pytest.mark.parametrize(("known", "unit"), [(True, "nanometer"), (False, "pixel")])
def test_every_layer_has_units_and_the_viewer_finds_them_consistent(
    known: bool, unit: str, caplog: pytest.LogCaptureFixture
) -> None:
    viewer, scan = ViewerModel(), make_scan(known=known)
    with caplog.at_level(logging.WARNING):
        layers.add_scan(viewer, scan)
        layers.add_reconstruction(viewer, make_reconstruction(scan))
    assert not caplog.records
    assert [str(each) for each in viewer.layers.units] == ["pixel", unit, unit]
    for layer in viewer.layers:
        assert [str(each) for each in layer.units[-2:]] == [unit, unit]
        assert layer.axis_labels == ("point", "y", "x")[-layer.ndim :]
    assert viewer.canvas.overlays.scale_bar.visible


def test_positions_and_object_stand_at_their_place_in_nm() -> None:
    viewer, scan = ViewerModel(), make_scan()
    positions = by_kind(layers.add_scan(viewer, scan))["positions"]
    made = by_kind(layers.add_reconstruction(viewer, make_reconstruction(scan)))
    # The first point is at pixel (100, 100) of 20 and 10 nm, in the middle of its patch.
    assert positions.data[0] == pytest.approx([2000, 1000])
    for kind in ("object amplitude", "object phase", "coverage", "disagreement"):
        assert made[kind].scale == pytest.approx([20, 10])
        assert made[kind].translate == pytest.approx([1840, 920])
        assert made[kind].world_to_data((2000, 1000)) == pytest.approx((8, 8))


def test_nothing_hides_the_object_but_its_own_layers() -> None:
    viewer, scan = ViewerModel(), make_scan()
    beside = by_kind(layers.add_scan(viewer, scan))
    made = by_kind(layers.add_reconstruction(viewer, make_reconstruction(scan)))
    sample = made["object phase"].extent.world
    assert beside["patterns"].extent.world[1, 2] < sample[0, 1]
    for kind in ("amplitude patches", "phase patches"):
        assert made[kind].extent.world[0, 2] > sample[1, 1]
    upper, lower = made["amplitude patches"].extent.world, made["phase patches"].extent.world
    assert upper[1, 1] < lower[0, 1]


def test_patches_have_the_slider_of_the_patterns_and_blanks_for_points_left_out() -> None:
    viewer, scan = ViewerModel(), make_scan()
    made = by_kind(layers.add_reconstruction(viewer, make_reconstruction(scan)))
    phase, amplitude = made["phase patches"], made["amplitude patches"]
    # Every other point was used, with the phase 0.1 rad times its number.
    assert np.asarray(phase.data[6]) == pytest.approx(0.6, abs=1e-6)
    assert np.asarray(amplitude.data[6]) == pytest.approx(0.5)
    assert np.isnan(np.asarray(phase.data[7])).all()


def test_a_result_without_patches_has_no_patch_layers() -> None:
    made = layers.add_reconstruction(ViewerModel(), make_reconstruction(make_scan(), patches=None))
    assert not [kind for kind in by_kind(made) if "patches" in kind]
    assert len(made) == 5


def test_phase_is_cyclic_and_what_is_seen_has_a_colorbar() -> None:
    made = by_kind(layers.add_reconstruction(ViewerModel(), make_reconstruction(make_scan())))
    for kind in ("object phase", "phase patches"):
        assert made[kind].colormap.name == "twilight_shifted"
        assert made[kind].contrast_limits == pytest.approx([-np.pi, np.pi])
    assert made["object amplitude"].colormap.name == "gray"
    assert made["object amplitude"].colorbar.visible
    assert made["object phase"].colorbar.visible
    assert made["misfit"].face_colorbar.visible
    hidden = {kind for kind, layer in made.items() if not layer.visible}
    assert hidden == {"coverage", "disagreement"}


def test_points_are_coloured_by_their_misfit() -> None:
    misfit = np.linspace(0.01, 0.05, 13).astype(np.float32)
    result = make_reconstruction(make_scan(), misfit=misfit)
    points = by_kind(layers.add_reconstruction(ViewerModel(), result))["misfit"]
    assert isinstance(points, Points)
    assert list(points.features["point"]) == list(range(0, 25, 2))
    assert points.face_color_mode == "colormap"
    assert len(np.unique(points.face_color, axis=0)) == 13


@pytest.mark.parametrize("misfit", [0.1, np.inf, np.nan])
def test_a_misfit_that_is_everywhere_the_same_can_be_shown(misfit: float) -> None:
    result = make_reconstruction(make_scan(), misfit=np.full(13, misfit, np.float32))
    points = by_kind(layers.add_reconstruction(ViewerModel(), result))["misfit"]
    assert len(points.data) == 13


def test_an_object_of_which_nothing_is_known_can_be_shown() -> None:
    unknown = np.full((34, 40), np.nan, np.complex64)
    made = layers.add_reconstruction(
        ViewerModel(), make_reconstruction(make_scan(), object=unknown)
    )
    assert by_kind(made)["object amplitude"].contrast_limits == [0, 1]


def test_metadata_say_how_the_result_was_made() -> None:
    result = make_reconstruction(make_scan())
    for layer in layers.add_reconstruction(ViewerModel(), result):
        known = layer.metadata[KEY]
        assert known["settings"]["sweeps"] == 3
        assert known["card"]["name"] == "test"
        assert known["provenance"]["path"] == "star.cxi"
        assert known["report"]["misfit"] == 0.02
        assert known["reconstruction"] is result


def test_a_second_run_is_numbered_and_the_first_stays_hidden() -> None:
    viewer, scan = ViewerModel(), make_scan()
    first = layers.add_reconstruction(viewer, make_reconstruction(scan))
    second = layers.add_reconstruction(viewer, make_reconstruction(scan))
    assert by_kind(first)["object phase"].name == "star object phase"
    assert by_kind(second)["object phase"].name == "star object phase (run 2)"
    assert all(layer in viewer.layers and not layer.visible for layer in first)
    leaf = make_reconstruction(make_scan(name="leaf"))
    apart = replace(leaf, corner=tuple(10 * side + 1e-3 for side in leaf.corner))
    other = layers.add_reconstruction(viewer, apart)
    assert by_kind(other)["object phase"].name == "leaf object phase"
    assert by_kind(second)["object phase"].visible
    # On one another neither could be seen.
    layers.add_reconstruction(viewer, make_reconstruction(make_scan(name="twig")))
    assert not by_kind(second)["object phase"].visible
    assert by_kind(other)["object phase"].visible
    assert len(layers.reconstructions_in(viewer)) == 4


def test_a_result_that_was_stopped_says_so_in_its_names() -> None:
    stopped = RunReport(0.02, 1.0, 25.0, "cpu", 1, 0, 0, stopped=True)
    made = layers.add_reconstruction(
        ViewerModel(), make_reconstruction(make_scan(), report=stopped)
    )
    assert by_kind(made)["object phase"].name == "star object phase (stopped early)"


def test_scans_are_found_in_the_viewer_each_once() -> None:
    viewer = ViewerModel()
    star, leaf = make_scan(), make_scan(name="leaf")
    layers.add_scan(viewer, star)
    layers.add_scan(viewer, leaf)
    layers.add_reconstruction(viewer, make_reconstruction(star))
    viewer.add_image(np.zeros((4, 4)), name="something else", units=("nm", "nm"))
    found = layers.scans_in(viewer)
    assert [id(scan) for scan in found] == [id(star), id(leaf)]
    viewer.layers.remove("star patterns")
    viewer.layers.remove("star positions")
    assert [id(scan) for scan in layers.scans_in(viewer)] == [id(leaf)]


def test_a_scan_of_one_point_has_layers_too() -> None:
    scan = make_scan(1)
    made = by_kind(layers.add_scan(ViewerModel(), scan))
    assert len(made["positions"].data) == 1
    assert made["patterns"].data.shape == (1, SIDE, SIDE)


def test_a_pattern_that_cannot_be_read_is_an_error_at_once() -> None:
    class Broken(CountingPatterns):
        def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
            raise ScanError("patterns", "star.cxi", "is damaged", remedy="copy it again")

    broken = Broken((25, SIDE, SIDE))
    with pytest.raises(ScanError, match="is damaged"):
        layers.scan_layers(replace(make_scan(), patterns=broken))


def test_the_live_object_follows_shape_corner_and_contrast() -> None:
    viewer, scan = ViewerModel(), make_scan()
    live = layers.LiveObject(viewer, scan)
    assert not viewer.layers
    live.update(Snapshot(np.full((10, 12), 0.5j, np.complex64), (90.0, 90.0), "pass 1"))
    amplitude, phase = viewer.layers
    assert amplitude.name == "star object amplitude (running)"
    assert phase.data == pytest.approx(np.full((10, 12), np.pi / 2))
    assert phase.translate == pytest.approx([1800, 900])
    grown = np.linspace(1, 3, 20 * 24).reshape(20, 24).astype(np.complex64)
    live.update(Snapshot(grown, (80.0, 85.0), "pass 2"))
    assert amplitude.data.shape == (20, 24)
    assert amplitude.translate == pytest.approx([1600, 850])
    # The 0.5th and 99.5th percentiles of an even ramp from 1 to 3.
    assert amplitude.contrast_limits == pytest.approx([1.01, 2.99], abs=0.005)
    assert phase.contrast_limits == pytest.approx([-np.pi, np.pi])
    assert [id(each) for each in layers.scans_in(viewer)] == [id(scan)]
    live.remove()
    assert not viewer.layers
    live.remove()


def test_a_live_layer_that_the_person_removes_stays_away() -> None:
    viewer, scan = ViewerModel(), make_scan()
    live = layers.LiveObject(viewer, scan)
    snapshot = Snapshot(np.ones((10, 12), np.complex64), (90.0, 90.0), "pass 1")
    live.update(snapshot)
    viewer.layers.remove("star object amplitude (running)")
    live.update(snapshot)
    assert [layer.name for layer in viewer.layers] == ["star object phase (running)"]
    live.remove()
    assert not viewer.layers


def test_a_snapshot_of_nothing_can_be_shown() -> None:
    viewer = ViewerModel()
    live = layers.LiveObject(viewer, make_scan())
    live.update(Snapshot(np.full((10, 12), np.nan, np.complex64), (90.0, 90.0), "pass 1"))
    assert viewer.layers[0].contrast_limits == [0, 1]


def test_limits_leave_out_nan_infinity_and_extremes() -> None:
    values = np.append(np.linspace(0, 1, 10_001), [1e9, np.nan, np.inf])
    low, high = limits(values)
    assert (low, high) == pytest.approx((0.005, 0.995), abs=1e-3)
    assert limits(np.array([2.0, 2.0])) == (1.0, 3.0)
    assert limits(np.array([np.nan])) == (0.0, 1.0)


def test_layers_can_be_duplicated() -> None:
    viewer, scan = ViewerModel(), make_scan()
    made = layers.add_scan(viewer, scan)
    made += layers.add_reconstruction(viewer, make_reconstruction(scan))
    for layer in made:
        data, keywords, kind = layer.as_layer_data_tuple()
        viewer.add_layer(Layer.create(copy.deepcopy(data), keywords, kind))
    assert len(viewer.layers) == 2 * len(made)
