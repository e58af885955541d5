"""Network files: weights that describe themselves, one `.safetensors` each.

The card stands as JSON in the file's metadata, so that it is read without the tensors,
and nothing in the file is ever executed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from napari_ptychonn.errors import NetworkError, OutputError
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.folders import HOW_TO_IMPORT, resolve
from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.network.ptychonn import PtychoNN

__all__ = [
    "Network",
    "build_module",
    "fresh_module",
    "load_network",
    "read_card",
    "read_state",
    "save_network",
]

CARD_KEY = "card"
NOT_OURS = f"use a network file written by this program, or import foreign weights {HOW_TO_IMPORT}"


ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Network:
    """A network that is ready to predict.

    Attributes
    ----------
    card : NetworkCard
        Its self-description.
    module : nn.Module
        :class:`PtychoNN` or :class:`ProbeAwareNet`, float32, in eval mode.
    path : Path
        The file it came from.
    """

    card: NetworkCard
    module: nn.Module
    path: Path


def build_module(card: NetworkCard) -> nn.Module:
    """The untrained module that a card describes, in eval mode.

    The global random state is left as it was.

    Raises
    ------
    NetworkError
        The architecture is not one of the family's.
    """
    with torch.random.fork_rng(devices=[]):
        return _built(card)


def _built(card: NetworkCard) -> nn.Module:
    families: dict[str, type[nn.Module]] = {"ptychonn": PtychoNN, "ptychonn-probe": ProbeAwareNet}
    family = families.get(card.family)
    if family is None:
        problem = f"family '{card.family}' is unknown"
        raise NetworkError("card", card.name, problem, remedy="update napari-ptychonn")
    try:
        return family(**card.architecture).eval()
    except (TypeError, ValueError, RuntimeError) as error:
        problem = f"architecture {dict(card.architecture)} cannot be built: {error}"
        raise NetworkError("card", card.name, problem, remedy="update napari-ptychonn") from None


def fresh_module(card: NetworkCard, seed: int) -> nn.Module:
    """The module that a card describes with random weights of a seed, in eval mode.

    The global random state is left as it was.

    Raises
    ------
    NetworkError
        The architecture is not one of the family's.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _built(card)


def channels_last(module: ModuleT) -> ModuleT:
    """Lay a module's weights out channels-last: convolutions are fastest so."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module


def save_network(
    path: str | Path,
    card: NetworkCard,
    module_or_state: nn.Module | Mapping[str, Tensor],
    *,
    dtype: torch.dtype | None = None,
) -> None:
    """Write a network file; either the whole file appears, or none.

    Parameters
    ----------
    path : str or Path
        To be written, or replaced.
    card : NetworkCard
        Must describe the weights' architecture.
    module_or_state : nn.Module or mapping of str to Tensor
        The weights.
    dtype : torch.dtype, optional
        ``torch.float16`` or ``torch.bfloat16`` halves the file; biases and statistics of
        normalisation, which are few, keep their precision. None: as they are.

    Raises
    ------
    NetworkError
        The weights do not fit the card, or are not finite (also: not in `dtype`).
    OutputError
        The file cannot be written.
    """
    path = Path(path)
    state = module_or_state
    if isinstance(state, nn.Module):
        state = state.state_dict()
    tensors = {}
    for name, given in state.items():
        value = given.detach().cpu()
        if dtype is not None and value.is_floating_point() and value.dim() > 1:
            value = value.to(dtype)
        # A plain copy: safetensors takes neither channels_last nor shared memory.
        tensors[name] = value.clone(memory_format=torch.contiguous_format)
    _check_state(build_module(card), tensors, path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not save_file: what it writes nobody else may read.
        temporary.write_bytes(save(tensors, metadata={CARD_KEY: card.to_json()}))
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            temporary.unlink()
        raise OutputError(
            "network", path, f"cannot be written: {error}",
            remedy="choose a folder that can be written and has space",
        ) from None  # fmt: skip


def read_card(path: str | Path) -> NetworkCard:
    """The card of a network file; its tensors are not read.

    Raises
    ------
    NetworkError
        The file is missing or broken, or has no card.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from None
    if CARD_KEY not in metadata:
        raise NetworkError("network", path, "has no card inside", remedy=NOT_OURS)
    return NetworkCard.from_json(metadata[CARD_KEY], where=str(path))


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a network file, as they are stored, on the CPU.

    Raises
    ------
    NetworkError
        The file is missing or broken.
    """
    try:
        return load_file(path, device="cpu")
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from None


def load_network(name_or_path: str | Path, *, device: str | torch.device = "cpu") -> Network:
    """Load a network.

    Parameters
    ----------
    name_or_path : str or Path
        Name of a bundled or stored network, or the path of a network file.
    device : str or torch.device
        Where the module is put.

    Raises
    ------
    NetworkError
        There is no such network, or its file cannot be used.
    """
    path = resolve(name_or_path)
    card = read_card(path)
    module = build_module(card)
    state = {
        name: value.float() if value.is_floating_point() else value
        for name, value in read_state(path).items()
    }
    _check_state(module, state, path)
    module.load_state_dict(state)
    return Network(card, module.to(device), path)


def _check_state(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    expected = module.state_dict()
    missing = sorted(set(expected) - set(state))
    strange = sorted(set(state) - set(expected))
    if missing or strange:
        problem = "its tensors are not those of its card"
        problem += f"; missing: {_some(missing)}" if missing else ""
        problem += f"; not expected: {_some(strange)}" if strange else ""
        raise NetworkError("network", path, problem, remedy=NOT_OURS)
    for name, value in state.items():
        if value.shape != expected[name].shape:
            problem = f"'{name}' has shape {tuple(value.shape)}, but its card means "
            problem += f"{tuple(expected[name].shape)}"
            raise NetworkError("network", path, problem, remedy=NOT_OURS)
        if not bool(torch.isfinite(value).all()):
            raise NetworkError(
                "network", path, f"'{name}' has values that are not finite",
                remedy="take weights from before the training diverged, or store in float32",
            )  # fmt: skip


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _unreadable(path: str | Path, error: Exception) -> NetworkError:
    if isinstance(error, FileNotFoundError):
        return NetworkError("network", path, "there is no such file", remedy="check the path")
    problem = f"not a readable safetensors file: {error}"
    return NetworkError("network", path, problem, remedy=NOT_OURS)
