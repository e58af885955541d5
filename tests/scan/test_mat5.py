"""MATLAB files before 7.3: their variables are found, and damaged ones are one error."""

import struct
import tracemalloc
import warnings

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scan_results_files import ResultWorld, write_fold_slice_result_5, write_shelves_mat
from scipy.io import savemat, whosmat

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import open_container
from napari_ptychonn.scan.open import is_scan, open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.results.open import is_result, open_result
from napari_ptychonn.scan.tree import list_entries

VARIABLES = {
    "doubles": np.arange(24.0).reshape(2, 3, 4),
    "counts": np.arange(6, dtype=np.uint16).reshape(2, 3),
    "waves": np.array([[1 + 2j, 3, 4j]], np.complex64),
    "good": np.array([[True, False]]),
    "one": 2.5,
    "title": "größer",
    "p": {
        "dx_spec": np.array([[1e-8, 2e-8]]),
        "deep": {"er": 3.0},
        "names": np.array([["a"]], object),
    },
    "cells": np.array([[1, "b"]], object),
    "a_name_of_more_than_31_letters_as_of_2008": np.float32(1),
}  # fmt: skip
NAMES = {
    "doubles": ((4, 3, 2), "float64"),
    "counts": ((3, 2), "uint16"),
    "waves": ((3, 1), "complex64"),
    "good": ((2, 1), "bool"),
    "one": ((1, 1), "float64"),
    "title": ((), "<U6"),
    "p/dx_spec": ((2, 1), "float64"),
    "p/deep/er": ((1, 1), "float64"),
    "a_name_of_more_than_31_letters_as_of_2008": ((1, 1), "float32"),
}


@pytest.fixture(params=[False, True], ids=["-v6", "-v7"])
def saved(request, tmp_path):
    path = tmp_path / "some.mat"
    savemat(path, VARIABLES, do_compression=request.param, long_field_names=True)
    return path


def test_variables_and_fields_are_listed_in_the_order_of_hdf5(saved):
    with open_container(saved) as container:
        listed = {info.path: info for info in container.infos()}
        assert {name: (info.shape, info.dtype) for name, info in listed.items()} == NAMES
        for name in ("doubles", "counts", "waves", "good"):
            values = container.array(name)
            assert str(values.dtype) == NAMES[name][1]
            np.testing.assert_array_equal(values, VARIABLES[name].T)
        np.testing.assert_array_equal(container.array("/p/dx_spec"), [[1e-8], [2e-8]])
        assert container.array("title") == "größer"
        assert container.attribute("doubles", "units") is None
        for name in ("cells", "p", "p/names", "none", "doubles/none", "p/none"):
            assert not container.has(name)
            with pytest.raises(ScanError, match=f"no array {name}"):
                container.array(name)
    values = {entry.info.path: entry.value for entry in list_entries(saved)}
    assert (values["one"], values["title"]) == ("2.5", "größer")


def test_shapes_are_those_that_scipy_tells(saved):
    told = {
        name: shape[::-1] for name, shape, kind in whosmat(saved) if kind in ("double", "single")
    }
    with open_container(saved) as container:
        assert all(container.info(name).shape == shape for name, shape in told.items())
    assert len(told) == 4


def test_files_of_machines_with_the_other_order_of_bytes_are_read(tmp_path):
    name, values = b"x".ljust(8, b"\0"), np.arange(6, dtype=">f8")
    parts = struct.pack(">4I", 6, 8, 6, 0) + struct.pack(">2I2i", 5, 8, 2, 3)
    parts += struct.pack(">2I", 1, 1) + name + struct.pack(">2I", 9, 48) + values.tobytes()
    head = b"MATLAB 5.0 MAT-file, Platform: SOL2".ljust(124) + b"\x01\x00MI"
    path = tmp_path / "sun.mat"
    path.write_bytes(head + struct.pack(">2I", 14, len(parts)) + parts)
    with open_container(path) as container:
        assert container.info("x").shape == (3, 2)
        np.testing.assert_array_equal(container.array("x"), np.arange(6.0).reshape(3, 2))


def test_patterns_of_a_file_that_nobody_knows_are_chosen_by_name(tmp_path, world):
    path = tmp_path / "mine.mat"
    savemat(path, {"camera": world.patterns.transpose(1, 2, 0), "stage": world.positions_px})
    chosen = ScanOptions(
        datasets={"patterns": "camera", "positions": "stage"}, positions_unit="px", orientation=4
    )
    scan = open_scan(path, chosen)
    np.testing.assert_array_equal(scan.patterns.read(np.arange(world.n)), world.patterns)
    np.testing.assert_allclose(scan.positions, world.positions_px)


def test_a_file_that_ends_early_or_that_holds_nothing_is_named(saved):
    whole = saved.read_bytes()
    for data in (whole[:200], whole[:-5], whole[:128] + bytes(64)):
        saved.write_bytes(data)
        assert not is_scan(saved)
        with pytest.raises(ScanError, match=r"some\.mat.*damaged"):
            open_result(saved)
    saved.write_bytes(whole[:128])
    with pytest.raises(ScanError, match="no reconstructed object"):
        open_result(saved)


def test_zeros_packed_to_fill_the_memory_are_not_unpacked(tmp_path):
    path = tmp_path / "bomb.mat"
    savemat(path, {"object": np.zeros((6000, 6000)), "p": {"dx_spec": 1e-8}}, do_compression=True)
    tracemalloc.start()
    with pytest.raises(ScanError, match="would unpack to 288"):
        open_result(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder, world = tmp_path_factory.mktemp("results"), ResultWorld()
    writers = (write_fold_slice_result_5, write_shelves_mat)
    return [write(folder / f"{number}.mat", world) for number, write in enumerate(writers)]


@settings(
    max_examples=300, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(number=st.integers(0, 2**32 - 1))
def test_a_damaged_result_gives_an_object_or_one_clear_error(results, tmp_path, number):
    random = np.random.default_rng(number)
    data = bytearray(results[number % len(results)].read_bytes())
    # Headers lie at the start of variables, where most damage changes something.
    for place in random.integers(0, len(data) if number % 3 else 400, random.integers(1, 8)):
        data[place] ^= 1 << int(random.integers(8))
    path = tmp_path / "broken.mat"
    path.write_bytes(bytes(data[: random.integers(len(data))] if number % 7 == 0 else data))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert is_result(path) in (True, False)
        refusal = None
        try:
            assert open_result(path).object.ndim == 2
        except ScanError as error:
            refusal = error
    if refusal is not None:
        assert refusal.remedy
        assert str(refusal).isprintable()


def test_a_file_of_version_73_stays_hdf5(tmp_path):
    path = tmp_path / "new.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"] = np.zeros(3)
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    with open_container(path) as container:
        assert container.has("x")
