"""Beamline files that are not as they must be: a scan, or one clear error, and nothing else."""

import h5py
import numpy as np
import pytest
from scan_beamline_files import (
    write_csaxs,
    write_cssi,
    write_frames,
    write_lynx,
    write_nanomax,
    write_polar,
    write_velociprobe,
    write_velociprobe_csv,
    write_xpp,
)
from scan_world import DISTANCE_M, ENERGY_EV, PITCH_M

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.assemble import assemble
from napari_ptychonn.scan.container import open_container
from napari_ptychonn.scan.formats.csaxs import Csaxs
from napari_ptychonn.scan.formats.cssi import Cssi
from napari_ptychonn.scan.formats.lynx import Lynx
from napari_ptychonn.scan.formats.nanomax import NanoMax
from napari_ptychonn.scan.formats.xpp import Xpp
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions

GEOMETRY = {"energy_ev": ENERGY_EV, "distance_m": DISTANCE_M, "detector_pixel_m": PITCH_M}


def opened(known, path, **options):
    chosen = ScanOptions(**options)
    with open_container(path) as container:
        return assemble(known.load(container, chosen), path, known.name, chosen)


def replaced(path, name, value):
    with h5py.File(path, "a") as file:
        if name in file:
            del file[name]
        file[name] = value


WRONG = [
    (Lynx, write_lynx, "/entry/data/eiger_4", np.ones((3, 4)), r"shape \(3, 4\)"),
    (Lynx, write_lynx, "/entry/data/eiger_4", np.array(["a"], "S1"), "eiger_4"),
    (Cssi, write_cssi, "/exchange/motor_pos", np.ones(3), r"has shape \(3,\)"),
    (Cssi, write_cssi, "/exchange/motor_pos", h5py.Empty("f8"), "motor_pos"),
    (Csaxs, write_csaxs, "/entry/instrument/monochromator/energy", b"high", "real numbers"),
    (Csaxs, write_csaxs, "/entry/instrument/monochromator/energy", np.nan, "not finite"),
    (Csaxs, write_csaxs, "/entry/instrument/eiger_4/x_pixel_size", np.array([]), "is empty"),
    (NanoMax, write_nanomax, "/entry/measurement/pseudo/x", np.ones(3), "20 values, .* 3"),
    (NanoMax, write_nanomax, "/entry/snapshot/energy", b"8 keV", "real numbers"),
    (Xpp, write_xpp, "/lmc/ch03", np.ones(3), "ch05 has 20 values, /lmc/ch03 has 3"),
    (Xpp, write_xpp, "/ipm2/sum", np.ones(3), "ipm2/sum has 3 values"),
    (Xpp, write_xpp, "/lmc/ch05", np.ones((20, 1), complex), "real numbers"),
]


@pytest.mark.parametrize(("known", "write", "name", "value", "message"), WRONG)
def test_what_is_not_as_it_must_be_is_named(tmp_path, world, known, write, name, value, message):
    path = write(tmp_path / "scan.h5", world)
    replaced(path, name, value)
    with pytest.raises(ScanError, match=message):
        opened(known(), path, **GEOMETRY)


def test_an_attribute_of_words_where_a_number_belongs_is_named(tmp_path, world):
    path = write_lynx(tmp_path / "scan.h5", world)
    with h5py.File(path, "a") as file:
        file["/entry/data/eiger_4"].attrs["Pixel_size"] = "small"
    with pytest.raises(ScanError, match="Pixel_size is 'small', a number is needed"):
        opened(Lynx(), path)


def test_a_scan_without_its_positions_file_says_so(tmp_path, world):
    path = write_lynx(tmp_path / "scan.h5", world)
    with pytest.raises(ScanError, match=r"none in the file.*--positions FILE.*--raster"):
        opened(Lynx(), path)


UNREAD = (
    "bit_depth_readout",
    "nimages",
    "ntrigger",
    "x_pixels_in_detector",
    "y_pixels_in_detector",
)
WRITERS = {
    "velociprobe": lambda folder, world: write_velociprobe(folder, world),
    "lynx": lambda folder, world: write_lynx(folder / "scan.h5", world),
    "csaxs": lambda folder, world: write_csaxs(folder / "scan.h5", world),
    "polar": lambda folder, world: write_polar(folder, world),
    "cssi": lambda folder, world: write_cssi(folder / "scan.h5", world),
    "nanomax": lambda folder, world: write_nanomax(folder / "scan.h5", world),
    "xpp": lambda folder, world: write_xpp(folder / "scan.h5", world),
    "frames": lambda folder, world: write_frames(folder / "scan.h5", world.patterns),
}
ODD = {
    "nothing": h5py.Empty("f8"),
    "word": b"word",
    "words": np.array(["a", "b"], dtype="S1"),
    "complex": np.ones((20, 2), complex),
    "cube": np.ones((2, 3, 4, 5, 6)),
    "short": np.zeros((1, 1)),
    "empty": np.zeros((0, 2)),
    "negative": np.full((20, 8, 8), -1.0),
    "nan": np.full((20,), np.nan),
    "record": np.zeros(3, dtype=[("a", "f8"), ("b", "i4")]),
}


@pytest.mark.parametrize("written", WRITERS)
def test_odd_datasets_give_a_scan_or_a_scan_error_and_nothing_else(tmp_path, world, written):
    path = WRITERS[written](tmp_path, world)
    table = write_velociprobe_csv(tmp_path / "table.csv", world)
    whole = path.read_bytes()
    with h5py.File(path) as file:
        names = []
        file.visit_links(names.append)
    # Of the linked files one is enough.
    names = [name for name in names if name[-1] not in "23456" and not name.endswith(UNREAD)]
    outcomes = set()
    for name in names:
        for odd in (None, "group", "circle", "away", *ODD):
            path.write_bytes(whole)
            with h5py.File(path, "a") as file:
                del file[name]
                if odd == "group":
                    file.create_group(f"{name}/inside")
                elif odd == "circle":
                    file[name] = h5py.SoftLink(f"/{name}")
                elif odd == "away":
                    file[name] = h5py.ExternalLink("gone.h5", "/data")
                elif odd is not None:
                    file[name] = ODD[odd]
            told = {"positions_file": table} if written == "velociprobe" else {}
            try:
                scan = open_scan(path, ScanOptions(**GEOMETRY, **told))
            except ScanError:
                outcomes.add("error")
            else:
                assert scan.n_points >= 2
                outcomes.add("scan")
    assert "error" in outcomes


@pytest.mark.parametrize("written", WRITERS)
def test_every_file_is_opened_by_its_own_format(tmp_path, world, written):
    path = WRITERS[written](tmp_path, world)
    names = {
        "velociprobe": "Velociprobe (Eiger master)", "lynx": "LYNX", "csaxs": "cSAXS",
        "polar": "4-ID Polar", "cssi": "9-ID CSSI", "nanomax": "NanoMAX", "xpp": "LCLS XPP",
        "frames": "/entry/data/data",
    }  # fmt: skip
    np.save(tmp_path / "p.npy", world.positions_m)
    told = {"positions_file": tmp_path / "p.npy", "positions_unit": "m", **GEOMETRY}
    scan = open_scan(path, ScanOptions(**told))
    assert scan.provenance.format == names[written]
    np.testing.assert_array_equal(scan.patterns.read(world.everything), world.patterns * scan.mask)
