"""Numbers as a person writes them."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun, or with the words that go with it.

    Parameters
    ----------
    number : int
        How many.
    one : str
        What follows a 1.
    many : str, optional
        What follows any other number; None: `one` with an s.
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
