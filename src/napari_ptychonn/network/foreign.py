"""Import of PtychoNN weights that were saved by other programs (`.pth`, `.pt`, `.ckpt`).

Such files hold tensors and nothing else: no geometry, no scaling, no licence. The layout
is recognised from names and shapes; what its authors are known to have fed it is written
into the card, and what nobody wrote down is said there.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from napari_ptychonn.errors import NetworkError
from napari_ptychonn.network.card import NetworkCard, Preprocessing
from napari_ptychonn.network.ptychonn import Head

__all__ = ["Layout", "import_foreign"]

Layout = Literal["auto", "published", "phase-only", "log-variance", "package"]

REMEDY = (
    "known are the published PyTorch network, its phase-only form, its log-variance form and "
    "the ptychonn package's; save the state dict alone with torch.save(model.state_dict(), FILE)"
)
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What wrappers put before every name (DataParallel, torch.compile, trainers)."""
DECODERS: Mapping[str, Head | Literal["both"]] = {
    "decoder1": "amplitude",
    "decoder2": "phase",
    "decoder_amplitude": "amplitude",
    "decoder_phase": "phase",
    "decoder": "both",
}
NORM_PARTS = {"weight", "bias", "running_mean", "running_var"}


def import_foreign(
    path: str | Path, *, layout: Layout = "auto", name: str | None = None
) -> tuple[NetworkCard, dict[str, Tensor]]:
    """Read a foreign PtychoNN file.

    Parameters
    ----------
    path : str or Path
        A file written by ``torch.save``; only tensors are ever unpickled from it.
    layout : Layout
        ``"auto"`` recognises it; any other name insists on that layout.
    name : str, optional
        Name of the imported network; None: the file's.

    Returns
    -------
    tuple of NetworkCard and dict of str to Tensor
        What :func:`napari_ptychonn.network.weights.save_network` takes.

    Raises
    ------
    NetworkError
        The file cannot be read, holds something other than tensors, or is no PtychoNN of a
        known layout.
    """
    path = Path(path)
    if layout not in get_args(Layout):
        known = ", ".join(get_args(Layout))
        raise NetworkError("layout", None, f"'{layout}' is unknown", remedy=f"choose from {known}")
    sections = _sections(_read_tensors(path), path)
    encoder = sections.pop("encoder", None)
    if encoder is None or not sections:
        raise _unknown(path, "there is no encoder with a decoder")
    state: dict[str, Tensor] = {}
    shape = _read_blocks(encoder, path, "encoder", into=state, prefix="encoder", has_output=False)
    decoders = {}
    for section, layers in sections.items():
        prefix = f"decoders.{DECODERS[section]}"
        decoders[DECODERS[section]] = _read_blocks(
            layers, path, section, into=state, prefix=prefix, has_output=True
        )
    architecture = _architecture(shape, decoders, path)
    found = _layout(architecture)
    if layout not in ("auto", found):
        problem = f"its tensors are those of the '{found}' layout, not of '{layout}'"
        raise NetworkError("layout", path, problem, remedy=f"give --layout {found}, or auto")
    return _card(found, architecture, name or path.stem, path), state


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the tensors of one encoder or decoder say about it."""

    channels: tuple[int, ...]
    batch_norm: bool
    bias: bool
    groups: int
    output_channels: int
    output_norm: bool


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise NetworkError(
            "weights", path, "holds Python objects, which could run any program when opened, or "
            "is not a PyTorch file",
            remedy="save the state dict alone with torch.save(model.state_dict(), FILE)",
        ) from None  # fmt: skip
    except OSError as error:
        problem = error.strerror or str(error)
        raise NetworkError("weights", path, problem, remedy="check the path") from None
    except Exception as error:  # torch's unpickler raises many kinds for a broken file
        reason = str(error).partition("\n")[0] or "it is empty"
        problem = f"not a readable PyTorch file: {reason}"
        raise NetworkError("weights", path, problem, remedy="copy the file again") from error
    for key in ("state_dict", "model_state_dict"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not loaded:
        raise _unknown(path, f"it holds a {type(loaded).__name__}, not named tensors")
    for key, value in loaded.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise _unknown(path, f"'{key}' is no tensor")
    return dict(loaded)


def _sections(tensors: Mapping[str, Tensor], path: Path) -> dict[str, dict[int, dict[str, Tensor]]]:
    """Section (encoder, decoder1, …) to layer number to part (weight, …)."""
    sections: dict[str, dict[int, dict[str, Tensor]]] = {}
    for key, value in tensors.items():
        short = key
        while short.startswith(PREFIXES):
            short = short.split(".", 1)[1]
        match = re.fullmatch(r"(\w+)\.(\d+)\.(\w+)", short)
        if match is None or match[1] not in {"encoder", *DECODERS}:
            raise _unknown(path, f"'{key}' belongs to no encoder or decoder")
        if not bool(torch.isfinite(value).all()):
            raise NetworkError(
                "weights", path, f"'{key}' has values that are not finite",
                remedy="take a checkpoint from before the training diverged",
            )  # fmt: skip
        sections.setdefault(match[1], {}).setdefault(int(match[2]), {})[match[3]] = value
    return sections


def _read_blocks(
    layers: Mapping[int, Mapping[str, Tensor]],
    path: Path,
    section: str,
    *,
    into: dict[str, Tensor],
    prefix: str,
    has_output: bool,
) -> _Shape:
    """Copy one section into our numbering, and say what it is.

    Blocks are [conv, …, conv, …, pool or upsample]; layers without tensors (ReLU, dropout,
    identity) show only as gaps in the numbers, and these must be the gaps of that order.
    """
    if not all(_is_whole(parts) for parts in layers.values()):
        raise _unknown(path, f"{section} has layers that are no convolution or normalisation")
    convs = [number for number in sorted(layers) if layers[number]["weight"].dim() == 4]
    inside = convs[: len(convs) - has_output]
    if len(inside) < 2 or len(inside) % 2:
        raise _unknown(path, f"{section} is not made of pairs of convolutions")
    step = convs[1] - convs[0]
    expected = [(2 * step + 1) * (n // 2) + step * (n % 2) for n in range(len(convs))]
    if convs != expected:
        raise _unknown(path, f"the layers of {section} stand in an unknown order")
    norms = set(layers) - set(convs)
    batch_norm = bool(norms & {n + 1 for n in inside})
    output_norm = has_output and convs[-1] + 1 in norms
    wanted = {n + 1 for n in inside} if batch_norm else set()
    if norms != wanted | ({convs[-1] + 1} if output_norm else set()):
        raise _unknown(path, f"normalisation in {section} does not follow every convolution")
    bias = "bias" in layers[convs[0]]
    if any(layers[n]["weight"].shape[2:] != (3, 3) for n in convs):
        raise _unknown(path, f"{section} has convolutions that are not 3×3")

    stride = 3 if batch_norm else 2
    for index, number in enumerate(convs):
        ours = (2 * stride + 1) * (index // 2) + stride * (index % 2)
        for offset in (0, 1):
            for part, value in layers.get(number + offset, {}).items():
                into[f"{prefix}.{ours + offset}.{part}"] = value.detach().clone()
    # The second convolution of a block has as many channels in as out, but for groups.
    out, seen = layers[convs[1]]["weight"].shape[:2]
    output = int(layers[convs[-1]]["weight"].shape[0]) if has_output else 0
    return _Shape(
        channels=tuple(int(layers[n]["weight"].shape[0]) for n in inside[::2]),
        batch_norm=batch_norm,
        bias=bias,
        groups=max(1, out // max(1, seen)),
        output_channels=output,
        output_norm=output_norm,
    )


def _is_whole(parts: Mapping[str, Tensor]) -> bool:
    if "weight" not in parts:
        return False
    if parts["weight"].dim() == 4:
        return set(parts) <= {"weight", "bias"}
    return parts["weight"].dim() == 1 and set(parts) - {"num_batches_tracked"} == NORM_PARTS


def _architecture(
    encoder: _Shape, decoders: Mapping[Head | Literal["both"], _Shape], path: Path
) -> dict[str, Any]:
    shapes = set(decoders.values())
    decoder = next(iter(shapes))
    grouped = "both" in decoders and decoder.groups == 2
    groups = 2 if grouped else 1
    heads = ["phase"] if "both" in decoders else sorted(decoders)
    if grouped:
        heads = ["amplitude", "phase"]
    same = (encoder.batch_norm, encoder.bias) == (decoder.batch_norm, decoder.bias)
    if len(shapes) != 1 or not same or encoder.groups != 1 or decoder.groups != groups:
        raise _unknown(path, "encoder and decoders are of different kinds")
    if "both" in decoders and len(decoders) > 1:
        raise _unknown(path, "there is a common decoder beside separate ones")
    if "phase" not in heads:
        raise _unknown(path, "there is no phase decoder, so it cannot make an object")
    return {
        "encoder": list(encoder.channels),
        "decoder": [channels // groups for channels in decoder.channels],
        "heads": heads,
        "channels_per_head": decoder.output_channels // groups,
        "batch_norm": decoder.batch_norm,
        "output_norm": decoder.output_norm,
        "bias": decoder.bias,
        "grouped": grouped,
    }


def _layout(architecture: Mapping[str, Any]) -> Layout:
    """The layout whose preprocessing is known; everything else is "package"."""
    levels = len(architecture["encoder"])
    phase_only = architecture["heads"] == ["phase"]
    if architecture["grouped"] or architecture["output_norm"]:
        return "package"
    if phase_only and levels == 4 and architecture["batch_norm"]:
        return "phase-only"
    if not phase_only and levels == 3 and not architecture["batch_norm"]:
        return "log-variance" if architecture["channels_per_head"] == 2 else "published"
    return "package"


def _card(layout: Layout, architecture: dict[str, Any], name: str, path: Path) -> NetworkCard:
    limits = (
        "Knows one setup (detector, probe, object pixel, photon flux): the one it was trained "
        "on, which its file does not describe."
    )
    size: int | None = 64
    preprocessing = Preprocessing(crop=32, resize=64, threshold=3)
    if layout == "phase-only":
        size = 128
        preprocessing = Preprocessing(
            crop=64, resize=128, threshold=3, subtract_mean_pattern=True, standardise=True
        )
    elif layout == "package":
        size, preprocessing = None, Preprocessing()
        limits += " Its preprocessing is not recorded: it is given raw counts as they are."
    elif layout == "log-variance":
        limits += " Its predicted variance is not used."
    phase_only = architecture["heads"] == ["phase"]
    if phase_only:
        limits += " Phase only: the amplitude is taken as 1."
    return NetworkCard(
        name=name,
        family="ptychonn",
        architecture=architecture,
        pattern_size=size,
        size_multiple=2 ** len(architecture["encoder"]),
        outputs="phase" if phase_only else "amplitude+phase",
        preprocessing=preprocessing,
        training={"imported_from": path.name, "layout": layout, "recorded": "nothing"},
        limits=limits,
        licence="unknown: ask whoever trained these weights",
        source=path.name,
    )


def _unknown(path: Path, problem: str) -> NetworkError:
    return NetworkError("weights", path, f"no known PtychoNN layout: {problem}", remedy=REMEDY)
