"""Dialogs that ask for files; each returns an empty answer where she cancels."""

from __future__ import annotations

import os
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_topaz.files import MICROGRAPH_FORMATS, PICK_FORMATS, PICK_SUFFIXES, format_of
from napari_topaz.gui.sample_data import is_sample
from napari_topaz.jobs.placement import Misplaced

MODEL_FILTER = "Models (*.safetensors)"
#: Those of Topaz can be read, not written.
READABLE_MODELS = "Models (*.safetensors *.sav)"


def ask_folder(parent: QWidget) -> Path | None:
    """Ask for a folder of micrographs."""
    return _path(QFileDialog.getExistingDirectory(parent, "Folder of micrographs"))


def ask_session_folder(parent: QWidget) -> Path | None:
    """Ask where to keep the session."""
    return _path(QFileDialog.getExistingDirectory(parent, "Folder to save the session in"))


def ask_mask_folder(parent: QWidget) -> Path | None:
    """Ask for a folder of masks."""
    return _path(QFileDialog.getExistingDirectory(parent, "Folder of masks"))


def ask_files(parent: QWidget) -> list[Path]:
    """Ask for micrographs."""
    patterns = " ".join(
        f"*{suffix}" for format_ in MICROGRAPH_FORMATS.values() for suffix in format_.suffixes
    )
    chosen, _ = QFileDialog.getOpenFileNames(
        parent, "Micrographs", "", f"Micrographs ({patterns});;All files (*)"
    )
    return [Path(path) for path in chosen]


def ask_labels(parent: QWidget) -> Path | None:
    """Ask for a file of picks."""
    patterns = " ".join(f"*{suffix}" for suffix in PICK_SUFFIXES)
    return _path(QFileDialog.getOpenFileName(parent, "Labels", "", f"Picks ({patterns})")[0])


def ask_targets(parent: QWidget) -> Path | None:
    """Ask for a file of true particles."""
    patterns = " ".join(f"*{suffix}" for suffix in PICK_SUFFIXES)
    return _path(QFileDialog.getOpenFileName(parent, "Targets", "", f"Picks ({patterns})")[0])


def ask_placement(parent: QWidget, path: Path, misplaced: Misplaced) -> str:
    """Ask what to do with picks that seem to be in the wrong place: "move", "keep", or "" for neither."""
    box = QMessageBox(QMessageBox.Icon.Warning, "Picks in the wrong place?", misplaced.message, parent=parent)
    words, roles = misplaced.finding.words, QMessageBox.ButtonRole
    move = box.addButton("Move them", roles.AcceptRole)
    move.setToolTip(f"Read them with {words}.")
    keep = None if misplaced.outside else box.addButton("Take them as they are", roles.DestructiveRole)
    box.addButton(QMessageBox.StandardButton.Cancel)
    outside = f"{misplaced.outside} of them are outside of their micrographs. " if misplaced.outside else ""
    box.setInformativeText(f"{outside}“Move them” reads {path.name} with {words}; the file stays as it is.")
    try:
        box.exec()
        clicked = box.clickedButton()
        return "move" if clicked is move else "keep" if keep is not None and clicked is keep else ""
    finally:
        box.deleteLater()


def ask_stack(parent: QWidget, beside: Path | None) -> Path | None:
    """Ask where to write particles: a folder, or one stack (.mrcs)."""
    start = str((Path.cwd() if beside is None else beside.parent) / "particles")
    kinds = "Folder with a stack per micrograph (*);;One stack (*.mrcs)"
    path, chosen = QFileDialog.getSaveFileName(parent, "Export particles", start, kinds)
    if path and "mrcs" in chosen and not path.lower().endswith(".mrcs"):
        path += ".mrcs"
    return _path(path)


def start_folder(micrographs: Path | None) -> Path:
    """Return where to save by default: beside the folder of micrographs; sample data lie in a cache."""
    if micrographs is not None and not is_sample(micrographs):
        return micrographs.parent
    here = Path.cwd()
    return here if here != Path(here.anchor) and os.access(here, os.W_OK) else Path.home()


def ask_save_picks(parent: QWidget, folder: Path) -> Path | None:
    """Ask where to save picks; the format follows the suffix, and the suffix the chosen format."""
    suffix_of = {f"{f.help} (*{f.suffixes[0]})": f.suffixes[0] for f in PICK_FORMATS.values()}
    start = str(folder / "picks.star")
    path, chosen = QFileDialog.getSaveFileName(parent, "Save picks", start, ";;".join(suffix_of))
    if not path:
        return None
    # What she typed counts; without a suffix of a format the chosen format does.
    return Path(path if format_of(path) else path + suffix_of.get(chosen, ".star"))


def ask_save_model(parent: QWidget, folder: Path) -> Path | None:
    """Ask where to save a model."""
    start = str(folder / "model.safetensors")
    return _path(QFileDialog.getSaveFileName(parent, "Save model", start, MODEL_FILTER)[0])


def ask_comparison_folder(parent: QWidget) -> Path | None:
    """Ask where to keep the results of a comparison; the folder of an earlier one goes on."""
    return _path(QFileDialog.getExistingDirectory(parent, "Folder for the comparison"))


def ask_templates(parent: QWidget) -> Path | None:
    """Ask for a stack of 2-D templates."""
    patterns = " ".join(f"*{suffix}" for suffix in MICROGRAPH_FORMATS["mrc"].suffixes)
    return _path(QFileDialog.getOpenFileName(parent, "Templates", "", f"Stacks of images ({patterns})")[0])


def ask_model(parent: QWidget) -> Path | None:
    """Ask for a model file."""
    return _path(QFileDialog.getOpenFileName(parent, "Model", "", READABLE_MODELS)[0])


def _path(text: str) -> Path | None:
    return Path(text) if text else None
