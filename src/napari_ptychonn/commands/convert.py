"""``convert``: a scan, or a result, into a file of the next program."""

from __future__ import annotations

from collections.abc import Iterable
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
_SUBJECTS = {"cxi": "CXI file", "ptychi": "pty-chi pair", "product": "product"}


@spread_groups
def convert(
    scan: usage.ScanArgument,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            readable=False,
            help="The file; a pty-chi pair shares its name.",
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
    usage.refuse_other_endings(output)
    options = options_with(flags.recipe, scan, flags.options())
    from napari_ptychonn.scan.inputs import scan_files
    from napari_ptychonn.scan.orientation import orientation_note
    from napari_ptychonn.scan.results.open import holds_scan_too, is_result

    if not options.datasets and is_result(scan) and not holds_scan_too(scan):
        kind = to or _named(output) or "product"
        _check(output, kind, scan_files(scan, options))
        _require_product(scan, output, kind)
        _convert_result(scan, output, quiet=quiet)
        return
    kind = to or _kind_of(output)
    files = _check(output, kind, scan_files(scan, options))
    opened, _ = open_oriented(
        scan, options, flags.orientation, device="auto", quiet=quiet, for_good=True
    )
    if not opened.provenance.orientation_is_known and kind != "product":
        # Whoever reads the new file takes its orientation as documented.
        typer.echo(
            "The orientation is not documented, and written as it is: --orientation search finds "
            "it, --orientation 0..7 sets it.", err=True,
        )  # fmt: skip
    _write(opened, kind, output, quiet=quiet)
    if not quiet:
        height, width = opened.pattern_shape
        names = " and ".join(str(file) for file in files)
        what = f"{opened.n_points} patterns of {height} × {width} pixels"
        if kind == "product":
            what = f"{opened.n_points} positions{'' if opened.probe is None else ', probe'}"
        typer.echo(f"{names}: {what}")
        turned = orientation_note(opened.provenance.orientation)
        for sentence in opened.provenance.assumptions:
            if kind == "product" and sentence == turned:
                continue  # it holds no patterns
            typer.echo(f"  {sentence}")


def _named(output: Path) -> str | None:
    """What a name says is to be written; None where it says nothing."""
    from napari_ptychonn.scan.formats.ptychi import NAME

    if output.suffix.lower() == ".cxi":
        return "cxi"
    if NAME.match(output.name):
        return "ptychi"
    if "product" in output.stem.lower():
        return "product"
    return None


def _kind_of(output: Path) -> str:
    kind = _named(output)
    if kind is None:
        problem = f"the name {output.name} does not say what to write: give {'|'.join(_KINDS)}"
        raise typer.BadParameter(problem, param_hint="--to")
    return kind


def _check(output: Path, kind: str, inputs: Iterable[Path]) -> tuple[Path, ...]:
    """The files that will be written, once it is sure that they can and may be."""
    from napari_ptychonn.output import require_writable
    from napari_ptychonn.scan.export.ptychi import pair_of

    files = pair_of(output) if kind == "ptychi" else (output,)
    usage.refuse_overwriting(files, inputs)
    for file in files:
        require_writable(file, _SUBJECTS[kind])
    return files


def _write(scan: Scan, kind: str, output: Path, *, quiet: bool) -> None:
    from napari_ptychonn.commands.follow import progress_bar
    from napari_ptychonn.scan.export.cxi import write_cxi
    from napari_ptychonn.scan.export.product import write_product
    from napari_ptychonn.scan.export.ptychi import write_ptychi

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


def _require_product(source: Path, output: Path, kind: str) -> None:
    if kind != "product":
        problem = f"{source} is a result without patterns"
        remedy = "give a scan, or --to product, or --dataset patterns=/PATH if there are any"
        raise OutputError(kind, output, problem, remedy=remedy)


def _convert_result(source: Path, output: Path, *, quiet: bool) -> None:
    from napari_ptychonn.scan.export.product import write_product
    from napari_ptychonn.scan.results.open import open_result

    result = open_result(source)
    write_product(output, result)
    if not quiet:
        height, width = result.object.shape
        typer.echo(f"{output}: object of {height} × {width} pixels ({result.format})")
        for sentence in result.notes:
            typer.echo(f"  {sentence}")
