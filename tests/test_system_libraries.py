"""The step that brings Qt's system libraries: it asks, installs, or says what to type."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def step(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "system_libraries", repository / "tools" / "system_libraries.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.sys, "platform", "linux")
    return module


@pytest.fixture
def commands(step: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    typed: list[list[str]] = []
    monkeypatch.setattr(step, "_run", typed.append)
    return typed


def test_nothing_is_run_where_nothing_is_missing(
    step: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "missing_packages", list)
    assert step.main() == 0
    assert commands == []


def test_root_on_debian_gets_the_missing_packages_installed(
    step: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([["libegl1", "xvfb"], []])
    monkeypatch.setattr(step, "missing_packages", lambda: next(answers))
    monkeypatch.setattr(step, "_unattended_prefix", list)
    monkeypatch.setattr(step.shutil, "which", lambda _: "apt-get")
    assert step.main() == 0
    assert commands[0][-1] == "update"
    assert commands[1][-2:] == ["libegl1", "xvfb"]


def test_without_the_right_to_install_the_one_line_to_type_is_said(
    step: ModuleType,
    commands: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(step, "missing_packages", lambda: ["xvfb"])
    monkeypatch.setattr(step, "_unattended_prefix", lambda: None)
    monkeypatch.setattr(step.shutil, "which", lambda _: "apt-get")
    assert step.main() == 1
    assert commands == []
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "sudo" in said[0]
    assert "install -y --no-install-recommends xvfb" in said[0]


def test_packages_that_apt_could_not_bring_are_an_error(
    step: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "missing_packages", lambda: ["xvfb"])
    monkeypatch.setattr(step, "_unattended_prefix", list)
    monkeypatch.setattr(step.shutil, "which", lambda _: "apt-get")
    assert step.main() == 1
    assert len(commands) == 2


def test_a_library_that_is_not_there_is_missing_by_its_package(
    step: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "LIBRARIES", {"libnothing-of-the-kind.so.9": "libnothing9"})
    assert "libnothing9" in step.missing_packages()
