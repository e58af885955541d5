"""What can be wrong inside a HDF5 file that opens: one change of its tree, chosen at random."""

import os
import zlib

import h5py
import hdf5plugin
import numpy as np

STRANGE_SHAPES = [
    (), (0,), (1,), (2,), (3,), (7,), (2, 2), (2, 3), (20, 0), (0, 32, 24), (1, 32, 24),
    (20, 1, 1), (20, 3, 3), (2, 3, 4, 5), (1,) * 6, (20, 1, 32, 24), (4, 5, 32, 24),
    (3, 20), (20, 3), (20, 2), (20, 4), (19,), (20, 32), (10, 32, 24), (400,), (20, 700, 9),
]  # fmt: skip
HUGE_SHAPES = [
    (10**6, 10**4, 10**4), (20, 10**4, 10**4), (20, 10**5, 10**5), (10**6, 256, 256),
    (10**9,), (10**12,), (10**9, 2), (3, 10**9), (10**5, 10**5), (10**7, 10, 10),
    (2**31, 2**31), (20, 4096, 4096), (20, 2**33, 1), (10**4, 10**4, 10, 10), (20, 3, 10**8),
    (2**21, 2**21, 2**21), (10**7,), (9 * 10**6,), (20, 5000, 6000), (10**10, 1, 1),
]  # fmt: skip
STRANGE_DTYPES = [
    "f2", "f4", ">f4", "f8", "g", "i1", "i2", ">i2", "i4", "i8", "u1", "u2", "u4", "u8", ">u8",
    "?", "c8", "c16", "G", "S1", "S5", "V3", "O", "enum", "reference", "region", "vlen", "array",
    "record", "nested", "pair", "real", "opaque", "ascii", "utf8", "bits",
]  # fmt: skip
VALUES = [0, 1, -1, -4, 0.5, np.nan, np.inf, -np.inf, 1e30, 1e38, 1e300, 1e-300, 2**16 - 1]
VALUES += [2**31 - 1, 2**32 - 1, 2**63 - 1, 1e9, 1e-9, 255]
ERRORS = (OSError, KeyError, RuntimeError, TypeError, ValueError)
"""What h5py raises when a second change meets what a first one has left."""
ATTRIBUTES = [
    "units", "unit", "axes", "type", "NX_class", "signal", "pixel_height_m", "pixel_width_m",
    "MATLAB_class", "Detector_distance_m", "Pixel_size", "Photon_energy_kev", "Center_x_pixel",
    "interpretation", "near_field", "propagation_distance",
]  # fmt: skip
PACKINGS = [
    {"compression": "gzip"}, {"compression": "gzip", "shuffle": True, "fletcher32": True},
    {"compression": "lzf"}, {"shuffle": True}, hdf5plugin.Bitshuffle(),
    hdf5plugin.Bitshuffle(cname="zstd"), hdf5plugin.Blosc(), hdf5plugin.LZ4(), hdf5plugin.Zstd(),
]  # fmt: skip
TEXTS = [b"", b"m", b"um", b"furlong", b"\xff\xfe\xfd", b"a\nb", b"x" * 70_000, b"J", b"None"]
TEXTS += [b"array", b"scalar", b"deg", b"translation:y:x", b"\x00", "µm".encode()]


def break_h5(path, random):
    """Change one thing in the tree of a HDF5 file, where HDF5 can, and say what."""
    with h5py.File(path, "a") as file:
        names = []
        file.visit_links(names.append)
        datasets = [name for name in names if isinstance(_item(file, name), h5py.Dataset)]
        if not names:
            return "nothing: it has no names"
        # What makes the scan is in datasets; groups matter less.
        name = str(random.choice(datasets if datasets and random.random() < 0.8 else names))
        change = CHANGES[random.integers(len(CHANGES))]
        try:
            said = change(file, name, random)
        except ERRORS as error:
            said = f"not to the end: {error}"
        return f"{change.__name__[1:]} {name}: {said}"


def _item(file, name):
    try:
        return file[name]
    except ERRORS:
        return None


def _old(file, name):
    """Shape and dtype of what is there, and small datasets' values."""
    found = _item(file, name)
    if isinstance(found, h5py.Dataset) and found.shape is not None and found.size < 10**6:
        return found.shape, found.dtype, dict(found.attrs)
    return (20,), np.dtype("f8"), {}


def _put(file, name, attributes=None, **how):
    del file[name]
    made = file.create_dataset(name, **how)
    for key, value in (attributes or {}).items():
        made.attrs[key] = value
    return made


def _filled(shape, dtype, random):
    count = int(np.prod(shape, dtype=float))
    values = random.integers(0, 50, min(count, 10**6))
    return np.resize(values, shape).astype(dtype)


def _shape(file, name, random):
    shape, dtype, attributes = _old(file, name)
    kind = random.integers(5)
    if kind == 0 and shape:
        axis = random.integers(len(shape))
        shape = shape[:axis] + shape[axis + 1 :]
    elif kind == 1:
        axis = random.integers(len(shape) + 1)
        shape = (*shape[:axis], int(random.integers(1, 4)), *shape[axis:])
    elif kind == 2 and shape:
        change = random.integers(-2, 3, len(shape))
        shape = tuple(max(0, int(n + c)) for n, c in zip(shape, change, strict=True))
    elif kind == 3:
        shape = tuple(int(n) for n in random.permutation(shape))
    else:
        shape = STRANGE_SHAPES[random.integers(len(STRANGE_SHAPES))]
    if dtype.kind not in "uifcb":
        dtype = np.dtype("f8")
    _put(file, name, attributes, data=_filled(shape, dtype, random))
    return shape


def _huge(file, name, random):
    """A shape without data."""
    _, dtype, attributes = _old(file, name)
    shape = HUGE_SHAPES[random.integers(len(HUGE_SHAPES))]
    if dtype.kind not in "uifcb" or np.prod(shape, dtype=float) * dtype.itemsize >= 2**63:
        dtype = np.dtype("u1")
    how = {}
    if random.random() < 0.7:
        chunk = [min(n, 64) for n in shape]
        if random.random() < 0.3:
            chunk = [min(n, 2**31 // max(1, int(np.prod(chunk[1:])))) for n in shape[:1]]
            chunk += [min(n, 64) for n in shape[1:]]
        how = {"chunks": tuple(chunk)}
        if random.random() < 0.5:
            how["compression"] = "gzip"
    if random.random() < 0.3:
        how["fillvalue"] = np.ones(1, dtype)[0]
    _put(file, name, attributes, shape=shape, dtype=dtype, **how)
    return f"{shape} {dtype} {how}"


def _dtype(file, name, random):
    shape, _, attributes = _old(file, name)
    kind = STRANGE_DTYPES[random.integers(len(STRANGE_DTYPES))]
    if len(kind) <= 3:
        data = np.resize(random.integers(0, 50, 100), shape).astype(kind if kind != "O" else "S2")
        how = {"data": data}
        if kind == "O":
            how = {"shape": shape, "dtype": h5py.special_dtype(vlen=bytes)}
    else:
        how = {"shape": shape, "dtype": _odd_type(kind)}
    _put(file, name, attributes, **how)
    return kind


def _odd_type(kind):
    pair = {"pair": "f8", "real": "i4"}
    if kind in pair:
        return np.dtype([("real", pair[kind]), ("imag", pair[kind])])
    return {
        "enum": lambda: h5py.enum_dtype({"RED": 0, "GREEN": 1}, basetype="i4"),
        "reference": lambda: h5py.ref_dtype,
        "region": lambda: h5py.regionref_dtype,
        "vlen": lambda: h5py.vlen_dtype("f4"),
        "array": lambda: np.dtype(("f4", (3, 2))),
        "record": lambda: np.dtype([("a", "f8"), ("b", "i4")]),
        "nested": lambda: np.dtype([("a", [("b", "f8")]), ("s", h5py.string_dtype())]),
        "opaque": lambda: h5py.opaque_dtype(np.dtype("M8[s]")),
        "ascii": lambda: h5py.string_dtype("ascii", 7),
        "utf8": lambda: h5py.string_dtype("utf-8"),
        "bits": lambda: np.dtype("V16"),
    }[kind]()


def _value(file, name, random):
    """One value, or all, where numbers were."""
    shape, dtype, attributes = _old(file, name)
    value = VALUES[random.integers(len(VALUES))]
    dtype = np.dtype("f8") if dtype.kind not in "uif" or random.random() < 0.3 else dtype
    if dtype.kind in "ui":
        value = np.array(min(max(value, -(2**63)), 2**63 - 1) if np.isfinite(value) else 7)
    with np.errstate(all="ignore"):
        data = _filled(shape, dtype, random)
        filled = np.asarray(value).astype(dtype)
        if data.ndim and random.random() < 0.5:
            data.reshape(-1)[random.integers(0, max(1, data.size), 1 if data.size else 0)] = filled
        else:
            data[...] = filled
    _put(file, name, attributes, data=data)
    return f"{value!r} as {dtype}"


def _text(file, name, random):
    """Words where numbers were."""
    text = TEXTS[random.integers(len(TEXTS))]
    kinds = [np.bytes_(text or b"?"), text.decode("latin1").replace("\x00", "?"), np.array([text])]
    value = kinds[random.integers(3)]
    if isinstance(value, np.ndarray) and not value.dtype.itemsize:
        value = np.array([b"?"])
    _put(file, name, None, data=value)
    return repr(text[:20])


def _nothing(file, name, random):
    """A null dataspace, an empty group, or nothing at all."""
    kind = random.integers(4)
    if kind == 0:
        _, dtype, attributes = _old(file, name)
        _put(file, name, attributes, data=h5py.Empty(dtype))
    else:
        del file[name]
        if kind == 1:
            file.create_group(name)
    return ("null", "group", "removed", "removed")[kind]


def _link(file, name, random):
    """A link that leads nowhere, astray, or in a circle."""
    here = os.path.basename(file.filename)  # noqa: PTH119  (h5py gives a str)
    names = []
    file.visit_links(names.append)
    other = str(random.choice(names))
    targets = {
        "itself": h5py.SoftLink(f"/{name}"),
        "inside itself": h5py.SoftLink(f"/{name}/data"),
        "nowhere": h5py.SoftLink("/nowhere/at/all"),
        "root": h5py.SoftLink("/"),
        "other": h5py.SoftLink(f"/{other}"),
        "odd words": h5py.SoftLink(b"/\xff\xfe"),
        "long": h5py.SoftLink("/a" * 5000),
        "file that is gone": h5py.ExternalLink("gone.h5", "/data"),
        "itself from outside": h5py.ExternalLink(here, f"/{name}"),
        "own root": h5py.ExternalLink(here, "/"),
        "folder": h5py.ExternalLink(".", "/data"),
        "device": h5py.ExternalLink("/dev/null", "/data"),
        "no hdf5": h5py.ExternalLink("notes.txt", "/data"),
        "other file": h5py.ExternalLink(here, f"/{other}"),
    }
    kind = str(random.choice(list(targets)))
    del file[name]
    file[name] = targets[kind]
    return f"{kind} ({other})" if "other" in kind else kind


def _circle(file, name, random):
    """Hard links from a group to one above it, or two soft links to each other."""
    parent = file[name].parent if _item(file, name) is not None else file["/"]
    if random.random() < 0.5:
        parent["up"] = file["/"]
        del file[name]
        file[name] = file["/"]
        return "hard link to the root"
    parent["ping"], parent["pong"] = (
        h5py.SoftLink(f"{parent.name.rstrip('/')}/{leaf}") for leaf in ("pong", "ping")
    )
    del file[name]
    file[name] = h5py.SoftLink(f"{parent.name.rstrip('/')}/ping")
    return "two soft links"


def _attribute(file, name, random):
    """An attribute removed, of an odd type, or where none belongs."""
    found = _item(file, name)
    found = file if found is None else found
    present = list(found.attrs)
    key = str(random.choice(present or ATTRIBUTES))
    if present and random.random() < 0.3:
        del found.attrs[key]
        return f"{key} removed"
    if random.random() < 0.4:
        key = str(random.choice(ATTRIBUTES))
    kind = random.integers(9)
    text = TEXTS[random.integers(len(TEXTS))][:1000]
    if kind == 0:
        space, word = h5py.h5s.create(h5py.h5s.SCALAR), h5py.h5t.C_S1.copy()
        word.set_size(max(1, len(text)))
        word.set_cset(h5py.h5t.CSET_UTF8)
        if key in found.attrs:
            del found.attrs[key]
        made = h5py.h5a.create(found.id, key.encode(), word, space)
        made.write(np.array(text or b"?"), mtype=word)
        return f"{key} = badly encoded {text[:20]!r}"
    odd = [
        np.arange(5), h5py.Empty("f8"), np.array([1 + 2j]), found.ref, np.zeros(2, "i4,f8"),
        np.array([b"m", b"mm"]), np.nan, np.bytes_(text or b"?"),
    ]  # fmt: skip
    found.attrs[key] = odd[kind - 1]
    return f"{key} = {odd[kind - 1]!r}"[:60]


def _storage(file, name, random):
    """Filters, chunks, raw files and virtual sources that are not what they seem."""
    shape, dtype, attributes = _old(file, name)
    if dtype.kind not in "uifc" or not shape or not all(shape):
        shape, dtype = (20, 32, 24), np.dtype("u2")
    kind = ("filter", "chunk", "raw file", "sparse", "virtual", "of itself", "of each other")[
        random.integers(7)
    ]
    if kind == "filter":
        del file[name]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(shape)
        plist.set_filter(int(random.choice([32999, 32008, 32015, 4, 2])), h5py.h5z.FLAG_OPTIONAL)
        space, stored = h5py.h5s.create_simple(shape), h5py.h5t.py_create(dtype)
        lead = file.require_group(os.path.dirname(f"/{name}"))  # noqa: PTH120
        h5py.h5d.create(lead.id, name.rsplit("/", 1)[-1].encode(), stored, space, plist)
    elif kind == "chunk":
        packing = PACKINGS[random.integers(len(PACKINGS))]
        data = _filled(shape, dtype, random)
        made = _put(file, name, attributes, data=data, chunks=shape, **packing)
        start = (0,) * len(shape)
        packed = bytearray(made.id.read_direct_chunk(start)[1])
        near = len(packed) if random.random() < 0.3 else min(len(packed), 30)
        for at in random.integers(0, near, random.integers(1, 4)):
            packed[at] = random.integers(256)
        packed = packed[: random.integers(1, len(packed))] if random.random() < 0.2 else packed
        if random.random() < 0.2:
            packed = zlib.compress(random.bytes(int(random.integers(1, 300))))
        skipped = int(random.integers(4)) if random.random() < 0.1 else 0
        made.id.write_direct_chunk(start, bytes(packed), filter_mask=skipped)
    elif kind == "raw file":
        size = int(np.prod(shape)) * dtype.itemsize
        where = ("gone.raw", "notes.txt")[random.integers(2)]
        _put(file, name, attributes, shape=shape, dtype=dtype, external=[(where, 0, size)])
        return f"raw file {where}"
    elif kind == "sparse":
        _put(file, name, attributes, shape=shape, dtype=dtype, chunks=shape)
    else:
        layout = h5py.VirtualLayout(shape, dtype)
        where = ("gone.h5", "notes.txt")[random.integers(2)]
        if kind != "virtual":
            where = (".", os.path.basename(file.filename))[random.integers(2)]  # noqa: PTH119
        inner = {"virtual": "data", "of itself": name, "of each other": "other"}[kind]
        half = (max(1, shape[0] // 2), *shape[1:])
        layout[: half[0]] = h5py.VirtualSource(where, inner, half, dtype)
        if random.random() < 0.5 and shape[0] >= 2:
            layout[shape[0] - half[0] :] = h5py.VirtualSource(where, inner, half, dtype)
        del file[name]
        file.create_virtual_dataset(name, layout)
        if kind == "of each other":
            back = h5py.VirtualLayout(half, dtype)
            back[:] = h5py.VirtualSource(where, name, shape, dtype)[: half[0]]
            file.create_virtual_dataset("other", back)
        return f"{kind} {where}"
    return kind


CHANGES = [
    _shape, _huge, _dtype, _value, _text, _nothing, _link, _circle, _attribute, _storage,
]  # fmt: skip
