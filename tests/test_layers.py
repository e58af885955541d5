"""Imports only go down: the contracts of pyproject.toml, checked with the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_every_module_keeps_the_import_contracts(repository: Path) -> None:
    checked = _lint(repository / "pyproject.toml")
    assert checked.returncode == 0, checked.stdout


def test_a_core_module_that_imports_qt_breaks_a_contract(repository: Path, tmp_path: Path) -> None:
    """Guards the guard: a contract that names no existing module would hold for ever."""
    config = (repository / "pyproject.toml").read_text(encoding="utf-8")
    assert '"qtpy"' in config
    strict = tmp_path / "pyproject.toml"
    strict.write_text(config.replace('"qtpy"', '"qtpy", "numpy"'), encoding="utf-8")
    checked = _lint(strict)
    assert checked.returncode != 0
    assert "BROKEN" in checked.stdout


def _lint(config: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter in a process of its own: it switches existing loggers off."""
    program = "import sys; from importlinter.cli import lint_imports; "
    program += "sys.exit(lint_imports(config_filename=sys.argv[1], no_cache=True))"
    return subprocess.run(
        [sys.executable, "-c", program, str(config)], capture_output=True, text=True, check=False
    )
