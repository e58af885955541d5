"""The same datasets under names with other numbers: of the next scan, of another day."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from napari_ptychonn.scan.dataset_info import MAX_LISTED

__all__ = ["Renaming", "pinned", "renamed", "renamings", "unnumbered"]

Renaming = Mapping[str, str]
"""Names between slashes, and those that stand in their place; what is not in it stays."""

DIGITS = re.compile(r"\d+")


def unnumbered(path: str) -> str:
    """A path with ``#`` in place of every run of digits."""
    return DIGITS.sub("#", path)


def renamed(path: str, renaming: Renaming) -> str:
    """A path under its other name."""
    return "/".join(renaming.get(name, name) for name in path.split("/"))


def renamings(
    paths: Iterable[str], there: Iterable[str], given: Renaming | None = None
) -> tuple[dict[str, str], ...]:
    """Ways to rename groups and datasets so that all paths are there.

    A name is replaced by the same one in every path, and only by one that differs in its
    digits. Names that the paths themselves tell apart by digits (``motor1`` and ``motor2``)
    stay: there the number says which thing it is.

    Parameters
    ----------
    paths : iterable of str
        Paths that are wanted.
    there : iterable of str
        Those that a file has.
    given : Renaming, optional
        What is decided already.

    Returns
    -------
    tuple of dict
        Only names that change, in the order of the file. A way is left out where another
        changes only some of its names, or where another gives names of one number
        (``scan_0042`` and ``stage_42``) one number again and it does not.
    """
    wanted = list(dict.fromkeys(paths))
    alike: dict[str, list[str]] = defaultdict(list)
    for path in there:
        alike[unnumbered(path)].append(path)
    free = _free_names(wanted)
    decided = {name: new for name, new in (given or {}).items() if name in free}
    ways = [decided]
    for path in wanted:
        names = [name for name in path.split("/") if name in free]
        found: dict[tuple[str, ...], dict[str, str]] = {}
        for candidate in alike[unnumbered(path)]:
            way = _way(path, candidate)
            if way is not None and all(name in free or way[name] == name for name in way):
                found[tuple(way[name] for name in names)] = {name: way[name] for name in names}
        ways = _joined(ways, list(found.values()))
    fewest = _fewest([{old: new for old, new in way.items() if old != new} for way in ways])
    return tuple([way for way in fewest if _agrees(way)] or fewest)


def pinned(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What two names of each dataset say of the names of their groups.

    Parameters
    ----------
    pairs : iterable of (str, str)
        The path that was wanted, and the one that was chosen.

    Returns
    -------
    dict
        Empty where choices contradict each other; those that differ in more than digits
        say nothing.
    """
    said: dict[str, str] = {}
    for wanted, chosen in pairs:
        way = _way(wanted, chosen)
        if any(said.setdefault(old, new) != new for old, new in (way or {}).items()):
            return {}
    return said


def _free_names(paths: Sequence[str]) -> set[str]:
    names = {name for path in paths for name in path.split("/") if DIGITS.search(name)}
    shared = Counter(map(unnumbered, names))
    return {name for name in names if shared[unnumbered(name)] == 1}


def _way(path: str, candidate: str) -> dict[str, str] | None:
    """Every numbered name of a path with that of the other; None where they do not agree."""
    way: dict[str, str] = {}
    if unnumbered(path) != unnumbered(candidate):
        return None
    for old, new in zip(path.split("/"), candidate.split("/"), strict=True):
        if DIGITS.search(old) and way.setdefault(old, new) != new:
            return None
    return way


def _joined(
    ways: Sequence[dict[str, str]], others: Sequence[dict[str, str]]
) -> list[dict[str, str]]:
    """Those that agree in what both name, together."""
    if not ways or not others:
        return []
    common = [name for name in others[0] if name in ways[0]]
    by_common: dict[tuple[str, ...], list[dict[str, str]]] = defaultdict(list)
    for other in others:
        by_common[tuple(other[name] for name in common)].append(other)
    joined: list[dict[str, str]] = []
    for way in ways:
        for other in by_common[tuple(way[name] for name in common)]:
            joined.append({**way, **other})
            # Groups that have nothing to do with each other multiply.
            if len(joined) == MAX_LISTED:
                return joined
    return joined


def _fewest(ways: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    changes = {frozenset(way) for way in ways}
    return [way for way in ways if not any(fewer < way.keys() for fewer in changes)]


def _agrees(way: Renaming) -> bool:
    said: dict[int, int] = {}
    for old, new in way.items():
        before, after = DIGITS.findall(old), DIGITS.findall(new)
        if len(before) == 1 and said.setdefault(int(before[0]), int(after[0])) != int(after[0]):
            return False
    return True
