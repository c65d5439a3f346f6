"""Save the picks of a long job as they come, so that it can be resumed.

A folder gets one file per micrograph. A single table is written at the end; until then each
micrograph's picks are a line of a journal beside it, ``TABLE.partial``.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_topaz.events import Job, JobError, Saved
from napari_topaz.files import (
    PICK_FORMATS,
    pick_targets,
    read_picks,
    replace_file,
    write_list,
    write_picks,
)
from napari_topaz.files.atomic import flush_folder, writing_failed
from napari_topaz.files.errors import reading_failed
from napari_topaz.jobs.resuming import ResultFolder, check_recipe
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Picks

#: In a folder of picks: which model and settings made them.
RECIPE_FILE = "pick.json"


@dataclass(frozen=True)
class Destination:
    """Where picks go, and how.

    Attributes
    ----------
    path : Path
        A table, or a folder for one file per micrograph.
    format : str
        A key of :data:`napari_topaz.files.PICK_FORMATS`.
    folder : bool
        Whether `path` is a folder.
    files : mapping of str to MicrographFile
        Where the micrographs lie, for the names in STAR files.
    pixel_size : float or None
        Å/px, for STAR files.
    box_size : int or None
        In pixels of the micrograph, for box files.
    recipe : mapping
        What the picks depend on (plain values): resuming with another recipe is refused.
    exposures : Path or None
        cryoSPARC's exposures that the picks are to belong to, for .cs files.
    """

    path: Path
    format: str
    folder: bool
    files: Mapping[str, MicrographFile] = field(default_factory=dict)
    pixel_size: float | None = None
    box_size: int | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    exposures: Path | None = None

    @property
    def journal(self) -> Path:
        """Of a table: where picks are kept until it is complete."""
        return self.path.with_name(f"{self.path.name}.partial")

    def file_of(self, name: str) -> Path:
        """In a folder: the file of one micrograph."""
        return self.path / PICK_FORMATS[self.format].one_each.format(name=name)

    def targets(self) -> list[Path]:
        """The files that picks of all micrographs would be written to, or are while they come."""
        targets = pick_targets(self.path, self.files, self.format)
        return targets if self.folder else [self.path, self.journal]

    def save(self, picks: Mapping[str, Picks]) -> list[Path]:
        """Write `picks`: the table as a whole, or a file for each."""
        return write_picks(
            self.path,
            picks,
            format=self.format,
            files=self.files,
            pixel_size=self.pixel_size,
            box_size=self.box_size,
            exposures=self.exposures,
            listed=False,
        )

    def list_files(self, names: Iterable[str]) -> list[Path]:
        """Write the list of the files of these micrographs, where the format has one."""
        return write_list(self.path, names, self.format, self.files)


class FolderOutput:
    """One file of picks per micrograph, written as they come.

    Parameters
    ----------
    destination : Destination
        With a folder.
    resume : bool
        Whether micrographs that have a file already are done.

    Raises
    ------
    FileError
        Where the folder cannot be written.
    JobError
        Where `resume` meets picks of another recipe.
    """

    def __init__(self, destination: Destination, *, resume: bool = False) -> None:
        self._destination = destination
        targets = {name: destination.file_of(name) for name in destination.files}
        recipe = destination.path / RECIPE_FILE
        self._results = ResultFolder(recipe, destination.recipe, targets, resume=resume)
        #: Names of the micrographs that are done.
        self.done = self._results.done
        #: Whether nothing tells which model made the picks that are there.
        self.unverified = self._results.unverified

    def write(self, name: str, picks: Picks) -> Job[None]:
        """Write one micrograph's picks; FileError where the folder is gone."""
        self._results.check()
        for path in self._destination.save({name: picks}):
            yield Saved(str(path))

    def finish(self, *, complete: bool) -> Job[None]:
        """All files are written; only their list is left, where the format has one."""
        if complete:
            self._results.finish()
        done = [name for name in self._destination.files if self._destination.file_of(name).exists()]
        for path in self._destination.list_files(done):
            yield Saved(str(path))


class TableOutput:
    """One table of picks, and until it is complete a journal beside it.

    Parameters
    ----------
    destination : Destination
        With a file.
    resume : bool
        Whether micrographs in the journal, or else in the table, are done.

    Raises
    ------
    FileError
        Where the journal or table cannot be read or written.
    JobError
        Where `resume` meets picks of another recipe.
    """

    def __init__(self, destination: Destination, *, resume: bool = False) -> None:
        self._destination = destination
        self.journal = destination.journal
        self._picks = self._earlier() if resume else {}
        #: Whether nothing tells which model made the picks that are there.
        self.unverified = bool(self._picks) and not self.journal.exists()
        #: Names of the micrographs that are done.
        self.done = frozenset(self._picks)
        with replace_file(self.journal) as part:  # also drops a line cut short by a crash
            lines = [_line(name, picks) for name, picks in self._picks.items()]
            part.write_text("".join([json.dumps(dict(destination.recipe)) + "\n", *lines]), "utf-8")

    def _earlier(self) -> dict[str, Picks]:
        if self.journal.exists():
            recipe, picks = _read_journal(self.journal)
            check_recipe(recipe, self._destination.recipe, self.journal)
            return picks
        if self._destination.path.exists():
            return read_picks(self._destination.path, self._destination.format)
        return {}

    def write(self, name: str, picks: Picks) -> Job[None]:
        """Add one micrograph's picks to the journal; FileError where it is gone, or the disk full."""
        self._picks[name] = picks
        try:
            # Not made anew: on a disk that is gone nothing would be found of it later.
            with os.fdopen(os.open(self.journal, os.O_WRONLY | os.O_APPEND), "ab") as journal:
                journal.write(_line(name, picks).encode())
        except OSError as error:
            raise writing_failed(self.journal, error) from error
        yield from ()

    def finish(self, *, complete: bool) -> Job[None]:
        """Write the table; the journal stays where something is left to resume."""
        for path in self._destination.save(self._in_order()):
            yield Saved(str(path))
        if complete:
            flush_folder(self._destination.path.parent)
            self.journal.unlink()

    def _in_order(self) -> dict[str, Picks]:
        """Picks in the order of the micrographs, those of other micrographs last."""
        order = [name for name in self._destination.files if name in self._picks]
        return {name: self._picks[name] for name in dict.fromkeys([*order, *self._picks])}


def open_output(destination: Destination, *, resume: bool = False) -> FolderOutput | TableOutput:
    """Open a folder or a table for writing (see both for what they raise)."""
    return (FolderOutput if destination.folder else TableOutput)(destination, resume=resume)


def check_writable(path: str | Path) -> None:
    """Raise FileError where `path` could not be written: before the work, not after it."""
    with suppress(_ProbedError), replace_file(path):
        raise _ProbedError  # so that nothing is replaced, nor left where the process is killed


class _ProbedError(Exception):
    """A file could be written."""


def _line(name: str, picks: Picks) -> str:
    """One micrograph as a line; numbers as base64 of float32, so that nothing is rounded."""
    data = np.column_stack([picks.yx, picks.scores]).astype("<f4")
    return json.dumps({"name": name, "picks": base64.b64encode(data.tobytes()).decode()}) + "\n"


def _read_journal(path: Path) -> tuple[Any, dict[str, Picks]]:
    """Return the recipe, and picks by micrograph.

    Lines that were cut short by a crash, or damaged by a power cut, are left out: those micrographs are
    picked again.
    """
    try:
        recipe, *lines = path.read_bytes().splitlines()
        made_by = json.loads(recipe)
    except OSError as error:
        raise reading_failed(path, error) from error
    except ValueError as error:
        raise JobError(f"{path} is damaged; give --overwrite in place of --resume to begin again.") from error
    found: dict[str, Picks] = {}
    for line in lines:
        with suppress(ValueError, TypeError, KeyError):
            entry = json.loads(line)
            data = np.frombuffer(base64.b64decode(entry["picks"], validate=True), "<f4").reshape(-1, 3)
            found[str(entry["name"])] = Picks(data[:, :2], data[:, 2])
    return made_by, found
