"""What pty-chi changes in the process that it works in, and how that is undone.

It sets torch's default device and dtype, and seeds every generator of the process.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_ptychonn.errors import SettingsError

__all__ = ["PtychiGlobals"]


class PtychiGlobals:
    """What pty-chi sets for the whole process, lent to it while it works.

    Its generators go on between two loans where they were.

    Parameters
    ----------
    device : torch.device
        What its arrays lie on.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cuda = [device.index or 0] if device.type == "cuda" else []
        self._states: _Generators | None = None

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Lend; everything is as before afterwards, whatever happens inside.

        Raises
        ------
        SettingsError
            The device's memory is full.
        """
        default, dtype = torch.get_default_device(), torch.get_default_dtype()
        before = _Generators.read(self._cuda)
        try:
            torch.set_default_device(self._device)
            torch.set_default_dtype(torch.float32)
            if self._states is not None:
                self._states.write(self._cuda)
            chosen = torch.cuda.device(self._device) if self._cuda else nullcontext()
            with chosen, warnings.catch_warnings():
                # pty-chi takes the corners of the scanned area from a leaf of autograd.
                warnings.filterwarnings("ignore", "Converting a tensor with requires_grad=True")
                yield
        except torch.cuda.OutOfMemoryError as error:
            raise SettingsError(
                "batch_size",
                None,
                f"pty-chi needs more memory than {self._device} has free",
                remedy="choose smaller batches, or device cpu",
            ) from error
        finally:
            self._states = _Generators.read(self._cuda)
            before.write(self._cuda)
            torch.set_default_dtype(dtype)
            # None takes torch's dispatch mode away, which costs at every call.
            torch.set_default_device(None)
            if torch.get_default_device() != default:
                torch.set_default_device(default)


@dataclass(frozen=True, slots=True)
class _Generators:
    """States of the random generators that pty-chi seeds."""

    torch: Tensor
    cuda: tuple[Tensor, ...]
    numpy: Any
    python: Any

    @classmethod
    def read(cls, cuda: list[int]) -> _Generators:
        return cls(
            torch.get_rng_state(),
            tuple(torch.cuda.get_rng_state(number) for number in cuda),
            # pty-chi seeds the legacy generator.
            np.random.get_state(),  # noqa: NPY002
            random.getstate(),
        )

    def write(self, cuda: list[int]) -> None:
        torch.set_rng_state(self.torch)
        for number, state in zip(cuda, self.cuda, strict=True):
            torch.cuda.set_rng_state(state, number)
        np.random.set_state(self.numpy)  # noqa: NPY002
        random.setstate(self.python)
