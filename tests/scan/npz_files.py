"""npz files of PtychoPINN, PtychoNN and ptychodus, as their programs write them."""

import numpy as np


def write_ptychopinn(path, world, *, stack=None, name="diff3d", **more):
    counts = world.patterns if stack is None else stack
    arrays = {
        name: counts,
        "xcoords": world.positions_px[:, 1],
        "ycoords": world.positions_px[:, 0],
        "xcoords_start": world.positions_px[:, 1],
        "ycoords_start": world.positions_px[:, 0],
        "probeGuess": world.probe,
        "objectGuess": np.ones((70, 60), np.complex64),
        "scan_index": np.zeros(world.n, int),
    }
    np.savez_compressed(path, **(arrays | more))
    return path


def write_reciprocal(path, world, *, patterns=None):
    stack = world.patterns if patterns is None else patterns
    np.savez(path, reciprocal=stack, position=world.positions_m)
    return path


def write_raster(path, world):
    np.savez(path, world.patterns.reshape(*world.steps, *world.size))
    return path


def write_ptychodus_patterns(path, world, *, order=None, bad=None):
    chosen = np.arange(world.n) if order is None else np.asarray(order)
    arrays = {"indexes": chosen, "patterns": world.patterns[chosen]}
    if bad is not None:
        arrays["bad_pixels"] = bad
    np.savez_compressed(path, allow_pickle=False, **arrays)
    return path
