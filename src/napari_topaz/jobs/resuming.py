"""Go on where a long job was interrupted, and never mix its results with those of other settings.

A folder of results has a small file that says what they depend on, the *recipe*. It is written before
the first result, and names those of an earlier run that are being replaced: until another file is in its
place, a result of that run is not done. Clocks, which may be set back, are not compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_topaz.events import JobError
from napari_topaz.files import FileError, replace_file
from napari_topaz.files.atomic import writing_failed
from napari_topaz.files.errors import reading_failed

#: Entry of the file beside the recipe: what the job has found out on its way.
FOUND = "found"
#: Entry for the results that are being replaced: by name, when they were written (ns), and their size.
REPLACED = "replaced"


class ResultFolder:
    """One file per micrograph in a folder, and the recipe that all of them are made by.

    Parameters
    ----------
    file : Path
        Of the recipe; in the folder of the results.
    recipe : mapping
        What the results depend on (plain values).
    targets : mapping of str to Path
        The result of each micrograph, by name.
    resume : bool
        Whether results that are there already are done. If not, the recipe is written anew.

    Raises
    ------
    FileError
        Where the recipe cannot be read or written.
    JobError
        Where `resume` meets results of another recipe, or a damaged one.
    """

    def __init__(
        self, file: Path, recipe: Mapping[str, Any], targets: Mapping[str, Path], *, resume: bool = False
    ) -> None:
        self.file, self._recipe = file, dict(recipe)
        known = resume and file.exists()
        earlier = read_recipe(file) if known else {}
        about = earlier if isinstance(earlier, dict) else {}
        #: What :meth:`remember` has kept in an earlier run.
        self.found: Mapping[str, Any] = about.pop(FOUND, {})
        there = _stamps(targets)
        self._replaced: Mapping[str, Any] = about.pop(REPLACED, {}) if resume else there
        if known:
            check_recipe(earlier, self._recipe, file)
        done = (name for name, stamp in there.items() if stamp != self._replaced.get(name))
        #: Names of the micrographs that are done.
        self.done = frozenset(done) if resume else frozenset()
        #: Whether nothing tells what made the results that are there.
        self.unverified = bool(self.done) and not known
        if not known:
            self._write({})

    def remember(self, **found: Any) -> None:
        """Keep what was found out before the first result, so that resuming need not find it again."""
        self.found = found
        self._write({FOUND: found})

    def _write(self, more: Mapping[str, Any]) -> None:
        with replace_file(self.file) as part:
            replaced = {REPLACED: self._replaced} if self._replaced else {}
            part.write_text(json.dumps(self._recipe | replaced | dict(more), indent=1), "utf-8")

    def finish(self) -> None:
        """Note that all results are there: nothing is left of those that were replaced."""
        if self._replaced:
            self._replaced = {}
            self._write({FOUND: self.found} if self.found else {})

    def check(self) -> None:
        """Raise FileError where the folder is gone: on a disk that is gone it is not made anew."""
        if not self.file.exists():
            raise _gone(self.file.parent)


def _stamps(targets: Mapping[str, Path]) -> dict[str, list[int]]:
    """Tell the results that exist from others in their places.

    A power cut leaves files whose content never came to the disk: an empty one is no result.
    """
    found = {}
    for name, path in targets.items():
        with suppress(FileNotFoundError, NotADirectoryError):
            about = path.stat()
            if about.st_size:
                found[name] = [about.st_mtime_ns, about.st_size]
    return found


def kept_folder(path: Path) -> Callable[[], None]:
    """Make a folder, and return a check to be made before each result is written to it.

    The check raises FileError where the folder is gone: on a disk that is gone it is not made anew.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_failed(path, error) from error

    def check() -> None:
        if not path.is_dir():
            raise _gone(path)

    return check


def _gone(folder: Path) -> FileError:
    return FileError(f"{folder} is not there any more; connect the disk again, and go on with --resume.")


def read_recipe(path: Path) -> Any:
    """Read the file of a recipe.

    Raises
    ------
    FileError
        Where the operating system does not let it be read.
    JobError
        Where it is damaged.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise reading_failed(path, error) from error
    except ValueError as error:
        raise JobError(
            f"{path} is damaged ({error}); give --overwrite in place of --resume to begin again."
        ) from error


def check_recipe(earlier: Any, now: Mapping[str, Any], path: Path) -> None:
    """Raise JobError where earlier results, of which `path` tells, were made with another recipe."""
    if earlier == json.loads(json.dumps(dict(now))):
        return
    earlier = earlier if isinstance(earlier, Mapping) else {}
    changed = sorted(key for key in {*earlier, *now} if earlier.get(key) != now.get(key))
    raise JobError(
        f"{path} says that the earlier results were made with another {' and '.join(changed)}; "
        f"use the same, or give --overwrite in place of --resume to begin again."
    )
