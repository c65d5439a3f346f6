"""Which micrographs the list shows, and in which order; in small steps, as there may be thousands. No Qt."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from napari_topaz.gui.marks import Mark, State
from napari_topaz.gui.workspace import Workspace
from napari_topaz.picks import Kind

NAME, LABELS, PICKS, STATE = range(4)
#: Micrographs looked at between two steps.
AT_ONCE = 25

#: What the list can be narrowed to: its name in the list of choices, and the test.
FILTERS: dict[str, Any] = {
    "all": lambda workspace, name: True,
    "unseen": lambda workspace, name: workspace.decisions.state(name) == State.UNSEEN,
    "not finished": lambda workspace, name: workspace.decisions.state(name) < State.FINISHED,
    "without labels": lambda workspace, name: not len(workspace.labels(name)),
    "with labels": lambda workspace, name: bool(len(workspace.labels(name))),
    "not picked": lambda workspace, name: not workspace.is_picked(name),
    "finished": lambda workspace, name: workspace.decisions.state(name) == State.FINISHED,
    "excluded": lambda workspace, name: workspace.decisions.is_excluded(name),
    "all labelled": lambda workspace, name: workspace.decisions.marks.has(name, Mark.COMPLETE),
    "no particle": lambda workspace, name: workspace.decisions.marks.has(name, Mark.EMPTY),
}


@dataclass(frozen=True)
class Wanted:
    """How she wants the list.

    Attributes
    ----------
    text : str
        Part of the name, capitals or not.
    state : str
        Of :data:`FILTERS`.
    column : int or None
        To sort by; the order of opening where None.
    descending : bool
        Highest first.
    """

    text: str = ""
    state: str = "all"
    column: int | None = None
    descending: bool = False


def arranged(workspace: Workspace, wanted: Wanted) -> Generator[None, None, list[str]]:
    """Return the names in the order wanted; equal ones stay in the order of opening.

    Yields after every :data:`AT_ONCE` micrographs, so that a window can go on in between.
    """
    text, passes = wanted.text.casefold(), FILTERS[wanted.state]
    names = workspace.names
    shown: list[str] = []
    keys: dict[str, Any] = {}
    for n, name in enumerate(names, 1):
        if name in workspace.list.of and text in name.casefold() and passes(workspace, name):
            shown.append(name)
            keys[name] = (n,) if wanted.column in (None, NAME) else _key(workspace, name, wanted.column)
        if n % AT_ONCE == 0:
            yield
    return sorted(shown, key=keys.__getitem__, reverse=wanted.descending and wanted.column is not None)


def _key(workspace: Workspace, name: str, column: int | None) -> tuple[float, ...]:
    if column == LABELS:
        labels = workspace.labels(name)
        return (int((labels.kinds == Kind.PARTICLE).sum()), len(labels)) if len(labels) else (0, 0)
    if column == PICKS:
        counts = workspace.is_picked(name) and not workspace.decisions.is_excluded(name)
        return (workspace.count(name),) if counts else (-1,)
    marks = workspace.decisions.marks
    ticked = (marks.has(name, Mark.COMPLETE), marks.has(name, Mark.EMPTY))
    return (workspace.decisions.state(name), *ticked)
