"""Beamline files give the scan that was written: counts, positions, geometry, beam centre."""

import h5py
import numpy as np
import pytest
from scan_beamline_files import (
    CHI_DEG,
    write_csaxs,
    write_cssi,
    write_frames,
    write_lines,
    write_lynx,
    write_nanomax,
    write_orchestra,
    write_polar,
    write_soft_glue,
    write_velociprobe,
    write_velociprobe_csv,
    write_xpp,
)
from scan_world import DISTANCE_M, ENERGY_EV, PITCH_M, write_cxi

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.assemble import assemble
from napari_ptychonn.scan.container import open_container
from napari_ptychonn.scan.formats.csaxs import Csaxs
from napari_ptychonn.scan.formats.cssi import Cssi
from napari_ptychonn.scan.formats.entry_data import EntryData
from napari_ptychonn.scan.formats.lynx import Lynx
from napari_ptychonn.scan.formats.nanomax import NanoMax
from napari_ptychonn.scan.formats.polar import Polar
from napari_ptychonn.scan.formats.velociprobe import Velociprobe
from napari_ptychonn.scan.formats.xpp import Xpp
from napari_ptychonn.scan.options import ScanOptions

GEOMETRY = {"energy_ev": ENERGY_EV, "distance_m": DISTANCE_M, "detector_pixel_m": PITCH_M}
BEAMLINES = (Velociprobe(), Lynx(), Csaxs(), Polar(), Cssi(), NanoMax(), Xpp())


def opened(known, path, **options):
    chosen = ScanOptions(**options)
    with open_container(path) as container:
        assert known.detect(container)
        return assemble(known.load(container, chosen), path, known.name, chosen)


def counts_of(scan):
    return scan.patterns.read(np.arange(scan.n_points))


def assert_is(scan, world, points=slice(None)):
    np.testing.assert_array_equal(counts_of(scan), world.patterns[points] * scan.mask)
    found = scan.positions_px - scan.positions_px[0]
    truth = world.positions_px[points] - world.positions_px[points][0]
    # Files hold whole nanometres, or nine digits of micrometres; a pixel has about 145 nm.
    np.testing.assert_allclose(found, truth, atol=0.02)


def said(scan):
    return " ".join(scan.provenance.assumptions)


def test_each_beamline_knows_its_own_files_alone(tmp_path, world):
    polar, velociprobe = tmp_path / "polar", tmp_path / "velociprobe"
    polar.mkdir()
    velociprobe.mkdir()
    written = [
        write_velociprobe(velociprobe, world),
        write_lynx(tmp_path / "lynx.h5", world),
        write_csaxs(tmp_path / "csaxs.h5", world),
        write_polar(polar, world),
        write_cssi(tmp_path / "cssi.h5", world),
        write_nanomax(tmp_path / "nanomax.h5", world),
        write_xpp(tmp_path / "xpp.h5", world),
    ]
    for known, path in zip(BEAMLINES, written, strict=True):
        with open_container(path) as container:
            assert [other.name for other in BEAMLINES if other.detect(container)] == [known.name]
    foreign = write_cxi(tmp_path / "foreign.cxi", world)
    with open_container(foreign) as container:
        assert not any(known.detect(container) for known in (*BEAMLINES, EntryData()))
    np.savez(tmp_path / "foreign.npz", data=world.patterns)
    with open_container(tmp_path / "foreign.npz") as container:
        assert not any(known.detect(container) for known in (*BEAMLINES, EntryData()))


def test_velociprobe_joins_its_files_and_averages_the_readings_of_a_trigger(tmp_path, world):
    master = write_velociprobe(tmp_path, world)
    write_velociprobe_csv(tmp_path / "fly7.csv", world)
    scan = opened(Velociprobe(), master)
    assert_is(scan, world)
    assert scan.geometry.energy_ev == pytest.approx(ENERGY_EV)
    assert (scan.geometry.distance_m, scan.geometry.detector_pixel_m) == (DISTANCE_M, PITCH_M)
    assert not scan.mask[0, 1]
    assert scan.mask.sum() == scan.mask.size - 1
    for words in ("fly7.csv, which lies beside", "means of up to 3 readings", f"cos({CHI_DEG:g}°)"):
        assert words in said(scan)


def test_velociprobe_leaves_out_files_that_were_never_written(tmp_path, world):
    master = write_velociprobe(tmp_path, world, listed=6)
    csv = write_velociprobe_csv(tmp_path / "p.csv", world)
    scan = opened(Velociprobe(), master, positions_file=csv)
    assert "6 data files that the master lists 3 are not there" in said(scan)
    assert "fly7_data_000004.h5" in said(scan)


@pytest.mark.parametrize("number", [1, 2])
def test_velociprobe_names_a_file_that_is_missing_before_others(tmp_path, world, number):
    master = write_velociprobe(tmp_path, world)
    (tmp_path / f"fly7_data_{number:06d}.h5").unlink()
    with pytest.raises(ScanError, match=rf"link to fly7_data_{number:06d}\.h5, which is missing"):
        opened(Velociprobe(), master)


def test_velociprobe_takes_the_encoder_where_its_column_is_chosen(tmp_path, world):
    master = write_velociprobe(tmp_path, world)
    csv = write_velociprobe_csv(tmp_path / "p.csv", world)
    scan = opened(Velociprobe(), master, positions_file=csv, positions_columns=("-5", 1))
    spans = np.ptp(scan.positions_px, axis=0) / np.ptp(world.positions_px, axis=0)
    # The encoder of the file says twice what the interferometer says, and is negated.
    np.testing.assert_allclose(spans, (2, 1), rtol=1e-3)
    assert scan.positions[-1, 0] > scan.positions[0, 0]


@pytest.mark.parametrize("headings", [True, False])
def test_a_table_beside_the_master_of_another_beamline_is_not_the_velociprobe_s(
    tmp_path, world, headings
):
    master = write_velociprobe(tmp_path, world)
    y, x = world.positions_m.T * 1e6
    columns = np.zeros((world.n, 9))
    columns[:, 6], columns[:, 8] = y, x
    first = "t,i0,i1,a,b,c,y_um,d,x_um" if headings else ""
    np.savetxt(tmp_path / "p.csv", columns, delimiter=",", header=first, comments="")
    chosen = {} if headings else {"positions_columns": (6, 8), "positions_unit": "um"}
    scan = opened(Velociprobe(), master, positions_file=tmp_path / "p.csv", **chosen)
    assert_is(scan, world)
    assert "interferometer" not in said(scan)


def test_a_mask_of_the_whole_detector_is_not_used_for_a_part_of_it(tmp_path, world):
    master = write_velociprobe(tmp_path, world)
    csv = write_velociprobe_csv(tmp_path / "p.csv", world)
    with h5py.File(master, "a") as file:
        del file["entry/instrument/detector/detectorSpecific/pixel_mask"]
        file["entry/instrument/detector/detectorSpecific/pixel_mask"] = np.ones((99, 98))
    scan = opened(Velociprobe(), master, positions_file=csv)
    assert scan.mask.all()
    assert "mask of the file is (99, 98), patterns are (32, 24): not used" in said(scan)


def test_triggers_counted_from_one_and_patterns_without_trigger_are_matched(tmp_path, world):
    master = write_velociprobe(tmp_path, world)
    csv = write_velociprobe_csv(tmp_path / "p.csv", world, first=1)
    scan = opened(Velociprobe(), master, positions_file=csv)
    assert_is(scan, world)
    assert "counted from 1" in said(scan)
    lines = csv.read_text().splitlines()
    csv.write_text("\n".join(line for line in lines if not line.endswith((", 4", ", 20"))))
    csv.write_text(csv.read_text().replace("index", "from zero") + "\n1, 2, 3, 4, 5, 6, 7, 99\n")
    scan = opened(Velociprobe(), master, positions_file=csv)
    # 1, 2, 3, 5 … 19 and 99 are there: counted from 0, as they do not run from 1 to 20.
    assert scan.n_points == 18
    assert "2 of 20 patterns have no position" in said(scan)
    assert "1 numbered point has no pattern" in said(scan)
    np.testing.assert_array_equal(counts_of(scan), np.delete(world.patterns, [0, 4], 0) * scan.mask)


def test_positions_of_another_scan_are_refused(tmp_path, world):
    master = write_velociprobe(tmp_path, world)
    csv = write_velociprobe_csv(tmp_path / "p.csv", world, first=1000)
    with pytest.raises(ScanError, match=r"numbered 1000 to 1019, but the patterns are 0 to 19"):
        opened(Velociprobe(), master, positions_file=csv)


@pytest.mark.parametrize("beamline", ["velociprobe", "lynx"])
def test_patterns_are_cropped_around_the_recorded_centre(tmp_path, world, beamline):
    csv = write_orchestra(tmp_path / "p.dat", world.positions_m)
    if beamline == "lynx":
        path = write_lynx(tmp_path / "scan.h5", world, centre=(14, 13))
        scan = opened(Lynx(), path, positions_file=csv)
    else:
        path = write_velociprobe(tmp_path, world, centre=(14.7, 13.2))
        csv = write_velociprobe_csv(tmp_path / "p.csv", world)
        scan = opened(Velociprobe(), path, positions_file=csv)
    # 28 × 22 pixels around (14, 13), padded to 32 × 24.
    assert scan.pattern_shape == (32, 24)
    frames = counts_of(scan)
    stored = world.patterns[:, :28, 2:24] * scan.mask[2:30, 1:23]
    np.testing.assert_array_equal(frames[:, 2:30, 1:23], stored)
    assert "cropped from 32 × 24 to 28 × 22 pixels around the recorded beam centre" in said(scan)


def test_a_centre_that_nobody_set_is_not_used(tmp_path, world):
    path = write_lynx(tmp_path / "scan.h5", world, centre=(0, 0))
    file = write_orchestra(tmp_path / "p.dat", world.positions_m)
    scan = opened(Lynx(), path, positions_file=file)
    np.testing.assert_array_equal(counts_of(scan), world.patterns * scan.mask)
    assert "beam centre (0, 0) is not within the patterns" in said(scan)


@pytest.mark.parametrize("kind", ["orchestra", "raw", "means"])
def test_lynx_positions_are_negated_whatever_wrote_them(tmp_path, world, kind):
    path = write_lynx(tmp_path / "scan.h5", world)
    if kind == "orchestra":
        file = write_orchestra(tmp_path / "scan.dat", world.positions_m)
    else:
        file = write_soft_glue(tmp_path / "scan.dat", world.positions_m, means=kind == "means")
    scan = opened(Lynx(), path, positions_file=file)
    np.testing.assert_array_equal(counts_of(scan), world.patterns * scan.mask)
    np.testing.assert_allclose(scan.positions, world.positions_m, atol=1e-13)
    assert scan.geometry.detector_pixel_m == (PITCH_M[0], PITCH_M[0])
    assert scan.geometry.energy_ev == pytest.approx(ENERGY_EV)
    assert "negated" in said(scan)


def test_csaxs_distance_is_in_millimetres_of_either_sign(tmp_path, world):
    path = write_csaxs(tmp_path / "scan.h5", world)
    write_orchestra(tmp_path / "scan.dat", world.positions_m)
    scan = opened(Csaxs(), path)
    assert_is(scan, world)
    assert scan.geometry.distance_m == pytest.approx(DISTANCE_M)
    assert scan.geometry.detector_pixel_m == pytest.approx(PITCH_M)
    assert scan.geometry.energy_ev == pytest.approx(ENERGY_EV)


def test_the_unit_that_a_file_records_wins_over_the_usual_one(tmp_path, world):
    path = write_csaxs(tmp_path / "scan.h5", world)
    write_orchestra(tmp_path / "scan.dat", world.positions_m)
    with h5py.File(path, "a") as file:
        distance = file["entry/instrument/monochromator/distance"]
        distance[...] = DISTANCE_M
        distance.attrs["units"] = "m"
    assert opened(Csaxs(), path).geometry.distance_m == pytest.approx(DISTANCE_M)


def test_9_id_positions_are_x_y_in_millimetres(tmp_path, world):
    scan = opened(Cssi(), write_cssi(tmp_path / "scan.h5", world), **GEOMETRY)
    assert_is(scan, world)
    assert "in mm" in said(scan)


@pytest.mark.parametrize("to_group", [False, True])
def test_polar_follows_its_link_to_a_dataset_or_a_group(tmp_path, world, to_group):
    path = write_polar(tmp_path, world, to_group=to_group)
    scan = opened(Polar(), path, **GEOMETRY)
    assert_is(scan, world)
    (tmp_path / "eiger_0001.h5").unlink()
    with pytest.raises(ScanError, match=r"eiger_0001\.h5, which is missing"):
        opened(Polar(), path, **GEOMETRY)


@pytest.mark.parametrize(
    "name",
    [
        "/entry/measurement/eiger1m/frames",
        "/entry/instrument/Eiger/data",
        "/entry/measurement/Eiger/data",
    ],
)
def test_nanomax_frames_are_found_and_the_doubtful_sign_is_said(tmp_path, world, name):
    path = write_nanomax(tmp_path / "scan.h5", world, name)
    scan = opened(NanoMax(), path, distance_m=DISTANCE_M, detector_pixel_m=PITCH_M)
    assert_is(scan, world)
    assert scan.geometry.energy_ev == pytest.approx(ENERGY_EV)
    assert "ptypy negates both" in said(scan)
    with pytest.raises(ScanError, match=r"distance, detector pixel not recorded"):
        opened(NanoMax(), path)


def test_xpp_drops_shots_without_light_or_position(tmp_path, world):
    path = write_xpp(tmp_path / "scan.h5", world, dark=(3,), lost=(5,))
    scan = opened(Xpp(), path, **GEOMETRY)
    kept = np.delete(np.arange(world.n), [3, 5])
    assert_is(scan, world, kept)
    assert "18 of 20 shots are used" in said(scan)
    np.testing.assert_array_equal(scan.patterns.read(np.array([4, 3])), counts_of(scan)[[4, 3]])


def test_xpp_says_where_no_shot_is_left(tmp_path, world):
    path = write_xpp(tmp_path / "scan.h5", world, lost=range(19))
    with pytest.raises(ScanError, match=r"0 of 20 shots|1 of 20 shots"):
        opened(Xpp(), path, **GEOMETRY)


def test_frames_alone_ask_for_everything_that_is_missing_at_once(tmp_path, world):
    path = write_frames(tmp_path / "frames.h5", world.patterns)
    with pytest.raises(ScanError) as caught:
        opened(EntryData(), path)
    for option in (
        "--positions FILE", "--raster", "--positions-unit",
        "--energy-ev", "--distance-m", "--detector-pixel-m", "--pixel-m",
    ):  # fmt: skip
        assert option in str(caught.value)
    with pytest.raises(ScanError) as caught:
        opened(EntryData(), path, raster=(4, 5, 4.0), positions_unit="um", energy_ev=8e3)
    assert "--distance-m, --detector-pixel-m" in str(caught.value)
    assert "--positions FILE" not in str(caught.value)
    assert "--energy-ev" not in str(caught.value)


def test_frames_alone_with_positions_beside_them_and_geometry_are_a_scan(tmp_path, world):
    path = write_frames(tmp_path / "frames.h5", world.patterns)
    y, x = world.positions_m.T * 1e3
    text = "\n".join(f"{b!r}, {a!r}" for a, b in zip(y.tolist(), x.tolist(), strict=True))
    (tmp_path / "frames_pos.csv").write_text("x (mm), y (mm)\n" + text)
    scan = opened(EntryData(), path, **GEOMETRY)
    assert_is(scan, world)
    assert opened(EntryData(), path, raster=(4, 5, 4.0), positions_unit="px").unit == "px"


def test_a_file_a_line_is_joined_where_the_positions_ask_for_it(tmp_path, world):
    lines = write_lines(tmp_path, world)
    write_frames(tmp_path / "scan_13_0002.h5", world.patterns)
    np.save(tmp_path / "p.npy", world.positions_m)
    told = {"positions_file": tmp_path / "p.npy", "positions_unit": "m", **GEOMETRY}
    for path in lines[:2]:
        scan = opened(EntryData(), path, **told)
        assert_is(scan, world)
        assert "4 files, scan_12_0001.h5 to scan_12_0004.h5, are joined" in said(scan)
    raster = opened(EntryData(), lines[0], raster=(4, 5, 4.0), positions_unit="px")
    np.testing.assert_array_equal(counts_of(raster), world.patterns * raster.mask)
    alone = opened(EntryData(), lines[0], raster=(1, 5, 4.0), positions_unit="px")
    np.testing.assert_array_equal(counts_of(alone), world.patterns[:5] * alone.mask)


def test_a_missing_line_is_an_error_with_the_numbers(tmp_path, world):
    lines = write_lines(tmp_path, world)
    lines[2].unlink()
    with pytest.raises(ScanError, match=r"20 positions, but .* 5 patterns; 3 files.* have 15"):
        opened(EntryData(), lines[0], raster=(4, 5, 4.0), positions_unit="px")


def test_chosen_datasets_win_over_those_of_the_beamline(tmp_path, world):
    path = write_cssi(tmp_path / "scan.h5", world)
    with h5py.File(path, "a") as file:
        file["mine"] = world.positions_px.T
        file["probe_guess"] = world.probe
        mask = np.zeros(world.size, np.uint8)
        mask[5, 6] = 1
        file["bad"] = mask
        del file["exchange/motor_pos"]
        file["exchange/motor_pos"] = np.array(["a", "b"], dtype="S1")
    datasets = {"positions": "/mine", "probe": "/probe_guess", "mask": "/bad"}
    scan = opened(Cssi(), path, datasets=datasets, positions_unit="px", **GEOMETRY)
    np.testing.assert_allclose(scan.positions_px, world.positions_px)
    np.testing.assert_array_equal(scan.probe[0], world.probe)
    assert scan.probe_is_guess
    assert not scan.mask[5, 6]
    np.testing.assert_array_equal(counts_of(scan), world.patterns * scan.mask)
    with pytest.raises(ScanError, match=r"/exchange/motor_pos holds \|S1, real numbers"):
        opened(Cssi(), path, **GEOMETRY)
