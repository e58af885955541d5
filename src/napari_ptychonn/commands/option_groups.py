"""Options that several commands share, written once as a dataclass and spread into each of them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from inspect import Parameter
from typing import Any, get_type_hints

__all__ = ["spread_groups"]


def spread_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Let the shell see the fields of a command's dataclass parameters as its own options.

    Parameters
    ----------
    command : callable
        A keyword-only parameter of it whose type is a dataclass is a group. The fields of
        a group are annotated as options and have defaults; their help stands where the group
        stands in the signature.

    Returns
    -------
    callable
        Takes every field by its name, and hands the command the group made of them.
    """
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, type[Any]] = {}
    parameters: list[Parameter] = []
    for parameter in signature.parameters.values():
        kind = parameter.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            groups[parameter.name] = kind
            parameters += _options_of(kind)
        else:
            parameters.append(parameter)

    @functools.wraps(command)
    def run(**given: Any) -> None:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return run


def _options_of(group: type[Any]) -> list[Parameter]:
    # Not the signature of __init__: its annotations may be names of another module.
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(group)
    ]
