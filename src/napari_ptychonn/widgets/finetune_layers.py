"""What a training shows in the viewer: its points, and the object before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Points
from numpy.typing import NDArray

from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.widgets.palette import HELD_OUT, TEACHING
from napari_ptychonn.widgets.placement import KEY, show_data
from napari_ptychonn.widgets.result_layers import (
    AMPLITUDE_STYLE,
    PHASE_STYLE,
    layers_of_runs,
    limits,
    next_run,
    object_layers,
)
from napari_ptychonn.widgets.scan_layers import make_layers, point_size, scan_placement
from napari_ptychonn.widgets.step_by_step import StepByStep

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ptychonn.training.finetune_events import FineTuned, ObjectView, PointSplit

__all__ = ["TeachingLayers"]

KINDS = ("labels", "before", "after")
"""From the bottom up: what one flips between lies next to each other."""
PARTS = ("amplitude", "phase")
_Which = tuple[str, int, str]
"""Kind, number of the scan, part."""


class TeachingLayers:
    """The layers of one training; those that the person removes stay away.

    They come one by one and are unveiled a moment later, since napari takes up to a tenth of a
    second for each. What the person has selected stays so. They have no colorbars: one costs
    napari more than its layer, and before and after have the same colours.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    scans : sequence of Scan
        The scans that teach, in the order in which events number them.
    """

    def __init__(self, viewer: ViewerModel, scans: Sequence[Scan]) -> None:
        self._viewer = viewer
        self._scans = list(scans)
        self._images: dict[_Which, Image] = {}
        self._points: list[Points] = []
        self._contrast: dict[_Which, tuple[float, float]] = {}
        self._coming: list[Layer] = []
        self._steps = StepByStep()
        self._flipped = self._finished = False

    def show_split(self, split: PointSplit) -> None:
        """Show which points teach, and which are held out."""
        scan = self._scans[split.scan]
        placement = scan_placement(scan)
        numbers = np.concatenate([split.teaching, split.held_out])
        uses = ["teaching"] * len(split.teaching) + ["held out"] * len(split.held_out)
        colours = [TEACHING] * len(split.teaching) + [HELD_OUT] * len(split.held_out)
        keywords = placement.points(scan.positions[numbers])
        points = keywords.pop("data")
        layer = Points(
            points,
            name=f"{scan.name} teaching and held-out points",
            metadata={KEY: {"kind": "teaching points"}},
            features={"point": numbers, "use": uses},
            face_color=colours,
            # Small points are mostly smoothed edge, which has the border's colour.
            border_color=colours,
            border_width=0,
            size=1.5 * point_size(points, placement.pixel),
            visible=False,
            **keywords,
        )
        self._points.append(layer)
        self._add(layer)

    def show_view(self, view: ObjectView) -> None:
        """Show an object, or labels, as far as they are; contrast and camera stay."""
        amplitude, phase = np.abs(view.object), np.angle(view.object)
        y, x = view.corner_px
        pixel = scan_placement(self._scans[view.scan]).pixel
        corner = (y * pixel[0], x * pixel[1])
        for part, data in zip(PARTS, (amplitude, phase), strict=True):
            which = (view.kind, view.scan, part)
            if which not in self._images:
                self._begin(which, data, corner)
            elif self._is_wanted(self._images[which]):
                show_data(self._images[which], data, corner)
        self._widen((view.kind, view.scan, "amplitude"), amplitude)

    def flip(self, before: bool) -> None:
        """Let what lies beneath be seen: the object of before, or that of after again."""
        self._flipped = before
        for (kind, _, _), layer in self._images.items():
            if kind == "after":
                layer.visible = not before

    def has_both(self) -> bool:
        """Whether there is an object of before and one of after."""
        return {"before", "after"} <= {kind for kind, _, _ in self._images}

    def finish(self, result: FineTuned) -> None:
        """Leave layers to the person: labels, hidden points, and the objects before and after.

        They become those of the whole scan where there are such, and go where nothing was
        better.
        """
        self._finished = True
        for layer in self._points:
            layer.visible = False
        if not result.improved:
            self._take_out(which for which in self._images if which[0] != "labels")
            return
        rows = iter(enumerate(self._scans))
        for pair in result.pictures:
            # In the order of the scans, without those that are too large for pictures.
            row = next(row for row, scan in rows if scan.name == pair[0].name)
            self._steps.do(lambda row=row, pair=pair: self._show_whole(row, *pair))

    def remove(self) -> None:
        """Take all layers out of the viewer."""
        self._steps.forget()
        self._coming.clear()
        self._take_out(self._images)
        for layer in self._points:
            self._steps.do(lambda layer=layer: self._remove(layer))

    def do_all(self) -> None:
        """Do now what is left to do."""
        self._steps.finish()

    def afterwards(self, step: Callable[[], object]) -> None:
        """Call a function when all layers are as they shall be."""
        self._steps.do_last(step)

    def _begin(self, which: _Which, data: NDArray[Any], corner: tuple[float, float]) -> None:
        """Make the layer of a first picture, and let it come."""
        kind, number, part = which
        scan = self._scans[number]
        style: dict[str, Any] = PHASE_STYLE
        if part == "amplitude":
            self._contrast[which] = limits(data)
            style = AMPLITUDE_STYLE | {"contrast_limits": self._contrast[which]}
        beneath = self._images.get(("before", number, part)) if kind == "after" else None
        if beneath is not None:
            style = style | {"contrast_limits": beneath.contrast_limits}
        layer = Image(
            data,
            visible=False,
            # The list shows both ends of a long name: what differs must be there.
            name=f"{kind}: {scan.name} object {part}",
            metadata={KEY: {"kind": f"object {part} ({kind}, running)"}},
            rgb=False,
            multiscale=False,
            **scan_placement(scan).image(corner),
            **style,
        )
        self._images[which] = layer
        self._add(layer)
        if beneath is not None:
            self._steps.do(lambda: self._link(beneath, layer))
        if kind == "before" and not layers_of_runs(self._viewer, scan.name):
            self._steps.do(self._viewer.reset_view)  # once: the person may move from there

    def _show_whole(self, number: int, before: Reconstruction, after: Reconstruction) -> None:
        """Let the layers show the whole scan, each with its reconstruction."""
        run = next_run(self._viewer, before.name)
        for kind, result in (("before", before), ("after", after)):
            made = object_layers(result, run=run, prefix=f"{kind}: ")
            for part, described in zip(PARTS, made, strict=True):
                which = (kind, number, part)
                self._steps.do(partial(self._replace, which, described))

    def _replace(self, which: _Which, described: Any) -> None:
        data, keywords, _ = described
        live = self._images.get(which)
        if live is not None and self._is_wanted(live):
            show_data(live, data, keywords["translate"])
            live.name, live.metadata = keywords["name"], keywords["metadata"]
            return
        (layer,) = make_layers([(data, keywords | {"visible": False}, "image")])
        beneath = self._images.get(("before", which[1], which[2]))
        if which[0] == "after" and beneath is not None:
            layer.contrast_limits = beneath.contrast_limits
        self._images[which] = layer
        self._add(layer)

    def _add(self, layer: Layer) -> None:
        self._coming.append(layer)
        self._steps.do(lambda: self._insert(layer))
        self._steps.do(lambda: self._unveil(layer))

    def _insert(self, layer: Layer) -> None:
        """Amplitudes beneath phases, each with what one flips to beside it, points on top."""
        if layer not in self._coming:
            return  # it was taken out before it came
        self._coming.remove(layer)
        ours, layers = self._in_order(), self._viewer.layers
        above = [each for each in ours[ours.index(layer) + 1 :] if each in layers]
        selected = set(layers.selection)
        with layers.selection.events.blocker_all():
            layers.insert(layers.index(above[0]) if above else len(layers), layer)
            layers.selection.clear()
            layers.selection.update(selected)

    def _unveil(self, layer: Layer) -> None:
        hidden = any(layer is each for each in self._points) and self._finished
        if self._flipped:
            hidden |= any(
                layer is each for which, each in self._images.items() if which[0] == "after"
            )
        layer.visible = not hidden

    def _in_order(self) -> list[Layer]:
        known = sorted(
            self._images, key=lambda which: (PARTS.index(which[2]), which[1], KINDS.index(which[0]))
        )
        return [*(self._images[which] for which in known), *self._points]

    def _link(self, beneath: Image, layer: Image) -> None:
        if beneath in self._viewer.layers and layer in self._viewer.layers:
            self._viewer.layers.link_layers([beneath, layer], ("contrast_limits", "gamma"))

    def _is_wanted(self, layer: Layer) -> bool:
        """Whether it is in the viewer, or will be; else the person has removed it."""
        return layer in self._viewer.layers or any(layer is each for each in self._coming)

    def _take_out(self, those: Iterable[_Which]) -> None:
        for layer in [self._images.pop(which) for which in list(those)]:
            if layer in self._coming:
                self._coming.remove(layer)
            self._steps.do(lambda layer=layer: self._remove(layer))

    def _remove(self, layer: Layer) -> None:
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _widen(self, which: _Which, amplitude: NDArray[np.float32]) -> None:
        """Labels grow from nothing: their contrast follows, until the person has set it."""
        layer = self._images[which]
        if which[0] != "labels" or tuple(layer.contrast_limits) != self._contrast[which]:
            return
        low, high = limits(amplitude)
        layer.contrast_limits_range = (min(low, 0.0), high)
        layer.contrast_limits = self._contrast[which] = (low, high)
