"""Pictures: what they show, where the scale comes from, what stays empty."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_ptychonn.errors import OutputError
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.reconstruction.pictures import (
    cyclic_colormap,
    save_png,
    save_tiff,
    scale_bar,
)
from napari_ptychonn.reconstruction.result import Reconstruction, RunReport
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.model import Provenance

SIDE = 512
"""As wide as the smallest picture is drawn, so that one pixel stays one pixel."""
METRES_PER = {"mm": 1e-3, "um": 1e-6, "nm": 1e-9, "pm": 1e-12}


@pytest.fixture
def result() -> Reconstruction:
    """Left half dark at phase 0, right half bright at phase 1 rad, upper quarter unmeasured."""
    sample = np.full((SIDE, SIDE), 0.5, np.complex64)
    sample[:, SIDE // 2 :] = np.exp(1j)
    sample[: SIDE // 4] = np.nan
    coverage = np.isfinite(sample).astype(np.float32)
    return Reconstruction(
        object=sample,
        pixel=(8e-9, 5e-9),
        unit="m",
        corner=(0.0, 0.0),
        probe=np.ones((1, 8, 8), np.complex64),
        positions=np.zeros((1, 2)),
        indices=np.zeros(1, np.intp),
        coverage=coverage,
        disagreement=np.zeros((SIDE, SIDE), np.float32),
        misfit=np.zeros(1, np.float32),
        settings=ReconstructionSettings(),
        card=NetworkCard("some", "ptychonn-probe"),
        provenance=Provenance(None, "simulation"),
        report=RunReport(0.0, 1.0, 1.0, "CPU", 1, 0, 0),
    )


def picture(result: Reconstruction, path: Path, channel: str) -> np.ndarray:
    """The picture without its margins, (H, W, 3); text is 16 high, so they are 16 and 32."""
    save_png(result, path, channel)  # type: ignore[arg-type]
    with Image.open(path) as image:
        page = np.asarray(image.convert("RGB"))
    return page[32 : 32 + SIDE, 16 : 16 + SIDE].astype(int)


def test_amplitude_is_grey_and_brighter_where_it_is_larger(
    result: Reconstruction, tmp_path: Path
) -> None:
    shown = picture(result, tmp_path / "a.png", "amplitude")
    assert (shown[300, 100] == 0).all()
    assert (shown[300, 400] == 255).all()


def test_what_was_not_measured_is_neither_bright_nor_dark(
    result: Reconstruction, tmp_path: Path
) -> None:
    for channel in ("amplitude", "phase"):
        shown = picture(result, tmp_path / "a.png", channel)
        assert (shown[: SIDE // 4] == 190).all()
        assert (shown[SIDE // 4 :] != 190).any()


def test_the_phase_picture_does_not_depend_on_the_global_phase(
    result: Reconstruction, tmp_path: Path
) -> None:
    first = picture(result, tmp_path / "a.png", "phase")
    turned = replace(result, object=(result.object * np.exp(2.5j)).astype(np.complex64))
    second = picture(turned, tmp_path / "b.png", "phase")
    # Rounding may fall on the next of the 256 colours, at most 4 away.
    assert np.abs(first - second).max() <= 4
    assert np.abs(first[300, 100] - first[300, 400]).max() > 40


def test_a_wild_rim_does_not_take_the_contrast(result: Reconstruction, tmp_path: Path) -> None:
    sample, coverage = result.object.copy(), result.coverage.copy()
    sample[-60:], coverage[-60:] = 50, 0.01
    shown = picture(
        replace(result, object=sample, coverage=coverage), tmp_path / "a.png", "amplitude"
    )
    assert (shown[300, 400] == 255).all()


def test_an_object_that_nothing_is_known_of_is_all_grey(
    result: Reconstruction, tmp_path: Path
) -> None:
    empty = replace(
        result,
        object=np.full_like(result.object, np.nan),
        coverage=np.zeros_like(result.coverage),
    )
    for channel in ("amplitude", "phase"):
        assert (picture(empty, tmp_path / "a.png", channel) == 190).all()


def test_a_narrow_object_is_drawn_with_its_words_inside(
    result: Reconstruction, tmp_path: Path
) -> None:
    narrow = replace(result, object=result.object[:, 250:260], coverage=result.coverage[:, 250:260])
    save_png(narrow, tmp_path / "a.png", "phase")
    with Image.open(tmp_path / "a.png") as image:
        width, height = image.size
    # Room for the scale bar's label and both ends of the colour bar.
    assert width > 200
    assert height == SIDE + 64


def test_the_cyclic_colormap_closes_and_is_smooth() -> None:
    colours = cyclic_colormap().astype(int)
    assert (colours[0] == colours[-1]).all()
    assert np.abs(np.diff(colours, axis=0)).max() <= 4


def test_the_cyclic_colormap_tells_size_by_lightness_and_sign_by_hue() -> None:
    colours = cyclic_colormap().astype(float)
    # Rounding a colour moves its luminance by up to 0.7.
    luminance = colours @ (0.2126, 0.7152, 0.0722)
    assert np.argmax(luminance) in range(112, 144)
    assert (np.diff(luminance[144:]) <= 0.7).all()
    assert (np.diff(luminance[:112]) >= -0.7).all()
    warm, cool = colours[192], colours[64]
    assert warm[0] > warm[2] + 60
    assert cool[2] > cool[0] + 60


@given(st.floats(1e-9, 1e-3))
def test_a_scale_bar_is_round_and_says_its_length(span: float) -> None:
    length, label = scale_bar(span, "m")
    # 2.5 is the largest step from one round number to the next.
    assert span / 10.01 <= length <= span / 4
    number, unit = label.split()
    assert float(number) * METRES_PER[unit] == pytest.approx(length, rel=1e-4)
    assert 0.999 <= float(number) <= 500.001
    assert f"{length:.0e}"[0] in "125"


def test_a_scale_bar_in_pixels_says_so() -> None:
    assert scale_bar(457.0, "px") == (100.0, "100 px")


def test_tiff_holds_the_values_and_the_pixel_size(result: Reconstruction, tmp_path: Path) -> None:
    save_tiff(result, tmp_path / "phase.tiff", "phase")
    with tifffile.TiffFile(tmp_path / "phase.tiff") as file:
        np.testing.assert_array_equal(file.asarray(), np.angle(result.object))
        tags = file.pages[0].tags
        per_cm = [tags[name].value for name in ("YResolution", "XResolution")]
        assert tags["ResolutionUnit"].value == tifffile.RESUNIT.CENTIMETER
    sizes = [0.01 * part[1] / part[0] for part in per_cm]
    np.testing.assert_allclose(sizes, (8e-9, 5e-9), rtol=1e-6)


def test_tiff_of_a_scan_in_pixels_claims_no_unit(result: Reconstruction, tmp_path: Path) -> None:
    in_pixels = replace(result, unit="px", pixel=(1.0, 1.0))
    save_tiff(in_pixels, tmp_path / "a.tiff", "amplitude")
    with tifffile.TiffFile(tmp_path / "a.tiff") as file:
        tags = file.pages[0].tags
        assert tags["ResolutionUnit"].value == tifffile.RESUNIT.NONE


@pytest.mark.parametrize("write", [save_png, save_tiff])
def test_a_picture_that_cannot_be_written_is_an_output_error(
    result: Reconstruction, tmp_path: Path, write: object
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="folder"):
        write(result, tmp_path / "folder", "phase")  # type: ignore[operator]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
