"""The shell: the same core as the window, without Qt."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from napari_ptychonn import __version__
from napari_ptychonn.commands.convert import convert
from napari_ptychonn.commands.demo import demo
from napari_ptychonn.commands.finetune import finetune
from napari_ptychonn.commands.info import info
from napari_ptychonn.commands.interrupt import EXIT_STOPPED, Interrupted, interruptible
from napari_ptychonn.commands.networks import networks
from napari_ptychonn.commands.pretrain import pretrain
from napari_ptychonn.commands.recipes import recipes
from napari_ptychonn.commands.reconstruct import reconstruct
from napari_ptychonn.commands.simulate import simulate
from napari_ptychonn.errors import PtychonnError

__all__ = ["app", "main"]

_PROGRAM = "napari-ptychonn"

app = typer.Typer(
    name=_PROGRAM,
    help="X-ray ptychography with neural networks: from the scan file to the object.",
    no_args_is_help=True,
    add_completion=False,
    # What is not for the person is a bug, and its traceback is for its report.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the program's name; None: what the shell gave.

    Returns
    -------
    int
        0 done, 1 the input cannot be used, 2 wrong usage, 130 stopped by the user.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with interruptible():
            app(given, prog_name=_PROGRAM)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except PtychonnError as error:
        # One line, whatever a library put into its message.
        print("Error:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    except Interrupted:
        print("Stopped.", file=sys.stderr)
        return EXIT_STOPPED
    return 0


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{_PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    pass


app.command()(demo)
app.command()(info)
app.command()(reconstruct)
app.command()(finetune)
app.command()(convert)
app.command()(simulate)
app.command()(pretrain)
app.add_typer(networks, name="networks")
app.add_typer(recipes, name="recipes")

if __name__ == "__main__":
    sys.exit(main())
