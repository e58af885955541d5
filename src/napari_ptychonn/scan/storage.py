"""What HDF5 hides: missing link targets, missing virtual sources, missing filters."""

from __future__ import annotations

from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (registers the detectors' compression filters)

from napari_ptychonn.errors import ScanError

__all__ = ["require_readable", "resolve"]


def resolve(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    """Dataset `name` of an open file.

    Raises
    ------
    ScanError
        There is none, it is a group, or a link on the way leads nowhere.
    """
    try:
        found = file[name]
    except (KeyError, OSError, RuntimeError):
        raise _missing(file, name, path) from None
    if not isinstance(found, h5py.Dataset):
        remedy = "choose a dataset inside it" + _offer(found)
        raise ScanError("dataset", path, f"{name} is a group", remedy=remedy)
    return found


def require_readable(dataset: h5py.Dataset, name: str, path: Path) -> None:
    """Refuse a dataset that cannot be read, or would silently read as zeros.

    Raises
    ------
    ScanError
        A compression filter or a source of a virtual dataset is missing.
    """
    plist = dataset.id.get_create_plist()
    for number in range(plist.get_nfilters()):
        code, _, _, label = plist.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            title = label.decode("utf-8", "replace") or "unnamed"
            raise ScanError(
                "dataset",
                path,
                f"{name} is compressed with filter {code} ({title}), which is not installed",
                remedy="install the HDF5 plugin of this filter, or store the data uncompressed",
            )
    if not dataset.is_virtual:
        return
    # External names are relative to the file that holds the dataset.
    folder = Path(dataset.file.filename).resolve().parent
    sources = sorted({source.file_name for source in dataset.virtual_sources()})
    missing = [
        source
        for source in sources
        if source != "." and "%" not in source and not (folder / source).is_file()
    ]
    if missing:
        raise ScanError(
            "dataset",
            path,
            f"{len(missing)} of the {len(sources)} files that {name} is made of are missing, "
            f"the first is {missing[0]}",
            remedy=f"copy the missing files into {folder}",
        )


def _missing(file: h5py.File, name: str, path: Path) -> ScanError:
    group: h5py.Group = file
    parts = [part for part in name.split("/") if part]
    for depth, part in enumerate(parts):
        link = group.get(part, getlink=True) if part in group else None
        here = "/" + "/".join(parts[: depth + 1])
        if isinstance(link, h5py.ExternalLink):
            target = Path(path).resolve().parent / link.filename
            if not target.is_file():
                problem = f"{here} is a link to {link.filename}, which is missing"
                remedy = f"copy {link.filename} into {target.parent}"
                return ScanError("dataset", path, problem, remedy=remedy)
        try:
            found = group[part]
        except (KeyError, OSError):
            found = None
        if found is None and isinstance(link, h5py.SoftLink | h5py.ExternalLink):
            problem = f"{here} is a link to {link.path}, which is missing"
            remedy = "choose another dataset with --dataset"
            return ScanError("dataset", path, problem, remedy=remedy)
        if not isinstance(found, h5py.Group):
            break
        group = found
    remedy = "choose another one with --dataset ROLE=/PATH" + _offer(file)
    return ScanError("dataset", path, f"there is no {name}", remedy=remedy)


def _offer(group: h5py.Group, most: int = 8) -> str:
    found: list[str] = []

    def note(name: str, item: object) -> bool | None:
        if isinstance(item, h5py.Dataset) and item.ndim:
            found.append(f"{group.name.rstrip('/')}/{name} {item.shape}")
        return True if len(found) >= most else None

    group.visititems(note)
    return "; the file has " + ", ".join(found) if found else ""
