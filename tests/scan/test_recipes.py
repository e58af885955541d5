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
