"""The loss curves of a training. Importing this imports pyqtgraph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph
from qtpy.QtCore import Qt

from napari_ptychonn.widgets.palette import HELD_OUT, TEACHING

if TYPE_CHECKING:
    from napari_ptychonn.training.finetune_events import Losses

__all__ = ["LossCurves"]

LOW_PX, HIGH_PX = 150, 260
MARK_PX = 13
TICK_EVERY_PX = 40
LABEL_OVERHANG_PX = 6
"""By how much pyqtgraph puts an axis' label beyond its axis."""


class LossCurves(pyqtgraph.PlotWidget):
    """Training and held-out loss over the steps, with a mark at the best step.

    The scale is logarithmic as long as every loss is above 0.
    """

    def __init__(self) -> None:
        super().__init__(enableMenu=False, axisItems={"left": _LossAxis("left")})
        # pyqtgraph makes a menu even where none is wanted; it shall go with this widget.
        self.plotItem.ctrlMenu.setParent(self, Qt.WindowType.Popup)
        self._steps: list[int] = []
        self._training: list[float] = []
        self._held_out: list[float] = []
        self._best: tuple[int, float] | None = None
        self.setMinimumHeight(LOW_PX)
        self.setMaximumHeight(HIGH_PX)
        self.setMouseEnabled(x=False, y=False)
        self.hideButtons()
        self.setLabel("bottom", "steps")
        self.setLabel("left", "loss")
        self.plotItem.layout.setContentsMargins(1, 1, 1, LABEL_OVERHANG_PX)
        # A loss of 0.01 is no "10 m".
        for side in ("left", "bottom"):
            self.getAxis(side).enableAutoSIPrefix(False)
        self.training = self.plot(
            pen=pyqtgraph.mkPen(TEACHING, width=2),
            symbol="o", symbolSize=5, symbolBrush=TEACHING, symbolPen=None,
        )  # fmt: skip
        self.held_out = self.plot(
            pen=pyqtgraph.mkPen(HELD_OUT, width=2),
            symbol="o", symbolSize=5, symbolBrush=HELD_OUT, symbolPen=None,
        )  # fmt: skip
        self.mark = self.plot(
            pen=None, symbol="d", symbolSize=MARK_PX, symbolBrush=None,
            symbolPen=pyqtgraph.mkPen(HELD_OUT, width=2),
        )  # fmt: skip

    def add(self, losses: Losses) -> None:
        """Draw one more point of each curve."""
        self._steps.append(losses.step)
        self._training.append(np.nan if losses.training is None else losses.training)
        self._held_out.append(losses.held_out)
        if losses.best:
            self._best = (losses.step, losses.held_out)
        self._draw()

    def restart(self) -> None:
        """Forget all points."""
        for values in (self._steps, self._training, self._held_out):
            values.clear()
        self._best = None
        self._draw()

    @property
    def best_step(self) -> int | None:
        """The step that is marked."""
        return None if self._best is None else self._best[0]

    def set_colours(self, ground: str, text: str) -> None:
        """Follow the window's theme; colours as ``#rrggbb``."""
        self.setBackground(ground)
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setPen(text)
            axis.setTextPen(text)

    def _draw(self) -> None:
        known = [value for value in (*self._training, *self._held_out) if np.isfinite(value)]
        is_log = bool(known) and min(known) > 0
        self.setLogMode(y=is_log)
        steps = np.asarray(self._steps, float)
        for curve, values in ((self.training, self._training), (self.held_out, self._held_out)):
            losses = np.asarray(values, float)
            # Gaps would be drawn as lines to nowhere.
            finite = np.isfinite(losses)
            curve.setData(steps[finite], losses[finite])
        best = () if self._best is None or not np.isfinite(self._best[1]) else (self._best,)
        self.mark.setData([step for step, _ in best], [loss for _, loss in best])

    def wheelEvent(self, event: object) -> None:
        """Leave the wheel to the dock, which scrolls."""
        event.ignore()  # type: ignore[attr-defined]


class _LossAxis(pyqtgraph.AxisItem):
    """Where a logarithmic axis spans less than a decade, its ticks are round numbers."""

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[Any]:
        """Places of the ticks, as (spacing, places)."""
        if not self.logMode or maxVal - minVal >= 1:
            return list(super().tickValues(minVal, maxVal, size))
        low, high = 10.0**minVal, 10.0**maxVal
        wanted = (high - low) / max(2.0, size / TICK_EVERY_PX)
        decade = 10.0 ** np.floor(np.log10(wanted))
        step = next(times * decade for times in (1, 2, 5, 10) if times * decade >= wanted)
        values = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
        return [(None, list(np.log10(values)))]

    def tickStrings(self, values: list[float], scale: float, spacing: float | None) -> list[str]:
        """The losses at the ticks."""
        if spacing is not None or not self.logMode:
            return list(super().tickStrings(values, scale, spacing))
        return [f"{10.0**value:.6g}" for value in values]
