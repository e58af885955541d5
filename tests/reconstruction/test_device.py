"""In what numbers a device computes: bfloat16 where its hardware is said to, sums where it can."""

import pytest
import torch

from napari_ptychonn.reconstruction.device import runs_bfloat16, sums_in

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("able", "expected"),
    [
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"avx2": True}, False),
        ({}, False),
    ],
)
def test_a_processor_is_asked_for_its_bfloat16(monkeypatch, able, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert runs_bfloat16(CPU) is expected


def test_a_torch_that_cannot_say_gets_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert runs_bfloat16(CPU) is False


def test_other_devices_get_float32():
    assert runs_bfloat16(torch.device("mps")) is False


def test_sums_are_exact_where_a_device_has_such_numbers():
    assert [sums_in(torch.device(name)) for name in ("cpu", "cuda", "mps")] == [
        torch.float64, torch.float64, torch.float32,
    ]  # fmt: skip
