"""What is saved is what was chosen, where it was said, and nothing is replaced unasked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QDialogButtonBox, QMessageBox, QPushButton

from napari_topaz import choices
from napari_topaz.files import PICK_FORMATS, format_of, read_picks, write_picks
from napari_topaz.gui import dialogs
from napari_topaz.gui.save_dialog import MADE_UP, SaveDialog
from napari_topaz.gui.save_where import meant, renamed, where_to
from napari_topaz.gui.tasks import saving, with_model_suffix
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Picks
from napari_topaz.settings import SavingSettings
from worlds import run

pytestmark = pytest.mark.gui
PICKS = {f"m_{k}": Picks([[20.0 + k, 30.0], [50.0, 60.0]], [2.0, 1.0]) for k in (1, 2, 3)}
SAVE = QDialogButtonBox.StandardButton.Save


def save(path: Path, files: list[MicrographFile], **settings: object) -> list[Path]:
    return run(saving(path, PICKS, files, 2.0, 20.0, SavingSettings(**settings)))[1]


def shown(qtbot: QtBot, path: Path, names=PICKS, **settings: object) -> SaveDialog:
    dialog = SaveDialog(SavingSettings(**settings), path, list(names))
    qtbot.addWidget(dialog)
    return dialog


def answering(monkeypatch: pytest.MonkeyPatch, answer: str) -> list[str]:
    """Click a button of the question; returns what was asked."""
    asked: list[str] = []

    def click(box: QMessageBox) -> int:
        asked.append(box.text())
        box.show()
        next(b for b in box.findChildren(QPushButton) if b.text().replace("&", "") == answer).click()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", click)
    return asked


def test_every_format_of_the_settings_can_be_written() -> None:
    assert list(choices.PICK_FORMATS) == list(PICK_FORMATS)


@pytest.mark.parametrize("name", PICK_FORMATS)
def test_the_chosen_filter_wins_over_the_suffix_that_qt_leaves(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, files: list
) -> None:
    chosen = PICK_FORMATS[name]
    rewritten = tmp_path / f"picks{Path(chosen.suffixes[0]).suffix}"  # ".via.csv" becomes ".csv"
    kinds: list[str] = []

    def ask(parent, title, start, offered, present, options):
        kinds.extend(offered.split(";;"))
        assert present.startswith(PICK_FORMATS["star"].help)
        return str(rewritten), next(kind for kind in kinds if kind.startswith(chosen.help))

    monkeypatch.setattr(dialogs.QFileDialog, "getSaveFileName", ask)
    dialog = shown(qtbot, tmp_path / "picks.star")
    dialog.browse.click()
    assert len(kinds) == len(PICK_FORMATS)
    assert dialog.value().format == name
    where = dialog.where()
    assert where.format is chosen
    assert where.path.name == ("picks" if chosen.single else f"picks{chosen.suffixes[0]}")
    written = run(saving(where.path, PICKS, files, 2.0, 20.0, dialog.value()))[1]
    assert {format_of(path) for path in written} == {chosen}, "what is written is read as that again"
    assert meant(rewritten, name) == name


def test_a_typed_suffix_means_its_format_unless_the_chosen_one_has_it_too(qtbot: QtBot) -> None:
    dialog = shown(qtbot, Path("/tmp/picks.star"))
    for text, name in (
        ("/tmp/a.csv", "csv"),
        ("/tmp/a.via.csv", "csv"),  # a name of a CSV file like any other, as long as CSV is chosen
        ("/tmp/a", "csv"),
        ("/tmp/a.CBOX", "cbox"),
        ("/tmp/a.cs", "cs"),
    ):
        dialog.path.setText(text)
        dialog.path.textEdited.emit(text)
        assert dialog.value().format == name, text


def test_another_format_renames_and_one_file_each_makes_a_folder(qtbot: QtBot) -> None:
    dialog = shown(qtbot, Path("/tmp/run.2/picks.star"))
    names = {}
    for name in PICK_FORMATS:
        dialog.format.setCurrentIndex(dialog.format.findData(name))
        names[name] = dialog.path.text()
    assert names["via"] == "/tmp/run.2/picks.via.csv"
    assert names["box"] == names["imod"] == "/tmp/run.2/picks"
    assert names["topaz"] == "/tmp/run.2/picks.txt"
    dialog.format.setCurrentIndex(dialog.format.findData("star"))
    assert "One file, picks.star" in dialog.says.text()
    dialog.form.row("one_each").setChecked(True)
    assert dialog.path.text() == "/tmp/run.2/picks"
    assert "3 files, like m_1_autopick.star, and their list autopick.star" in dialog.says.text()


def test_only_what_a_format_needs_is_asked(qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "d.star").mkdir()
    dialog = shown(qtbot, Path("/tmp/picks.star"))
    row = dialog.form.row
    for name, box, exposures in (("star", 0, 0), ("box", 1, 0), ("cs", 0, 1)):
        dialog.format.setCurrentIndex(dialog.format.findData(name))
        hidden = [row("box_size").isHidden(), row("exposures").isHidden(), dialog.browse_exposures.isHidden()]
        assert hidden == [not box, not exposures, not exposures], name
        assert row("one_each").isEnabled() == (name != "box")
    assert MADE_UP in dialog.says.text()
    row("exposures").setText("/now")
    row("exposures").textEdited.emit("/now")
    assert "a file that ends in .cs" in dialog.says.text()
    row("one_each").setChecked(True)  # nothing breaks while she types
    row("exposures").setText("/nowhere/exposures.cs")
    row("exposures").textEdited.emit("/nowhere/exposures.cs")
    assert "There is no file /nowhere" in dialog.says.text()
    assert not dialog.buttons.button(SAVE).isEnabled()
    (tmp_path / "there").touch()
    assert "is a file" in shown(qtbot, tmp_path / "there", one_each=True).says.text()
    assert "is a folder" in shown(qtbot, tmp_path / "d.star").says.text()
    single = shown(qtbot, Path("/tmp/picks.box"), names=["m_1"], format="box")
    assert single.path.text() == "/tmp/picks.box"


@pytest.mark.parametrize("format_", ["star", "csv", "topaz", "cs", "box", "via"])
def test_one_file_each(tmp_path: Path, files: list, format_: str) -> None:
    written = save(tmp_path / "out", files, format=format_, one_each=True)
    assert len(written) == 3 + (format_ == "star")
    found = read_picks(tmp_path / "out", format_)
    assert set(found) == set(PICKS)
    for name, picks in PICKS.items():
        np.testing.assert_allclose(found[name].yx, picks.yx, atol=0.01)


def test_a_folder_with_a_dot_and_box_size(tmp_path: Path, files: list) -> None:
    save(tmp_path / "run.1", files, format="box", box_size=44)
    line = (tmp_path / "run.1" / "m_1.box").read_text().split()
    assert line[2:4] == ["44", "44"]


def test_picks_join_the_exposures_of_cryosparc(tmp_path: Path, files: list) -> None:
    exposures = np.zeros(
        3, [("uid", "<u8"), ("micrograph_blob/path", "S30"), ("micrograph_blob/shape", "<u4", 2)]
    )
    exposures["uid"] = [11, 12, 13]
    exposures["micrograph_blob/path"] = [f"J2/motioncorrected/m_{k}.mrc" for k in (1, 2, 3)]
    exposures["micrograph_blob/shape"] = (301, 407)
    with (tmp_path / "exposures.cs").open("wb") as file:
        np.save(file, exposures)
    save(tmp_path / "picks.cs", files, format="cs", exposures=str(tmp_path / "exposures.cs"))
    table = np.load(tmp_path / "picks.cs")
    assert sorted(set(table["location/micrograph_uid"])) == [11, 12, 13]
    save(tmp_path / "picks.csv", files, format="csv", exposures=str(tmp_path / "exposures.cs"))


def existing(path: Path, names=PICKS, **settings: object) -> set[str]:
    where = where_to(path, SavingSettings(**settings), len(names))
    return {str(p.relative_to(path.parent)) for p in where.existing(names)}


def test_what_would_be_replaced_is_what_would_be_written(tmp_path: Path, files: list) -> None:
    for settings in ({"format": "star"}, {"format": "star", "one_each": True}, {"format": "imod"}):
        path = tmp_path / "_".join(map(str, settings.values()))
        assert existing(path, **settings) == set()
        written = save(path, files, **settings)
        assert existing(path, **settings) == {str(p.relative_to(tmp_path)) for p in written}
    (tmp_path / "imod" / "m_2.imod.txt").unlink()
    (tmp_path / "imod" / "other.imod.txt").touch()
    assert existing(tmp_path / "imod", format="imod") == {"imod/m_1.imod.txt", "imod/m_3.imod.txt"}
    (tmp_path / "link.csv").symlink_to(tmp_path / "gone.csv")
    assert existing(tmp_path / "link", format="csv") == {"link.csv"}


def test_nothing_is_replaced_unasked(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_picks(tmp_path / "picks.star", PICKS)
    folder = tmp_path / "boxes"
    folder.mkdir()
    write_picks(folder, PICKS, format="box", box_size=10)
    for path, settings, question in (
        (tmp_path / "picks", {}, "picks.star exists already. Replace it?"),  # she typed no suffix
        (tmp_path / "boxes.box", {"format": "box"}, "m_1.box and 2 other files of"),
    ):
        dialog = shown(qtbot, tmp_path / "x", **settings)
        dialog.path.setText(str(path))
        asked = answering(monkeypatch, "Cancel")
        dialog.buttons.button(SAVE).click()
        assert len(asked) == 1
        assert question in asked[0]
        assert dialog.result() == 0, "the dialog is still there"
        answering(monkeypatch, "Replace")
        dialog.buttons.button(SAVE).click()
        assert dialog.result() == 1
    asked = answering(monkeypatch, "Cancel")
    dialog = shown(qtbot, tmp_path / "new.star")
    dialog.buttons.button(SAVE).click()
    assert (asked, dialog.result()) == ([], 1)


@pytest.mark.parametrize(
    ("ask", "typed", "there"),
    [
        (lambda parent, folder: dialogs.ask_save_model(parent, folder), "model", "model.safetensors"),
        (lambda parent, folder: dialogs.ask_stack(parent, folder), "all", "all.star"),
    ],
)
def test_a_model_and_a_stack_replace_nothing_unasked(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ask: Callable, typed: str, there: str
) -> None:
    (tmp_path / there).touch()
    typed_names = iter([typed, "other"])
    kind = "One stack (*.mrcs)"
    monkeypatch.setattr(
        dialogs.QFileDialog, "getSaveFileName", lambda *a, **k: (str(tmp_path / next(typed_names)), kind)
    )
    asked = answering(monkeypatch, "Cancel")
    bar = QPushButton()
    qtbot.addWidget(bar)
    assert ask(bar, tmp_path).stem == "other", "she is asked for another name"
    assert len(asked) == 1
    assert there in asked[0]
    typed_names = iter([typed])
    answering(monkeypatch, "Replace")
    assert ask(bar, tmp_path).stem == typed


def test_models_are_named_so_that_they_are_found(tmp_path: Path) -> None:
    assert with_model_suffix(tmp_path / "v1.2").name == "v1.2.safetensors"
    assert with_model_suffix(tmp_path / "m.safetensors").name == "m.safetensors"


def test_masks_are_not_replaced_unasked(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dialogs, "ask_mask_folder", lambda parent: tmp_path)
    bar = QPushButton()
    qtbot.addWidget(bar)
    asked = answering(monkeypatch, "Cancel")
    assert dialogs.ask_mask_target(bar, ["a"]) == tmp_path
    (tmp_path / "a_mask.geojson").touch()
    assert dialogs.ask_mask_target(bar, ["b"]) == tmp_path
    assert asked == []
    assert dialogs.ask_mask_target(bar, ["a", "b"]) is None
    assert "a_mask.geojson" in asked[0]


def test_renaming_keeps_a_folder_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "old.star").mkdir()
    settings = SavingSettings(one_each=True)
    assert renamed(tmp_path / "old.star", settings, 3) == tmp_path / "old.star"


@pytest.mark.parametrize(
    "name", ["~nobody_is_called_so/picks.star", "/tmp/" + "a" * 300, "/tmp/" + "a" * 253]
)
def test_a_name_that_the_system_refuses_is_told(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    dialog = shown(qtbot, Path("/tmp/picks.star"))
    dialog.path.setText(name)
    dialog.path.textEdited.emit(name)
    assert "another name" in dialog.says.text()
    assert not dialog.buttons.button(SAVE).isEnabled()
    dialog.format.setCurrentIndex(dialog.format.findData("csv"))
    dialog.accept()
    assert dialog.result() == 0
    starts: list[str] = []
    monkeypatch.setattr(
        dialogs.QFileDialog,
        "getSaveFileName",
        lambda p, t, start, *a, **k: (starts.append(start), ("", ""))[1],
    )
    dialog.browse.click()
    assert starts == ["/tmp/picks.csv"]


def test_from_an_empty_name_she_can_browse(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    dialog = shown(qtbot, Path("/tmp/picks.star"))
    for name in ("", "/"):
        dialog.path.setText(name)
        dialog.path.textEdited.emit(name)
        assert dialog.says.text() == "Type a name."
        monkeypatch.setattr(
            dialogs.QFileDialog, "getSaveFileName", lambda p, t, start, *a, **k: ("/tmp/mine.star", "")
        )
        dialog.browse.click()
        assert dialog.path.text() == "/tmp/mine.star"


def test_a_folder_that_she_may_not_write_to_is_told(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("napari_topaz.gui.save_dialog.os.access", lambda path, mode: path != tmp_path)
    dialog = shown(qtbot, tmp_path, one_each=True)
    assert f"You may not write to {tmp_path}" in dialog.says.text()
    assert not dialog.buttons.button(SAVE).isEnabled()
