"""What can be wrong with a file beside a scan: MDA, text, npy, TIFF and PNG, one change each."""

import io
import struct
import zlib

import numpy as np
from scan_broken_npz_files import ODD_ARRAYS, ODD_HEADERS, npy

ODD_WORDS = [
    "", "nan", "inf", "-inf", "1e999", "-1e308", "1,5", "0x1f", "1_000", "١٢", "x", "y", "x y",
    "µm", "\x00", "\ufeff", "\u2028", "#", '"', '"1', "(", "y (nm)", "x_um", "x" * 30_000,
    "9" * 5000, "1" + " " * 30_000 + "2", "y" + " " * 30_000 + "(nm", "_" * 30_000, "-", "1-2",
]  # fmt: skip
ODD_LINES = [
    "y,x", "y_nm,x_um", "# y x", "x;y;x;y", "2026-03-04 11:12:13", ",,,,,", ";;", "\t", "1",
    "1,2,3,4,5,6,7,8,9", "Orchestra v1, Scan 3", "DataPoint Average_x_st_fzp Average_y_st_fzp",
    "y" + " " * 30_000 + "x", "a" * 30_000 + ",b", " ".join(["(um)"] * 3000), "1 " * 3000,
]  # fmt: skip
MDA_WORDS = (0, 1, 2, 3, 4, 5, 70, 74, 100, 101, 2**15, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
DOUBLES = (np.nan, np.inf, -np.inf, 1e300, -1e300, 5e-324, 0.0)
TIFF_KINDS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 12: 8, 13: 4, 16: 8}
MAX_IFDS = 64


def break_mda(path, random):
    """Change one word of a MDA file, a place that it points to, or a number; what was done."""
    data = bytearray(path.read_bytes())
    kind = ("word", "word", "place", "double", "text", "same")[random.integers(6)]
    words = max(1, len(data) // 4)
    # The heads of the scans, where counts and places are, are a small part of a file.
    at = 4 * int(random.integers(min(words, 60) if random.random() < 0.5 else words))
    if kind == "word":
        value = int(random.choice([*MDA_WORDS, len(data), len(data) // 4, at]))
    elif kind == "place":
        value = 4 * int(random.integers(words))
    elif kind == "double":
        struct.pack_into(">d", data, min(at, len(data) - 8), random.choice(DOUBLES))
    elif kind == "text":
        data[at : at + 4] = random.bytes(4)
    else:
        # The same word in two places: two points that share one line, for instance.
        other = 4 * int(random.integers(min(words, 60)))
        value = int.from_bytes(data[other : other + 4], "big")
    if kind in ("word", "place", "same"):
        data[at : at + 4] = (value % 2**32).to_bytes(4, "big")
    path.write_bytes(bytes(data))
    return f"{kind} at {at}"


def break_text(path, random):
    """Change a word, a line or the encoding of a text file; what was done."""
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines() or [""]
    at = int(random.integers(min(3, len(lines)) if random.random() < 0.5 else len(lines)))
    kind = ("word", "word", "line", "line", "removed", "twice", "encoding", "separator", "ends")[
        random.integers(9)
    ]
    said, encoding, end = "", "utf-8", "\n"
    if kind == "word":
        word = str(random.choice(ODD_WORDS))
        separator = next((sign for sign in ";\t, " if sign in lines[at]), ",")
        words = lines[at].split(separator)
        words[random.integers(len(words))] = word
        lines[at], said = separator.join(words), word[:20]
    elif kind == "line":
        line = str(random.choice(ODD_LINES))
        lines.insert(at, line)
        said = line[:20]
    elif kind == "removed":
        del lines[at : at + int(random.integers(1, 4))]
    elif kind == "twice":
        lines += lines[at:]
    elif kind == "encoding":
        encoding = str(random.choice(["utf-16", "utf-32", "latin-1", "utf-8-sig", "cp037"]))
        said = encoding
        lines[at] += "µ" if encoding == "latin-1" else ""
    elif kind == "separator":
        said = str(random.choice([";", "\t", " ", "|", ", ,", "\x0b"]))
        lines = [line.replace(",", said) for line in lines]
    else:
        end = str(random.choice(["\r", "\r\n", "\n\n\n", "\x85", "\x00"]))
    path.write_bytes(end.join(lines).encode(encoding, errors="replace"))
    return f"{kind} in line {at}: {said!r}"


def break_npy(path, random):
    """Another array, or another header before the same values; what was done."""
    if random.random() < 0.5:
        said = str(random.choice(list(ODD_ARRAYS)))
        stream = io.BytesIO()
        np.save(stream, ODD_ARRAYS[said](random), allow_pickle=True)
        path.write_bytes(stream.getvalue())
        return f"array: {said}"
    header = str(random.choice(ODD_HEADERS))
    path.write_bytes(npy(header, int(random.choice([1, 2, 3, 4, 0])), path.read_bytes()[128:]))
    return f"header: {header[:50]}"


def break_png(path, random):
    """Change, drop, repeat or add a chunk of a PNG file, its checksum right; what was done."""
    data = path.read_bytes()
    chunks, at = [], 8
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + length]])
        at += 12 + length
    place = int(random.integers(len(chunks))) if random.random() < 0.6 else 0
    name, body = chunks[place]
    kind = ("size", "size", "byte", "drop", "twice", "bomb", "extra")[random.integers(7)]
    said = name.decode("latin-1")
    if kind == "size":
        sizes = [int(random.choice([0, 1, 7, 70_000, 10**6, 2**31 - 1, 2**32 - 1])) for _ in "hw"]
        depth = bytes(random.choice([0, 1, 2, 3, 4, 6, 8, 16], 2).tolist())
        chunks[0][1] = struct.pack(">II", *sizes) + depth + chunks[0][1][10:]
        said = f"{sizes}, {depth}"
    elif kind == "byte":
        broken = bytearray(body or b"\0")
        broken[random.integers(len(broken))] ^= 1 << int(random.integers(8))
        chunks[place][1] = bytes(broken)
    elif kind == "drop":
        del chunks[place]
    elif kind == "twice":
        chunks.insert(place, [name, body])
    elif kind == "bomb":
        chunks[0][1] = struct.pack(">II", 30_000, 30_000) + chunks[0][1][8:]
        chunks = [chunk for chunk in chunks if chunk[0] != b"IDAT"]
        chunks.insert(1, [b"IDAT", _zeros(30_000 * 30_001)])
    else:
        extra = str(random.choice(["zTXt", "iCCP", "iTXt", "tRNS", "PLTE", "acTL", "eXIf"]))
        packed = b"a\0\0" + _zeros(200_000_000) if extra in ("zTXt", "iCCP") else random.bytes(40)
        chunks.insert(1, [extra.encode(), packed])
        said = extra
    packed = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    path.write_bytes(data[:8] + packed)
    return f"{kind}: {said}"


def break_tiff(path, random):
    """Change an entry of a TIFF file's directories, or where the next one is; what was done."""
    data = bytearray(path.read_bytes())
    order = "<" if data[:2] == b"II" else ">"
    places, (at,) = [], struct.unpack_from(f"{order}I", data, 4)
    while 0 < at < len(data) - 2 and len(places) < MAX_IFDS:
        (count,) = struct.unpack_from(f"{order}H", data, at)
        places.append((at, count))
        if at + 6 + 12 * count > len(data):
            break
        (at,) = struct.unpack_from(f"{order}I", data, at + 2 + 12 * count)
    if not places:
        return "it has no directory"
    at, count = places[random.integers(len(places))]
    odd = (0, 1, 2, 3, 7, 8, 16, 32, 2**16 - 1, 2**20, 2**31 - 1, 2**32 - 1, at, len(data))
    value = int(random.choice(odd))
    if random.random() < 0.15 or not count:
        # Directories in a circle, or elsewhere.
        end = min(at + 2 + 12 * count, len(data) - 4)
        struct.pack_into(f"{order}I", data, end, value)
        path.write_bytes(bytes(data))
        return f"next directory at {value}"
    entry = at + 2 + 12 * int(random.integers(count))
    tag, kind = struct.unpack_from(f"{order}HH", data, entry)
    field = ("tag", "type", "count", "value", "value", "value")[random.integers(6)]
    if field in ("tag", "type"):
        tags = (256, 257, 258, 259, 262, 273, 277, 278, 279, 317, 322, 323, 339, 34665, 65535)
        value = int(random.choice(tags if field == "tag" else [*TIFF_KINDS, 0, 99]))
        struct.pack_into(f"{order}H", data, entry + (2 if field == "type" else 0), value)
    elif field == "count" or TIFF_KINDS.get(kind) != 2:
        struct.pack_into(f"{order}I", data, entry + (4 if field == "count" else 8), value)
    else:
        struct.pack_into(f"{order}H", data, entry + 8, value % 2**16)
    path.write_bytes(bytes(data))
    return f"{field} of {tag}: {value}"


def _zeros(count):
    """So many zeros, deflated."""
    packer = zlib.compressobj(9)
    block = bytes(2**20)
    parts = [packer.compress(block) for _ in range(count // len(block))]
    return b"".join((*parts, packer.compress(bytes(count % len(block))), packer.flush()))
