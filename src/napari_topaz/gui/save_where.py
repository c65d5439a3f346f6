"""Which format she means, which files that makes, and which of them are there already. No Qt."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from napari_topaz.files import PICK_FORMATS, PICK_SUFFIXES, PickFormat, format_of
from napari_topaz.files.star import LISTS
from napari_topaz.settings import SavingSettings


@dataclass(frozen=True)
class Where:
    """Where picks go.

    Attributes
    ----------
    path : Path
        One file, or a folder with one for each micrograph.
    format : PickFormat
    folder : bool
        Whether `path` is a folder.
    """

    path: Path
    format: PickFormat
    folder: bool

    def existing(self, names: Collection[str]) -> list[Path]:
        """Return the files that would be replaced; the folder is looked at once, however many there are."""
        if not (self.folder and self.path.is_dir()):
            return [self.path] if os.path.lexists(self.path) else []
        there = {path.name for path in self.path.iterdir()}
        wanted = [self.format.one_each.format(name=name) for name in names]
        wanted += LISTS[:1] if self.format.name == "star" else []
        return [self.path / name for name in wanted if name in there]


def where_to(path: Path, settings: SavingSettings, micrographs: int) -> Where:
    """Return what is written for a name that was typed.

    Parameters
    ----------
    path : Path
        A file, or a folder; the suffix of the format is added or taken off.
    settings : SavingSettings
        Their format counts, whatever the suffix.
    micrographs : int
        How many have something to be saved: some formats hold one per file.
    """
    chosen = PICK_FORMATS[settings.format]
    folder = settings.one_each or (chosen.single and micrographs != 1)
    has_suffix = path.name.lower().endswith(chosen.suffixes)
    if has_suffix and folder and not path.is_dir():
        path = path.with_name(stem_of(path))
    elif not has_suffix and not folder:
        path = path.with_name(path.name + chosen.suffixes[0])
    return Where(path, chosen, folder)


def meant(path: Path, chosen: str) -> str:
    """Return the format that a name and a chosen format mean together.

    Several formats share a suffix (.csv, .txt, .box), and dialogs cut ".via.csv" to ".csv": the chosen one
    counts wherever it has the suffix, and another one where it has not.
    """
    if path.name.lower().endswith(PICK_FORMATS[chosen].suffixes):
        return chosen
    found = format_of(path)
    return chosen if found is None else found.name


def renamed(path: Path, settings: SavingSettings, micrographs: int) -> Path:
    """Return the name with the first suffix of the format, or with none where that makes a folder."""
    bare = path.with_name(stem_of(path)) if not path.is_dir() else path
    return where_to(bare, settings, micrographs).path


def stem_of(path: Path) -> str:
    """Return a file's name without the suffix of a format of picks; never nothing."""
    name = path.name
    ending = max((s for s in PICK_SUFFIXES if name.lower().endswith(s)), key=len, default="")
    return name[: len(name) - len(ending)] or name
