"""The line that does on the command line what the dock does. No Qt.

What it needs and no file has yet (the model, labels, masks, long lists) is written to a folder, under names
that follow from the contents: a line that was copied means the same for as long as that folder is there.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_topaz.events import JobError
from napari_topaz.files import find_micrographs, mask_path, replace_file, write_mask
from napari_topaz.files.label_table import csv_of_labels
from napari_topaz.gui import tasks
from napari_topaz.gui.micrograph_list import Source
from napari_topaz.gui.options import Options
from napari_topaz.gui.save_where import where_to
from napari_topaz.masks import Mask
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Picks
from napari_topaz.settings import PreprocessSettings, RunSettings, SavingSettings, Settings
from napari_topaz.training_set import Ticks

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel

#: Ends a line that goes on in the next one.
CONTINUED = " \\\n  "
#: Of more names than this a list is written.
MOST_NAMES = 5
#: Digits of what is in a file, in its name.
_DIGITS = 8


@dataclass(frozen=True, eq=False)
class Situation:
    """A copy of what there is in the dock.

    Attributes
    ----------
    sources : sequence of MicrographFile or Micrograph
        All, in their order.
    excluded : collection of str
        Names of those that are left out.
    options : Options
    labels : mapping of str to Picks
        Of both kinds, of the micrographs in use.
    masks : mapping of str to Mask
    ticks : Ticks
    model : PickerModel or None
    folder : Path
        For what no file has yet.
    output : Path
        Where picks are saved.
    saving : SavingSettings
        How.
    diameter : float or None
        In pixels, for boxes.
    """

    sources: Sequence[Source]
    excluded: Collection[str]
    options: Options
    labels: Mapping[str, Picks]
    masks: Mapping[str, Mask]
    ticks: Ticks
    model: PickerModel | None
    folder: Path
    output: Path
    saving: SavingSettings = field(default_factory=SavingSettings)
    diameter: float | None = None


@dataclass(frozen=True, eq=False)
class Command:
    """A command, and the files that it needs.

    Attributes
    ----------
    words : list of str
        Without the name of the program.
    files : mapping of Path to callable
        (path) -> None; writes one.
    """

    words: list[str]
    files: Mapping[Path, Callable[[Path], object]]

    @property
    def line(self) -> str:
        """For a shell."""
        return shlex.join(["napari-topaz", *self.words])

    @property
    def text(self) -> str:
        """The same with a line for each option, to be read."""
        parts: list[list[str]] = [["napari-topaz"]]
        for word in self.words:
            if word.startswith("--"):
                parts.append([])
            parts[-1].append(word)
        return CONTINUED.join(map(shlex.join, parts))

    def write_files(self) -> list[Path]:
        """Write what is not there yet; returns what it needs, whether it was there or not."""
        for path, write in self.files.items():
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path)
        return list(self.files)


def pick_command(situation: Situation) -> Command:
    """Return the command that picks all micrographs and saves them as *Pick all* and *Save picks* do.

    Raises
    ------
    JobError
        Where there is no model, or micrographs that are in no file.
    """
    needs, options, saving = _Needs(situation.folder), situation.options, situation.saving
    in_use = [s for s in situation.sources if s.name not in situation.excluded]
    micrographs, excluded = _micrographs(situation, needs)
    where = where_to(situation.output, saving, len(in_use))
    fits = where.folder or where.path.name.lower().endswith(where.format.suffixes[0])
    words = ["pick", *micrographs, *_model(situation, needs), "--output", str(_free(where.path))]
    if not fits or where.format.name != ("star" if where.folder else where.format.name):
        words += ["--format", where.format.name]
    edge = saving.box_size or tasks.box_size(situation.diameter)
    if where.format.boxed and edge is not None:
        words += ["--box-size", str(edge)]
    if where.format.name == "cs" and saving.exposures:
        words += ["--exposures", saving.exposures]
    words += [*words_of(options.pick), *excluded, *_masks(situation, needs)]
    if situation.labels:
        words += ["--labels", str(needs.data("labels", ".csv", csv_of_labels(situation.labels)))]
    return Command([*words, *words_of(options.run)], needs.files)


def train_command(
    situation: Situation, how: Iterable[Settings], start: PickerModel | None, output: Path
) -> Command:
    """Return the command that trains as *Train* does.

    Parameters
    ----------
    situation : Situation
    how : iterable of Settings
        Preprocessing, training and network.
    start : PickerModel or None
        To go on from.
    output : Path
        The model's file.

    Raises
    ------
    JobError
        Where there are no labels, or micrographs that are in no file.
    """
    if not situation.labels:
        raise JobError("Label some particles first: training is made of them.")
    needs, run = _Needs(situation.folder), situation.options.run
    micrographs, excluded = _micrographs(situation, needs)
    labels = needs.data("labels", ".csv", csv_of_labels(situation.labels))
    words = ["train", *micrographs, "--picks", str(labels), "--model", str(_free(output))]
    if start is not None:
        words += ["--pretrained", str(needs.model(start))]
    words += [word for settings in how for word in words_of(settings)]
    words += [*_names("--complete", situation.ticks.complete, needs), *excluded]
    words += [*_names("--empty", situation.ticks.empty, needs), *_masks(situation, needs)]
    return Command([*words, *words_of(run)], needs.files)


def words_of(settings: Settings | RunSettings) -> list[str]:
    """Return the options that differ from their defaults."""
    words: list[str] = []
    for name, value in settings.model_dump(exclude_defaults=True).items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif name in type(settings).model_fields and not isinstance(value, dict):
            words += [f"--{option}", _spelt(value) if isinstance(value, float) else str(value)]
    return words


def _spelt(value: float) -> str:
    """A number shortly, but so that it reads back as the same number."""
    short = f"{value:.6g}"
    return short if float(short) == value else repr(value)


class _Needs:
    """Collects the files that a command needs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: dict[Path, Callable[[Path], object]] = {}

    def data(self, stem: str, suffix: str, data: bytes) -> Path:
        """A file with these contents."""
        path = self._folder / f"{stem}-{sha256(data).hexdigest()[:_DIGITS]}{suffix}"
        self.files[path] = lambda path: _write(path, data)
        return path

    def lines(self, stem: str, lines: Iterable[str]) -> str:
        """A list of names or files, as it is given to a command."""
        text = "".join(f"{line}\n" for line in lines)
        return f"@{self.data(stem, '.txt', text.encode())}"

    def model(self, model: PickerModel) -> Path:
        """The file of a model."""
        path = self._folder / f"model-{_digest_of(model)}.safetensors"
        self.files[path] = model.save
        return path

    def masks(self, masks: Mapping[str, Mask]) -> Path:
        """A folder of masks."""
        contents = repr([(name, [p.tolist() for p in masks[name].polygons]) for name in sorted(masks)])
        folder = self._folder / f"masks-{sha256(contents.encode()).hexdigest()[:_DIGITS]}"
        for name, mask in masks.items():
            self.files[mask_path(folder, name)] = _mask_writer(folder, name, mask)
        return folder


def _micrographs(situation: Situation, needs: _Needs) -> tuple[list[str], list[str]]:
    """The micrographs, and the options that leave some out: a folder, files, or a list of files."""
    files = [s for s in situation.sources if isinstance(s, MicrographFile)]
    if len(files) < len(situation.sources):
        raise JobError(
            "Some micrographs are in the viewer only; open them from files, so that they have a path."
        )
    if not files:
        raise JobError("Open micrographs first.")
    folders = {file.path.absolute().parent for file in files}
    if len(folders) == 1 and _names_in(folder := folders.pop()) == frozenset(f.name for f in files):
        return [str(folder)], _names("--exclude", situation.excluded, needs)
    used = [
        MicrographFile(f.path.absolute(), f.section).star_name
        for f in files
        if f.name not in situation.excluded
    ]
    return (used if len(used) <= MOST_NAMES else [needs.lines("micrographs", used)]), []


def _names_in(folder: Path) -> frozenset[str]:
    """Names of all micrographs in a folder; looked at again where it has changed."""
    return _names_at(folder, folder.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _names_at(folder: Path, changed: int) -> frozenset[str]:
    return frozenset(file.name for file in find_micrographs([folder]))


def _names(option: str, names: Collection[str], needs: _Needs) -> list[str]:
    """An option that takes names of micrographs."""
    if not names:
        return []
    plain = len(names) <= MOST_NAMES and not any(name.startswith(("-", "@")) for name in names)
    return [option, *(sorted(names) if plain else [needs.lines(option.strip("-"), sorted(names))])]


def _masks(situation: Situation, needs: _Needs) -> list[str]:
    masks = {s.name: situation.masks[s.name] for s in situation.sources if s.name in situation.masks}
    return ["--masks", str(needs.masks(masks))] if masks else []


def _model(situation: Situation, needs: _Needs) -> list[str]:
    """The model, and the lengths that take the place of its own."""
    model, preprocess = situation.model, situation.options.preprocess
    if model is None:
        raise JobError("Train a model first, or load one.")
    if model.knows_preprocessing:
        size = PreprocessSettings(pixel_size=preprocess.pixel_size)
        return ["--model", str(needs.model(model)), *words_of(size)]
    lengths = PreprocessSettings(**preprocess.model_dump(include={"diameter", "pixel_size", "downsample"}))
    if model.is_general and preprocess == lengths:
        return [*words_of(lengths), *(["--inverted"] if _is_inverted(model) else [])]
    return ["--model", str(needs.model(tasks.fitted(model, situation.options)))]


def _is_inverted(model: PickerModel) -> bool:
    """Whether it is the general model for bright particles."""
    from napari_topaz.model.general import general_model

    return _digest_of(model) != _digest_of(general_model())


def _digest_of(model: PickerModel) -> str:
    found = sha256(model.card.model_dump_json().encode())
    for name, tensor in sorted(model.network.state_dict().items()):
        found.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:_DIGITS]


def _free(path: Path) -> Path:
    """A name that nothing has yet: commands replace nothing, either."""
    stem, suffix = path.name.partition(".")[::2]
    suffix = f".{suffix}" if suffix else ""
    names = (path.with_name(f"{stem}_{n}{suffix}") for n in range(2, 10_000))
    return next((name for name in [path, *names] if not name.exists()), path)


def _mask_writer(folder: Path, name: str, mask: Mask) -> Callable[[Path], Any]:
    return lambda _: write_mask(folder, name, mask)


def _write(path: Path, data: bytes) -> None:
    with replace_file(path) as part:
        part.write_bytes(data)
