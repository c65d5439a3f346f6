"""What she prefers: stated in the manifest, kept by napari, and done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.settings import _clear_plugin_settings_cache, get_plugin_settings
from napari.utils.key_bindings import KeyBinding
from napari.utils.shortcuts import default_shortcuts
from npe2 import PluginManifest

from napari_topaz.gui import preferences
from napari_topaz.gui.gestures import DRAGS, GESTURES
from napari_topaz.gui.keys import KEYS, accepted
from napari_topaz.gui.looks import PALETTES, SCORE_COLOURS, score_colours
from napari_topaz.gui.preferences import Preferences, prefer_device
from napari_topaz.gui.session import Session
from napari_topaz.model.devices import choose_device
from napari_topaz.settings import RunSettings
from napari_topaz.settings.running import DEVICE_VARIABLE

MANIFEST = Path(preferences.__file__).parents[1] / "napari.yaml"

#: Machado et al., IEEE TVCG 2009, for linear RGB: full protanopia, deuteranopia and tritanopia.
BLINDNESS = {
    "none": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The real preferences, in a folder of their own; the file where napari keeps them."""
    monkeypatch.setattr("napari.settings._CFG_PATH", str(tmp_path / "settings.yaml"))
    monkeypatch.setattr(preferences, "pages", lambda: get_plugin_settings(preferences.PLUGIN))
    monkeypatch.delenv(DEVICE_VARIABLE, raising=False)
    _clear_plugin_settings_cache()
    yield tmp_path / "napari-topaz.yaml"
    _clear_plugin_settings_cache()
    os.environ.pop(DEVICE_VARIABLE, None)


def declared() -> dict[str, Any]:
    pages = PluginManifest.from_file(MANIFEST).contributions.configurations
    return {name: page.properties for name, page in pages.items()}


def press(viewer: ViewerModel, key: str) -> None:
    viewer.keymap[KeyBinding.from_str(key)](viewer)


def test_the_manifest_offers_what_there_is() -> None:
    pages = declared()
    assert pages["looks"]["colours"].enum == list(PALETTES)
    assert pages["looks"]["colours"].default == next(iter(PALETTES))
    assert {name: (p.title, p.default, p.type) for name, p in pages["keys"].items()} == {
        key.name: (key.title, key.keys[0], "string") for key in KEYS
    }
    for device in pages["machine"]["device"].enum:
        assert RunSettings(device=device).device == device


def test_napari_keeps_them_and_all_of_them_do_something(kept: Path) -> None:
    viewer = ViewerModel()
    session = Session(viewer)
    assert not kept.exists()
    pages = get_plugin_settings(preferences.PLUGIN)
    pages.machine.device = "cpu"
    pages.saving.seconds = 7.5
    pages.looks.colours = "green, red, blue"
    pages.keys.next = "K"
    assert os.environ[DEVICE_VARIABLE] == "cpu"
    assert session.keeper.saver.quiet == 7.5
    assert session.layers._palette == PALETTES["green, red, blue"]
    _clear_plugin_settings_cache()
    again = Preferences()  # as after a restart
    assert (again.device, again.autosave, again.keys["next"]) == ("cpu", 7.5, "K")
    assert again.palette == PALETTES["green, red, blue"]


def test_what_napari_refuses_is_not_taken(kept: Path) -> None:
    pages = get_plugin_settings(preferences.PLUGIN)
    with pytest.raises(ValueError, match="quantum"):
        pages.machine.device = "quantum"
    with pytest.raises(ValueError, match=r"0\.2"):
        pages.saving.seconds = 0
    assert Preferences().device == "auto"


def test_without_napari_the_usual_ones_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Preferences()
    assert (usual.device, usual.autosave, usual.keys) == ("auto", None, {})
    assert usual.palette == next(iter(PALETTES.values()))


def test_another_key_does_it_and_the_usual_one_no_more(kept: Path) -> None:
    viewer = ViewerModel()
    session = Session(viewer)
    stepped: list[int] = []
    session.workspace.step = stepped.append  # type: ignore[method-assign]
    press(viewer, "N")
    pages = get_plugin_settings(preferences.PLUGIN)
    pages.keys.next = "K"
    press(viewer, "K")
    press(viewer, "PageDown")
    assert "K or Page Down: next micrograph" in session.card.text
    assert KeyBinding.from_str("N") not in viewer.keymap
    pages.keys.next = "J"
    assert KeyBinding.from_str("K") not in viewer.keymap
    press(viewer, "J")
    assert stepped == [1, 1, 1, 1]


@pytest.mark.parametrize("wrong", ["NoSuchKey", "B", "F1"])
def test_a_key_that_cannot_be_taken_is_named_and_the_usual_one_stays(kept: Path, wrong: str) -> None:
    viewer = ViewerModel()
    session = Session(viewer)
    said: list[str] = []
    session.said.connect(said.append)
    get_plugin_settings(preferences.PLUGIN).keys.ruler = wrong
    assert wrong in said[-1]
    toggled: list[str] = []
    session.ruler.toggle = lambda: toggled.append("ruler")  # type: ignore[method-assign]
    session.card.toggle = lambda: toggled.append("card")  # type: ignore[method-assign]
    press(viewer, "R")
    press(viewer, "F1")
    assert toggled == ["ruler", "card"]
    assert "R: ruler" in session.card.text


def test_two_keys_can_change_places(kept: Path) -> None:
    viewer = ViewerModel()
    session = Session(viewer)
    stepped: list[int] = []
    session.workspace.step = stepped.append  # type: ignore[method-assign]
    keys = get_plugin_settings(preferences.PLUGIN).keys
    keys.next = "B"  # not yet: it goes back
    press(viewer, "B")
    press(viewer, "N")
    keys.previous = "N"
    press(viewer, "B")
    press(viewer, "N")
    assert stepped == [-1, 1, 1, -1]
    assert "B or Page Down: next micrograph" in session.card.text


def test_a_wrong_key_takes_nothing_from_the_others() -> None:
    assert accepted({"next": "NoSuchKey", "ruler": "K", "hide": ""}) == ({"ruler": "K"}, ["NoSuchKey"])
    assert accepted({"next": "K", "ruler": "k"}) == ({"next": "K"}, ["k"])
    assert accepted({"ruler": "ctrl+z"}) == ({}, ["ctrl+z"])  # that takes changes back, however it is written
    # The usual key of one that cannot have its own is not another's.
    assert accepted({"next": "NoSuchKey", "ruler": "N"}) == ({}, ["NoSuchKey", "N"])


def test_auto_means_the_preferred_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEVICE_VARIABLE, "")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert choose_device("auto").type == "cuda"
    prefer_device("cpu")
    assert choose_device("auto").type == "cpu"
    assert choose_device("cuda").type == "cuda"  # said where it is needed: that counts
    prefer_device("cuda:3")
    with pytest.raises(ValueError, match=r"'cuda:3', which the preferences .* ask for"):
        choose_device("auto")
    with pytest.raises(ValueError, match="'cuda:9'; use --device"):
        choose_device("cuda:9")
    monkeypatch.setattr(preferences, "_OUTSIDE", "cpu")
    prefer_device("auto")
    assert os.environ[DEVICE_VARIABLE] == "cpu"
    monkeypatch.setattr(preferences, "_OUTSIDE", None)
    prefer_device("auto")
    assert DEVICE_VARIABLE not in os.environ


def test_no_key_of_ours_is_one_of_napari_for_micrographs_and_points() -> None:
    others = ("labels", "shape", "orient", "polygon", "rectangle", "ellipse", "vertex", "selected_and")
    theirs = {
        str(key)
        for action, keys in default_shortcuts.items()
        if not any(word in action for word in others)
        for key in keys
    }
    assert {"P", "Ctrl+Y"} <= theirs
    ours = {one.replace("Control", "Ctrl").replace("-", "+") for key in KEYS for one in key.keys}
    assert ours & theirs == {"Ctrl+Y"}  # two and three dimensions


def test_every_key_and_every_gesture_is_another_one() -> None:
    keys = [one for key in KEYS for one in key.keys]
    assert len(keys) == len(set(keys))
    assert len({(g.button, g.modifiers) for g in GESTURES}) == len(GESTURES)
    assert all(how and does for how, does in DRAGS)


def lab(colour: str, blindness: str) -> np.ndarray:
    """CIE L*a*b* of a colour as such eyes see it."""
    srgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(BLINDNESS[blindness]) @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    t = to_xyz @ seen / [0.9505, 1, 1.089]
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eyes", list(BLINDNESS))
def test_colour_blind_eyes_tell_labels_from_picks_and_low_from_high_scores(eyes: str) -> None:
    usual = [lab(colour, eyes) for colour in next(iter(PALETTES.values()))]
    apart = [np.linalg.norm(a - b) for i, a in enumerate(usual) for b in usual[:i]]
    assert min(apart) > 40  # of the green and red that are usual elsewhere: 19
    scores = [lab(colour, eyes) for colour in SCORE_COLOURS]
    assert min(np.linalg.norm(a - b) for a in usual[:2] for b in scores) > 25  # labels are no picks
    light = [lab(colour, eyes)[0] for colour in SCORE_COLOURS]
    assert np.all(np.diff(light) > 4)  # lighter and lighter
    assert np.linalg.norm(lab(SCORE_COLOURS[0], eyes) - lab(SCORE_COLOURS[-1], eyes)) > 50


def test_scores_get_the_colours_of_their_place() -> None:
    colours = score_colours(np.array([-9, 1, 2, 3, 99], np.float32), (1.0, 3.0))
    assert colours.shape == (5, 4)
    first, last = (
        [int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in (SCORE_COLOURS[0], SCORE_COLOURS[-1])
    )
    np.testing.assert_allclose(colours[[0, 1], :3], [first, first], atol=1e-6)
    np.testing.assert_allclose(colours[[3, 4], :3], [last, last], atol=1e-6)
    assert np.all(colours[:, 3] == 1)
    assert np.isfinite(score_colours(np.array([1.0], np.float32), (1.0, 1.0))).all()
