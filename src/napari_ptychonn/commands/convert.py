"""``convert``: a scan, or a result, into a file of the next program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_ptychonn.commands import usage
from napari_ptychonn.commands.option_groups import spread_groups
from napari_ptychonn.commands.orientation import open_oriented
from napari_ptychonn.commands.recipes import options_with
from napari_ptychonn.commands.scan_flags import SearchFlags
from napari_ptychonn.errors import OutputError

if TYPE_CHECKING:
    from napari_ptychonn.scan.model import Scan

__all__ = ["convert"]

_KINDS = ("cxi", "ptychi", "product")


@spread_groups
def convert(
    scan: usage.ScanArgument,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="OUT", help="The file; a pty-chi pair shares its name."
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="cxi|ptychi|product",
            help="What to write, where the name does not say: OUT.cxi, OUT_dp.hdf5, or a "
            "ptychodus product.",
        ),
    ] = None,
    quiet: usage.QuietOption = False,
    *,
    flags: SearchFlags,
) -> None:
    """Write a scan as CXI, as a pty-chi pair or as a ptychodus product; a result as a product."""
    if to is not None and to not in _KINDS:
        raise typer.BadParameter(f"{to!r} is not one of {', '.join(_KINDS)}", param_hint="--to")
    options = options_with(flags.recipe, scan, flags.options())
    from napari_ptychonn.scan.results.open import holds_scan_too, is_result

    if not options.datasets and is_result(scan) and not holds_scan_too(scan):
        _convert_result(scan, output, to or "product", quiet=quiet)
        return
    kind = to or _kind_of(output)
    opened, _ = open_oriented(
        scan, options, flags.orientation, device="auto", quiet=quiet, for_good=True
    )
    files = _write(opened, kind, scan, output, quiet=quiet)
    if not quiet:
        height, width = opened.pattern_shape
        names = " and ".join(str(file) for file in files)
        what = f"{opened.n_points} patterns of {height} × {width} pixels"
        if kind == "product":
            what = f"{opened.n_points} positions{'' if opened.probe is None else ', probe'}"
        typer.echo(f"{names}: {what}")
        for sentence in opened.provenance.assumptions:
            typer.echo(f"  {sentence}")


def _kind_of(output: Path) -> str:
    from napari_ptychonn.scan.formats.ptychi import NAME

    if output.suffix.lower() == ".cxi":
        return "cxi"
    if NAME.match(output.name):
        return "ptychi"
    if "product" in output.stem.lower():
        return "product"
    problem = f"the name {output.name} does not say what to write: give {'|'.join(_KINDS)}"
    raise typer.BadParameter(problem, param_hint="--to")


def _write(scan: Scan, kind: str, source: Path, output: Path, *, quiet: bool) -> tuple[Path, ...]:
    from napari_ptychonn.commands.follow import progress_bar
    from napari_ptychonn.scan.export.cxi import write_cxi
    from napari_ptychonn.scan.export.product import write_product
    from napari_ptychonn.scan.export.ptychi import pair_of, write_ptychi

    files = pair_of(output) if kind == "ptychi" else (output,)
    for file in files:
        usage.refuse_overwriting(source, file)
    with progress_bar(quiet=quiet) as bar:
        task = bar.add_task("writing", total=scan.n_points)

        def on_progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        match kind:
            case "cxi":
                write_cxi(output, scan, on_progress=on_progress)
            case "ptychi":
                write_ptychi(output, scan, on_progress=on_progress)
            case _:
                write_product(output, scan)
    return files


def _convert_result(source: Path, output: Path, kind: str, *, quiet: bool) -> None:
    from napari_ptychonn.scan.export.product import write_product
    from napari_ptychonn.scan.results.open import open_result

    usage.refuse_overwriting(source, output)
    if kind != "product":
        problem = f"{source} is a result without patterns"
        remedy = "give a scan, or --to product, or --dataset patterns=/PATH if there are any"
        raise OutputError(kind, output, problem, remedy=remedy)
    result = open_result(source)
    write_product(output, result)
    if not quiet:
        height, width = result.object.shape
        typer.echo(f"{output}: object of {height} × {width} pixels ({result.format})")
        for sentence in result.notes:
            typer.echo(f"  {sentence}")
