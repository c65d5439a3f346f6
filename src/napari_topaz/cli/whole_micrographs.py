"""Options that say something about whole micrographs, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from napari_topaz.cli.call_errors import CallError

if TYPE_CHECKING:
    from napari_topaz.micrograph import MicrographFile
    from napari_topaz.training_set import Ticks

_GROUP = Group("Micrographs by name", sort_key=1)
_HOW = "Names without folder and suffix, or @list.txt with one per line."


def _names(help: str) -> Parameter:  # noqa: A002
    return Parameter(negative="", consume_multiple=True, show_default=False, help=f"{help} {_HOW}")


@dataclass(frozen=True)
class Excluded:
    """What is left out."""

    exclude: Annotated[list[str], _names("Leave these micrographs out.")] = field(default_factory=list)


@dataclass(frozen=True)
class Ticked(Excluded):
    """What is left out, and on which micrographs all is known."""

    complete: Annotated[
        list[str], _names("All particles are labelled on these: all else on them is background.")
    ] = field(default_factory=list)
    empty: Annotated[
        list[str], _names("These have no particle, such as carbon or empty ice: all is background.")
    ] = field(default_factory=list)


Excluding = Annotated[Excluded, Parameter(name="*", group=_GROUP)]
Ticking = Annotated[Ticked, Parameter(name="*", group=_GROUP)]
EXCLUDED, TICKED = Excluded(), Ticked()


def without(files: Sequence[MicrographFile], excluded: Excluded) -> list[MicrographFile]:
    """Return the micrographs that are not excluded.

    Raises
    ------
    CallError
        Where a name is none of theirs, or none is left.
    """
    names = _named(files, excluded.exclude, "--exclude")
    left = [file for file in files if file.name not in names]
    if not left:
        raise CallError("--exclude leaves no micrograph; name fewer.")
    return left


def ticks_of(files: Sequence[MicrographFile], ticked: Ticked) -> Ticks:
    """Return what is said about whole micrographs.

    Raises
    ------
    CallError
        Where a name is none of theirs, or is both complete and empty.
    """
    from napari_topaz.training_set import Ticks

    left = without(files, ticked)
    complete = _named(left, ticked.complete, "--complete")
    empty = _named(left, ticked.empty, "--empty")
    if both := sorted(complete & empty):
        raise CallError(f"{both[0]} is said to be --complete and --empty; give one of them.")
    return Ticks(complete, empty)


def _named(files: Sequence[MicrographFile], entries: Sequence[str], option: str) -> frozenset[str]:
    from napari_topaz.micrograph import micrograph_name

    known = {file.name for file in files}
    names = []
    for entry in (line for given in entries for line in _lines(given, option)):
        name = entry if entry in known else micrograph_name(entry)
        if name not in known:
            raise CallError(f"{option} names {entry!r}, which is none of these micrographs.")
        names.append(name)
    return frozenset(names)


def _lines(entry: str, option: str) -> list[str]:
    """One name, or those of an @list."""
    if not entry.startswith("@"):
        return [entry]
    path = Path(entry[1:])
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except OSError as error:
        raise CallError(f"{option}: {path} cannot be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise CallError(f"{option}: {path} is not a text file; give a name per line.") from error
    return [line for line in lines if line and not line.startswith("#")]
