"""RELION's External job: two programs in a mock project made of STAR files."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import starfile

from napari_topaz.cli.relion import main_pick, main_train, our_tokens
from napari_topaz.files import read_picks, write_picks
from napari_topaz.files.masks import write_mask
from napari_topaz.files.relion import ABORT_NOW, ABORTED, FAILURE, SUCCESS
from napari_topaz.jobs.relion import Abortable
from napari_topaz.masks import Mask
from napari_topaz.micrograph import MicrographFile
from relion_project import COORDS, MICS, make_project
from worlds import DIAMETER, PIXEL_SIZE, SHAPE, drawn

JOB = "External/job006/"
LABEL = "MicrographCoordsGroup.star.relion.autopick"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_project(tmp_path, [drawn(k) for k in range(3)], PIXEL_SIZE)
    (tmp_path / JOB).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*more: str, coords: str = COORDS, epochs: int = 1) -> int:
    fixed = ["--o", JOB, "--in_mics", MICS, "--in_coords", coords, "--epochs", str(epochs), "--steps", "4"]
    return main_train([*fixed, "--particle_diameter", str(DIAMETER), *more, "--j", "1"])


def pick(*more: str, job: str = "External/job007/") -> int:
    fixed = ["--o", job, "--in_mics", MICS, "--model", f"{JOB}model.safetensors", "--threshold", "-50"]
    return main_pick([*fixed, *more, "--j", "1"])


def marks(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith("RELION_JOB")}


def nodes(folder: Path) -> Sequence[Sequence[str]]:
    table = starfile.read(folder / "RELION_OUTPUT_NODES.star", always_dict=True)["output_nodes"]
    return table.to_numpy().tolist()


@pytest.mark.slow
def test_train_pick_and_continue(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--mirror", "No") == 0, capsys.readouterr().err
    job = project / JOB
    assert marks(job) == {SUCCESS}
    assert nodes(job) == [[f"{JOB}model.safetensors", "ParamsData.safetensors.napari-topaz.model"]]
    from napari_topaz.jobs.pick import load_model

    card = load_model(job / "model.safetensors").card
    assert (card.pixel_size, card.preprocess.diameter, card.train.mirror) == (PIXEL_SIZE, DIAMETER, False)
    assert (card.labels, card.micrographs) == (30, 3)

    assert capsys.readouterr().err == ""  # RELION shows it in red
    assert pick() == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "Picking: 3" in out
    job = project / "External/job007"
    assert marks(job) == {SUCCESS}
    assert nodes(job) == [["External/job007/autopick.star", LABEL]]
    listed = starfile.read(job / "autopick.star", always_dict=True)["coordinate_files"].to_numpy().tolist()
    assert listed == [
        [f"MotionCorr/job002/Movies/mic_{k}.mrc", f"External/job007/Movies/mic_{k}_autopick.star"]
        for k in range(3)
    ]
    assert (job / "coords_suffix_autopick.star").read_text().strip() == MICS
    before = read_picks(job / "autopick.star")
    assert all(len(one) > 5 for one in before.values())

    (job / "Movies/mic_1_autopick.star").unlink()  # RELION's "continue"
    assert pick() == 0
    assert "1 micrograph (2 were done before)" in capsys.readouterr().out
    again = read_picks(job / "autopick.star")
    assert list(again) == list(before)
    np.testing.assert_array_equal(again["mic_1"].yx, before["mic_1"].yx)

    assert pick("--margin", "10") == 1
    assert "were made with another margin" in capsys.readouterr().err
    assert marks(job) == {FAILURE}

    (project / "MotionCorr/job002/Movies/mic_2.mrc").write_bytes(b"broken")
    assert pick(job="External/job008") == 0  # a broken micrograph is left out, and said
    assert "Warning: mic_2 is left out" in capsys.readouterr().err
    assert list(read_picks("External/job008/autopick.star")) == ["mic_0", "mic_1"]


@pytest.mark.slow
def test_particles_that_were_selected_are_labels(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two of the micrographs, as a Select job has them."""
    found = read_picks(project / COORDS)
    where = {name: MicrographFile(Path(f"MotionCorr/job002/Movies/{name}.mrc")) for name in found}
    (project / "Select/job005").mkdir(parents=True)
    write_picks("Select/job005/particles.star", {n: found[n] for n in ("mic_0", "mic_2")}, files=where)
    fixed = ["--o", JOB, "--in_mics", MICS, "--epochs", "1", "--steps", "4", "--diameter", str(DIAMETER)]
    assert main_train([*fixed, "--in_parts", "Select/job005/particles.star"]) == 0, capsys.readouterr().err
    from napari_topaz.jobs.pick import load_model

    card = load_model(project / JOB / "model.safetensors").card
    assert (card.labels, card.micrographs) == (20, 2)


@pytest.mark.slow
def test_masks_hold_for_train_and_pick(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The left half of the first micrograph is hidden; another mask is another job."""
    (project / "masks").mkdir()
    left = Mask((np.array([(-1, -1), (-1, SHAPE[1] / 2), (SHAPE[0], SHAPE[1] / 2), (SHAPE[0], -1)]),))
    write_mask(project / "masks", "mic_0", left)
    assert train("--masks", "masks") == 0, capsys.readouterr().err
    from napari_topaz.jobs.pick import load_model

    assert load_model(project / JOB / "model.safetensors").card.labels < 30
    assert pick("--masks", "masks") == 0, capsys.readouterr().err
    found = read_picks(project / "External/job007/autopick.star")
    assert not left.covers(found["mic_0"].yx, SHAPE).any()
    assert left.covers(found["mic_1"].yx, SHAPE).any()
    capsys.readouterr()
    write_mask(project / "masks", "mic_1", left)
    assert pick("--masks", "masks") == 1
    assert "were made with another masks" in capsys.readouterr().err


@pytest.mark.slow
def test_abort(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_topaz.cli import relion

    begin = relion._begin

    def aborted(folder: Path, threads: int) -> object:
        started = begin(folder, threads)
        (folder / ABORT_NOW).touch()  # while the job runs
        return started

    monkeypatch.setattr(relion, "_begin", aborted)
    assert train() == 1
    assert marks(project / JOB) == {ABORTED}
    assert not (project / JOB / "RELION_OUTPUT_NODES.star").exists()
    assert not (project / JOB / "model.safetensors").exists()
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert "stopped before its first step" in error
    assert "unexpected" not in error


def test_abort_token(tmp_path: Path) -> None:
    asked = threading.Event()
    token = Abortable(tmp_path, asked)
    assert not token.is_set()
    (tmp_path / ABORT_NOW).touch()
    assert token.is_set()
    assert asked.is_set()


def failed(code: int, expected: int, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence on stderr, and RELION's mark."""
    assert code == expected
    error = capsys.readouterr().err
    assert reason in error
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    assert marks(Path(JOB)) == {FAILURE}


@pytest.mark.usefixtures("project")
def test_failures_leave_their_mark(capsys: pytest.CaptureFixture[str]) -> None:
    failed(train("--nonsense", "1"), 2, "Unknown option", capsys)
    failed(train("--in_parts", "particles.star"), 2, "Give either --in_coords", capsys)
    failed(main_train(["--o", JOB, "--in_mics", MICS, "--diameter", "9"]), 2, "or --in_parts", capsys)
    empty = "takes no --in_coords, only --in_mics: leave that field empty."
    failed(main_pick(["--o", JOB, "--in_mics", MICS, "--in_coords=picks.star"]), 2, empty, capsys)
    failed(train("--masks", "nowhere"), 1, "nowhere does not exist", capsys)
    failed(train(epochs=0), 2, "--epochs should be greater than or equal to 1", capsys)
    failed(train(coords="nowhere.star"), 1, "nowhere.star does not exist; check the path.", capsys)
    Path(MICS).write_text("data_micrographs\nloop_\n_rlnMicrographName #1\nMovies/a.mrc\n")
    failed(train(), 1, "Movies/a.mrc, which does not exist; run from RELION's project folder", capsys)


def test_optics_groups_must_agree(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (project / MICS).read_text()
    text = text.replace(f"{PIXEL_SIZE}\n", f"{PIXEL_SIZE}\n2\t3.5\n", 1)
    head, _, last = text.rstrip().rpartition("\t")
    (project / MICS).write_text(f"{head}\t2\n")
    assert last == "1"
    assert train() == 1
    assert "The optics groups have pixel sizes of 2, 3.5 Å" in capsys.readouterr().err


def test_words_of_relion() -> None:
    words = "--o External/job006/ --in_mics a_b.star --particle_diameter 180 --mirror No --pixel_size=1 --j 4"
    ours = "--o External/job006/ --in_mics a_b.star --diameter 180 --mirror=no --pixel-size=1 --j 4"
    assert " ".join(our_tokens(words.split())) == ours


@pytest.mark.parametrize("main", [main_train, main_pick])
def test_help(main: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0  # type: ignore[operator]
    text = capsys.readouterr().out
    assert "--in_mics" in text
    assert "--diameter" in text
