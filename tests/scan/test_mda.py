"""Positions of EPICS' saveData: scans within scans, read back as columns."""

import struct

import numpy as np
import pytest
from scan_mda_files import counted, detector, positioner, scan, write_mda, write_raster
from scan_world import write_cxi

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.mda import read_mda
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.sidefiles import column_names, read_positions


@pytest.fixture
def raster(tmp_path, world):
    """The world's positions, µm, four lines of five."""
    return write_raster(tmp_path / "26idbSOFT_0012.mda", 1e6 * world.positions_m, 4)


def test_a_raster_is_read_line_by_line_with_the_outer_axis_as_y(raster, tmp_path, world):
    scan = open_scan(write_cxi(tmp_path / "scan.cxi", world), ScanOptions(positions_file=raster))
    away = scan.positions - scan.positions[0]
    np.testing.assert_allclose(away, world.positions_m - world.positions_m[0], atol=1e-15)
    said = " ".join(scan.provenance.assumptions)
    assert "the outer axis, 26idc:m2.VAL (um), is taken as y" in said
    assert "the inner one, hybrid (um), as x" in said


def test_encoders_are_columns_too(raster, world):
    names = ("26idc:m2.VAL (um)", "hybrid (um)", "encoder X (um)", "encoder Y (um)")
    assert column_names(raster) == names
    found = read_positions(raster, world.n, columns=("encoder Y", "-encoder X"))
    y, x = 1e6 * world.positions_m.T
    np.testing.assert_allclose(found.positions, np.stack((y + 0.5, -x - 0.25), -1), rtol=1e-6)
    assert found.unit == "um"


def test_lines_that_were_not_reached_are_left_out(tmp_path, world):
    path = write_raster(tmp_path / "a.mda", 1e6 * world.positions_m, 4, reached=3)
    np.testing.assert_allclose(read_mda(path).values[:, 1], 1e6 * world.positions_m[:15, 1])


@pytest.mark.parametrize("names", [("sample y", "sample x"), ("m1", "m2")])
def test_two_positioners_of_one_axis_are_told_by_their_descriptions_or_asked_for(tmp_path, names):
    values = np.arange(6.0), np.arange(6.0) ** 2
    stages = [
        (positioner(number, f"p{number}", name, "um"), one)
        for number, (name, one) in enumerate(zip(names, values, strict=True))
    ]
    counter = [(detector(0, "scaler"), np.ones(6))]
    path = write_mda(tmp_path / "a.mda", (6,), lambda place: scan(place, 5, stages, counter))
    if names == ("m1", "m2"):
        with pytest.raises(ScanError, match=r"0 = m1 \(um\), 1 = m2 \(um\), 2 = scaler"):
            read_positions(path, 5)
        return
    np.testing.assert_array_equal(read_positions(path, 5).positions, np.stack(values, -1)[:5])


def test_a_file_without_a_point_is_refused(tmp_path, world):
    path = write_raster(tmp_path / "a.mda", world.positions_px, 4, reached=0)
    with pytest.raises(ScanError, match="no point of it was measured"):
        read_mda(path)


def test_whatever_is_damaged_is_one_clear_error_or_a_table(raster, tmp_path):
    sound, broken = raster.read_bytes(), tmp_path / "broken.mda"
    for length in range(0, len(sound) - 4, 16):
        broken.write_bytes(sound[:length])
        with pytest.raises(ScanError, match=r"broken\.mda"):
            read_mda(broken)
    random = np.random.default_rng(0)
    for _ in range(300):
        bytes_ = bytearray(sound)
        for place in random.integers(0, len(sound), 3):
            bytes_[place] = random.choice((0, 1, 127, 255, random.integers(256)))
        broken.write_bytes(bytes_)
        try:
            table = read_mda(broken)
        except ScanError:
            continue
        assert table.values.shape == (len(table.lines), len(table.headings))


def test_lines_that_lead_back_to_one_another_end(raster):
    sound = bytearray(raster.read_bytes())
    first = 4 * (5 + 2) + 12
    sound[first + 4 : first + 8] = sound[first : first + 4]
    raster.write_bytes(sound)
    with pytest.raises(ScanError, match="share"):
        read_mda(raster)


def test_lines_that_claim_points_without_room_for_them_are_refused(tmp_path):
    lines, points = 200, 2000
    empty = struct.pack(">iii", 1, points, points) + 2 * counted("") + bytes(12)
    outer = [(positioner(0, "lab:y", "y", "um"), np.arange(float(lines)))]
    path = write_mda(
        tmp_path / "a.mda",
        (lines, points),
        lambda place: scan(place, lines, outer, [], [lambda _: empty] * lines),
    )
    with pytest.raises(ScanError, match=f"it claims {lines * points} points"):
        read_mda(path)
