"""Dialogs that ask for files; each returns an empty answer where she cancels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_topaz.files import MICROGRAPH_FORMATS, PICK_FORMATS, PICK_SUFFIXES, mask_path
from napari_topaz.gui.sample_data import is_sample
from napari_topaz.gui.save_where import meant
from napari_topaz.gui.tasks import with_model_suffix
from napari_topaz.jobs.placement import Misplaced
from napari_topaz.jobs.stack import results_of

MODEL_FILTER = "Models (*.safetensors)"
#: Those of Topaz can be read, not written.
READABLE_MODELS = "Models (*.safetensors *.sav)"
#: We ask ourselves, about what is written in the end: the dialog knows the typed name only.
UNASKED = QFileDialog.Option.DontConfirmOverwrite


def ask_folder(parent: QWidget) -> Path | None:
    """Ask for a folder of micrographs."""
    return _path(QFileDialog.getExistingDirectory(parent, "Folder of micrographs"))


def ask_session_folder(parent: QWidget) -> Path | None:
    """Ask where to keep the session."""
    return _path(QFileDialog.getExistingDirectory(parent, "Folder to save the session in"))


def ask_mask_target(parent: QWidget, names: Iterable[str]) -> Path | None:
    """Ask for a folder to write the masks of these micrographs to, and before any is replaced."""
    folder = ask_mask_folder(parent)
    if folder is None:
        return None
    try:
        there = {path.name for path in folder.iterdir()}
    except OSError:
        return folder  # who writes there says why it cannot be
    existing = [path for name in names if (path := mask_path(folder, name)).name in there]
    return folder if may_replace(parent, existing) else None


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
    while True:
        path, chosen = QFileDialog.getSaveFileName(parent, "Export particles", start, kinds, options=UNASKED)
        if not path:
            return None
        if "mrcs" in chosen and not path.lower().endswith(".mrcs"):
            path += ".mrcs"
        if may_replace(parent, [p for p in results_of(Path(path)) if p.exists()]):
            return Path(path)
        start = path


def start_folder(micrographs: Path | None) -> Path:
    """Return where to save by default: beside the folder of micrographs; sample data lie in a cache."""
    if micrographs is not None and not is_sample(micrographs):
        return micrographs.parent
    here = Path.cwd()
    return here if here != Path(here.anchor) and os.access(here, os.W_OK) else Path.home()


def ask_picks_file(parent: QWidget, start: Path, chosen: str) -> tuple[Path | None, str]:
    """Ask for a name for picks; returns it and the format, the chosen one where several share a suffix."""
    kinds = {f"{f.help} (*{f.suffixes[0]})": name for name, f in PICK_FORMATS.items()}
    present = next(kind for kind, name in kinds.items() if name == chosen)
    path, kind = QFileDialog.getSaveFileName(
        parent, "Save picks", str(start), ";;".join(kinds), present, options=UNASKED
    )
    format_ = kinds.get(kind, chosen)
    return _path(path), meant(Path(path), format_) if path else chosen


def ask_picks_folder(parent: QWidget, start: Path) -> Path | None:
    """Ask for a folder for picks."""
    return _path(QFileDialog.getExistingDirectory(parent, "Folder for the picks", str(start.parent)))


def ask_exposures(parent: QWidget) -> Path | None:
    """Ask for cryoSPARC's exposures."""
    return _path(QFileDialog.getOpenFileName(parent, "Exposures", "", "cryoSPARC (*.cs);;All files (*)")[0])


def may_replace(parent: QWidget, existing: Sequence[Path]) -> bool:
    """Ask if files may be replaced; True where there is none."""
    if not existing:
        return True
    first, *more = existing
    others = f" and {len(more)} other file{'s' * (len(more) > 1)} of {first.parent}" if more else ""
    there, them = ("exist", "them") if more else ("exists", "it")
    text = f"{first.name}{others} {there} already. Replace {them}?"
    box = QMessageBox(QMessageBox.Icon.Warning, "Replace?", text, parent=parent)
    replace = box.addButton("Replace", QMessageBox.ButtonRole.DestructiveRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    try:
        box.exec()
        return box.clickedButton() is replace
    finally:
        box.deleteLater()


def ask_save_model(parent: QWidget, folder: Path) -> Path | None:
    """Ask where to save a model; again where that would replace one and she does not want it."""
    start = folder / "model.safetensors"
    while True:
        text, _ = QFileDialog.getSaveFileName(parent, "Save model", str(start), MODEL_FILTER, options=UNASKED)
        if not text:
            return None
        path = start = with_model_suffix(Path(text))
        if may_replace(parent, [path] if os.path.lexists(path) else []):
            return path


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
