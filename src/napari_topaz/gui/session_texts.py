"""What the dock says about a session. No Qt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from napari_topaz.files.session import SavedSession


@dataclass(frozen=True)
class Status:
    """What she is told; `problem`: something is not as it should be; `copy` offers the remedy."""

    text: str = ""
    tip: str = ""
    problem: bool = False
    copy: bool = False


def begun(
    restored: str | None,
    read_only: str | None,
    notices: Sequence[str],
    rescued: Sequence[Path],
) -> Status:
    """Say what there is when micrographs were opened.

    Parameters
    ----------
    restored : str or None
        See :func:`restored_text`; None for a new session.
    read_only : str or None
        Why nothing is written.
    notices : sequence of str
        What could not be read.
    rescued : sequence of Path
        Folders with changes that could be saved nowhere else.
    """
    if read_only is not None:
        lines = [_only_to_look_at(read_only), *(notice for notice in notices if notice != read_only)]
    else:
        lines = [restored or "New session: saved by itself from the first label on.", *notices]
    lines += [
        f"Changes that could not be saved before lie in {path}: open it to see them." for path in rescued
    ]
    return Status(" ".join(lines), problem=bool(read_only or notices), copy=read_only is not None)


def nowhere(*, sample: bool) -> Status:
    """Say that sample data, or micrographs in memory, have no session."""
    what = "Sample data" if sample else "Micrographs in memory"
    return Status(f"{what}: labels are not saved by themselves.", copy=True)


def not_saved(reason: str, *, again: bool = False) -> Status:
    """Say why changes are not saved; `again`: it is tried again."""
    if not again:
        return Status(_only_to_look_at(reason), problem=True, copy=True)
    text = f"Not saved: {_end(reason)} It is tried again by itself; nothing in this window is lost."
    return Status(text, problem=True, copy=True)


def _only_to_look_at(reason: str) -> str:
    return f"Only to look at: {_end(reason)} Labels cannot be changed here, and settings are not saved."


def _end(reason: str) -> str:
    return f"{reason[:1].lower()}{reason[1:].rstrip('.')}."


def restored_text(session: SavedSession, names: Collection[str]) -> str:
    """Say what was restored; `names` are those of the micrographs that are there."""
    known = frozenset(names)
    here = {name: labels for name, labels in session.labels.items() if name in known}
    n, absent = sum(map(len, here.values())), sum(map(len, session.labels.values()))
    text = f"Session {when(session.saved, datetime.now())}restored: "
    text += f"{_count(n, 'label')} on {_count(len(here), 'micrograph')}." if n else "no labels yet."
    if absent > n:
        missing = _count(len(session.labels) - len(here), "micrograph")
        text += f" {_count(absent - n, 'label')} of {missing} not in this folder are kept."
    return text


def when(moment: datetime | None, now: datetime) -> str:
    """Say when, as "of 12 March ", or nothing where that is not known."""
    if moment is None:
        return ""
    if moment.date() == now.date():
        return f"of today, {moment:%H:%M}, "
    year = "" if moment.year == now.year else f" {moment.year}"
    return f"of {moment.day} {moment:%B}{year} "


def lies_in(folder: Path, micrographs: Path | None) -> str:
    """Say where a session lies, briefly."""
    if micrographs is not None and folder.parent == micrographs:
        return "beside the micrographs"
    return f"in {folder}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
