"""Numbers as a person writes them."""

from __future__ import annotations

__all__ = ["counted", "rounded"]


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


def rounded(value: float, digits: int = 3) -> str:
    """A number of some digits, without an exponent where it is a length or the like.

    Parameters
    ----------
    value : float
        Any number; from 10¹² on, and below 10⁻⁴, it keeps its exponent.
    digits : int
        Digits that are said; of large numbers all whole ones are.
    """
    short = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+" in short and abs(value) < 1e12 else short
