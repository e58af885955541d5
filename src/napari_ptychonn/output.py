"""Files that appear when they are complete, and errors that say why one could not."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_ptychonn.errors import OutputError

__all__ = ["appearing", "appearing_together", "require_writable"]

_REMEDIES = {
    errno.ENOSPC: "free space, or choose another disk",
    errno.EDQUOT: "free space, or choose another disk",
    errno.EFBIG: "choose a disk that takes larger files",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
}


@contextmanager
def appearing(path: str | Path, subject: str) -> Iterator[Path]:
    """Give a temporary path to write to, and its own name to the file when all went well.

    Parameters
    ----------
    path : str or Path
        The file that shall appear, or be replaced; its folder is made where it is missing.
    subject : str
        What it is, for the error.

    Raises
    ------
    OutputError
        It cannot be written; a file that was there before is untouched.
    """
    with appearing_together(subject, path) as (partial,):
        yield partial


@contextmanager
def appearing_together(subject: str, *paths: str | Path) -> Iterator[list[Path]]:
    """The same for several files: none appears before all are written.

    Parameters
    ----------
    subject : str
        What they are, for the error.
    *paths : str or Path
        The files.

    Raises
    ------
    OutputError
        One cannot be written; what was there before is untouched.
    """
    targets = [_followed(path) for path in paths]
    for target in targets:
        _require_plain(target, subject)
    partial = [_partial(target) for target in targets]
    try:
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        for part, target in zip(partial, targets, strict=True):
            part.replace(target)
    except OSError as error:
        raise _refusal(targets[0], subject, error) from None
    except RuntimeError as error:
        # h5py says so where a file cannot be flushed while it is closed.
        raise _refusal(targets[0], subject, OSError(str(error))) from None
    finally:
        for part in partial:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def require_writable(path: str | Path, subject: str) -> None:
    """Refuse a path that cannot be written, before the work for it is done.

    Raises
    ------
    OutputError
        It is a folder or a device, or lies where nothing can be written.
    """
    target = _followed(path)
    _require_plain(target, subject)
    try:
        folder = next(parent for parent in target.absolute().parents if parent.exists())
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{folder} cannot be written to")
    except OSError as error:
        raise _refusal(target, subject, error) from None


def _followed(path: str | Path) -> Path:
    """What is to be written: of a link, the file that it leads to."""
    return Path(path).resolve() if Path(path).is_symlink() else Path(path)


def _require_plain(target: Path, subject: str) -> None:
    """Refuse what a file would take the place of, and must not."""
    if target.is_dir():
        raise OutputError(subject, target, "is a folder", remedy="give the name of a file in it")
    if target.exists() and not target.is_file():
        raise OutputError(subject, target, "is a device or a pipe", remedy="give another name")


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.part")


def _refusal(target: Path, subject: str, error: OSError) -> OutputError:
    reason = error.strerror or " ".join(str(error).split())
    # h5py keeps the number of the system's error in the text alone.
    number = error.errno or next(
        (code for code in _REMEDIES if f"errno = {code}," in str(error)), None
    )
    remedy = _REMEDIES.get(number or 0, "choose a folder that can be written and has space")
    return OutputError(subject, target, f"cannot be written: {reason}", remedy=remedy)
