"""What napari finds: manifest, reader, writer, sample data; and that none of it imports torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from npe2 import PluginManager, PluginManifest

import napari_topaz
from napari_topaz.files import PICK_FORMATS, PICK_SUFFIXES, read_picks
from napari_topaz.gui import reader, sample_data
from napari_topaz.gui.looks import METADATA
from napari_topaz.gui.writer import write_points
from napari_topaz.micrograph import Micrograph
from napari_topaz.settings import SimulateSettings

from .conftest import PIXEL_SIZE, SHAPE, Stage


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(Path(napari_topaz.__file__).with_name("napari.yaml"))


def test_the_manifest_is_valid_and_its_commands_exist(manifest: PluginManifest) -> None:
    manifest.validate_imports()
    assert PluginManager.instance() is not None


def test_there_is_a_writer_for_every_format_of_picks(manifest: PluginManifest) -> None:
    written = {s for w in manifest.contributions.writers for s in w.filename_extensions}
    # napari looks at what comes after the last dot; "a.via.csv" reaches our writer as a CSV file.
    assert written == {f".{suffix.rpartition('.')[2]}" for suffix in PICK_SUFFIXES}


def test_importing_what_napari_imports_leaves_torch_alone(manifest: PluginManifest) -> None:
    modules = {c.python_name.split(":")[0] for c in manifest.contributions.commands}
    code = f"import sys, {', '.join(sorted(modules))}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_a_folder_becomes_one_layer_that_knows_all_files(folder: Path) -> None:
    read = reader.get_reader(str(folder))
    assert read is not None
    [(pixels, about, kind)] = read(str(folder))
    assert (kind, pixels.shape) == ("image", SHAPE)
    assert about["scale"] == (PIXEL_SIZE, PIXEL_SIZE)
    assert about["units"] == ("angstrom", "angstrom")
    assert [f.name for f in about["metadata"][METADATA]["files"]] == ["m_1", "m_2", "m_3"]
    ViewerModel().add_image(pixels, **about)  # napari takes it


def test_several_files_become_one_layer(folder: Path) -> None:
    paths = [str(folder / "m_3.mrc"), str(folder / "m_1.mrc")]
    [(_, about, _)] = reader.get_reader(paths)(paths)
    assert [f.name for f in about["metadata"][METADATA]["files"]] == ["m_3", "m_1"]


def test_what_is_not_ours_is_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.mrc").write_bytes(b"no micrograph at all")
    for path in ("empty", "no.mrc", "missing.mrc"):
        assert reader.get_reader(str(tmp_path / path)) is None


@pytest.mark.parametrize("suffix", [f.suffixes[0] for f in PICK_FORMATS.values()])
def test_points_are_written_and_read_back(stage: Stage, tmp_path: Path, suffix: str) -> None:
    stage["labels"].add([10, 20])
    stage["labels"].add([100.5, 200.25])
    stage["labels"].add([200, 300])
    stage["labels"].shown = [True, True, False]  # the last one is hidden
    path = str(tmp_path / f"a{suffix}")
    data, meta, _ = stage["labels"].as_layer_data_tuple()
    [written] = write_points(path, data, meta)
    [(name, picks)] = read_picks(written).items()
    assert name == "a"
    tolerance = 0.51 if suffix == ".box" else 1e-3  # boxes have whole corners
    np.testing.assert_allclose(picks.yx, [[10, 20], [100.5, 200.25]], atol=tolerance)


def test_the_writer_keeps_scores_and_pixel_size_and_drops_rejected_ones(stage: Stage, tmp_path: Path) -> None:
    data = np.array([[10, 20], [30, 40]])
    features = {"score": np.array([1.5, 2.5]), "kind": np.array(["particle", "no particle"])}
    meta = {"name": "mic_1", "features": features, "scale": (1.5, 1.5), "units": ("angstrom", "angstrom")}
    [path] = write_points(str(tmp_path / "picks.star"), data, meta)
    picks = read_picks(path)["mic_1"]
    assert (picks.yx.tolist(), picks.scores.tolist()) == ([[10, 20]], [1.5])
    assert "1.5" in Path(path).read_text().split("data_particles")[0]


def test_sample_data_is_made_once_and_ready_for_the_dock(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    small = SimulateSettings(micrographs=2, size=128, particles=3)
    monkeypatch.setattr(sample_data, "SETTINGS", small)
    [(pixels, about, _)] = sample_data.simulated_micrographs()
    assert pixels.shape == (128, 128)
    offer = about["metadata"][METADATA]
    assert (len(offer["files"]), offer["diameter"]) == (2, small.diameter)
    monkeypatch.setattr(sample_data, "simulate", None)  # the second time it lies in the cache
    assert len(sample_data.simulated_micrographs()) == 1
    assert sorted(p.name for p in (tmp_path / "napari-topaz").iterdir()) == [
        offer["files"][0].path.parent.name
    ]


@pytest.mark.parametrize("dtype", ["<f4", ">f4", ">i2", "<f2", ">f2", "u1"])
def test_every_type_of_pixels_becomes_a_layer(dtype: str) -> None:
    pixels = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) % 120
    data, about, _ = reader.layer_of(Micrograph("a", pixels.astype(dtype), PIXEL_SIZE), [])
    layer = ViewerModel().add_image(data, **about)
    np.testing.assert_array_equal(np.asarray(layer.data, float), pixels)
