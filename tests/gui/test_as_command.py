"""The line that the dock gives does on the command line what the dock does."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cyclopts import App
from pydantic import ValidationError

from napari_topaz.cli import build_app, main
from napari_topaz.events import JobError
from napari_topaz.files import find_micrographs
from napari_topaz.gui import tasks
from napari_topaz.gui.as_command import Command, Situation, pick_command, train_command, words_of
from napari_topaz.gui.marks import Mark
from napari_topaz.gui.mask_book import MaskBook
from napari_topaz.gui.options import Options
from napari_topaz.gui.workspace import Workspace
from napari_topaz.jobs.kept_scores import KeptScores
from napari_topaz.masks import Mask
from napari_topaz.micrograph import Micrograph
from napari_topaz.model.general import for_inverted, general_model
from napari_topaz.model.networks import build
from napari_topaz.model.picker import ModelCard, PickerModel
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import (
    NetworkSettings,
    PickSettings,
    PreprocessSettings,
    RunSettings,
    SavingSettings,
    Settings,
    TrainSettings,
)
from napari_topaz.training_set import Ticks
from worlds import DIAMETER, World, make_world, run


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("the world"), 4)  # with a blank in its name


@pytest.fixture(scope="module")
def model() -> PickerModel:
    """A network that nobody trained."""
    torch.manual_seed(0)
    preprocess = PreprocessSettings(diameter=DIAMETER, particle_pixels=16)
    card = ModelCard(
        network=NetworkSettings(width=4), preprocess=preprocess, train=TrainSettings(), pixel_size=2.0
    )
    return PickerModel(build(card.network).eval(), card)


class Dock:
    """What the dock has, without a window."""

    def __init__(self, world: World, model: PickerModel, **settings: Settings) -> None:
        self.workspace = Workspace()
        self.workspace.begin(find_micrographs([world.folder]))
        self.masks = MaskBook(self.workspace)
        self.workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER), **settings)
        self.workspace.set_model(model)

    def pick_all(self) -> None:
        workspace = self.workspace
        sources, options = workspace.decisions.in_use, workspace.options
        picking = tasks.picking(sources, workspace.model, options, (), None, KeptScores())
        for name, picks in run(picking)[1].items():
            workspace.set_candidates(name, picks)

    def situation(self, folder: Path, output: Path, **saving: Any) -> Situation:
        workspace = self.workspace
        return Situation(
            sources=workspace.sources,
            excluded=workspace.decisions.marks.excluded,
            options=workspace.options,
            labels=workspace.all_labels,
            masks=self.masks.all,
            ticks=workspace.decisions.ticks,
            model=workspace.model,
            folder=folder,
            output=output,
            saving=SavingSettings(**saving),
            diameter=workspace.diameter(),
        )

    def save(self, situation: Situation) -> list[Path]:
        workspace = self.workspace
        size, diameter = workspace.pixel_size(), workspace.diameter()
        saving = tasks.saving(
            situation.output, workspace.results, workspace.sources, size, diameter, situation.saving
        )
        return run(saving)[1]


def call(command: Command, where: Path) -> None:
    """Run the line in another folder."""
    command.write_files()
    program, *words = shlex.split(command.line)
    assert program == "napari-topaz"
    assert main([*words, "--quiet"]) == 0, command.line
    assert where.exists(), command.line


def contents(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes().replace(bytes(path), b"") for p in path.iterdir() if p.name != "pick.json"}


@pytest.fixture
def dock(world: World, model: PickerModel) -> Dock:
    """Picked, with labels of both kinds, a mask, an excluded micrograph, a threshold and a margin."""
    dock = Dock(world, model, pick=PickSettings(margin=20.0, suppression_radius=50.0, symmetries="none"))
    workspace = dock.workspace
    workspace.decisions.put(["mic_2"], Mark.EXCLUDED, on=True)
    dock.pick_all()
    scores = np.concatenate([workspace.candidates(f"mic_{k}").scores for k in (0, 1, 3)])
    threshold = round(float(np.median(scores)), 3)
    workspace.change(pick=workspace.options.pick.model_copy(update={"threshold": threshold}))
    picks = workspace.picks("mic_0").yx
    low = workspace.candidates("mic_0").yx[-1]
    workspace.label("mic_0", [picks[0] + 3, low + 2, [3, 3]], Kind.PARTICLE)
    workspace.label("mic_0", [picks[1] + 2], Kind.NOT_PARTICLE)
    workspace.label("mic_2", [[50, 50]], Kind.PARTICLE)
    dock.masks.put({"mic_1": Mask((np.array([[0, 0], [0, 160.25], [239, 160.25], [239, 0]], np.float32),))})
    return dock


@pytest.mark.parametrize(
    ("name", "saving"),
    [
        ("picks.star", {}),
        ("boxes", {"format": "box"}),
        ("each", {"one_each": True}),
        ("p.txt", {"format": "topaz"}),
    ],
)
def test_the_line_picks_the_same_to_the_byte(
    dock: Dock, tmp_path: Path, name: str, saving: dict[str, Any]
) -> None:
    situation = dock.situation(tmp_path / "needed", tmp_path / "dock" / name, **saving)
    (tmp_path / "dock").mkdir()
    dock.save(situation)
    assert "mic_2" not in dock.workspace.results
    command = pick_command(replace(situation, output=(again := tmp_path / "line" / name)))
    again.parent.mkdir()
    call(command, again)
    if again.is_dir():
        assert contents(again) == contents(situation.output)
        assert len(contents(again)) >= 3
    else:
        assert again.read_bytes() == situation.output.read_bytes()
    kinds = dock.workspace.results["mic_0"]
    assert np.isfinite(kinds.scores[:2]).all()
    assert np.isnan(kinds.scores[2])


def test_only_what_differs_from_the_defaults_is_said(
    world: World, model: PickerModel, tmp_path: Path
) -> None:
    dock = Dock(world, model)
    command = pick_command(dock.situation(tmp_path / "needed", tmp_path / "picks.star"))
    (needed,) = command.files
    assert command.words == [
        "pick",
        str(world.folder),
        "--model",
        str(needed),
        "--output",
        str(tmp_path / "picks.star"),
    ]
    assert f"'{world.folder}'" in command.line
    assert not needed.exists(), "nothing is written before she wants the line"
    assert command.write_files() == [needed]
    written = needed.stat().st_mtime_ns
    assert pick_command(dock.situation(tmp_path / "needed", tmp_path / "picks.star")).write_files() == [
        needed
    ]
    assert needed.stat().st_mtime_ns == written
    assert PickerModel.load(needed).card == model.card
    other = pick_command(
        replace(
            dock.situation(tmp_path / "needed", tmp_path / "p.star"),
            model=general_model().with_card(preprocess=model.card.preprocess),
        )
    )
    assert other.files.keys() != command.files.keys(), "another model is another file"


def test_a_guess_needs_no_file(world: World, tmp_path: Path) -> None:
    dock = Dock(world, general_model())
    situation = dock.situation(tmp_path / "needed", tmp_path / "picks.star")
    command = pick_command(situation)
    assert not command.files
    assert command.words[2:4] == ["--diameter", f"{DIAMETER:g}"]
    bright = pick_command(replace(situation, model=for_inverted(general_model())))
    assert bright.words[4] == "--inverted"
    options = replace(situation.options, preprocess=PreprocessSettings(diameter=DIAMETER, clip=4.0))
    (needed,) = pick_command(replace(situation, options=options)).files
    assert "model-" in needed.name, "the command line has no --clip when it picks"


def test_files_that_are_not_a_folder_and_names_that_exist(
    world: World, model: PickerModel, tmp_path: Path
) -> None:
    dock = Dock(world, model)
    (tmp_path / "picks.star").touch()
    situation = dock.situation(tmp_path / "needed", tmp_path / "picks.star")
    some = replace(situation, sources=situation.sources[:2], excluded={"mic_0"})
    assert pick_command(some).words[1] == str(world.files[1].path)
    assert pick_command(some).words[-1] == str(tmp_path / "picks_2.star")
    folder = tmp_path / "many"
    folder.mkdir()
    for k in range(8):
        shutil.copyfile(world.files[0].path, folder / f"m{k}.mrc")
    many = find_micrographs([folder])
    command = pick_command(replace(situation, sources=many[:7]))
    (listed,) = (path for path in command.files if path.name.startswith("micrographs-"))
    command.write_files()
    assert command.words[1] == f"@{listed}"
    assert [f.path for f in find_micrographs([command.words[1]])] == [f.path for f in many[:7]]
    command = pick_command(replace(situation, sources=many, excluded={f"m{k}" for k in range(6)}))
    assert command.words[-2] == "--exclude"
    assert command.words[-1].startswith("@")


def test_what_has_no_file_or_no_model_is_said(world: World, model: PickerModel, tmp_path: Path) -> None:
    situation = Dock(world, model).situation(tmp_path, tmp_path / "p.star")
    only_here = Micrograph("a", np.zeros((9, 9), np.float32))
    with pytest.raises(JobError, match="in the viewer only"):
        pick_command(replace(situation, sources=[only_here]))
    with pytest.raises(JobError, match="Train a model first"):
        pick_command(replace(situation, model=None))
    with pytest.raises(JobError, match="Label some"):
        train_command(situation, [], None, tmp_path / "m.safetensors")


def test_the_line_trains_the_same_model(world: World, tmp_path: Path) -> None:
    from napari_topaz.jobs.train import train_on_files

    labels = {name: world.truth[name] for name in ("mic_0", "mic_1")}
    train = TrainSettings(epochs=1, steps=2, expected=10, held_out=0.0, mirror=False)
    how = (PreprocessSettings(diameter=DIAMETER, particle_pixels=16), train, NetworkSettings(width=4))
    options = Options(preprocess=how[0], train=how[1], network=how[2], run=RunSettings(device="cpu"))
    ticks = Ticks(complete=frozenset({"mic_1"}), empty=frozenset({"mic_3"}))
    situation = Situation(world.files, {"mic_2"}, options, labels, {}, ticks, None, tmp_path, tmp_path / "p")
    files = [f for f in world.files if f.name != "mic_2"]
    trained = run(train_on_files(files, labels, *how, device="cpu", ticks=ticks))[1]
    command = train_command(situation, how, None, tmp_path / "m.safetensors")
    assert command.words[-2:] == ["--device", "cpu"]
    call(command, tmp_path / "m.safetensors")
    again = PickerModel.load(tmp_path / "m.safetensors")
    for one, other in zip(trained.network.parameters(), again.network.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert again.card.train == train
    go_on = train_command(situation, how, again, tmp_path / "n.safetensors")
    assert "--pretrained" in go_on.words


@pytest.fixture(scope="module")
def app() -> App:
    return build_app(lazy=False)


def another(kind: type[Settings], name: str) -> Settings:
    """Settings with another value than the default in one field."""
    default = getattr(kind(), name)
    tried = [not default] if isinstance(default, bool) else []
    extra = kind.model_fields[name].json_schema_extra or {}
    tried += [*(extra.get("choices") or ()), 2, 3, 0.5, 0.25, 64, 128.5, -1.5, "cuda:1"]
    for value in tried:
        try:
            settings = kind.model_validate({name: value})
        except ValidationError:
            continue
        if getattr(settings, name) != default:
            return settings
    raise AssertionError(f"{kind.__name__}.{name} takes none of the values")


@pytest.mark.parametrize(
    ("command", "kind", "name"),
    [
        (command, kind, name)
        for command, kinds in (
            ("pick", (PickSettings, RunSettings)),
            ("train", (PreprocessSettings, TrainSettings, NetworkSettings, RunSettings)),
        )
        for kind in kinds
        for name in kind.model_fields
    ],
)
def test_every_option_is_understood(app: App, command: str, kind: type[Settings], name: str) -> None:
    settings = another(kind, name)
    needed = {"pick": ["--output", "x.star"], "train": ["--picks", "p.csv", "--model", "m.safetensors"]}
    words = [command, "folder", *needed[command], *words_of(settings)]
    _, bound, _ = app.parse_args(words, print_error=False, exit_on_error=False)
    assert settings in bound.arguments.values()


def test_labels_of_both_kinds_are_put_together_with_picks() -> None:
    from napari_topaz.jobs.labelled import with_labels

    peaks = Picks([[10, 10], [50, 50], [90, 90]], [3.0, 2.0, -2.0])
    labels = Picks.labels([[12, 10], [92, 90], [200, 200]]) + Picks.labels([[50, 53]], Kind.NOT_PARTICLE)
    found = with_labels(peaks, labels, 5.0, 0.0)
    np.testing.assert_array_equal(found.yx, [[12, 10], [92, 90], [200, 200]])
    np.testing.assert_array_equal(found.scores, [3, -2, np.nan])
    # What keeps its distance from other picks is another particle, however near to the label.
    crowd = Picks([[10, 10], [13, 10], [50, 50], [53, 50]], [3.0, 2.0, 1.0, 0.5])
    found = with_labels(crowd, labels, 5.0, 0.0)
    np.testing.assert_array_equal(found.yx[3:], [[10, 10], [53, 50]])
    near = with_labels(peaks, labels, 1.0, 0.0)
    assert len(near) == 5
