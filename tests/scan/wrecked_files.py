"""Files of every format, damaged at random: a scan must open them, or refuse with one error."""

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import scan_beamline_files as beamline
from scan_broken_h5_files import break_h5
from scan_broken_npz_files import break_npz
from scan_registry_files import WRITERS
from scan_world import DISTANCE_M, ENERGY_EV, PITCH_M

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.checks import check_scan
from napari_ptychonn.scan.describe import describe_text
from napari_ptychonn.scan.open import is_scan, open_scan
from napari_ptychonn.scan.options import ROLES, ScanOptions
from napari_ptychonn.scan.tree import guess_roles, list_datasets

SIGNATURES = re.compile(
    rb"\x89HDF|TREE|HEAP|SNOD|OHDR|OCHK|GCOL|FRHP|BTHD|PK\x01\x02|PK\x03\x04|PK\x05\x06|\x93NUMPY"
)
BYTE_BY_BYTE = (
    "truncated", "flipped", "flipped", "header", "header", "number", "number", "zeroed", "copied",
    "inserted", "cut", "appended", "empty",
)  # fmt: skip
GEOMETRY = {"energy_ev": ENERGY_EV, "distance_m": DISTANCE_M, "detector_pixel_m": PITCH_M}
ODD_OPTIONS = [
    {"raster": (4, 5, 1.0), "positions_unit": "px"},
    {"raster": (20, 1, 0.5), "positions_unit": "um", **GEOMETRY},
    {"dc": "corner", "orientation": 5, "positions_unit": "px"},
    {"pixel_m": 1e-8, "positions_unit": "um"},
    {"positions_unit": "nm", **GEOMETRY},
    GEOMETRY,
    {},
]
MAX_MESSAGE = 1500
"""Letters of an error: more is no message for a person."""


@dataclass(frozen=True)
class Sound:
    """A sound scan: the file to open, the bytes of all files, what is told, what is in it."""

    name: str
    known_as: str
    path: Path
    files: dict = field(repr=False)
    told: dict
    datasets: list = field(repr=False)


def sound_files(folder, world):
    """One scan or more of every format, each of which opens with what is told of it."""
    rows = [(*row[:4], None) for row in WRITERS]
    rows += [
        (f"{name} with a table", ending, write, known_as, table)
        for name, table in (
            ("velociprobe", beamline.write_velociprobe_csv),
            ("lynx", lambda path, world: beamline.write_orchestra(path, world.positions_m)),
            ("lynx", lambda path, world: beamline.write_soft_glue(path, world.positions_m)),
        )
        for other, ending, write, known_as, _ in WRITERS
        if other == name
    ]
    return [_sound(folder / f"{number:02d}", world, *row) for number, row in enumerate(rows)]


def _sound(folder, world, name, ending, write, known_as, table):
    folder.mkdir(parents=True)
    path = Path(write(folder / f"scan.{ending}", world))
    (folder / "notes.txt").write_text("The sample fell down.\n")
    where = folder / ("where.npy" if table is None else "where.dat")
    if table is None:
        np.save(where, world.positions_m)
    else:
        table(where, world)
    unit = {} if table else {"positions_unit": "m"}
    beside = {"positions_file": where, **unit, **GEOMETRY}
    for told in (beside,) if table else ({}, GEOMETRY, beside):
        try:
            scan = open_scan(path, ScanOptions(**told))
        except ScanError:
            continue
        assert scan.provenance.format == known_as
        files = {each: each.read_bytes() for each in sorted(folder.iterdir())}
        names = [info.path for info in list_datasets(path)]
        return Sound(name, known_as, path, files, told, names)
    raise AssertionError(f"{name} does not open")


def mutate(sound, random):
    """Damage the files of a scan in its folder; what was done, and what to tell of them."""
    for path in set(sound.path.parent.iterdir()) - set(sound.files):
        path.unlink()
    for path, data in sound.files.items():
        path.write_bytes(data)
    others = [path for path in sound.files if path.name != "notes.txt"]
    victim = sound.path if random.random() < 0.8 else others[random.integers(len(others))]
    said = []
    for _ in range(random.choice([1, 2, 3], p=[0.7, 0.2, 0.1])):
        if random.random() < 0.65 and h5py.is_hdf5(victim) and all("by" not in s for s in said):
            said.append(break_h5(victim, random))
        elif random.random() < 0.75 and victim.suffix == ".npz" and not said:
            said.append(break_npz(victim, random))
        else:
            said.append(f"{victim.name} byte by byte: {break_bytes(victim, random)}")
    told = dict(sound.told)
    if random.random() < 0.15:
        told = dict(ODD_OPTIONS[random.integers(len(ODD_OPTIONS))])
        roles = random.choice(ROLES, random.integers(1, 4), replace=False)
        if sound.datasets:
            told["datasets"] = {str(role): str(random.choice(sound.datasets)) for role in roles}
        said.append(f"told {told}")
    return "; ".join(said), told


def break_bytes(path, random):
    """Truncate, flip, overwrite, move, insert or cut; what was done."""
    data = bytearray(path.read_bytes())
    size = len(data)
    kind = BYTE_BY_BYTE[random.integers(len(BYTE_BY_BYTE))]
    at = int(random.integers(max(1, size)))
    heads = [found.start() for found in SIGNATURES.finditer(data)] or [0]
    near = heads[random.integers(len(heads))] + int(random.integers(64))
    length = int(random.integers(1, 200))
    if kind == "truncated":
        del data[at if random.random() < 0.7 else max(0, size - length) :]
    elif kind in ("flipped", "header"):
        for _ in range(random.integers(1, 16)):
            place = int(random.integers(max(1, size))) if kind == "flipped" else near
            if place < size:
                data[place] ^= 1 << int(random.integers(8))
            near += int(random.integers(1, 24))
    elif kind == "number":
        odd = (0, 1, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1, size, at)
        width = int(random.choice([1, 2, 4, 8]))
        value = odd[random.integers(len(odd))] % 256**width
        near = min(near, max(0, size - width))
        data[near : near + width] = value.to_bytes(width, "little")
    elif kind == "zeroed":
        data[at : at + length] = bytes(len(data[at : at + length]))
    elif kind == "copied":
        other = int(random.integers(max(1, size)))
        block = data[other : other + length]
        data[at : at + len(block)] = block
    elif kind == "inserted":
        data[at:at] = random.bytes(length)
    elif kind == "cut":
        del data[at : at + length]
    elif kind == "appended":
        data += random.bytes(length)
    else:
        data.clear()
    path.write_bytes(bytes(data))
    return f"{kind} at {at}"


def judge(path, told):
    """``"scan"`` or ``"refused"``; whatever else a file leads to is raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert is_scan(path) in (True, False)
        try:
            guess_roles(list_datasets(path))
        except ScanError as error:
            check_message(error)
        try:
            scan = open_scan(path, ScanOptions(**told))
            check_scan(scan)
            assert describe_text(scan)
            frames = scan.patterns.read(np.arange(2))
            last = scan.patterns.read(np.array([scan.n_points - 1]))
        except ScanError as error:
            check_message(error)
            return "refused"
    for read, count in ((frames, 2), (last, 1)):
        assert read.shape == (count, *scan.pattern_shape)
        assert read.dtype == np.float32
        assert np.isfinite(read).all()
        assert (read >= 0).all()
    assert scan.positions.shape == (scan.n_points, 2)
    assert scan.positions.dtype == np.float64
    assert scan.mask.dtype == bool
    return "scan"


def check_message(error):
    message = str(error)
    assert error.where, f"no file is named: {message}"
    assert error.remedy, f"no remedy: {message}"
    assert message.isprintable(), f"no single line: {message!r}"
    assert len(message) < MAX_MESSAGE, f"{len(message)} letters: {message[:300]}"
