"""Notices that files of a folder were added, renamed or deleted, by whichever program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QFileSystemWatcher, QObject, Signal

__all__ = ["FolderWatch"]


class FolderWatch(QObject):
    """Watches a folder that may not exist yet.

    Parameters
    ----------
    folder : callable
        Says which folder; it is asked at every change.

    Attributes
    ----------
    changed : Signal
        Something in the folder, or on the way to it, is different.
    """

    changed = Signal()

    def __init__(self, folder: Callable[[], Path], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder = folder
        self._watcher = QFileSystemWatcher(self)
        self._watcher.directoryChanged.connect(self._look)
        self._aim()

    def _look(self) -> None:
        # First aim, then tell: what was written in between is seen by whoever looks now.
        self._aim()
        self.changed.emit()

    def _aim(self) -> None:
        """Watch the folder, or what there is on the way to it."""
        wanted = self._folder().absolute()
        nearest = next(path for path in (wanted, *wanted.parents) if path.is_dir())
        watched = self._watcher.directories()
        if watched != [str(nearest)]:
            if watched:
                self._watcher.removePaths(watched)
            self._watcher.addPath(str(nearest))
