"""``heatmap`` and ``preprocess`` go on where they were interrupted, without loss or repetition."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from napari_topaz.cli import main
from worlds import DIAMETER, World, make_world

MICROGRAPHS = 6
#: Without a model the general one scores: nothing needs to be trained.
PREPROCESS = ("preprocess", "--diameter", DIAMETER)
DATASET = (*PREPROCESS, "--normalise", "gmm-dataset")
HEATMAP = ("heatmap", "--diameter", DIAMETER, "--symmetries", "none", "--device", "cpu")
COMMANDS = pytest.mark.parametrize(
    "command", [PREPROCESS, DATASET, HEATMAP], ids=["plain", "dataset", "scores"]
)


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def counts(self) -> tuple[int, int]:
        """(written, skipped)."""
        values = json.loads(self.out)
        return values["micrographs"], values["skipped"]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), MICROGRAPHS)


@pytest.fixture
def call(capfd):
    def call_(command: tuple[object, ...], *words: object) -> Said:
        capfd.readouterr()
        code = main([str(word) for word in (*command, *words, "--json", "--quiet")])
        return Said(code, *capfd.readouterr())

    return call_


def images(folder: Path) -> dict[str, bytes]:
    """What was written; not what a killed process could not take back."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith(".")}


@COMMANDS
def test_resume_does_what_is_missing_and_nothing_else(world, call, tmp_path, command) -> None:
    out = tmp_path / "out"
    words = (*command, world.folder, "--output", out)
    assert call(words).counts == (MICROGRAPHS, 0)
    whole = images(out)
    assert len(whole) == MICROGRAPHS + 1
    times = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    gone = sorted(out.glob("mic_[25]*.mrc"))
    for path in gone:
        path.unlink()
    again = call(words, "--resume")
    assert (again.code, again.counts) == (0, (2, MICROGRAPHS - 2)), again.err
    assert images(out) == whole
    anew = {p.name for p in out.iterdir() if p.stat().st_mtime_ns != times[p.name]}
    assert anew == {path.name for path in gone}
    assert call(words, "--resume").counts == (0, MICROGRAPHS)
    assert images(out) == whole


@COMMANDS
def test_other_options_are_refused(world, call, tmp_path, command) -> None:
    words = (*command, world.files[0].path, "--output", tmp_path)
    assert call(words).code == 0
    before = images(tmp_path)
    said = call(words, "--resume", "--pixel-size", 3)
    assert (said.code, said.out, images(tmp_path)) == (1, "", before)
    assert said.err.splitlines()[-1].startswith("Error: ")
    assert "another pixel_size" in said.err
    assert "--overwrite in place of --resume" in said.err
    assert call(words, "--overwrite", "--pixel-size", 3).counts == (1, 0)
    assert images(tmp_path) != before


def test_another_model_is_refused(world, call, tmp_path) -> None:
    from napari_topaz.model.general import general_model

    path = general_model().with_card(threshold=1.5).save(tmp_path / "m.safetensors")
    words = ("heatmap", world.files[0].path, "--output", tmp_path / "out", "--symmetries", "none")
    assert call(words, "--model", path, "--diameter", DIAMETER).code == 0
    said = call(words, "--diameter", DIAMETER, "--resume")
    assert said.code == 1
    assert "another model" in said.err
    assert call((*words[:-1], "eight"), "--model", path, "--diameter", DIAMETER, "--resume").code == 1


def test_a_dataset_is_fitted_once(world, call, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resuming takes the mixture that the first run has found, also for micrographs that came later."""
    words = (*DATASET, "--output", tmp_path)
    some = [f.path for f in world.files[:3]]
    assert call(words, *some).counts == (3, 0)
    before = images(tmp_path)
    monkeypatch.setattr("napari_topaz.jobs.preprocess.with_mixture", None)
    assert call(words, world.folder, "--resume").counts == (MICROGRAPHS - 3, 3)
    assert {name: data for name, data in images(tmp_path).items() if name in before} == before
    recipe = tmp_path / "preprocess.json"
    recipe.write_text(recipe.read_text().replace('"weight"', '"wait"'))
    said = call(words, world.folder, "--resume")
    assert said.code == 1
    assert f"Error: {recipe} is damaged" in said.err


def test_a_dataset_that_is_stopped_while_it_is_fitted_remembers_nothing(world, tmp_path) -> None:
    import threading

    from napari_topaz.events import Progress
    from napari_topaz.jobs.preprocess import fitted_once
    from napari_topaz.jobs.resuming import ResultFolder
    from napari_topaz.settings import PreprocessSettings

    settings = PreprocessSettings(diameter=DIAMETER, normalise="gmm-dataset")
    folder = ResultFolder(tmp_path / "preprocess.json", settings.model_dump(), {})
    stop = threading.Event()
    for event in fitted_once(world.files, settings, folder, stop=stop):
        if isinstance(event, Progress):
            stop.set()
    assert folder.found == {}


def test_images_without_a_recipe_are_kept_with_a_warning(world, call, tmp_path) -> None:
    words = (*PREPROCESS, world.folder, "--output", tmp_path)
    assert call(words).code == 0
    (tmp_path / "preprocess.json").unlink()
    (tmp_path / "mic_1.mrc").unlink()
    said = call(words, "--resume")
    assert (said.code, said.counts) == (0, (1, MICROGRAPHS - 1))
    assert "does not say how the images in it were made" in said.err


def test_a_broken_micrograph_is_tried_again(world, call, tmp_path) -> None:
    broken = tmp_path / "broken.mrc"
    broken.write_bytes(b"no")
    words = (*PREPROCESS, broken, *(f.path for f in world.files), "--output", tmp_path / "out")
    assert call(words).code == 1
    broken.write_bytes(world.files[0].path.read_bytes())
    assert call(words, "--resume").counts == (1, MICROGRAPHS)


def test_an_interrupted_replacement_is_not_mixed_with_what_it_replaces(world, call, tmp_path) -> None:
    """What is left of the earlier results is of other options, though it exists."""
    words = (*PREPROCESS, world.folder, "--output", tmp_path)
    assert call(words).code == 0
    before = images(tmp_path)
    other = (*words, "--clip", 3)
    assert call(other, "--overwrite").code == 0
    whole = images(tmp_path)
    replaced = {}
    for name in ("mic_3", "mic_4"):  # as if it had been interrupted before these
        file = tmp_path / f"{name}.mrc"
        file.write_bytes(before[file.name])
        replaced[name] = [file.stat().st_mtime_ns, file.stat().st_size]
    recipe = json.loads((tmp_path / "preprocess.json").read_text())
    (tmp_path / "preprocess.json").write_text(json.dumps(recipe | {"replaced": replaced}))
    assert call(other, "--resume").counts == (2, MICROGRAPHS - 2)
    assert images(tmp_path) == whole


@pytest.mark.slow
@pytest.mark.parametrize("command", [DATASET, HEATMAP], ids=["dataset", "scores"])
def test_a_killed_job_is_resumed(world, call, tmp_path, command) -> None:
    """``kill -9`` after the second image."""
    out = tmp_path / "out"
    words = (*command, world.folder, "--output")
    assert call(words, tmp_path / "whole").code == 0
    start = "import sys; from napari_topaz.cli import main; sys.exit(main(sys.argv[1:]))"
    line = [sys.executable, "-c", start, *map(str, (*words, out)), "--quiet"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(out.glob("mic_*.mrc"))) < 2:
            time.sleep(0.001)
        process.kill()
    there = {p.name: p.stat().st_mtime_ns for p in out.glob("mic_*.mrc")}
    said = call(words, out, "--resume")
    assert (said.code, said.counts) == (0, (MICROGRAPHS - len(there), len(there)))
    assert len(there) >= 2
    assert {name: (out / name).stat().st_mtime_ns for name in there} == there
    assert images(out) == images(tmp_path / "whole")
