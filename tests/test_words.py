"""Numbers are said as a person writes them."""

import pytest

from napari_ptychonn.words import counted, rounded


@pytest.mark.parametrize(
    ("value", "said"),
    [(1187.4, "1187"), (58.704, "58.7"), (0.01234, "0.0123"), (2561, "2561"), (12, "12"), (0, "0")],
)
def test_lengths_have_no_exponent(value, said):
    assert rounded(value) == said


def test_what_is_no_length_keeps_its_exponent():
    assert rounded(3.2e15) == "3.2e+15"
    assert rounded(123456, 4) == "123456"


def test_one_is_singular():
    assert [counted(number, "pass", "passes") for number in (0, 1, 2)] == [
        "0 passes", "1 pass", "2 passes",
    ]  # fmt: skip
