"""Every file is known by its own format, and formats of other distributions are tried first."""

import importlib.metadata
import sys
import textwrap
import warnings

import h5py
import numpy as np
import pytest
from scan_registry_files import WRITERS
from scan_world import write_cxi

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import open_container
from napari_ptychonn.scan.formats import FORMATS, known_formats
from napari_ptychonn.scan.formats.generic import Generic
from napari_ptychonn.scan.open import is_scan, open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.third_party import GROUP, FormatWarning, third_party_formats


@pytest.mark.parametrize(
    ("ending", "write", "name", "also"),
    [pytest.param(*row[1:], id=row[0]) for row in WRITERS],
)
def test_each_file_is_known_by_its_own_format_alone(tmp_path, world, ending, write, name, also):
    """Others that know it are listed by name, and stand behind the right one."""
    path = write(tmp_path / f"scan.{ending}", world)
    with open_container(path) as container:
        found = [known.name for known in FORMATS if known.detect(container)]
    assert found[0] == name
    assert set(found[1:]) - {"datasets by name"} == also
    assert is_scan(path)


def test_every_format_has_a_file_in_this_test_and_a_name_of_its_own():
    names = [known.name for known in FORMATS]
    assert len(set(names)) == len(names)
    assert {row[3] for row in WRITERS} == set(names)
    assert isinstance(FORMATS[-1], Generic)


@pytest.mark.parametrize("kind", ["empty", "links", "groups", "words"])
def test_no_format_stumbles_over_a_foreign_file(tmp_path, kind):
    """Every name that a format looks for leads nowhere, is a group, or holds a word."""
    path = tmp_path / "foreign.h5"
    names = [
        "chunks", "meta", "dp", "ppX", "ppY", "data", "scan", "ptychogram", "encoder", "diffamp",
        "det_data", "entry_1/data_1/data", "entry_1/data/data", "entry_1/definition",
        "entry/data/data", "entry/data/data_000001", "entry/data/eiger_4", "entry/measurement",
        "entry/externals/eiger", "entry/instrument/eiger_4", "exchange/data",
        "exchange/motor_pos", "jungfrau1M/image_img", "probe_position_y_m", "probe_position_x_m",
        "entry/instrument/detector/detectorSpecific",
    ]  # fmt: skip
    with h5py.File(path, "w") as file:
        for name in names if kind != "empty" else []:
            if kind == "links":
                file[name] = h5py.ExternalLink("nowhere.h5", "/data")
            elif kind == "groups":
                file.create_group(name)
            else:
                file[name] = "word"
    with open_container(path) as container, warnings.catch_warnings():
        warnings.simplefilter("error")
        for known in FORMATS:
            try:
                known.detect(container)
            except ScanError:
                assert kind == "links"
    with pytest.raises(ScanError):
        open_scan(path)


GOOD = """
    import numpy as np
    from napari_ptychonn.scan.contents import Contents, masked_source


    class Mine:
        name = "my beamline"

        def detect(self, container):
            return container.has("/mine/frames")

        def load(self, container, options):
            where = container.array("/mine/where")
            frames = masked_source(container, "/mine/frames", None)
            used = {"patterns": "/mine/frames", "positions": "/mine/where"}
            return Contents(frames, used, positions=where, positions_unit="px")
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution with one format where Python finds it, as pip would."""
    added = []

    def put(name, source, target="Mine"):
        folder = tmp_path / f"site-{name}"
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{name}.py").write_text(textwrap.dedent(source))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {name}:{target}\n")
        monkeypatch.syspath_prepend(folder)
        added.append(name)
        third_party_formats.cache_clear()

    yield put
    third_party_formats.cache_clear()
    for name in added:
        sys.modules.pop(name, None)


def write_mine(path, world):
    with h5py.File(path, "w") as file:
        file["mine/frames"], file["mine/where"] = world.patterns, world.positions_px
    return path


def test_an_installed_format_reads_its_files_and_leaves_others_alone(tmp_path, world, install):
    install("my_beamline", GOOD)
    assert "my_beamline" not in sys.modules
    scan = open_scan(write_mine(tmp_path / "mine.h5", world))
    assert scan.provenance.format == "my beamline"
    np.testing.assert_array_equal(scan.positions, world.positions_px)
    np.testing.assert_array_equal(scan.patterns.read(np.arange(world.n)), world.patterns)
    assert open_scan(write_cxi(tmp_path / "scan.cxi", world)).provenance.format == "CXI"


def test_formats_are_loaded_once_and_those_of_others_are_tried_first(install, monkeypatch):
    install("my_beamline", GOOD)
    asked = []
    ask = importlib.metadata.entry_points
    monkeypatch.setattr(
        "napari_ptychonn.scan.third_party.entry_points",
        lambda **chosen: asked.append(chosen) or ask(**chosen),
    )
    first, second = known_formats(), known_formats()
    assert asked == [{"group": GROUP}]
    assert [known.name for known in first] == ["my beamline", *(known.name for known in FORMATS)]
    assert first[0] is second[0]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_module", "no_such_module"),
        ("Mine = 3", "detect"),
        ("class Mine:\n    def __init__(self): raise ValueError('no')", "ValueError: no"),
        ("class Mine:\n    name = 3\n    detect = load = print", "name is no string"),
        ("class Other: pass", "Mine"),
        ("this is no Python", "SyntaxError"),
    ],
)
def test_a_format_that_cannot_be_loaded_is_said_and_left_out(
    tmp_path, world, install, source, words
):
    install("broken_beamline", source)
    path = write_cxi(tmp_path / "scan.cxi", world)
    with pytest.warns(FormatWarning, match=rf"of broken_beamline is left out: .*{words}"):
        assert open_scan(path).provenance.format == "CXI"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_scan(path)  # said once


@pytest.mark.parametrize(
    ("detect", "load", "words"),
    [
        ("raise KeyError('oops')", "pass", r"of broken_beamline cannot look at .*oops"),
        ("return True", "return 1 / 0", r"of broken_beamline failed: ZeroDivisionError.*next"),
        ("return True", "return None", r"gave NoneType and no Contents"),
        ("return True", "return Contents([1], {})", r"patterns are list and no PatternSource"),
        (
            "return True",
            "return Contents(masked_source(container, PATH, None), {}, positions=[[1, 2]])",
            r"positions are list and no array",
        ),
    ],
)
def test_a_format_that_fails_on_a_file_is_said_and_the_next_is_tried(
    tmp_path, world, install, detect, load, words
):
    install(
        "broken_beamline",
        f"""
        from napari_ptychonn.scan.contents import Contents, masked_source
        PATH = "/entry_1/data_1/data"
        class Mine:
            name = "broken"
            def detect(self, container):
                {detect}
            def load(self, container, options):
                {load}
        """,
    )
    path = write_cxi(tmp_path / "scan.cxi", world)
    with pytest.warns(FormatWarning, match=words):
        assert open_scan(path).provenance.format == "CXI"


def test_what_an_installed_format_says_about_a_file_is_passed_on(tmp_path, world, install):
    install(
        "strict_beamline",
        """
        from napari_ptychonn.errors import ScanError
        class Mine:
            name = "strict"
            def detect(self, container):
                return True
            def load(self, container, options):
                raise ScanError("scan", container.path, "it is from 2019", remedy="measure again")
        """,
    )
    path = write_cxi(tmp_path / "scan.cxi", world)
    with pytest.raises(ScanError, match="it is from 2019"):
        open_scan(path, ScanOptions(energy_ev=8000.0))


def test_the_format_of_the_docs_reads_its_file(tmp_path, world, install, repository):
    text = (repository / "docs" / "loading.md").read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    install(
        "my_beamline", next(block for block in blocks if "class MyBeamline" in block), "MyBeamline"
    )
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["measurement/eiger"], file["measurement/stage"] = world.patterns, world.positions_px
    scan = open_scan(path)
    assert scan.provenance.format == "my beamline"
    np.testing.assert_allclose(scan.positions, world.positions_px * 1e-6)
    assert "point down" in scan.provenance.assumptions[0]
