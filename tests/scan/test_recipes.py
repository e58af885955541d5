"""What was said about one file is kept for the next file of that layout."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scan_world import write_plain

from napari_ptychonn.errors import OutputError, SettingsError
from napari_ptychonn.scan import recipes
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.recipe import Recipe, combined
from napari_ptychonn.scan.recipe_json import recipe_from_json, recipe_to_json
from napari_ptychonn.scan.recipes import RECIPES_VARIABLE
from napari_ptychonn.scan.tree import list_datasets

CHOSEN = ScanOptions(
    datasets={"patterns": "/lab/frames", "positions": "/lab/y, /lab/x"},
    positions_unit="um", pixel_m=20e-9, dc="corner", orientation=3,
)  # fmt: skip


@pytest.fixture(autouse=True)
def shelf(tmp_path, monkeypatch):
    """Recipes go to a folder of the test."""
    monkeypatch.setenv(RECIPES_VARIABLE, str(tmp_path / "recipes"))
    return tmp_path / "recipes"


def write_lab(path, n=20, *, extra=(), without=()):
    random = np.random.default_rng(n)
    with h5py.File(path, "w") as file:
        file["lab/frames"] = random.poisson(5, (n, 16, 16)).astype(np.uint16)
        file["lab/y"], file["lab/x"] = random.uniform(0, 2, (2, n))
        for name in ("temperature", "current", "energy", *extra):
            file[f"log/{name}"] = 1.0
        for name in without:
            del file[name]
    return path


def recipe_of(path, options=CHOSEN, name="lab"):
    return Recipe.of_file(name, path, list_datasets(path), options)


def test_a_recipe_opens_the_next_file_of_another_size(tmp_path):
    recipes.save(recipe_of(write_lab(tmp_path / "a.h5")))
    following = write_lab(tmp_path / "b.h5", n=31)
    (offered,) = recipes.matching(following)
    scan = open_scan(following, offered.options_for(following))
    assert scan.n_points == 31
    assert scan.pixel_m == pytest.approx((20e-9, 20e-9))


@given(
    st.builds(
        ScanOptions,
        datasets=st.dictionaries(st.sampled_from(["patterns", "probe", "energy"]), st.text("ab/")),
        positions_file=st.none() | st.just("p.csv"),
        positions_columns=st.none() | st.just(("-5", "x_nm")) | st.just((0, 1)),
        positions_unit=st.sampled_from([None, "m", "um", "px"]),
        orientation=st.sampled_from(["auto", 0, 7]),
        energy_ev=st.none() | st.floats(1e-3, 1e6),
        background=st.none() | st.floats(0, 9) | st.just("/dark") | st.just("dark.npy"),
        crop=st.none() | st.just((16, 24)),
        binning=st.sampled_from([1, 2]),
        saturation=st.none() | st.floats(1, 1e6),
        detector_pixel_m=st.none() | st.floats(1e-9, 1) | st.just((1e-4, 2e-4)),
    ),
    st.lists(st.tuples(st.text(max_size=5), st.integers(0, 5)), max_size=5, unique=True),
)
def test_json_gives_back_the_recipe(options, layout):
    recipe = Recipe("a", tuple(sorted(layout)), options)
    assert recipe_from_json(recipe_to_json(recipe), recipes.folder() / "a.json") == recipe


def test_a_raster_comes_back_too():
    recipe = Recipe("a", (), ScanOptions(raster=(3, 4, 0.5), pixel_m=(1e-9, 2e-9)))
    assert recipe_from_json(recipe_to_json(recipe), recipes.folder() / "a.json") == recipe


def test_log_values_that_come_and_go_do_not_change_the_layout(tmp_path):
    recipe = recipe_of(write_lab(tmp_path / "a.h5"))
    assert recipe.fit(list_datasets(write_lab(tmp_path / "b.h5"))) == 1
    changed = write_lab(tmp_path / "c.h5", extra=["pressure"], without=["log/current"])
    assert 0 < recipe.fit(list_datasets(changed)) < 1


@pytest.mark.parametrize(
    "change",
    [
        {"without": ["lab/x"]},
        {"extra": [f"thing_{letter}" for letter in "abcdefghij"]},
    ],
)
def test_a_recipe_is_not_offered_for_another_layout(tmp_path, change):
    recipes.save(recipe_of(write_lab(tmp_path / "a.h5")))
    assert recipes.matching(write_lab(tmp_path / "b.h5", **change)) == ()


def test_a_recipe_is_not_offered_where_a_chosen_dataset_has_another_rank(tmp_path):
    recipes.save(recipe_of(write_lab(tmp_path / "a.h5")))
    other = write_lab(tmp_path / "b.h5", without=["lab/frames"])
    with h5py.File(other, "a") as file:
        file["lab/frames"] = np.ones((4, 5, 16, 16), np.uint16)
    assert recipes.matching(other) == ()


def test_the_better_fit_is_offered_first(tmp_path):
    one, other = write_lab(tmp_path / "a.h5"), write_lab(tmp_path / "b.h5", extra=["p"])
    recipes.save(recipe_of(one, name="one"))
    recipes.save(recipe_of(other, name="other"))
    assert [recipe.name for recipe in recipes.matching(one)] == ["one", "other"]
    assert [recipe.name for recipe in recipes.matching(other)] == ["other", "one"]


@pytest.mark.parametrize(
    ("given", "kept", "found"),
    [
        ("scan_0041_pos.csv", "{stem}_pos.csv", "scan_0042_pos.csv"),
        ("stage/0041.txt", "stage/{number}.txt", "stage/0042.txt"),
        ("grid.csv", "grid.csv", "grid.csv"),
        ("m_0041.h5:/xy", "m_{number}.h5:/xy", "m_0042.h5:/xy"),
    ],
)
def test_the_positions_file_of_the_next_scan_is_looked_for(tmp_path, given, kept, found):
    scan = write_lab(tmp_path / "scan_0041.h5")
    options = ScanOptions(positions_file=str(tmp_path / given), positions_unit="nm")
    recipe = recipe_of(scan, options)
    assert recipe.options.positions_file == kept
    following = tmp_path / "day2" / "scan_0042.h5"
    assert recipe.options_for(following).positions_file == str(tmp_path / "day2" / found)


def test_a_file_elsewhere_stays_elsewhere(tmp_path):
    probe = tmp_path / "optics" / "probe.npy"
    datasets = list_datasets(write_lab(tmp_path / "a.h5"))
    options = ScanOptions(probe_file=probe)
    recipe = Recipe.of_file("p", tmp_path / "day1" / "a.h5", datasets, options)
    assert recipe.options_for(tmp_path / "day2" / "b.h5").probe_file == str(probe)


def test_a_background_in_the_scan_or_a_number_is_no_file(tmp_path):
    for background in ("/log/dark", 2.5):
        options = ScanOptions(background=background)
        recipe = recipe_of(write_lab(tmp_path / "a.h5"), options)
        assert recipe.options_for(tmp_path / "day2" / "b.h5") == options


def test_another_recipe_of_that_name_is_replaced_only_when_told_so(tmp_path):
    recipe = recipe_of(write_lab(tmp_path / "a.h5"))
    path = recipes.save(recipe)
    assert recipes.save(recipe) == path  # the same again is no loss
    changed = replace(recipe, options=replace(CHOSEN, dc="centre"))
    with pytest.raises(SettingsError, match="another recipe 'lab'"):
        recipes.save(changed)
    recipes.save(changed, replace=True)
    assert recipes.load("lab") == changed
    assert [entry.name for entry in path.parent.iterdir()] == ["lab.json"]


def test_a_deleted_recipe_is_gone(tmp_path):
    recipes.save(recipe_of(write_lab(tmp_path / "a.h5")))
    recipes.delete("lab")
    assert recipes.stored().recipes == ()
    for missing in (recipes.delete, recipes.load):
        with pytest.raises(SettingsError, match="no recipe 'lab'"):
            missing("lab")


@pytest.mark.parametrize("name", ["", "../evil", "a/b", "a" * 61, ".hidden", "end ", "a\nb"])
def test_a_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(SettingsError, match="is no name"):
        Recipe(name, (), CHOSEN)


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../b"])
def test_a_name_never_leads_out_of_the_folder(shelf, name):
    shelf.mkdir()
    (shelf.parent / "a.json").write_text("{}")
    with pytest.raises(SettingsError, match="no recipe"):
        recipes.delete(name)
    assert (shelf.parent / "a.json").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be understood"),
        (b"\xff\xfe", "no text"),
        (b"[1]", "cannot be understood"),
        (b"[" * 100_000, "cannot be understood"),
        (b"{}", "'version' is missing"),
        (b'{"version": 7}', "version 7"),
        (b'{"version": 1, "layout": [], "options": {"dc": 3}}', "dc is 3"),
        (b'{"version": 1, "layout": [], "options": {"dc": "top"}}', "'top' is not known"),
        (b'{"version": 1, "layout": [], "options": {"colour": 1}}', "'colour' is no option"),
        (b'{"version": 1, "layout": [[1]], "options": {}}', "cannot be understood"),
        (b'{"version": 1, "layout": [], "options": {"positions_unit": "ft"}}', "unknown unit"),
        (b'{"version": 1, "layout": [], "options": {"energy_ev": NaN}}', "not positive"),
        (b'{"version": 1, "layout": [], "options": {"raster": [1, 2]}}', "raster is"),
    ],
)
def test_a_damaged_recipe_is_one_clear_error_and_hides_no_other(tmp_path, shelf, content, words):
    recipes.save(recipe_of(write_lab(tmp_path / "a.h5")))
    (shelf / "bad.json").write_bytes(content)
    with pytest.raises(SettingsError, match=words) as raised:
        recipes.load("bad")
    assert "bad.json" in str(raised.value)
    found = recipes.stored()
    assert [recipe.name for recipe in found.recipes] == ["lab"]
    assert len(found.broken) == 1
    recipes.delete("bad")
    assert not (shelf / "bad.json").exists()


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv(RECIPES_VARIABLE, str(tmp_path / "taken" / "recipes"))
    with pytest.raises(OutputError, match="cannot be written"):
        recipes.save(Recipe("a", (), CHOSEN))


def test_nothing_said_is_no_recipe(tmp_path):
    with pytest.raises(SettingsError, match="nothing was chosen"):
        recipe_of(write_lab(tmp_path / "a.h5"), ScanOptions())


def test_what_is_said_wins_over_the_recipe():
    said = ScanOptions(datasets={"probe": "/p"}, energy_ev=9e3)
    both = combined(CHOSEN, said)
    assert dict(both.datasets) == {**CHOSEN.datasets, "probe": "/p"}
    assert (both.energy_ev, both.pixel_m, both.dc) == (9e3, None, "corner")
    assert combined(CHOSEN, ScanOptions()) == CHOSEN


@pytest.mark.parametrize("told", [{"positions_file": "p.csv"}, {"raster": (4, 5, 1.0)}])
def test_other_positions_replace_the_recipe_s_and_their_unit(told):
    base = replace(CHOSEN, **({"raster": (2, 2, 1.0)} if "raster" not in told else {}))
    both = combined(base, ScanOptions(**told))
    assert "positions" not in both.datasets
    assert both.positions_unit is None
    assert both.brings_positions


def test_the_file_is_readable_json_that_says_only_what_was_said(tmp_path):
    path = recipes.save(recipe_of(write_lab(tmp_path / "a.h5")))
    options = json.loads(path.read_text())["options"]
    assert options["datasets"]["patterns"] == "/lab/frames"
    assert "energy_ev" not in options


def test_an_npz_file_has_recipes_too(tmp_path, world):
    np.savez(tmp_path / "a.npz", camera=world.patterns, stage=world.positions_px)
    options = ScanOptions(
        datasets={"patterns": "camera", "positions": "stage"}, positions_unit="px"
    )
    recipes.save(recipe_of(tmp_path / "a.npz", options))
    (found,) = recipes.matching(tmp_path / "a.npz")
    assert open_scan(tmp_path / "a.npz", found.options_for(tmp_path / "a.npz")).n_points == 20
    same = write_plain(tmp_path / "a.h5", camera=world.patterns, stage=world.positions_px)
    assert recipes.matching(same) == ()


DAY = ScanOptions(
    datasets={"patterns": "/lab/scan_0042/frames", "positions": "/lab/scan_0042/y, /lab/x_42"},
    positions_unit="um", pixel_m=20e-9, background="/lab/scan_0042/dark",
)  # fmt: skip


def write_day(path, *scans, without=()):
    """Scans of one layout in one file, of 10 points and those of their number."""
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for scan in scans:
            n = 10 + scan
            group = file.create_group(f"lab/scan_{scan:04}")
            group["frames"] = random.poisson(5, (n, 16, 16)).astype(np.uint16)
            group["y"], file[f"lab/x_{scan}"] = random.uniform(0, 2, (2, n))
            group["dark"] = np.zeros((16, 16))
        for name in without:
            del file[name]
    return path


@pytest.fixture
def of_day(tmp_path):
    recipes.save(recipe_of(write_day(tmp_path / "42.h5", 42), DAY))
    return tmp_path


def test_a_recipe_finds_the_group_of_the_next_scan(of_day):
    following = write_day(of_day / "43.h5", 43)
    (offered,) = recipes.matching(following)
    options = offered.options_for(following)
    assert options == recipes.options_of("lab", following)
    assert dict(options.datasets) == {
        "patterns": "/lab/scan_0043/frames", "positions": "/lab/scan_0043/y, /lab/x_43"
    }  # fmt: skip
    assert options.background == "/lab/scan_0043/dark"
    scan = open_scan(following, options)
    assert scan.n_points == 53
    assert scan.provenance.datasets["patterns"] == "/lab/scan_0043/frames"


def test_the_names_of_the_recipe_win_over_those_of_other_scans(of_day):
    both = write_day(of_day / "both.h5", 41, 42, 43)
    assert recipes.options_of("lab", both) == DAY
    assert recipes.matching(both) == (recipes.load("lab"),)


def test_a_recipe_that_fits_several_scans_of_a_file_is_not_guessed_but_said(of_day):
    both = write_day(of_day / "both.h5", 43, 44)
    assert recipes.matching(both) == ()
    with pytest.raises(SettingsError, match=r"several groups .*: scan_0043, x_43; scan_0044, x_44"):
        recipes.options_of("lab", both)


def test_each_scan_of_a_file_is_one_way(of_day):
    datasets = {"patterns": "/lab/scan_0042/frames", "positions": "/lab/scan_0042/xy"}
    recipe = Recipe(
        "day", (("/lab/scan_#/frames", 3), ("/lab/scan_#/xy", 2)), ScanOptions(datasets)
    )
    path = of_day / "days.h5"
    with h5py.File(path, "w") as file:
        for scan in (7, 8):
            file[f"lab/scan_{scan}/frames"] = np.ones((4, 16, 16))
            file[f"lab/scan_{scan}/xy"] = np.ones((4, 2))
    ways = recipes.ways([recipe], list_datasets(path))
    assert [way.text() for way in ways] == [
        "scan_7 in place of scan_0042", "scan_8 in place of scan_0042"
    ]  # fmt: skip
    assert ways[1].recipe.options.datasets["positions"] == "/lab/scan_8/xy"
    # One of the datasets has another rank there: it is no scan of this layout.
    with h5py.File(path, "a") as file:
        del file["lab/scan_7/xy"]
        file["lab/scan_7/xy"] = np.ones((4, 2, 1))
    (way,) = recipes.ways([recipe], list_datasets(path))
    assert way.recipe.options.datasets["patterns"] == "/lab/scan_8/frames"


def test_a_dataset_that_is_chosen_decides_on_the_scan(of_day):
    both = write_day(of_day / "both.h5", 42, 43, 44)
    said = ScanOptions(datasets={"patterns": "/lab/scan_0044/frames"}, raster=(6, 9, 0.1))
    options = recipes.options_of("lab", both, said)
    assert options.background == "/lab/scan_0044/dark"
    said = ScanOptions(
        datasets={"patterns": "/lab/scan_0044/frames", "positions": "/lab/y, /lab/x"}
    )
    assert recipes.options_of("lab", both, said).background == "/lab/scan_0044/dark"


def test_a_recipe_is_not_offered_where_the_next_scan_lacks_a_dataset(of_day):
    lacking = write_day(of_day / "43.h5", 43, without=["lab/scan_0043/dark"])
    assert recipes.matching(lacking) == ()
    assert recipes.options_of("lab", lacking) == DAY
