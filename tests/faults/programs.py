"""What is disturbed: commands, what they write, and when that is whole."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from faults.children import Child, Operations, known_to, start
from napari_topaz.files import FileError, read_picks, write_mrc, write_picks
from napari_topaz.files.errors import refuse_special
from napari_topaz.picks import Picks
from worlds import DIAMETER, PIXEL_SIZE, drawn

#: Micrographs, and how many of them have labels.
MICROGRAPHS, LABELLED = 6, 3
#: Where commands write, under the folder of the scene.
WORK = "work"
_NETWORK = ["--diameter", str(DIAMETER), "--particle-pixels", "10", "--device", "cpu"]
_TRAIN = ["train", "mics/*.mrc", "--picks", "truth.star", *_NETWORK, "--width", "3", "--start", "random"]
_TRAIN += ["--symmetries", "none", "--expected", "10"]
_PICK = ["pick", "mics/*.mrc", "--model", "m.safetensors", "--device", "cpu", "--output"]


@dataclass(frozen=True)
class Program:
    """A command.

    Attributes
    ----------
    name : str
        For people.
    words : tuple of str
        Of the command line.
    first : str
        A glob of the first file that says that results are being written.
    results : int
        How many of those there are in the end.
    again : str
        The option to go on, or to begin again, after it was disturbed.
    """

    name: str
    words: tuple[str, ...]
    first: str
    results: int = MICROGRAPHS
    again: str = "--resume"


PICK = Program("pick, a folder", (*_PICK, f"{WORK}/out"), "out/*_autopick.star")
TABLE = Program("pick, a table", (*_PICK, f"{WORK}/picks.star"), "picks.star.partial", 1)
TRAIN = Program(
    "train",
    (*_TRAIN, "--model", f"{WORK}/t.safetensors", "--epochs", "3", "--steps", "2"),
    "t.partial.safetensors",
    1,
)
HEATMAP = Program(
    "heatmap",
    ("heatmap", *_PICK[1:-1], "--symmetries", "none", "--output", f"{WORK}/maps"),
    "maps/*_heatmap.mrc",
)
PREPROCESS = Program(
    "preprocess",
    ("preprocess", "mics/*.mrc", *_NETWORK[:-2], "--normalise", "gmm-dataset", "--output", f"{WORK}/small"),
    "small/mic_*.mrc",
)
STACK = Program(
    "stack",
    ("stack", "mics/*.mrc", "--picks", "truth.star", "--box-size", "24", "--output", f"{WORK}/boxes"),
    "boxes/*.mrcs",
    LABELLED,
    "--overwrite",
)
PROGRAMS = (PICK, TABLE, TRAIN)


@dataclass
class Tally:
    """What became of one fault."""

    tried: int = 0
    lost: list[str] = field(default_factory=list)
    survived: int = 0

    def note(self, wrong: list[str]) -> None:
        """Add one trial, and what it lost."""
        self.tried += 1
        self.survived += not wrong
        self.lost += wrong


@dataclass
class Scene:
    """A folder with micrographs, labels and a model, and what the commands write where nothing disturbs them.

    Attributes
    ----------
    folder : Path
    expected : dict
        By program: all its files by name, comparable.
    seconds, operations : dict
        By program: how long it takes, and how often it turns to the disk.
    """

    folder: Path
    expected: dict[Program, Mapping[str, Any]] = field(default_factory=dict)
    seconds: dict[Program, float] = field(default_factory=dict)
    operations: dict[Program, int] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        """Where commands write."""
        return self.folder / WORK

    def start(self, program: Program, *more: str, before: Callable[[], object] | None = None) -> Child:
        """Start a program."""
        return start(self.folder, [*program.words, *more], before)

    def clean(self) -> None:
        """Remove all that was written."""
        if os.path.ismount(self.work):
            for path in self.work.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            return
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        for said in self.folder.glob("said-*.txt"):
            said.unlink()

    def undisturbed(self, *programs: Program) -> None:
        """Run programs that were not run yet, and keep what they write."""
        self.clean()
        for program in (p for p in programs if p not in self.expected):
            known_to(self.folder, program.words)
            self.clean()
            count, clock = Operations(), time.monotonic()
            child = self.start(program, before=count)
            if child.wait():
                raise RuntimeError(f"{program.name} does not even work undisturbed: {child.said}")
            self.seconds[program] = time.monotonic() - clock
            self.operations[program] = count.numbers["done"]
            self.expected[program] = dict(contents(self.work))
            self.clean()

    def not_whole(self, program: Program, place: Path | None = None) -> list[str]:
        """Return what is neither absent nor as it would be undisturbed."""
        place, expected, wrong = place or self.work, self.expected[program], []
        try:
            content: Any
            for name, content in contents(place):
                if ".partial" in name or content == expected.get(name):
                    continue  # what is kept until the rest is there has no counterpart
                if name.endswith(".json") and isinstance(json.loads(content), dict):
                    continue  # a recipe, to which it is not yet added what is found out
                if Path(name).name not in ("autopick.star", "picks.star"):
                    wrong.append(f"{name} is not whole")
                elif name == "picks.star" and not self._is_part(place / name, program):
                    wrong.append(f"{name} has other picks")
        except (ValueError, FileError, OSError) as error:
            wrong.append(str(error))
        return wrong

    def is_whole(self, program: Program) -> bool:
        """Whether all is there as it would be undisturbed, and nothing else."""
        return not self.others(program)

    def others(self, program: Program) -> list[str]:
        """Return which files are missing, too many, or other than undisturbed."""
        expected = self.expected[program]
        try:
            found = dict(contents(self.work))
        except (ValueError, FileError, OSError) as error:
            return [str(error)]
        names = sorted({*found, *expected})
        return [name for name in names if name not in found or found[name] != expected.get(name)]

    def _is_part(self, path: Path, program: Program) -> bool:
        """Whether a table has nothing but what it should have; where micrographs fail, it has fewer."""
        whole = self.folder / "whole.star"
        whole.write_bytes(self.expected[program][path.name])
        expected, found = read_picks(whole), read_picks(path)
        return all(
            name in expected and np.array_equal(expected[name].yx, one.yx) for name, one in found.items()
        )

    def after(
        self, program: Program, tally: Tally, *wrong: str, again: str = "--resume", as_told: bool = False
    ) -> None:
        """Judge what a fault has left, go on, and judge that; `as_told`: it said that it has left another."""
        found = [*wrong, *([] if as_told else self.not_whole(program))]
        if self.is_whole(program):  # it was killed, or failed, after its end
            tally.note(found)
            self.clean()
            return
        child = self.start(program, again)
        code = child.wait()
        if code or not self.is_whole(program):
            others = ", ".join(self.others(program))
            found.append(
                f"{again} ended with {code}; other than undisturbed: {others} ({child.said[-160:]!r})"
            )
        tally.note(found)
        self.clean()


def make_scene(folder: Path) -> Scene:
    """Draw a few micrographs, and train a model that finds something on them."""
    truth = {}
    (folder / "mics").mkdir()
    for k in range(MICROGRAPHS):
        pixels, yx = drawn(k)
        inside = (yx[:, 0] < 200) & (yx[:, 1] < 256)
        write_mrc(folder / "mics" / f"mic_{k}.mrc", pixels[:200, :256], PIXEL_SIZE)
        if k < LABELLED:
            truth[f"mic_{k}"] = Picks.labels(yx[inside][:6])
    write_picks(folder / "truth.star", truth)
    scene = Scene(folder)
    scene.clean()
    child = start(folder, [*_TRAIN, "--model", "m.safetensors", "--epochs", "2", "--steps", "10"])
    if child.wait():
        raise RuntimeError(f"There is no model to pick with: {child.said}")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    return scene


def contents(folder: Path) -> Iterator[tuple[str, object]]:
    """Yield files by name and content, without the hidden ones that a killed process could not take back.

    Raises
    ------
    ValueError, FileError
        Where one is damaged.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield str(path.relative_to(folder)), _content(path)


def _content(path: Path) -> object:
    refuse_special(path)
    if path.suffix == ".safetensors":
        return model_in(path)
    if path.suffix == ".star":
        read_picks(path)
    return path.read_bytes()


def model_in(path: Path) -> tuple[object, Mapping[str, bytes]]:
    """Return a model's card, without how long its epochs took, and its weights.

    Raises
    ------
    ValueError
        Where it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            card = json.loads(file.metadata()["napari_topaz"])
            weights = {key: file.get_tensor(key).tobytes() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError) as error:
        raise ValueError(f"{path.name} is no whole model ({error})") from error
    for record in card["history"]:
        record["seconds"] = 0
    return card, weights


def badly_told(child: Child, code: int | None = 1) -> list[str]:
    """Return what is wrong with how a program ended: with one sentence on stderr."""
    found, wrong = child.wait(), []
    said = child.said
    if "Traceback" in said or "Something unexpected" in said:
        wrong.append(f"an error that nobody expected: {said.strip()[-300:]}")
    if found < 0 or (code is not None and found != code):
        wrong.append(f"ended with {found}: {said.strip()[-200:]}")
    if found == 1 and not said.rstrip().rpartition("\n")[2].startswith("Error: "):
        wrong.append(f"no sentence at the end: {said.strip()[-200:]}")
    return wrong
