"""``networks``: which networks there are, what they say about themselves, and your own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from napari_ptychonn.network.store import NetworkEntry

__all__ = ["networks"]

networks = typer.Typer(help="List networks, show one's card, manage your own.")

_NetworkArgument = Annotated[str, typer.Argument(metavar="NAME|FILE", show_default=False)]
_OwnArgument = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]
_JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@networks.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """List networks, show one's card, manage your own."""
    if context.invoked_subcommand is None:
        list_(as_json=False)


@networks.command("list")
def list_(as_json: _JsonOption = False) -> None:
    """List the networks that came with the package, and your own."""
    from napari_ptychonn.network.store import list_networks

    entries = list_networks()
    if as_json:
        typer.echo(json.dumps([_facts(entry) for entry in entries], indent=2, ensure_ascii=False))
        return
    rows = [_row(entry) for entry in entries]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for row in rows:
        aligned = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        typer.echo("  ".join([*aligned, *row[4:]]).rstrip())
    if not entries:
        typer.echo("There is no network; import one with 'napari-ptychonn networks import FILE'.")


@networks.command()
def info(
    network: _NetworkArgument,
    as_json: _JsonOption = False,
) -> None:
    """Show a network's card: what it takes, how it was trained, where it does not work."""
    from napari_ptychonn.network.describe import card_rows
    from napari_ptychonn.network.folders import resolve
    from napari_ptychonn.network.weights import read_card

    path = resolve(network)
    card = read_card(path)
    if as_json:
        told = {"path": str(path), **json.loads(card.to_json())}
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    rows = [("file", str(path)), *card_rows(card)]
    width = max(len(what) for what, _ in rows)
    for what, value in rows:
        typer.echo(f"{what:<{width}}  {value}")


@networks.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            show_default=False,
            help="A network file, or foreign PtychoNN weights (.pth, .pt, .ckpt).",
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="Its name from now on; the file's where not given.")
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            metavar="auto|published|phase-only|log-variance|package",
            help="Insist on one of the known layouts of foreign weights.",
        ),
    ] = "auto",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="NET.safetensors",
            help="Write this file instead of putting it among your networks.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite your network of that name.")
    ] = False,
) -> None:  # fmt: skip
    """Put a network file among your networks; foreign weights get a card."""
    from napari_ptychonn.network.folders import SUFFIX
    from napari_ptychonn.network.foreign import import_foreign
    from napari_ptychonn.network.store import import_network
    from napari_ptychonn.network.weights import read_card, read_state, save_network

    if output is not None and file.suffix == SUFFIX:
        problem = "this is a network file already: copy it, or leave --output out"
        raise typer.BadParameter(problem, param_hint="--output")
    if output is None:
        output = import_network(file, name, layout=layout, replace_existing=replace)  # type: ignore[arg-type]
    else:
        save_network(output, *import_foreign(file, layout=layout, name=name))  # type: ignore[arg-type]
    card = read_card(output)
    values = sum(tensor.numel() for tensor in read_state(output).values())
    typer.echo(f"{card.name}: {card.family}, {card.outputs}, {values:,} values, saved as {output}")


@networks.command()
def export(
    network: _NetworkArgument,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="NET.safetensors", help="The file to write."),
    ],
) -> None:
    """Copy a network to a file for somebody else, after a check that it is whole."""
    from napari_ptychonn.network.store import export_network

    typer.echo(f"{network}: saved as {export_network(network, output)}")


@networks.command()
def rename(
    name: _OwnArgument,
    new_name: Annotated[str, typer.Argument(metavar="NEW", show_default=False)],
) -> None:
    """Give one of your networks another name."""
    from napari_ptychonn.network import store

    typer.echo(f"{new_name}: saved as {store.rename(name, new_name)}")


@networks.command()
def remove(name: _OwnArgument) -> None:
    """Delete one of your networks, without asking."""
    from napari_ptychonn.network import store

    store.remove(name)


def _facts(entry: NetworkEntry) -> dict[str, object]:
    from napari_ptychonn.network.describe import date_of

    return {
        "name": entry.name,
        "path": str(entry.path),
        "bundled": entry.bundled,
        "family": entry.card.family if entry.card else None,
        "parents": list(entry.card.parents) if entry.card else [],
        "date": date_of(entry) or None,
        "problem": entry.problem,
    }


def _row(entry: NetworkEntry) -> tuple[str, ...]:
    from napari_ptychonn.network.describe import date_of, size_of

    about = entry.card.family if entry.card else f"cannot be used: {entry.problem}"
    made_from = entry.card.parents[-1:] if entry.card else ()
    kind = "bundled" if entry.bundled else "own"
    return (
        entry.name,
        kind,
        date_of(entry),
        size_of(entry),
        about,
        *(f"from {parent}" for parent in made_from),
    )
