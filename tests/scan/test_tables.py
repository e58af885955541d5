"""Columns of text files: separators, headings, units, choices; rasters that are typed in."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_world import write_cxi, write_plain

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.scan.centre import crop_around_centre
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.patterns import ArrayPatterns
from napari_ptychonn.scan.selected import SelectedPatterns, match_numbers
from napari_ptychonn.scan.sidefiles import read_positions
from napari_ptychonn.scan.tables import axis_columns, heading_unit, read_table

TRUTH = np.array([[1.5, -20.0], [2.5, -21.25], [4.0, 3e-3]])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("commas.csv", "1.5,-20\n2.5,-21.25\n4,0.003\n"),
        ("blanks.txt", "  1.5   -20\n\n2.5 -21.25 # a remark\n4 3e-3"),
        ("tabs.tsv", "# remark\n1.5\t-20\n2.5\t-21.25\n4\t3E-3\n"),
        ("spaced.csv", "1.5 , -20\n2.5 , -21.25\n4 , 0.003"),
        ("trailing.csv", "1.5,-20,\n2.5,-21.25,\n4,0.003,\n"),
        ("decimal_commas.csv", "y;x\n1,5;-20\n2,5;-21,25\n4;0,003\n"),
        ("byte_order_mark.csv", "\ufeffy,x\n1.5,-20\n2.5,-21.25\n4,0.003\n"),
        ("turned.csv", "x,y\n-20,1.5\n-21.25,2.5\n0.003,4\n"),
        ("commented_heading.txt", "# x_um y_um\n-20 1.5\n-21.25 2.5\n0.003 4\n"),
        ("named.csv", "point,time,pos_x (um),pos_y (um)\na,9:30,-20,1.5\nb,9:31,-21.25,2.5\n"
         "c,9:32,0.003,4\n"),
        ("title.dat", "Scan 123 of 2020\n1.5 -20\n2.5 -21.25\n4 3e-3"),
    ],
)  # fmt: skip
def test_separators_and_headings_give_y_and_x(tmp_path, name, text):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    side = read_positions(file, 3)
    np.testing.assert_array_equal(side.positions, TRUTH)
    assert side.unit == ("um" if "um" in text else None)
    assert any("(y, x)" in note for note in side.notes) == ("y" not in text)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ((2, 1), [[3, 2], [7, 6]]),
        (("2", "-1"), [[3, -2], [7, -6]]),
        (("-c (mm)", "A_mm"), [[-3, 1], [-7, 5]]),
        (("c", "a"), [[3, 1], [7, 5]]),
    ],
)
def test_columns_are_chosen_by_number_or_heading_with_a_sign(tmp_path, columns, expected):
    file = tmp_path / "p.csv"
    file.write_text("a_mm,b_mm,c (mm),word\n1,2,3,one\n5,6,7,two\n")
    side = read_positions(file, 2, columns=columns)
    np.testing.assert_array_equal(side.positions, expected)
    assert side.unit == "mm"


@pytest.mark.parametrize("choice", [(0, 9), ("y", "d"), ("0", "word")])
def test_a_column_that_cannot_be_used_is_named_with_those_that_can(tmp_path, choice):
    file = tmp_path / "p.csv"
    file.write_text("a,b,word\n1,2,one\n5,6,two\n")
    message = "no number in column 2" if "word" in choice else "0 = a, 1 = b, 2 = word"
    with pytest.raises(ScanError, match=message):
        read_positions(file, 2, columns=choice)


def test_several_columns_for_one_axis_are_not_guessed(tmp_path):
    file = tmp_path / "p.csv"
    file.write_text("target_y,target_x,read_y,read_x\n1,2,3,4\n5,6,7,8\n")
    with pytest.raises(ScanError, match=r"which are y and x is not said.*2 = read_y"):
        read_positions(file, 2)


def test_columns_of_arrays_are_chosen_by_number(tmp_path):
    table = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "p.npy", table)
    side = read_positions(tmp_path / "p.npy", 3, columns=("-3", 0))
    np.testing.assert_array_equal(side.positions, table[:, [3, 0]] * [-1, 1])
    stored = write_plain(tmp_path / "p.h5", table=table)
    picked = read_positions(f"{stored}:/table", 3, columns=(1, 2))
    np.testing.assert_array_equal(picked.positions, table[:, [1, 2]])
    for wrong in ((0, 4), ("y", "x")):
        with pytest.raises(ScanError, match="columns 0 to 3"):
            read_positions(tmp_path / "p.npy", 3, columns=wrong)


@pytest.mark.parametrize(
    ("heading", "unit"),
    [
        ("x_um", "um"), ("y (nm)", "nm"), ("X/mm", "mm"), ("pos [µm]", "µm"), ("x m", "m"),
        ("y", None), ("nm", None), ("x_volt", None), ("", None),
    ],
)  # fmt: skip
def test_units_are_read_from_headings(heading, unit):
    assert heading_unit(heading) == unit


def test_axes_are_read_from_headings_only_where_they_are_plain():
    assert axis_columns(["n", "Xpos", "Ypos"]) == (2, 1)
    assert axis_columns(["probe_position_y_m", "probe_position_x_m"]) == (0, 1)
    assert axis_columns(["y", "x", "x_error"]) is None
    assert axis_columns(["proxy", "max"]) is None
    assert axis_columns(["x_y", "z"]) is None


@given(
    st.lists(st.tuples(*[st.floats(-1e6, 1e6, allow_nan=False)] * 3), min_size=1, max_size=20),
    st.sampled_from([",", ";", "\t", " ", ", "]),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_written_in_columns_is_read_back(tmp_path_factory, rows, separator):
    file = tmp_path_factory.mktemp("table") / "p.csv"
    file.write_text("\n".join(separator.join(map(repr, row)) for row in rows))
    np.testing.assert_array_equal(read_table(file).values, rows)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_table_or_a_scan_error(tmp_path_factory, text):
    file = tmp_path_factory.mktemp("text") / "p.txt"
    file.write_text(text, encoding="utf-8")
    try:
        positions = read_positions(file, 5).positions
    except ScanError:
        return
    assert positions.shape[1] == 2
    assert np.isfinite(positions).all()


@pytest.mark.parametrize("line", ["y" + " " * 100_000 + "x", "_" * 100_000 + "1 x"])
@pytest.mark.alone
def test_a_long_line_of_rubbish_above_the_numbers_costs_no_time(tmp_path, line):
    path = tmp_path / "p.csv"
    path.write_text(f"{line}\n1 2\n3 4\n")
    start = time.process_time()
    assert axis_columns(read_table(path).headings) is None or "y" in line
    assert [heading_unit(heading) for heading in line.split()] == [None, None]
    assert time.process_time() - start < 2


def test_a_raster_is_typed_in_where_no_positions_are(tmp_path, world):
    path = write_cxi(tmp_path / "scan.cxi", world)
    scan = open_scan(path, ScanOptions(raster=(4, 5, 2.0), positions_unit="um"))
    np.testing.assert_allclose(scan.positions[:6, 1], [0, 2e-6, 4e-6, 6e-6, 8e-6, 0])
    np.testing.assert_allclose(scan.positions[::5, 0], [0, 2e-6, 4e-6, 6e-6])
    assert scan.provenance.datasets["positions"] == "raster of 4 × 5 points, step 2"
    assert any("typed in" in sentence for sentence in scan.provenance.assumptions)
    with pytest.raises(ScanError, match=r"5 × 5 points are 25, but there are 20 patterns"):
        open_scan(path, ScanOptions(raster=(5, 5, 2.0), positions_unit="um"))
    with pytest.raises(ScanError, match=r"raster of 4 × 5 points.*--positions-unit"):
        open_scan(path, ScanOptions(raster=(4, 5, 2.0)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"raster": (0, 5, 1.0)},
        {"raster": (1, 1, 1.0)},
        {"raster": (4, 5, -1.0)},
        {"raster": (4, 5, float("nan"))},
        {"raster": (4, 5, 1.0), "positions_file": "p.csv"},
        {"positions_columns": (1,)},
        {"positions_columns": (-1, 2)},
        {"positions_columns": ("-", "x")},
    ],
)
def test_options_that_no_scan_could_have_are_refused(wrong):
    with pytest.raises(SettingsError):
        ScanOptions(**wrong)


@given(st.integers(30, 60), st.integers(30, 60), st.floats(9, 19), st.floats(9, 19))
def test_the_recorded_centre_lands_in_the_middle_and_nothing_is_made_up(height, width, y, x):
    random = np.random.default_rng(0)
    frame = random.integers(1, 99, (1, height, width))
    mask = random.random((height, width)) > 0.5
    contents = Contents(ArrayPatterns(frame), {}, mask=mask, centre=(y, x), pixel_m=(2e-9, 3e-9))
    cut = crop_around_centre(contents)
    cropped = cut.patterns.read(np.array([0]))[0]
    assert cropped[cropped.shape[0] // 2, cropped.shape[1] // 2] == frame[0, int(y), int(x)]
    assert (cropped > 0).all()
    assert cut.mask.shape == cropped.shape == cut.patterns.shape[1:]
    assert cut.mask[cut.mask.shape[0] // 2, cut.mask.shape[1] // 2] == mask[int(y), int(x)]
    # λz/p, the field of view of the probe, stays.
    np.testing.assert_allclose(np.array(cut.pixel_m) * cropped.shape, [2e-9 * height, 3e-9 * width])


@pytest.mark.parametrize("centre", [(-3.0, 12.0), (12.0, 400.0), (float("nan"), 12.0), (0, 0)])
def test_a_centre_outside_of_the_patterns_is_said_and_not_used(centre):
    contents = Contents(ArrayPatterns(np.ones((2, 24, 24))), {}, centre=centre)
    kept = crop_around_centre(contents)
    assert kept.patterns is contents.patterns
    assert "not used" in kept.assumptions[0]


def test_numbered_positions_are_averaged_and_matched(tmp_path):
    stack = ArrayPatterns(np.arange(5.0)[:, None, None] * np.ones((5, 4, 4)))
    numbers = np.array([4, 0, 0, 7, 2])
    positions = np.array([[4, 4], [0, 0], [2, 4], [9, 9], [2, 2.0]])
    chosen, means, notes = match_numbers(stack, positions, numbers, tmp_path)
    np.testing.assert_array_equal(means, [[1, 2], [2, 2], [4, 4]])
    assert isinstance(chosen, SelectedPatterns)
    np.testing.assert_array_equal(chosen.read(np.array([2, 0]))[:, 0, 0], [4, 0])
    assert chosen.shape == (3, 4, 4)
    assert len(notes) == 3
    from_one = match_numbers(stack, np.ones((5, 2)), np.arange(1, 6), tmp_path)
    assert from_one[0] is stack
    with pytest.raises(ScanError, match="numbered 8 to 9, but the patterns are 0 to 4"):
        match_numbers(stack, np.ones((2, 2)), np.array([8, 9]), tmp_path)
