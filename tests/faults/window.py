"""The session of a viewer: edits without end, saved by themselves, by the classes that the dock uses."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

from faults.children import Child, Numbers, Operations, fork
from faults.programs import Scene, Tally
from napari_topaz.files import FileError, find_micrographs
from napari_topaz.files.session import DESCRIPTION, SESSION_FOLDER, SavedSession, read_session
from napari_topaz.files.session_models import MODELS
from napari_topaz.picks import Kind

NAME = "mic_0"
#: A model comes with every so many edits.
EPOCH = 8
#: Edits after which a session is begun anew, so that writing it stays quick.
MANY = 400


@dataclass
class Window:
    """One window after the other on one folder.

    Attributes
    ----------
    folder : Path
        Of the micrographs.
    model : Path
        A model to begin with.
    numbers : Numbers
        Edits that were made, those that were said to be saved, those that came back; `leave` is an order,
        `edits` how many are made at most, `refused` how often it was said that nothing is saved.
    """

    folder: Path
    model: Path
    numbers: Numbers

    @property
    def session(self) -> Path:
        """Where the session is kept."""
        return self.folder / SESSION_FOLDER

    def open(self, before: Callable[[], object] | None = None, edits: int = 1 << 40) -> Child:
        """Open the folder in a process of its own, and edit."""
        for name in ("leave", "restored", "refused"):
            self.numbers[name] = -1 if name == "restored" else 0
        self.numbers["edits"] = edits
        return fork(self.model.parent, lambda: _edit(self), before)

    def wrong(self, *, of_model: bool = True) -> list[str]:
        """Return what is wrong with what lies on the disk: it must be a state that there was."""
        try:
            found = read_session(self.session)
        except FileError as error:
            return [str(error)]
        if found is None:
            return ["what was saved is gone"] if self.numbers["saved"] else []
        wrong = self.wrong_in(found.session, of_model=of_model)
        if found.notices and (self.session / DESCRIPTION).exists():
            wrong += found.notices
        return wrong

    def wrong_in(
        self, session: SavedSession, place: Path | None = None, *, of_model: bool = True
    ) -> list[str]:
        """Return what is wrong with a session that was read, of this folder or another."""
        yx = session.labels[NAME].yx.tolist() if NAME in session.labels else []
        made, saved = self.numbers["made"], self.numbers["saved"]
        if yx != [list(place_of(k)) for k in range(1, len(yx) + 1)]:
            return ["labels of several states are mixed"]
        if not saved <= len(yx) <= made:
            return [f"{len(yx)} labels, but {saved} were saved and {made} were made"]
        if session.model is not None and of_model:
            from napari_topaz.model.picker import ModelFileError, PickerModel

            try:
                card = PickerModel.load((place or self.session) / MODELS / session.model).card
            except ModelFileError as error:
                return [str(error)]
            if card.threshold != len(yx) // EPOCH * EPOCH:
                return [f"the model of edit {card.threshold:.0f} with the labels of edit {len(yx)}"]
        return []


def make_window(scene: Scene) -> Window:
    """Copy a micrograph to a folder of its own."""
    for name in ("qtpy.QtCore", "napari_topaz.gui.keeper", "napari_topaz.gui.workspace", "torch"):
        import_module(name)  # here, so that what is forked need not
    folder = scene.folder / "window"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    folder.chmod(0o777)
    shutil.copyfile(scene.folder / "mics" / f"{NAME}.mrc", folder / f"{NAME}.mrc")
    numbers = Numbers("made", "saved", "restored", "leave", "edits", "refused")
    return Window(folder, scene.folder / "m.safetensors", numbers)


def place_of(edit: int) -> tuple[float, float]:
    """Where the label of an edit lies."""
    return float(edit % 190 + 1), float(edit // 190 + 1)


def _edit(window: Window) -> int:
    """What a window does, without its picture."""
    from qtpy.QtCore import QCoreApplication

    from napari_topaz.gui import autosave, beat
    from napari_topaz.gui.keeper import Keeper
    from napari_topaz.gui.targets import Targets
    from napari_topaz.gui.workspace import Workspace
    from napari_topaz.model.picker import PickerModel

    application, numbers = QCoreApplication([]), window.numbers
    beat.LOOK, autosave.RETRY, autosave.RETRY_AT_MOST = 1, 0.05, 0.05
    workspace = Workspace()
    keeper = Keeper(workspace, SimpleNamespace(picture=None), Targets())
    keeper.saver.quiet = 0.0
    _note_saves(keeper, numbers, lambda: len(workspace.kept_labels.get(NAME, ())))
    keeper.open(find_micrographs([window.folder]), alone=True)
    if keeper.awaited_model is not None:
        keeper.take_model(keeper.awaited_model, PickerModel.load(keeper.awaited_model))
    base, n = PickerModel.load(window.model), len(workspace.labels(NAME))
    numbers["made"] = numbers["restored"] = n
    last = n + numbers["edits"]
    while not numbers["leave"]:
        if n < last:
            n += 1
            numbers["made"] = n
            if n % EPOCH == 0:
                workspace.set_model(base.with_card(threshold=float(n)))
            workspace.label(NAME, [place_of(n)], Kind.PARTICLE)
        application.processEvents()
        time.sleep(0.001)
    keeper.leave()
    return 0


def _note_saves(keeper, numbers: Numbers, count: Callable[[], int]) -> None:
    """Note how many edits were written when it is said that all is saved, and when it is not."""
    saver, copied = keeper.saver, [0]
    begin, saved, failed = saver._begin, saver._on_saved, saver._on_failed

    def on_begin():
        copied[0] = count()
        return begin()

    def on_saved() -> None:
        numbers["saved"] = copied[0]
        saved()

    def on_failed(error: BaseException, first: bool) -> None:
        numbers["refused"] += 1
        failed(error, first)

    saver._begin, saver._on_saved, saver._on_failed = on_begin, on_saved, on_failed


def killed(scene: Scene, times: int) -> Tally:
    """kill -9 while edits are saved: the disk has a state that there was, and the next window restores it."""
    tally, chance, window = Tally(), random.Random("autosave"), make_window(scene)
    for n in range(times):
        if n and window.numbers["saved"] > MANY:
            window = make_window(scene)
        known = window.numbers["saved"]
        fatal = Operations(chance.randrange(1, 90)) if n % 2 == 0 else None
        child = window.open(fatal)
        numbers = window.numbers
        opened = child.wait_for(lambda numbers=numbers: numbers["restored"] >= 0)
        wrong = [] if opened or fatal else [child.said]
        if window.numbers["restored"] >= 0 and window.numbers["restored"] < known:
            wrong.append(f"{window.numbers['restored']} labels came back of {known}")
        if fatal is None:
            time.sleep(chance.uniform(0, 0.3))
            child.kill()
        if child.wait() not in (0, -9):
            wrong.append(child.said.strip()[-300:])
        tally.note([*wrong, *window.wrong()])
    return tally
