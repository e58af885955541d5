"""Damaged files of every format give a scan that passes its checks, or one ScanError.

The large run, each file in a process of its own with limits on time and memory, is
``benchmarks/fuzz_formats.py``; this one, of the same damage, stays within the process.
"""

import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scan_broken_npz_files import ODD_HEADERS, append_packed, bomb, npy
from scan_wrecked_files import judge, mutate, sound_files
from scan_wrecked_side_files import judge_side, mutate_side, sound_side_files

from napari_ptychonn.cli import main
from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import open_container
from napari_ptychonn.scan.formats import FORMATS
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions


@pytest.fixture(scope="module")
def sound(tmp_path_factory, world):
    return sound_files(tmp_path_factory.mktemp("sound"), world)


def test_the_sound_files_are_of_all_formats_and_pass(sound):
    assert {each.known_as for each in sound} == {known.name for known in FORMATS}
    for each in sound:
        assert judge(each.path, each.told) == "scan", each.name


@settings(
    max_examples=200,
    deadline=None,  # of a busy machine; benchmarks/fuzz_formats.py measures the work
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(number=st.integers(0, 2**32 - 1))
def test_a_damaged_file_gives_a_scan_or_one_clear_error(sound, number):
    chosen = sound[number % len(sound)]
    _, told = mutate(chosen, np.random.default_rng(number))
    assert judge(chosen.path, told) in ("scan", "refused")


@pytest.fixture(scope="module")
def sound_sides(tmp_path_factory, world):
    return sound_side_files(tmp_path_factory.mktemp("sides"), world)


def test_a_sound_file_of_each_kind_beside_a_scan_passes(sound_sides):
    for each in sound_sides:
        assert judge_side(each.path, each.told) == "scan", each.name


@settings(
    max_examples=150,
    deadline=None,  # as above
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(number=st.integers(0, 2**32 - 1))
def test_a_damaged_file_beside_a_scan_gives_a_scan_or_one_clear_error(sound_sides, number):
    chosen = sound_sides[number % len(sound_sides)]
    _, told = mutate_side(chosen, np.random.default_rng(number))
    assert judge_side(chosen.path, told) in ("scan", "refused")


def test_the_shell_says_one_line_for_each_refused_file_and_leaves_with_1(sound, capsys):
    plain = [each for each in sound if not each.told]
    codes = set()
    for number in range(12):
        random = np.random.default_rng(number)
        chosen = plain[number % len(plain)]
        mutate(chosen, random)
        word = judge(chosen.path, {})
        code = main(["info", str(chosen.path)])
        said = capsys.readouterr()
        codes.add(code)
        assert code == {"scan": 0, "refused": 1}[word]
        assert bool(said.out) == (word == "scan")
        assert len(said.err.splitlines()) == code
    assert codes == {0, 1}


def refused(path, **options):
    with pytest.raises(ScanError) as caught:
        open_scan(path, ScanOptions(**options))
    return str(caught.value)


def npz_of(path, world, **members):
    np.savez(path, scan=world.positions_px)
    with zipfile.ZipFile(path, "a") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


@pytest.mark.parametrize("header", ODD_HEADERS, ids=lambda header: header[:60])
@pytest.mark.parametrize("version", [1, 3])
def test_an_array_that_claims_what_it_is_not_is_refused(tmp_path, world, header, version):
    path = npz_of(tmp_path / "scan.npz", world, data=npy(header, version, b"12345678" * 40))
    assert "data" in refused(path)
    beside = tmp_path / "where.npy"
    beside.write_bytes(npy(header, version, b"12345678" * 40))
    np.savez(path, patterns=world.patterns)
    assert "where.npy" in refused(path, positions_file=beside)


def test_zeros_packed_to_fill_the_memory_are_not_unpacked(tmp_path, world):
    path = npz_of(tmp_path / "scan.npz", world)
    append_packed(path, "data.npy", *bomb(megabytes=300))
    tracemalloc.start()
    message = refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "would unpack to 3145" in message
    assert peak < 20e6


def test_npz_files_of_python_2_are_read_without_a_warning(tmp_path, world):
    header = f"{{'descr': '<u2', 'fortran_order': False, 'shape': ({world.n}L, 32L, 24L), }}"
    data = npy(header, 1, world.patterns.tobytes())
    scan = open_scan(npz_of(tmp_path / "scan.npz", world, data=data))
    assert scan.patterns.shape == (world.n, 32, 24)


@pytest.fixture
def plain(tmp_path, world):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["dp"], file["positions"] = world.patterns, world.positions_px
    return path


def test_hard_links_in_a_circle_are_listed_once(plain, world):
    with h5py.File(plain, "a") as file:
        group = file.create_group("more")
        group["up"], group["again"] = file["/"], file["/"]
        file["zz"] = np.zeros(3)
    with open_container(plain) as container:
        assert [info.path for info in container.infos()] == ["/dp", "/positions", "/zz"]
    assert open_scan(plain, ScanOptions(positions_unit="px")).n_points == world.n


@pytest.mark.parametrize(
    ("name", "shape", "how", "words"),
    [
        ("dp", (10**6, 10**4, 10**4), {"chunks": (1, 64, 64)}, "more than detectors have"),
        ("dp", (20, 2048, 4096), {"chunks": (20, 2048, 4096)}, "h5repack"),
        ("dp", (10**12, 32, 24), {"chunks": (1, 32, 24)}, "20 positions, but"),
        ("positions", (10**12, 2), {"chunks": (64, 2)}, "/positions has shape"),
    ],
)
def test_a_declared_size_costs_nothing(plain, name, shape, how, words):
    with h5py.File(plain, "a") as file:
        del file[name]
        file.create_dataset(name, shape, "u2", **how)
    chosen = {"patterns": "/dp", "positions": "/positions"}
    tracemalloc.start()
    message = refused(plain, positions_unit="px", datasets=chosen)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert words in message
    assert peak < 20e6


@pytest.mark.parametrize(("value", "words"), [(1e39, "not finite"), (1e35, "too large")])
def test_counts_beyond_all_sums_are_refused_and_not_warned_about(plain, world, value, words):
    stack = world.patterns.astype(np.float64)
    stack[3, 4, 5] = value
    with h5py.File(plain, "a") as file:
        del file["dp"]
        file["dp"] = stack
    assert words in refused(plain, positions_unit="px")


def test_patterns_without_any_light_are_opened_as_they_are(plain, world):
    with h5py.File(plain, "a") as file:
        file["dp"][...] = 0
        file["positions"][...] = world.positions_px * 100
    told = {"energy_ev": 8000.0, "distance_m": 1.5, "detector_pixel_m": 6e-5}
    assert open_scan(plain, ScanOptions(positions_unit="um", **told)).near_field is None
