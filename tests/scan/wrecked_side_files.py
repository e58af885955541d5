"""Files beside a scan, damaged at random: the scan opens with them, or one error names them."""

import io
from contextlib import redirect_stderr

import h5py
import numpy as np
import scan_mda_files as mda
from PIL import Image
from scan_broken_h5_files import break_h5
from scan_broken_npz_files import break_npz
from scan_broken_side_files import break_mda, break_npy, break_png, break_text, break_tiff
from scan_world import write_cxi
from scan_wrecked_files import GEOMETRY, Sound, break_bytes, check_message, judge
from tifffile import imwrite

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.mask_files import read_mask
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.sidefiles import column_names, read_probe

BREAKERS = {
    ".mda": break_mda, ".csv": break_text, ".txt": break_text, ".dat": break_text,
    ".tsv": break_text, ".npy": break_npy, ".npz": break_npz, ".h5": break_h5,
    ".png": break_png, ".tif": break_tiff,
}  # fmt: skip
ODD_COLUMNS = [(0, 1), (1, 0), ("y", "-x"), ("-0", "1"), ("encoder Y", "encoder X"), (99, 3)]


def write_two_positioners(path, world):
    stages = [
        (mda.positioner(number, f"lab:m{number}", f"sample {axis}", "um"), 1e6 * values)
        for number, (axis, values) in enumerate(zip("yx", world.positions_m.T, strict=True))
    ]
    counter = [(mda.detector(0, "lab:scaler"), np.ones(world.n))]
    return mda.write_mda(path, (world.n,), lambda place: mda.scan(place, world.n, stages, counter))


def write_bare_lines(path, world):
    """Lines without positioners or detectors: nothing but their count."""
    y = 1e6 * np.unique(world.positions_m[:, 0])
    stage = (mda.positioner(0, "lab:y", "y", "um"), y)
    empty = [
        lambda place: mda.scan(place, 5, [(mda.positioner(1, "lab:x", "x", "um"), [0.0] * 5)], [])
    ] * len(y)
    return mda.write_mda(
        path, (len(y), 5), lambda place: mda.scan(place, len(y), [stage], [], empty)
    )


def write_text(head, separator, scale, comma="."):
    def write(path, world):
        rows = (scale * world.positions_m).tolist()
        words = [[f"{value:.9g}".replace(".", comma) for value in row] for row in rows]
        path.write_text("\n".join([*head, *map(separator.join, words)]) + "\n")
        return path

    return write


def write_h5(**arrays):
    def write(path, world):
        with h5py.File(path, "w") as file:
            for name, make in arrays.items():
                file.create_dataset(name, data=make(world), chunks=True, compression="gzip")
                file[name].attrs["units"] = "m"
        return path

    return write


def bad(world):
    pixels = np.zeros(world.size, np.uint8)
    pixels[4:6, 7] = 255
    return pixels


# Which option, what it is called in the table, the file's ending, what writes it.
SIDES = [
    ("positions_file", "MDA", "mda", lambda p, w: mda.write_raster(p, 1e6 * w.positions_m, 4)),
    ("positions_file", "MDA", "mda", write_two_positioners),
    ("positions_file", "MDA", "mda", write_bare_lines),
    ("positions_file", "text", "csv", write_text(["y_um, x_um"], ",", 1e6)),
    ("positions_file", "text", "txt", write_text(["# a scan", "# y (nm) x (nm)"], " ", 1e9)),
    ("positions_file", "text", "tsv", write_text(["Y/mm\tX/mm"], "\t", 1e3, ",")),
    ("positions_file", "text", "dat", write_text([], ";", 1.0)),
    ("positions_file", "npy positions", "npy", lambda p, w: np.save(p, w.positions_m)),
    (
        "positions_file", "npz, HDF5 positions", "npz",
        lambda p, w: np.savez_compressed(p, positions=w.positions_m, other=np.ones(3)),
    ),
    (
        "positions_file", "npz, HDF5 positions", "h5",
        write_h5(positions=lambda w: w.positions_m, other=lambda w: np.ones(3)),
    ),
    ("mask_file", "npy mask", "npy", lambda p, w: np.save(p, bad(w))),
    ("mask_file", "npz, HDF5 mask", "npz", lambda p, w: np.savez(p, mask=bad(w))),
    ("mask_file", "npz, HDF5 mask", "h5", write_h5(mask=bad)),
    ("mask_file", "PNG mask", "png", lambda p, w: Image.fromarray(bad(w)).save(p)),
    ("mask_file", "PNG mask", "png", lambda p, w: Image.fromarray(bad(w)).convert("P").save(p)),
    ("mask_file", "PNG mask", "png", lambda p, w: Image.fromarray(bad(w)).convert("1").save(p)),
    ("mask_file", "TIFF mask", "tif", lambda p, w: imwrite(p, bad(w))),
    ("mask_file", "TIFF mask", "tif", lambda p, w: imwrite(p, bad(w), compression="zlib")),
    (
        "mask_file", "TIFF mask", "tif",
        lambda p, w: imwrite(p, bad(w).astype("u2"), tile=(16, 16), byteorder=">"),
    ),
    (
        "background", "dark patterns", "tif",
        lambda p, w: imwrite(p, np.ones((3, *w.size), "f4"), photometric="minisblack"),
    ),
    ("background", "dark patterns", "npy", lambda p, w: np.save(p, np.ones(w.size, np.float32))),
    ("probe_file", "probe", "npy", lambda p, w: np.save(p, w.probe)),
    ("probe_file", "probe", "npz", lambda p, w: np.savez(p, probe=w.probe[None])),
    ("probe_file", "probe", "h5", write_h5(probe=lambda w: np.stack([w.probe, 0.1 * w.probe]))),
]  # fmt: skip


def sound_side_files(folder, world):
    """A scan with one file of each kind beside it; each opens."""
    return [_sound(folder / f"side{number:02d}", world, *row) for number, row in enumerate(SIDES)]


def _sound(folder, world, option, known_as, ending, write):
    folder.mkdir(parents=True)
    path = write_cxi(folder / "scan.cxi", world)
    side = folder / f"beside.{ending}"
    write(side, world)
    told = {option: side, **GEOMETRY}
    unit = "m" if option == "positions_file" and ending in ("npy", "npz", "h5", "dat") else None
    told |= {"positions_unit": unit} if unit else {}
    open_scan(path, ScanOptions(**told))
    files = {each: each.read_bytes() for each in (path, side)}
    return Sound(f"{option} {ending}", known_as, path, files, told, [])


def mutate_side(sound, random):
    """Damage the file beside a scan; what was done, and what to tell of them."""
    for path in set(sound.path.parent.iterdir()) - set(sound.files):
        path.unlink()
    for path, data in sound.files.items():
        path.write_bytes(data)
    (side,) = (path for path in sound.files if path != sound.path)
    said = []
    for _ in range(random.choice([1, 2, 3], p=[0.7, 0.2, 0.1])):
        # Other damage cannot be put into what is broken already.
        if random.random() < 0.7 and not said:
            said.append(BREAKERS[side.suffix](side, random))
        else:
            said.append(f"byte by byte: {break_bytes(side, random)}")
    told = dict(sound.told)
    if "positions_file" in told and random.random() < 0.3:
        told["positions_columns"] = ODD_COLUMNS[random.integers(len(ODD_COLUMNS))]
        said.append(f"columns {told['positions_columns']}")
    return "; ".join(said), told


def judge_side(path, told):
    """As for a scan; and what the window asks of such a file gives an answer or an error, too.

    Nothing but errors is said: what a library chatters is no line for a person.
    """
    with redirect_stderr(io.StringIO()) as said:
        word = _judge(path, told)
    assert not said.getvalue(), f"{word}, but: {said.getvalue()}"
    return word


def _judge(path, told):
    for option, ask in (
        ("positions_file", column_names), ("mask_file", read_mask), ("probe_file", read_probe)
    ):  # fmt: skip
        if option not in told:
            continue
        try:
            ask(told[option])
        except ScanError as error:
            check_message(error)
    return judge(path, told)
