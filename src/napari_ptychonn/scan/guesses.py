"""Which dataset of a file that nobody has seen before is probably what, and why.

Only names, shapes, types and units are looked at. The guesses are for a person to look
through; no format opens a file by them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from napari_ptychonn.scan.dataset_info import DatasetInfo
from napari_ptychonn.scan.tree import NAMES
from napari_ptychonn.scan.units import is_length_unit

__all__ = ["Guess", "guesses"]

SMALLEST_PATTERN = 8
NO_PATTERNS = {"object", "obj", "recon", "probe", "mask", "flat", "flatfield", "dark", "white"}
NO_PROBE = {"object", "obj", "recon", "sample", "data"}
STAGES = {
    "pos", "position", "positions", "translation", "stage", "motor", "motors", "sam", "samx",
    "samy", "sample", "scan", "scanner", "piezo", "encoder", "coords", "coordinates", "points",
    "xy", "yx", "fine", "galvo", "interferometer", "probe",
}  # fmt: skip
"""Words that speak of where the beam is on the sample."""
NO_STAGES = {"pixel", "size", "beam", "roi", "slit", "slits", "time", "shape"}
AXES = (("y", "x", 2), ("vertical", "horizontal", 2), ("v", "h", 1), ("z", "y", 0))
"""How files name the vertical and the horizontal axis, and how telling that is."""
MASKS = {"mask", "bad", "badpixels", "gap", "gaps", "defect", "defects", "hot", "dead"}
NO_MASKS = {"good", "valid", "object", "support"}


@dataclass(frozen=True, slots=True)
class Guess:
    """What is probably in a dataset.

    Attributes
    ----------
    dataset : str
        Its path; for positions and detector pixels that lie apart ``"Y, X"``.
    reason : str
        Why, for the person: ``"(1600, 128, 128) of counts: looks like patterns"``.
    """

    dataset: str
    reason: str


def guesses(infos: Sequence[DatasetInfo]) -> dict[str, Guess]:
    """Guess the roles of the datasets of a file.

    Parameters
    ----------
    infos : sequence of DatasetInfo
        As listed by :func:`napari_ptychonn.scan.tree.list_datasets`.

    Returns
    -------
    dict
        Role (one of :data:`napari_ptychonn.scan.options.ROLES`) to its guess; a role for
        which nothing fits is left out.
    """
    found: dict[str, Guess | None] = {}
    patterns = _patterns(infos)
    shape: tuple[int, ...] = ()
    if patterns is not None:
        chosen, found["patterns"] = patterns
        shape = chosen.shape
    n_points = math.prod(shape[:-2]) if shape else 0
    found["positions"] = _positions(infos, n_points)
    found["probe"] = _probe(infos, shape[-2:])
    found["mask"] = _mask(infos, shape[-2:]) if shape else None
    found["energy"] = _scalar(infos, _is_energy)
    found["distance"] = _scalar(infos, _is_distance)
    found["detector_pixel"] = _detector_pixel(infos)
    return {role: guess for role, guess in found.items() if guess is not None}


def _patterns(infos: Sequence[DatasetInfo]) -> tuple[DatasetInfo, Guess] | None:
    stacks = [info for info in infos if len(info.shape) in (3, 4) and _is_real(info)]
    stacks = [info for info in stacks if min(info.shape[-2:]) >= SMALLEST_PATTERN]
    stacks = [info for info in stacks if math.prod(info.shape[:-2]) >= 2]
    stacks = [info for info in stacks if not _words(info.path) & NO_PATTERNS]
    if not stacks:
        return None
    largest = max(math.prod(info.shape) for info in stacks)

    def likelihood(info: DatasetInfo) -> tuple[int, int]:
        # Patterns are nearly always the bulk of the file, whatever they are called.
        bulk = 2 * math.prod(info.shape) >= largest
        named = _leaf(info.path) in NAMES["patterns"]
        return 3 * bulk + 2 * named + _is_whole(info), math.prod(info.shape)

    chosen = max(stacks, key=likelihood)
    kind = "counts" if _is_whole(chosen) else f"real numbers ({chosen.dtype})"
    reason = f"{chosen.shape} of {kind}: looks like patterns"
    if len(stacks) > 1:
        is_largest = math.prod(chosen.shape) == largest
        reason += f", {'the largest' if is_largest else 'one'} of {len(stacks)} stacks"
    return chosen, Guess(chosen.path, reason)


def _positions(infos: Sequence[DatasetInfo], n_points: int) -> Guess | None:
    found: list[tuple[int, Guess]] = []
    for info in infos:
        if not _is_real(info) or len(info.shape) != 2 or _words(info.path) & NO_STAGES:
            continue
        columns = min(info.shape)
        if columns not in (2, 3) or max(info.shape) < 2:
            continue
        telling = _stage_score(info) + (_leaf(info.path) in NAMES["positions"])
        if max(info.shape) == n_points:
            parts = "y and x" if columns == 2 else "x, y and z"
            reason = f"{parts} for each of {n_points} patterns"
        elif not n_points and telling >= 2:
            reason = f"{info.shape} of numbers, called {_name(info.path)}"
        else:
            continue
        reason += _in_unit(info)
        if columns == 2 and "xy" in _words(info.path):
            reason += "; its name says x first, which would mirror the object"
        found.append((telling + 2, Guess(info.path, reason)))
    for y, x, telling in _axis_pairs(infos, n_points):
        reason = "two lists, vertical and horizontal by their names"
        if n_points:
            reason = f"a list of y and one of x for {n_points} patterns"
        guess = Guess(f"{y.path}, {x.path}", reason + _in_unit(y))
        found.append((telling + _stage_score(y), guess))
    if not found:
        return None
    likelihood, guess = max(found, key=lambda candidate: candidate[0])
    rivals = sum(other == likelihood for other, _ in found) - 1
    more = f"; {rivals} more would fit as well" if rivals else ""
    return Guess(guess.dataset, guess.reason + more)


def _axis_pairs(
    infos: Sequence[DatasetInfo], n_points: int
) -> list[tuple[DatasetInfo, DatasetInfo, int]]:
    """Datasets whose paths differ in the name of the axis alone."""
    lists = [info for info in infos if _is_real(info) and math.prod(info.shape) >= 2]
    lists = [info for info in lists if not _words(info.path) & NO_STAGES]
    if n_points:
        lists = [info for info in lists if math.prod(info.shape) == n_points]
    else:
        lists = [info for info in lists if len(info.shape) == 1 and _stage_score(info)]
    by_path = {info.path.lower(): info for info in lists}
    pairs = []
    for low, info in by_path.items():
        for vertical, horizontal, telling in AXES:
            for place in _places(low, vertical):
                other = low[:place] + horizontal + low[place + len(vertical) :]
                if other in by_path and by_path[other].shape == info.shape:
                    pairs.append((info, by_path[other], telling))
    return pairs


def _probe(infos: Sequence[DatasetInfo], pattern: tuple[int, ...]) -> Guess | None:
    waves = [info for info in infos if info.dtype.startswith("complex") and len(info.shape) >= 2]
    waves = [info for info in waves if not _words(info.path) & NO_PROBE]
    named = [info for info in waves if _leaf(info.path) in NAMES["probe"]]
    fitting = [info for info in waves if pattern and info.shape[-2:] == pattern]
    both = [info for info in named if info in fitting]
    chosen = next(iter(both or named or fitting), None)
    if chosen is None or (not named and len(fitting) > 1):
        return None
    reasons = []
    if chosen in fitting:
        reasons.append("as large as a pattern")
    if chosen in named:
        reasons.append(f"called {_name(chosen.path)}")
    return Guess(chosen.path, f"{chosen.shape}, complex, {' and '.join(reasons)}")


def _mask(infos: Sequence[DatasetInfo], pattern: tuple[int, ...]) -> Guess | None:
    for info in infos:
        whole = _is_whole(info) or info.dtype == "bool"
        words = _words(info.path)
        if info.shape == pattern and whole and words & MASKS and not words & NO_MASKS:
            reason = "as large as a pattern; 0 is taken as a good pixel"
            return Guess(info.path, reason)
    return None


def _detector_pixel(infos: Sequence[DatasetInfo]) -> Guess | None:
    pixels = [info for info in infos if _is_number(info, 2) and _is_detector_pixel(info)]
    by_path = {info.path.lower(): info for info in pixels}
    for low, info in by_path.items():
        for vertical, horizontal, _ in AXES:
            for place in _places(low, vertical):
                other = low[:place] + horizontal + low[place + len(vertical) :]
                if other in by_path:
                    paths = f"{info.path}, {by_path[other].path}"
                    return Guess(
                        paths,
                        f"called {_name(info.path)}, {_name(by_path[other].path)}{_in_unit(info)}",
                    )
    return _scalar(infos, _is_detector_pixel, most=2)


def _scalar(
    infos: Sequence[DatasetInfo],
    is_it: Callable[[DatasetInfo], bool],
    *,
    most: int = 1,
) -> Guess | None:
    fitting = [info for info in infos if _is_number(info, most) and is_it(info)]
    if not fitting:
        return None
    # A unit makes it sure; of two that have one, the shorter path is seldom a copy of a set value.
    chosen = min(fitting, key=lambda info: (info.units is None, info.path.count("/")))
    leaf = _leaf(chosen.path)
    named = "/".join(chosen.path.split("/")[-2:]) if _is_value(leaf) else _name(chosen.path)
    return Guess(chosen.path, f"called {named}{_in_unit(chosen)}")


def _is_energy(info: DatasetInfo) -> bool:
    leaf, unit = _leaf(info.path), (info.units or "").lower()
    words = _words(info.path)
    if words & {"threshold", "resolution", "spread", "width", "std", "error"}:
        return False
    named = re.search(r"energy|wavelength|^lambda|(^|_)kev$|^wl$", leaf) is not None
    if _is_value(leaf):
        named = bool(words & {"energy", "wavelength"})
    return named and (not unit or unit in ("ev", "kev", "mev", "j") or is_length_unit(unit))


def _is_distance(info: DatasetInfo) -> bool:
    leaf, unit = _leaf(info.path), info.units
    if _is_value(leaf):
        leaf = info.path.lower().rsplit("/", 2)[-2]
    named = re.search(r"distance|camera_?length|^det_?z$|^z_?det$|(^|_)dist(_|$)", leaf) is not None
    focus = re.search(r"focus|focal|source|slit", info.path.lower()) is not None
    return named and not focus and (unit is None or is_length_unit(unit))


def _is_detector_pixel(info: DatasetInfo) -> bool:
    leaf, unit = _leaf(info.path), (info.units or "").lower()
    named = re.search(r"pixel|(^|_)pi?x(_|$)", leaf)
    named = named and re.search(r"size|pitch|width|height|det|_m$|_um$", leaf)
    # An object pixel is told in nm, and a count of pixels is no size.
    known = not unit or (is_length_unit(unit) and unit not in ("nm", "nanometer", "px", "pixel"))
    objects = re.search(r"obj|recon|sample|mask|number|bad", info.path.lower())
    return bool(named) and known and objects is None


def _is_number(info: DatasetInfo, most: int) -> bool:
    return _is_real(info) and 1 <= math.prod(info.shape) <= most


def _is_value(leaf: str) -> bool:
    return leaf in ("value", "data", "readback", "rbv")


def _is_real(info: DatasetInfo) -> bool:
    return info.dtype.lstrip("<>|=").startswith(("int", "uint", "float"))


def _is_whole(info: DatasetInfo) -> bool:
    return info.dtype.lstrip("<>|=").startswith(("int", "uint"))


def _stage_score(info: DatasetInfo) -> int:
    has_length = info.units is not None and is_length_unit(info.units)
    return 2 * has_length + bool(_words(info.path) & STAGES) + (not _is_whole(info))


def _in_unit(info: DatasetInfo) -> str:
    return f", in {info.units}" if info.units else ", no unit recorded"


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _leaf(path: str) -> str:
    return _name(path).lower()


def _words(path: str) -> set[str]:
    """Words of the dataset's name and its group's."""
    last = path.lower().split("/")[-2:]
    return {word for name in last for word in re.split(r"[^a-zµ]+", name) if word}


def _places(path: str, word: str) -> list[int]:
    """Where a word that names an axis stands: a single letter at the edge of a name only."""
    at_edge = rf"(?<![a-z]){word}|{word}(?![a-z])" if len(word) == 1 else word
    return [match.start() for match in re.finditer(at_edge, path)]
