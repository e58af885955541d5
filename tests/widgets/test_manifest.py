"""The manifest is valid, and everything that it names exists."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from npe2 import PluginManifest

from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.simulation.settings import SAMPLE_SCANS

MANIFEST = Path("src/napari_ptychonn/napari.yaml")


@pytest.fixture(autouse=True)
def no_leaks() -> None:
    """Nothing here has a window that could leak."""


@pytest.fixture(scope="module")
def manifest(repository: Path) -> PluginManifest:
    return PluginManifest.from_file(repository / MANIFEST)


def test_every_command_of_the_manifest_can_be_called(manifest: PluginManifest) -> None:
    for command in manifest.contributions.commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(import_module(module), name)), command.id


def test_every_contribution_names_a_command(manifest: PluginManifest) -> None:
    offered = manifest.contributions
    known = {command.id for command in offered.commands}
    menus = [item for items in offered.menus.values() for item in items]
    named = [*offered.readers, *offered.writers, *offered.sample_data, *offered.widgets, *menus]
    assert {each.command for each in named} == known


def test_every_sample_scan_is_sample_data(manifest: PluginManifest) -> None:
    assert {sample.key for sample in manifest.contributions.sample_data} == set(SAMPLE_SCANS)


def test_preferences_start_with_the_defaults_of_the_settings(manifest: PluginManifest) -> None:
    properties = manifest.contributions.configurations["reconstruct"].properties
    defaults = ReconstructionSettings()
    assert {key: each.default for key, each in properties.items()} == {
        "device": defaults.device,
        "network": defaults.network,
    }


def test_the_manifest_at_the_root_is_the_one_of_the_package(repository: Path) -> None:
    assert (repository / "napari.yaml").samefile(repository / MANIFEST)


def test_the_docks_have_the_names_that_people_know(manifest: PluginManifest) -> None:
    names = [widget.display_name for widget in manifest.contributions.widgets]
    assert names == ["Load scan", "Reconstruct", "Fine-tune"]
