"""MDA files, byte by byte as in ``saveData_fileFormat.txt`` of synApps' sscan module."""

import struct

import numpy as np


def counted(words):
    """A counted string: its length and, unless that is 0, the length again and the letters."""
    packed = words.encode()
    if not packed:
        return struct.pack(">i", 0)
    return struct.pack(">ii", len(packed), len(packed)) + packed + b"\0" * (-len(packed) % 4)


def positioner(number, name, description="", unit="", readback=("", "", "")):
    words = (name, description, "TABLE", unit, *readback)
    return struct.pack(">i", number) + b"".join(map(counted, words))


def detector(number, name, description="", unit=""):
    return struct.pack(">i", number) + b"".join(map(counted, (name, description, unit)))


def scan(place, reached, positioners, detectors, inner=None):
    """A scan at byte `place`; `inner` has, for each point, what makes the scan within it.

    Positioners and detectors are (information, values). Points from `reached` on were planned.
    """
    size = len((*positioners, *detectors)[0][1])
    info = counted("lab:scan") + counted("Nov 14, 2026 08:42:25.618125")
    info += struct.pack(">iii", len(positioners), len(detectors), 1)
    info += b"".join(each for each, _ in (*positioners, *detectors))
    info += struct.pack(">i", 0) + counted("lab:scan.EXSC") + struct.pack(">f", 1.0)
    for kind, columns in (("d", positioners), ("f", detectors)):
        for _, values in columns:
            info += struct.pack(f">{size}{kind}", *values[:reached], *[0.0] * (size - reached))
    if inner is None:
        return struct.pack(">iii", 1, size, reached) + info
    after, places, bodies = place + 12 + 4 * size + len(info), [0] * size, b""
    for point in range(reached):
        places[point] = after + len(bodies)
        bodies += inner[point](places[point])
    return struct.pack(f">iii{size}i", 2, size, reached, *places) + info + bodies


def write_mda(path, sizes, body):
    """A file of axes of so many points; `body` makes the scan from its place."""
    rank = len(sizes)
    place = 4 * (5 + rank)
    packed = body(place)
    head = struct.pack(f">fii{rank}iii", 1.3, 12, rank, *sizes, 1, place + len(packed))
    path.write_bytes(head + packed + struct.pack(">i", 0))
    return path


def write_raster(path, positions, lines, *, reached=None, columns=None):
    """Positions (N, 2) in µm as a raster of `lines`, y outside; `reached` lines were measured."""
    y, x = np.asarray(positions).reshape(lines, -1, 2).transpose(2, 0, 1)

    def line(number):
        stage = positioner(0, "26idc:m1.VAL", "hybrid", "mm", ("26idc:m1.RBV", "", "um"))
        encoders = [
            (detector(0, "26idc:enc1", "encoder X", "um"), x[number] + 0.25),
            (detector(1, "26idc:enc2", "encoder Y", "um"), y[number] + 0.5),
        ]
        return lambda place: scan(place, len(x[number]), [(stage, x[number])], encoders)

    outer = positioner(0, "26idc:m2.VAL", "", "um")
    made = [line(number) for number in range(lines)]
    return write_mda(
        path,
        (lines, x.shape[1]),
        lambda place: scan(
            place, lines if reached is None else reached, [(outer, y[:, 0])], [], made
        ),
    )
