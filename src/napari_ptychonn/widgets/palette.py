"""Colours that can be told apart on the dark and on the light theme, and by the colour-blind."""

from __future__ import annotations

from napari.utils.theme import get_theme

__all__ = ["HELD_OUT", "TEACHING", "ground_and_text"]

TEACHING, HELD_OUT = "#2f86e0", "#c8641e"
"""At least 3:1 against the window's background in both themes, as WCAG 2.1 asks of graphics."""


def ground_and_text(theme: str) -> tuple[str, str]:
    """Background and text of a theme of napari, as ``#rrggbb``."""
    known = get_theme(theme)
    red, green, blue = known.background.as_rgb_tuple(alpha=False)
    text_red, text_green, text_blue = known.text.as_rgb_tuple(alpha=False)
    return (
        f"#{red:02x}{green:02x}{blue:02x}",
        f"#{text_red:02x}{text_green:02x}{text_blue:02x}",
    )
