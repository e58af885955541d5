"""What can be wrong with a npz file: one of its members replaced by something else."""

import io
import struct
import zipfile
import zlib
from functools import cache

import numpy as np

ODD_HEADERS = [
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 10000, 10000), }",
    "{'descr': '<u2', 'fortran_order': True, 'shape': (20, 100000, 100000), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (2.5, 2), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (True, 2), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': 20, }",
    "{'descr': '<f8', 'fortran_order': 3, 'shape': (20, 2), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (20, 2), }",
    "{'descr': 'nonsense', 'fortran_order': False, 'shape': (20, 2), }",
    "{'descr': [('a', '<f8'), ('b', '|O')], 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (20L, 2L), }",
    "{'descr': '<f8', 'shape': (20, 2), }",
    "{'descr': '|V0', 'fortran_order': False, 'shape': (10000000000,), }",
    "{'descr': '|S0', 'fortran_order': False, 'shape': (10000000000, 5), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1" + "0" * 30 + ", 2), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 1" + "0" * 30 + "), }",
    "(" * 3000,
    "[" * 200 + "]" * 200,
    "{'descr'",
    "",
    "import os",
    "'a\x00b'",
    "{" + "'x': 1, " * 900 + "}",
    "{1: 2, 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}",
    "\xff\xfe\xfd",
    "\ud800\n",
]
ODD_ARRAYS = {
    "pickled": lambda random: np.array([{"a": random.integers(5)}, None], dtype=object),
    "words": lambda random: np.array(["a", "bc"]),
    "dates": lambda random: np.array(["2024-01-01"] * 20, dtype="M8[D]"),
    "record": lambda random: np.zeros(20, dtype=[("a", "f8"), ("b", "i4")]),
    "void": lambda random: np.zeros(20, "V8"),
    "complex": lambda random: np.ones((20, 2), complex),
    "long double": lambda random: np.ones((20, 2), "g"),
    "half": lambda random: np.ones((20, 32, 24), "f2"),
    "scalar": lambda random: np.float64(random.random()),
    "empty": lambda random: np.zeros((0, 2)),
    "one": lambda random: np.zeros((1, 32, 24), np.uint16),
    "nan": lambda random: np.full((20, 2), np.nan),
    "infinite": lambda random: np.full((20, 32, 24), np.inf),
    "negative": lambda random: np.full((20, 32, 24), -3),
    "enormous": lambda random: np.full((20, 32, 24), 1e300),
    "large": lambda random: np.full((20, 32, 24), 1e25),
    "whole": lambda random: np.full((20, 2), 2**63 - 1),
    "bool": lambda random: random.random((20, 32, 24)) > 0.5,
    "flat": lambda random: np.zeros((20, 32, 24)),
    "raster": lambda random: random.poisson(3, (4, 5, 32, 24)),
    "wide": lambda random: random.poisson(3, (20, 8, 3)),
    "cube": lambda random: random.random((2, 3, 4, 5, 6)),
    "shorter": lambda random: random.random((19, 2)),
    "fortran": lambda random: np.asfortranarray(random.poisson(9, (20, 32, 24))),
    "big-endian": lambda random: random.random((20, 2)).astype(">f8"),
}


def break_npz(path, random):
    """Change one member of a npz file and say what; the file must be whole."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = str(random.choice(list(members)))
    kind = ("array", "header", "damage", "removed", "renamed", "bomb", "entry", "twice", "method")[
        random.integers(9)
    ]
    method, raw, said = zipfile.ZIP_DEFLATED, None, ""
    if kind == "array":
        said = str(random.choice(list(ODD_ARRAYS)))
        stream = io.BytesIO()
        np.save(stream, ODD_ARRAYS[said](random), allow_pickle=True)
        members[name] = stream.getvalue()
    elif kind == "header":
        header = ODD_HEADERS[random.integers(len(ODD_HEADERS))]
        said = header[:50]
        version = int(random.choice([1, 2, 3, 4, 0, 255], p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05]))
        members[name] = npy(header, version, random.bytes(100))
    elif kind == "damage":
        data = bytearray(members[name])
        at = int(random.integers(min(len(data), 128 if random.random() < 0.5 else 10**9)))
        data[at : at + 8] = random.bytes(8)
        members[name] = bytes(data[: random.integers(1, len(data))] if at % 3 == 0 else data)
    elif kind == "removed":
        del members[name]
    elif kind == "renamed":
        said = str(random.choice(["../up.npy", "/a.npy", "a/b.npy", "data", "", "ä.npy", ".npy"]))
        members[said] = members.pop(name)
    elif kind == "bomb":
        raw = bomb()
        del members[name]
    elif kind == "method":
        method = int(random.choice([zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
    with zipfile.ZipFile(path, "w", method) as archive:
        for each, data in members.items():
            archive.writestr(zipfile.ZipInfo(each or "?"), data, method)
        if kind == "twice":
            # A second entry of the same name; writing it under that name would warn.
            other = zipfile.ZipInfo("second.npy")
            archive.writestr(other, npy(ODD_HEADERS[0], 1, b"1234"), method)
            other.filename = name
    if raw is not None:
        append_packed(path, name, *raw)
        said = f"{raw[1]} bytes"
    if kind == "entry":
        said = _damage_entries(path, random)
    return f"{kind} {name}: {said}"


def npy(header, version, data):
    text = header.encode("utf-8", "surrogatepass") + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


@cache
def bomb(megabytes=2048):
    """A deflated npy of zeros: (packed bytes, size, checksum)."""
    shape = (megabytes, 1024, 1024)
    start = npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}", 1, b"")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(2**20)
    packed, checksum = [packer.compress(start)], zlib.crc32(start)
    packed.append(packer.flush(zlib.Z_FULL_FLUSH))
    one = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    packed += [one] * megabytes + [packer.flush()]
    for _ in range(megabytes):
        checksum = zlib.crc32(block, checksum)
    return b"".join(packed), len(start) + megabytes * 2**20, checksum


def append_packed(path, name, packed, size, checksum):
    """Add a member whose packed bytes are at hand."""
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.compress_size, info.file_size, info.CRC = len(packed), size, checksum
        info.header_offset = archive.start_dir
        archive.fp.seek(archive.start_dir)
        archive.fp.write(info.FileHeader())
        archive.fp.write(packed)
        archive.start_dir = archive.fp.tell()
        archive.filelist.append(info)
        archive.NameToInfo[name] = info
        archive._didModify = True


def _damage_entries(path, random):
    """Write odd numbers into the directory at the end: sizes, methods, flags, offsets."""
    data = bytearray(path.read_bytes())
    places = [at for at in range(len(data) - 46) if data[at : at + 4] == b"PK\x01\x02"]
    at = int(random.choice(places))
    fields = {
        "flags": (8, "<H"), "method": (10, "<H"), "crc": (16, "<I"), "packed": (20, "<I"),
        "size": (24, "<I"), "name": (28, "<H"), "extra": (30, "<H"), "offset": (42, "<I"),
        "version": (6, "<H"),
    }  # fmt: skip
    field = str(random.choice(list(fields)))
    offset, kind = fields[field]
    odd = [0, 1, 2, 8, 9, 12, 14, 93, 99, 0x41, 0x800, 0xFFFE, 0xFFFF]
    odd += [0x7FFFFFFF, 0xFFFFFFFE] if kind == "<I" else []
    value = int(random.choice(odd))
    struct.pack_into(kind, data, at + offset, value)
    if field in ("method", "flags") and random.random() < 0.7:
        # The same before the member itself.
        start = struct.unpack_from("<I", data, at + 42)[0]
        struct.pack_into(kind, data, start + offset - 2, value)
    path.write_bytes(bytes(data))
    return f"{field} = {value}"
