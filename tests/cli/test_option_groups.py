"""Options that several commands share: a dataclass that is spread into each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from napari_ptychonn.cli import app
from napari_ptychonn.commands.option_groups import spread_groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """A group of two options."""

    energy_ev: Annotated[float | None, typer.Option(metavar="E")] = None
    modes: Annotated[int, typer.Option("--probe-modes")] = 1


def test_a_command_gets_the_group_made_of_what_the_shell_was_told() -> None:
    got = []

    @spread_groups
    def look(
        scan: str,
        quiet: Annotated[bool, typer.Option("--quiet")] = False,
        *,
        light: Light,
        last: Annotated[str, typer.Option()] = "end",
    ) -> None:
        got.append((scan, quiet, light, last))

    shell = typer.Typer()
    shell.command()(look)
    ran = CliRunner().invoke(shell, ["a.cxi", "--probe-modes", "3", "--last", "x"])
    assert ran.exit_code == 0, ran.output
    assert got == [("a.cxi", False, Light(modes=3), "x")]
    order = [param.name for param in typer.main.get_command(shell).params]
    assert order[:5] == ["scan", "quiet", "energy_ev", "modes", "last"]


@pytest.mark.parametrize("name", ["info", "reconstruct", "finetune"])
def test_every_command_that_opens_a_scan_takes_the_options_of_convert(name: str) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    known = {option for param in commands["convert"].params for option in param.opts}
    own = {"scan", "--output", "-o", "--to", "--quiet", "-q"}
    assert len(known - own) == 18
    assert known - own <= {option for param in commands[name].params for option in param.opts}
