"""Positions and probes come from other files too, with one clear message where they do not."""

import h5py
import numpy as np
import pytest
from scan_world import write_cxi, write_plain

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions


@pytest.fixture
def bare(tmp_path, world):
    """A CXI file without positions and probe."""
    path = write_cxi(tmp_path / "bare.cxi", world)
    with h5py.File(path, "a") as file:
        del file["entry_1/sample_1/geometry_1/translation"]
        del file["entry_1/instrument_1/source_1/illumination"]
    return path


def as_csv(path, values):
    lines = ["y,x", *(f"{y!r}, {x!r}" for y, x in values.tolist())]
    path.write_text("\n".join(lines))
    return path


def as_text(path, values):
    np.savetxt(path, values, header="y x")
    return path


def as_npy(path, values):
    np.save(path, values)
    return path


def as_npz(path, values):
    np.savez(path, unrelated=np.ones(3), positions=values)
    return path


def as_h5(path, values):
    return write_plain(path, unrelated=np.ones((7, 2)), table=values)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("p.csv", as_csv),
        ("p.txt", as_text),
        ("p.npy", as_npy),
        ("p.npz", as_npz),
        ("p.h5", as_h5),
    ],
)
def test_positions_from_every_kind_of_file(tmp_path, bare, world, name, write):
    file = write(tmp_path / name, world.positions_m * 1e9)
    scan = open_scan(bare, ScanOptions(positions_file=file, positions_unit="nm"))
    np.testing.assert_allclose(scan.positions, world.positions_m)
    assert name in scan.provenance.datasets["positions"]
    with pytest.raises(ScanError, match=r"unit of .* is not recorded"):
        open_scan(bare, ScanOptions(positions_file=file))


def test_a_dataset_of_the_side_file_can_be_picked(tmp_path, bare, world):
    file = write_plain(
        tmp_path / "two.h5", a=np.zeros((world.n, 2)), **{"deep/b": world.positions_m}
    )
    picked = ScanOptions(positions_file=f"{file}:/deep/b", positions_unit="m")
    np.testing.assert_allclose(open_scan(bare, picked).positions, world.positions_m)


def test_of_several_datasets_of_a_side_file_none_is_taken_silently(tmp_path, bare, world):
    file = tmp_path / "stage.h5"
    with h5py.File(file, "w") as stage:
        stage["wanted"], stage["read"] = world.positions_m, world.positions_m + 1e-9
    with pytest.raises(ScanError, match=r"2 datasets may be positions: /read, /wanted"):
        open_scan(bare, ScanOptions(positions_file=file, positions_unit="m"))


def test_a_ptychodus_product_gives_positions_and_probe(tmp_path, bare, world):
    y, x = world.positions_m.T
    file = write_plain(
        tmp_path / "product.h5", probe_position_y_m=y, probe_position_x_m=x,
        probe=world.probe[None, None], object=np.ones((1, 50, 50), np.complex64),
    )  # fmt: skip
    scan = open_scan(bare, ScanOptions(positions_file=file, probe_file=file))
    np.testing.assert_allclose(scan.positions, world.positions_m)
    np.testing.assert_array_equal(scan.probe[0], world.probe)


def test_a_probe_from_npy(tmp_path, bare, world):
    positions = as_npy(tmp_path / "p.npy", world.positions_m)
    probe = as_npy(tmp_path / "probe_guess.npy", world.probe)
    options = ScanOptions(positions_file=positions, positions_unit="m", probe_file=probe)
    scan = open_scan(bare, options)
    np.testing.assert_array_equal(scan.probe[0], world.probe)
    assert scan.probe_is_guess


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("short.csv", "1,2\n3,4\n", "2 positions.*20 patterns"),
        ("three.csv", "1,2,3\n", r"3 columns.*--positions-columns Y,X among the columns 0 to 2"),
        ("word.csv", "y,x\n1,2\nfoo,3\n", "line 3 has no number in column 0"),
        ("ragged.csv", "1,2\n3,4\n5\n", "line 3 has 1 column, the lines above have 2"),
        ("wide.csv", "1,2\n3,4,5\n6,7,8\n", "line 2 has 3 columns, the lines above have 2"),
        ("units.csv", "y_nm,x_um\n1,2\n3,4\n", "y is in nm, but x is in um"),
        ("huge.csv", "1,2\n3,inf\n", "line 2 has no number in column 1"),
        ("empty.csv", "", "no numbers"),
        ("none.npy", "not a npy file", "cannot be read"),
    ],
)
def test_bad_side_files_are_named(tmp_path, bare, name, text, message):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(ScanError, match=message) as caught:
        open_scan(bare, ScanOptions(positions_file=file, positions_unit="m"))
    assert name in str(caught.value)


def test_a_mda_file_given_as_the_scan_is_told_from_one(tmp_path):
    # The head of a file of EPICS' saveData: version 1.3, number of the scan, its rank.
    mda = tmp_path / "26idbSOFT_0012.mda"
    mda.write_bytes(bytes.fromhex("3fa66666 0000000c 00000002".replace(" ", "")))
    with pytest.raises(ScanError, match=r"26idbSOFT_0012\.mda.*give it with --positions"):
        open_scan(mda)


def test_a_missing_side_file_and_a_scan_without_positions_are_said(bare, tmp_path):
    with pytest.raises(ScanError, match=r"nowhere\.csv.*no such file"):
        open_scan(bare, ScanOptions(positions_file=tmp_path / "nowhere.csv"))
    with pytest.raises(ScanError, match="--positions FILE"):
        open_scan(bare)
