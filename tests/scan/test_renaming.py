"""Datasets are found under names with other numbers, all by the same replacement or not at all."""

import pytest

from napari_ptychonn.scan.renaming import pinned, renamed, renamings


@pytest.mark.parametrize(
    ("wanted", "there", "ways"),
    [
        # All there as they stand: nothing else is looked for.
        (["/scan_0042/d"], ["/scan_0042/d", "/scan_0043/d"], [{}]),
        # The next scan, the next day.
        (["/scan_0042/d", "/scan_0042/xy"], ["/scan_0043/xy", "/scan_0043/d"],
         [{"scan_0042": "scan_0043"}]),
        (["/m/2024-11-03/frames", "/m/probe"], ["/m/2024-11-04/frames", "/m/probe"],
         [{"2024-11-03": "2024-11-04"}]),
        # Two fit.
        (["/s_1/d", "/s_1/xy"], ["/s_2/d", "/s_2/xy", "/s_3/d", "/s_3/xy"],
         [{"s_1": "s_2"}, {"s_1": "s_3"}]),
        # Only one has both; a leftover of the old name is no half of a scan.
        (["/s_1/d", "/s_1/xy"], ["/s_1/d", "/s_2/d", "/s_2/xy", "/s_3/xy"], [{"s_1": "s_2"}]),
        (["/s_1/d", "/s_1/xy"], ["/s_2/d", "/s_3/xy"], []),
        # The same name is replaced alike wherever it stands.
        (["/raw/s_1/d", "/stage/s_1/xy"], ["/raw/s_2/d", "/stage/s_2/xy", "/stage/s_3/xy"],
         [{"s_1": "s_2"}]),
        (["/raw/s_1/d", "/stage/s_1/xy"], ["/raw/s_2/d", "/stage/s_3/xy"], []),
        # Scan and stage have one number, and keep to one; where they cannot, it was chance.
        (["/s_0001/d", "/t_1/xy"], ["/s_0002/d", "/t_2/xy", "/s_0003/d", "/t_3/xy"],
         [{"s_0001": "s_0002", "t_1": "t_2"}, {"s_0001": "s_0003", "t_1": "t_3"}]),
        (["/entry_1/s_1"], ["/entry_1/s_2", "/entry_2/s_2"], [{"s_1": "s_2"}]),
        # A detector's number stays where it can; only the date has to change.
        (["/03/det_1/d"], ["/04/det_1/d", "/04/det_2/d"], [{"03": "04"}]),
        # Numbers that tell the wanted datasets apart are no scan's.
        (["/motor1", "/motor2"], ["/motor1", "/motor3"], []),
        (["/motor1", "/motor2"], ["/motor3", "/motor4"], []),
        (["/s_1/motor1", "/s_1/motor2"], ["/s_9/motor1", "/s_9/motor2"], [{"s_1": "s_9"}]),
        # Other words, other depth.
        (["/s_1/d"], ["/t_1/d", "/s_1/e/d", "/s_1x/d"], []),
        (["/d_1"], ["/d_20"], [{"d_1": "d_20"}]),
        ([], ["/a"], [{}]),
    ],
)  # fmt: skip
def test_all_paths_are_there_by_one_replacement(wanted, there, ways):
    assert list(renamings(wanted, there)) == ways
    for way in ways:
        assert {renamed(path, way) for path in wanted} <= set(there)


def test_what_is_decided_already_decides_on_the_rest():
    there = ["/s_1/d", "/s_1/xy", "/s_2/d", "/s_2/xy"]
    assert renamings(["/s_1/xy"], there, {"s_1": "s_2"}) == ({"s_1": "s_2"},)
    assert renamings(["/s_1/xy"], there[:3], {"s_1": "s_2"}) == ()


def test_a_choice_of_another_kind_decides_on_nothing():
    assert pinned([("/s_1/d", "/s_2/d")]) == {"s_1": "s_2"}
    assert pinned([("/s_1/d", "/s_2/d"), ("/s_1/m", "/other/m")]) == {"s_1": "s_2"}
    assert pinned([("/s_1/d", "/s_2/d"), ("/s_1/m", "/s_3/m")]) == {}


def test_a_file_full_of_scans_is_looked_through_at_once():
    there = [f"/a_{a}/b_{b}/{name}" for a in range(70) for b in range(35) for name in ("d", "xy")]
    assert len(renamings(["/a_90/b_91/d", "/a_90/b_91/xy"], there)) == 70 * 35
    apart = [f"/{name}_{n}/d" for n in range(2500) for name in "ab"]
    assert len(renamings(["/a_9998/d", "/b_9999/d"], apart)) == 5000
