"""A scan and a file can be told in words."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scan_world import tike_arrays, write_cxi, write_plain

from napari_ptychonn.scan.describe import describe, describe_text
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.tree import guess_roles, list_datasets


def test_a_scan_with_geometry_is_told_with_units(tmp_path, world):
    scan = open_scan(write_cxi(tmp_path / "scan.cxi", world))
    facts = json.loads(json.dumps(describe(scan)))
    assert facts["points"] == 20
    assert facts["pattern_shape"] == [32, 24]
    assert facts["geometry"]["distance_m"] == 1.5
    assert facts["probe"] == {"modes": 1, "is_guess": True}
    text = describe_text(scan)
    for words in (
        "CXI",
        "20 of 32 × 24",
        "8000 eV",
        "1.5 m",
        "60 × 75 µm",
        "1 mode",
        "translation",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("bad", "told"), [(0, "0 pixels masked"), (1, "1 pixel masked"), (2, "2 pixels masked")]
)
def test_one_pixel_is_no_plural(tmp_path, world, bad, told):
    scan = open_scan(write_cxi(tmp_path / "scan.cxi", world))
    mask = np.ones(scan.pattern_shape, bool)
    mask[0, :bad] = False
    assert told in describe_text(replace(scan, mask=mask))


def test_a_scan_without_geometry_is_told_in_pixels(tmp_path, world):
    path = write_plain(tmp_path / "scan.h5", **tike_arrays(world, "probe_guess"))
    scan = open_scan(path)
    assert describe(scan)["pixel_m"] is None
    assert describe(scan)["step_px"] == 4.0
    text = describe_text(scan)
    assert "lengths are in pixels" in text
    assert "a guess" in text


def test_datasets_are_listed_with_shape_unit_and_compression(tmp_path, world):
    path = write_cxi(tmp_path / "scan.cxi", world)
    infos = {info.path: info for info in list_datasets(path)}
    data = infos["/entry_1/instrument_1/detector_1/data"]
    assert (data.shape, data.dtype) == ((20, 32, 24), "uint16")
    assert data.compression
    assert "/entry_1/data_1/data" in infos  # a soft link is a choice too
    roles = guess_roles(list(infos.values()))
    assert roles["patterns"].endswith("/data")
    assert roles["positions"].endswith("translation")
    assert roles["probe"].endswith("illumination")
    assert roles["mask"].endswith("mask")


def test_npz_files_are_listed_from_their_headers(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, data=np.zeros((4, 16, 16), np.int32), scan=np.zeros((4, 2)))
    infos = list_datasets(path)
    assert [(info.path, info.shape) for info in infos] == [("data", (4, 16, 16)), ("scan", (4, 2))]
    assert guess_roles(infos) == {"patterns": "data", "positions": "scan"}
