"""Presets: what they name exists, what was given wins, and the form shows which one it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from napari_topaz import choices
from napari_topaz.cli import main
from napari_topaz.settings import NetworkSettings, PickSettings, PreprocessSettings, TrainSettings
from napari_topaz.settings.presets import GROUPS, PRESETS, filled, preset_of, preset_values, with_preset
from worlds import make_world

EVERY = [
    (name, group, option) for name in PRESETS for group in PRESETS[name] for option in PRESETS[name][group]
]


def test_every_name_has_values_and_help() -> None:
    assert list(PRESETS) == list(choices.PRESETS)
    assert all(choices.PRESETS.values())


@pytest.mark.parametrize(("name", "group", "option"), EVERY)
def test_every_value_is_that_of_an_option(name: str, group: str, option: str) -> None:
    value = PRESETS[name][group][option]
    made = GROUPS[group](**{option: value})
    assert getattr(made, option) == value


@pytest.mark.parametrize("name", list(PRESETS))
def test_the_values_of_a_preset_fit_together(name: str) -> None:
    for group, kind in GROUPS.items():
        made = with_preset(name, kind())
        assert made.model_dump() == kind().model_dump() | preset_values(name, group)


def test_the_default_preset_changes_nothing() -> None:
    given = TrainSettings(epochs=3)
    assert with_preset("default", given) == given
    assert with_preset("default", given).model_fields_set == {"epochs"}, "a warm start asks for what is set"


def test_what_is_given_wins_even_where_it_is_the_default() -> None:
    made = with_preset("paper", TrainSettings(objective="cvir", seed=3))
    assert (made.objective, made.seed, made.sampling, made.steps) == ("cvir", 3, "patches", 1000)
    assert with_preset("paper", NetworkSettings(width=8)).width == 8
    assert with_preset("paper", PreprocessSettings(diameter=90, clip=8.0)).clip == 8.0


def test_the_papers_hyperparameters() -> None:
    """METHODS: the papers' column."""
    train = with_preset("paper", TrainSettings())
    assert train.epochs is not None
    assert train.epochs * train.steps == 50_000
    assert (train.learning_rate, train.schedule, train.weight_decay) == (2e-4, "constant", 0)
    assert (train.objective, train.slack, train.sampling) == ("ge-binomial", None, "patches")
    assert (train.autoencoder, train.label_radius, train.symmetries) == (10, 3, "none")
    network = with_preset("paper", NetworkSettings())
    assert (network.architecture, network.width, network.batch_norm) == ("conv31", 32, True)
    how = with_preset("paper", PreprocessSettings())
    assert (how.normalise, how.clip) == ("gmm", 0)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ValueError, match="choose one of default, paper"):
        with_preset("papers", TrainSettings())


def test_a_form_goes_there_and_back() -> None:
    options: dict[str, Any] = {
        "preprocess": PreprocessSettings(diameter=90),
        "network": NetworkSettings(),
        "train": TrainSettings(expected=50),
        "pick": PickSettings(),
    }
    assert preset_of(options) == "default"
    paper = {name: filled("paper", options[name]) for name in GROUPS}
    assert preset_of(paper) == "paper"
    assert (paper["preprocess"].diameter, paper["train"].expected) == (90, 50)
    assert {name: filled("default", paper[name]) for name in GROUPS} == {n: options[n] for n in GROUPS}
    changed = paper | {"train": paper["train"].model_copy(update={"steps": 10})}
    assert preset_of(changed) is None


@pytest.mark.slow
def test_the_command_line_trains_and_picks_as_the_paper(tmp_path: Path, capfd) -> None:
    torch = pytest.importorskip("torch")
    from napari_topaz.model.picker import PickerModel

    del torch
    world, file = make_world(tmp_path, 2), tmp_path / "m.safetensors"
    words: list[object] = ["train", world.folder, "--picks", world.labels, "--model", file, "--diameter", 64]
    words += ["--expected", 12, "--epochs", 1, "--steps", 2, "--width", 4, "--json", "--quiet"]
    assert main([str(w) for w in [*words, "--preset", "paper"]]) == 0
    assert json.loads(capfd.readouterr().out)["epochs"] == 1
    card = PickerModel.load(file).card
    assert (card.network.architecture, card.network.width) == ("conv31", 4)
    assert (card.train.objective, card.train.symmetries, card.preprocess.clip) == ("ge-binomial", "none", 0)
    assert main([str(w) for w in [*words, "--preset", "papers", "--overwrite"]]) == 2
    assert "--preset is 'papers', but must be one of default, paper" in capfd.readouterr().err


def test_the_help_names_the_presets(capfd) -> None:
    assert main(["train", "--help"]) == 0
    out = capfd.readouterr().out
    assert "--preset" in out
    assert all(name in out for name in PRESETS)
