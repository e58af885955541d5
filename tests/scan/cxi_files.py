"""Files as PyNX, cdtools, NeXus, Diamond and ptypy write them, from a scan with known truth."""

import h5py
import numpy as np
from scan_world import DISTANCE_M, ENERGY_EV, JOULE_PER_EV, PITCH_M, WAVELENGTH_M

BAD = (5, 6)
"""A pixel (row, column) that the files' masks call bad."""


def xyz(world):
    translation = np.zeros((world.n, 3))
    translation[:, 1::-1] = world.positions_m
    return translation


def bad_pixels(world):
    mask = np.zeros(world.size, np.int8)
    mask[BAD] = 1
    return mask


def write_pynx(path, world):
    """What ``save_ptycho_data_cxi`` writes: (3, N), energy in joules, its own classes."""
    with h5py.File(path, "w") as file:
        file.attrs["creator"], file.attrs["default"] = "PyNX", "entry_1"
        file.create_dataset("cxi_version", data=140)
        entry = file.create_group("entry_1")
        entry.create_dataset("program_name", data="PyNX 2022.1")
        entry.create_dataset("start_time", data="2022-01-01T00:00:00+0100")
        entry.attrs["NX_class"] = "NXentry"
        geometry = entry.create_group("sample_1/geometry_1")
        geometry.create_dataset("translation", data=xyz(world).T.astype(np.float32))
        data = entry.create_group("data_1")
        data.attrs["NX_class"], data.attrs["signal"] = "NXdata", "data"
        data["translation"] = h5py.SoftLink("/entry_1/sample_1/geometry_1/translation")
        instrument = entry.create_group("instrument_1")
        instrument.create_dataset("name", data="ESRF id16A")
        source = instrument.create_group("source_1")
        source.create_dataset("energy", data=12384e-10 / WAVELENGTH_M * 1.60218e-19)
        detector = instrument.create_group("detector_1")
        detector.create_dataset(
            "data", data=world.patterns, chunks=(1, *world.size), shuffle=True, compression="gzip"
        )
        for name, value in (
            ("distance", DISTANCE_M), ("x_pixel_size", PITCH_M[1]), ("y_pixel_size", PITCH_M[0])
        ):  # fmt: skip
            detector.create_dataset(name, data=value)
            detector[name].attrs["units"] = "m"
        detector.create_dataset("mask", data=bad_pixels(world), chunks=True, compression="gzip")
        detector["mask"].attrs["note"] = "Mask of invalid pixels, applying to each frame"
        detector.create_dataset("dark", data=np.full(world.size, 0.01, np.float32))
        basis = np.zeros((2, 3), np.float32)
        basis[0, 1], basis[1, 0] = -PITCH_M[0], -PITCH_M[1]
        detector.create_dataset("basis_vectors", data=basis)
        detector["translation"] = h5py.SoftLink("/entry_1/sample_1/geometry_1/translation")
        data["data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        process = data.create_group("process_1")
        process.create_dataset("program", data="PyNX")
    return path


def write_cdtools(path, world, basis=None):
    """What ``Ptycho2DDataset.to_cxi`` of cdtools-py 0.3 writes, field by field."""
    basis = cxi_basis() if basis is None else basis
    with h5py.File(path, "w") as file:
        file["cxi_version"], file["number_of_entries"] = 160, 1
        entry = file.create_group("entry_1")
        entry["start_time"] = np.bytes_("2024-05-05T10:00:00")
        source = entry.create_group("instrument_1/source_1")
        source["wavelength"] = np.float32(WAVELENGTH_M)
        source["energy"] = np.float32(1.9864459e-25 / WAVELENGTH_M)
        detector = entry.create_group("instrument_1/detector_1")
        detector["distance"] = np.float32(DISTANCE_M)
        detector["x_pixel_size"] = np.linalg.norm(basis[:, 1])
        detector["y_pixel_size"] = np.linalg.norm(basis[:, 0])
        detector["basis_vectors"] = basis
        detector["mask"] = bad_pixels(world).astype(np.uint32)
        detector.create_dataset("data", data=world.patterns, compression="gzip", chunks=True)
        entry["sample_1/geometry_1/translation"] = xyz(world).astype(np.float32)
        entry["data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        for group in (entry["data_1"], detector):
            group["translation"] = h5py.SoftLink("/entry_1/sample_1/geometry_1/translation")
        detector["data"].attrs["axes"] = np.bytes_("translation:y:x")
    return path


def cxi_basis(row=(0, -1), column=(-1, 0)):
    """CXI's basis vectors (3, 2): steps (x, y) of a row and of a column of the detector."""
    basis = np.zeros((3, 2), np.float32)
    basis[:2, 0] = np.multiply(row, PITCH_M[0])
    basis[:2, 1] = np.multiply(column, PITCH_M[1])
    return basis


def write_nxcxi(path, world, *, raster=True, parts=1):
    """NXcxi_ptycho: a raster in ``detector_1``, one stack of it in ``data_1``, virtual."""
    lead = world.steps if raster else (world.n,)
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 160
        entry = file.create_group("entry_1")
        entry.attrs["NX_class"] = "NXentry"
        entry["definition"], entry["title"] = "NXcxi_ptycho", "a scan"
        instrument = entry.create_group("instrument_1")
        instrument["source_1/energy"] = 3.0
        instrument["source_1/energy"].attrs["units"] = "GeV"
        instrument["source_1/name"] = "Diamond Light Source"
        instrument["beam_1/energy"] = ENERGY_EV * JOULE_PER_EV
        instrument["beam_1/energy"].attrs["units"] = "J"
        instrument["beam_1/extent"] = 1e-6
        detector = instrument.create_group("detector_1")
        detector.attrs["signal"] = "data"
        frames = world.patterns.reshape(*lead, *world.size)
        detector.create_dataset("data", data=frames, chunks=(1,) * len(lead) + world.size)
        numbers = {"x_pixel_size": PITCH_M[1], "y_pixel_size": PITCH_M[0], "distance": DISTANCE_M}
        for name, value in numbers.items():
            detector[name] = value
            detector[name].attrs["units"] = "m"
        detector["translation"] = xyz(world)
        detector["translation"].attrs["units"] = "m"
        detector["translation"].attrs["axes"] = "translation:y:x"
        detector["mask"] = bad_pixels(world).astype(np.uint32)
        layout = h5py.VirtualLayout((world.n, *world.size), world.patterns.dtype)
        if raster and parts == 1:
            source = h5py.VirtualSource(".", detector["data"].name, frames.shape, frames.dtype)
            for row in range(world.steps[0]):
                layout[row * world.steps[1] : (row + 1) * world.steps[1]] = source[row]
        else:
            for number, part in enumerate(np.array_split(np.arange(world.n), parts)):
                other = path.with_name(f"{path.stem}_{number}.h5")
                with h5py.File(other, "w") as beside:
                    beside["data"] = world.patterns[part]
                layout[part[0] : part[-1] + 1] = h5py.VirtualSource(
                    other.name, "data", (len(part), *world.size), frames.dtype
                )
        data = entry.create_group("data_1")
        data.attrs["NX_class"] = "NXcollection"
        data.create_virtual_dataset("data", layout)
        data["translation"] = h5py.SoftLink(detector["translation"].name)
        entry["sample_1/geometry_1/translation"] = h5py.SoftLink(detector["translation"].name)
    return path


def write_diamond(path, world, *, frames="raster", axes="raster", unit="mm"):
    """Diamond's files as ptypy's ``DiamondNexus`` reads them."""
    y, x = world.positions_m.T / {"mm": 1e-3, "um": 1e-6, None: 1.0}[unit]
    columns = {"raster": world.steps, "points": (world.n,), "squeezed": (world.n, 1, 1)}
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry_1")
        lead = world.steps if frames == "raster" else (world.n,)
        entry["data/data"] = world.patterns.reshape(*lead, *world.size)
        if axes == "vectors":
            entry["data/y"], entry["data/x"] = y[:: world.steps[1]], x[: world.steps[1]]
        else:
            entry["data/y"], entry["data/x"] = (each.reshape(columns[axes]) for each in (y, x))
        if unit:
            entry["data/y"].attrs["units"] = entry["data/x"].attrs["units"] = unit
        beam = entry.create_group("instrument_1/beam_1")
        beam["energy"] = ENERGY_EV
        detector = entry.create_group("instrument_1/detector_1")
        detector["distance"] = DISTANCE_M
        detector["y_pixel_size"], detector["x_pixel_size"] = PITCH_M
        detector["x_pixel_size"].attrs["units"] = detector["y_pixel_size"].attrs["units"] = "um"
    return path


def store(group, name, value):
    """One value as ``ptypy.io.h5write`` stores it, with the attribute that names its kind."""
    if value is None:
        group.create_dataset(name, data=np.zeros((1,))).attrs["type"] = "None"
    elif isinstance(value, str):
        text = np.asarray(value.encode())
        kind = h5py.special_dtype(vlen=str)
        group.create_dataset(name, data=text, dtype=kind).attrs["type"] = "string"
    elif isinstance(value, np.ndarray):
        group.create_dataset(name, data=value, compression="gzip").attrs["type"] = "array"
    elif isinstance(value, list) and len({type(each) for each in value}) == 1 and value[0] is None:
        inner = group.create_group(name)
        inner.attrs["type"] = "list"
        for number, each in enumerate(value):
            store(inner, f"{number:05d}", each)
    elif isinstance(value, list | tuple):
        kind = "arraytuple" if isinstance(value, tuple) else "arraylist"
        group.create_dataset(name, data=np.array(value), compression="gzip").attrs["type"] = kind
    elif isinstance(value, dict):
        inner = group.create_group(name)
        inner.attrs["type"] = "dict"
        for key, each in value.items():
            store(inner, key, each)
    else:
        group.create_dataset(name, data=np.asarray(value)).attrs["type"] = "scalar"


def ptyd_chunk(world, part, **changed):
    weights = np.ones((len(part), *world.size), bool)
    weights[:, BAD[0], BAD[1]] = False
    chunk = {
        "indices": [int(number) for number in part],
        "data": world.patterns[part].astype(np.int32),
        "weights": weights,
        "positions": world.positions_m[part],
    } | changed
    return {name: value for name, value in chunk.items() if value is not ...}


def ptyd_meta(world, **changed):
    meta = {
        "version": "0.1",
        "num_frames": world.n,
        "label": None,
        "shape": np.array(world.size),
        "psize": np.array(PITCH_M),
        "energy": ENERGY_EV / 1e3,
        "center": np.array(world.size) / 2.0,
        "distance": DISTANCE_M,
    } | changed
    return {name: value for name, value in meta.items() if value is not ...}


def write_ptyd(path, world, *, chunks=12, link=False, meta=None, **changed):
    """What ``PtyScan`` saves with ``save='append'``, or ``'link'``."""
    with h5py.File(path, "w") as file:
        file.attrs["h5rw_version"] = "0.1"
        store(file, "chunks", {})
        store(file, "meta", ptyd_meta(world) if meta is None else meta)
        info = {"recipe": {}, "save": "link" if link else "append", "propagation": "farfield"}
        store(file, "info", info)
        for number, part in enumerate(np.array_split(np.arange(world.n), chunks)):
            chunk = ptyd_chunk(world, part, **changed)
            if not link:
                store(file["chunks"], str(number), chunk)
                continue
            beside = f"{path}.part{number:03d}"
            with h5py.File(beside, "w") as other:
                for name, value in chunk.items():
                    store(other, name, value)
            file[f"chunks/{number}"] = h5py.ExternalLink(beside, "/")
    return path
