"""Imports only go down: the contracts of pyproject.toml, checked with the tests."""

from __future__ import annotations

from pathlib import Path

from importlinter.cli import lint_imports


def test_every_module_keeps_the_import_contracts(repository: Path) -> None:
    assert lint_imports(config_filename=str(repository / "pyproject.toml"), no_cache=True) == 0


def test_a_core_module_that_imports_qt_breaks_a_contract(repository: Path, tmp_path: Path) -> None:
    """Guards the guard: a contract that names no existing module would hold for ever."""
    config = (repository / "pyproject.toml").read_text(encoding="utf-8")
    assert '"qtpy"' in config
    strict = tmp_path / "pyproject.toml"
    strict.write_text(config.replace('"qtpy"', '"qtpy", "numpy"'), encoding="utf-8")
    assert lint_imports(config_filename=str(strict), no_cache=True) != 0
