"""``networks``: which networks there are, what they say about themselves, and import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["networks"]

networks = typer.Typer(help="List networks, show one's card, import foreign PtychoNN weights.")

_JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@networks.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """List networks, show one's card, import foreign PtychoNN weights."""
    if context.invoked_subcommand is None:
        list_(as_json=False)


@networks.command("list")
def list_(as_json: _JsonOption = False) -> None:
    """List the networks that came with the package, and your own."""
    from napari_ptychonn.network.store import list_networks

    entries = list_networks()
    if as_json:
        rows = [
            {
                "name": entry.name,
                "path": str(entry.path),
                "bundled": entry.bundled,
                "family": entry.card.family if entry.card else None,
                "problem": entry.problem,
            }
            for entry in entries
        ]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        kind = "bundled" if entry.bundled else "own"
        about = entry.card.family if entry.card else f"cannot be used: {entry.problem}"
        typer.echo(f"{entry.name:<{width}}  {kind:<7}  {about}")
    if not entries:
        typer.echo("There is no network; import one with 'napari-ptychonn networks import FILE'.")


@networks.command()
def info(
    network: Annotated[str, typer.Argument(metavar="NAME|FILE", show_default=False)],
    as_json: _JsonOption = False,
) -> None:
    """Show a network's card: what it takes, how it was trained, where it does not work."""
    from napari_ptychonn.network.folders import resolve
    from napari_ptychonn.network.weights import read_card

    path = resolve(network)
    card = json.loads(read_card(path).to_json())
    if as_json:
        typer.echo(json.dumps({"path": str(path), **card}, indent=2, ensure_ascii=False))
        return
    typer.echo(f"{'file':<14} {path}")
    for name, value in card.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
        typer.echo(f"{name.replace('_', ' '):<14} {_plain(value)}")


@networks.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", show_default=False, help="A .pth, .pt or .ckpt file.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Its name from now on; the file's where not given.")
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            metavar="auto|published|phase-only|log-variance|package",
            help="Insist on one of the known layouts.",
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
    """Turn foreign PtychoNN weights into a network file that describes itself."""
    from napari_ptychonn.network.foreign import import_foreign
    from napari_ptychonn.network.store import store_network
    from napari_ptychonn.network.weights import save_network

    card, state = import_foreign(file, layout=layout, name=name)  # type: ignore[arg-type]
    if output is None:
        output = store_network(card.name, card, state, replace_existing=replace)
    else:
        save_network(output, card, state)
    values = sum(tensor.numel() for tensor in state.values())
    typer.echo(f"{card.name}: {card.family}, {card.outputs}, {values:,} values, saved as {output}")


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if value is None:
        return "not given"
    return str(value)
