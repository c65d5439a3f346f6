"""Files of picks: which formats there are, reading and writing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from napari_topaz.files.box import read_box, write_box
from napari_topaz.files.errors import FileError
from napari_topaz.files.micrographs import expand
from napari_topaz.files.star import read_star, write_star
from napari_topaz.files.tables import read_table, write_csv, write_topaz
from napari_topaz.files.write_options import WriteOptions
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Picks


@dataclass(frozen=True)
class PickFormat:
    """How one format is read and written.

    Attributes
    ----------
    name : str
        As in ``--format``.
    suffixes : tuple of str
        In lower case, the one that is written first.
    help : str
        One line for people.
    read : callable
        (path) -> picks by micrograph name.
    write : callable
        (path, picks by micrograph name, WriteOptions) -> None; atomic.
    one_each : str
        Name of a file for one micrograph, with ``{name}``, for writing into a folder.
    """

    name: str
    suffixes: tuple[str, ...]
    help: str
    read: Callable[[Path], dict[str, Picks]]
    write: Callable[[Path, Mapping[str, Picks], WriteOptions], None]
    one_each: str


#: All formats by name; a new one is a function pair and one line.
PICK_FORMATS = {
    format_.name: format_
    for format_ in (
        PickFormat("star", (".star",), "RELION STAR", read_star, write_star, "{name}_autopick.star"),
        PickFormat("topaz", (".txt", ".tsv", ".tab"), "Topaz table", read_table, write_topaz, "{name}.txt"),
        PickFormat(
            "box", (".box",), "EMAN boxes, one file per micrograph", read_box, write_box, "{name}.box"
        ),
        PickFormat("csv", (".csv",), "micrograph,x,y,score,kind", read_table, write_csv, "{name}.csv"),
    )
}
_BY_SUFFIX = {suffix: format_ for format_ in PICK_FORMATS.values() for suffix in format_.suffixes}


def read_picks(path: str | Path, format: str | None = None) -> dict[str, Picks]:  # noqa: A002
    """Read picks, whatever wrote them.

    Parameters
    ----------
    path : str or Path
        A file; or a folder, a glob or ``@list.txt`` of files, which are put together.
    format : str or None
        A key of :data:`PICK_FORMATS`; by suffix where None.

    Returns
    -------
    dict of str to Picks
        By micrograph name (see :func:`napari_topaz.micrograph.micrograph_name`), coordinates in
        the package's convention; micrographs without picks are absent, so that an empty but
        valid file gives ``{}``.

    Raises
    ------
    FileError
        Where a file is missing, damaged, has other columns than expected, or where two files
        have picks of the same micrograph.
    """
    chosen = None if format is None else _format_named(format)
    files = [file for file in expand(path, chosen.suffixes if chosen else _BY_SUFFIX) if file.is_file()]
    if not files:
        raise FileError(f"{path} has no files of picks; known suffixes are {', '.join(_BY_SUFFIX)}.")
    found: dict[str, Picks] = {}
    origin: dict[str, Path] = {}
    for file in files:
        for name, picks in (chosen or _format_of(file)).read(file).items():
            if name in found:
                raise FileError(
                    f"{origin[name]} and {file} both have picks of {name!r}; "
                    "give one of them, or one format of a folder."
                )
            found[name], origin[name] = picks, file
    return found


def write_picks(
    path: str | Path,
    picks: Mapping[str, Picks],
    *,
    format: str | None = None,  # noqa: A002
    files: Mapping[str, MicrographFile] | None = None,
    pixel_size: float | None = None,
    box_size: int | None = None,
) -> list[Path]:
    """Write picks; those the user rejected (:attr:`Kind.NOT_PARTICLE`) are left out.

    Parameters
    ----------
    path : str or Path
        A file for all micrographs; or a folder (one that exists, or a path without suffix),
        which gets one file per micrograph, for example ``a_01_autopick.star``. The format
        ``box`` always needs one file per micrograph.
    picks : mapping of str to Picks
        By micrograph name.
    format : str or None
        A key of :data:`PICK_FORMATS`; by the suffix of `path` where None, ``star`` for a folder.
    files : mapping of str to MicrographFile, optional
        Where the micrographs lie, for the names in STAR files.
    pixel_size : float, optional
        Å/px, for the optics group of STAR files.
    box_size : int, optional
        Edge of the boxes in pixels, which the format ``box`` needs.

    Returns
    -------
    list of Path
        The files written. Each is replaced as a whole or not at all.

    Raises
    ------
    FileError
        Where the format is unknown or needs more, or the file cannot be written.
    """
    path = Path(path)
    options = WriteOptions(files or {}, pixel_size, box_size)
    targets = pick_targets(path, picks, format)
    if _holds_many(path):
        chosen, options = _format_named(format or "star"), replace(options, one_each=True)
        for target, (name, one) in zip(targets, picks.items(), strict=True):
            chosen.write(target, {name: one}, options)
    else:
        chosen = _format_of(path) if format is None else _format_named(format)
        chosen.write(path, dict(picks), options)
    return targets


def pick_targets(path: str | Path, names: Iterable[str], format: str | None = None) -> list[Path]:  # noqa: A002
    """Return the files that :func:`write_picks` would write for micrographs of these names."""
    path = Path(path)
    if not _holds_many(path):
        return [path]
    return [path / _format_named(format or "star").one_each.format(name=name) for name in names]


def _holds_many(path: Path) -> bool:
    """Whether `path` is a folder, or will be."""
    return path.is_dir() or not path.suffix


def _format_named(name: str) -> PickFormat:
    if name not in PICK_FORMATS:
        raise FileError(f"{name!r} is not a format of picks; choose one of {', '.join(PICK_FORMATS)}.")
    return PICK_FORMATS[name]


def _format_of(path: Path) -> PickFormat:
    if path.suffix.lower() not in _BY_SUFFIX:
        raise FileError(
            f"{path} has no suffix of a format of picks ({', '.join(_BY_SUFFIX)}); "
            f"choose the format: {', '.join(PICK_FORMATS)}."
        )
    return _BY_SUFFIX[path.suffix.lower()]
