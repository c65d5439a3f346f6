"""Files of picks: which formats there are, reading and writing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_topaz import choices
from napari_topaz.files.box import read_box, read_box_centre, write_box, write_box_centre
from napari_topaz.files.cbox import read_cbox, write_cbox
from napari_topaz.files.cryosparc import read_cryosparc, write_cryosparc
from napari_topaz.files.eman_json import read_eman_json, write_eman_json
from napari_topaz.files.errors import FileError
from napari_topaz.files.imod import read_imod, write_imod
from napari_topaz.files.micrographs import expand
from napari_topaz.files.names import refuse_bytes, usable_name
from napari_topaz.files.star import LISTS, read_star, unlisted, write_star, write_star_list
from napari_topaz.files.tables import read_table, write_csv, write_topaz
from napari_topaz.files.via import write_via
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
        In lower case, the one that is written first. A suffix that several formats have means the
        first of them, unless another one is named.
    help : str
        One line for people.
    read : callable
        (path) -> picks by micrograph name.
    write : callable
        (path, picks by micrograph name, WriteOptions) -> None; atomic.
    one_each : str
        Name of a file for one micrograph, with ``{name}``, for writing into a folder.
    single : bool
        Whether a file holds the picks of one micrograph.
    boxed : bool
        Whether writing needs the size of a box.
    shaped : bool
        Whether writing needs the sizes of the micrographs.
    corners : bool
        Whether x and y in a file are a box's corner, so that a flip turns the box.
    """

    name: str
    suffixes: tuple[str, ...]
    help: str
    read: Callable[[Path], dict[str, Picks]]
    write: Callable[[Path, Mapping[str, Picks], WriteOptions], None]
    one_each: str
    single: bool = False
    boxed: bool = False
    shaped: bool = False
    corners: bool = False


_HELP = choices.PICK_FORMATS
#: All formats by name; a new one is a function pair and one line.
PICK_FORMATS = {
    format_.name: format_
    for format_ in (
        PickFormat("star", (".star",), _HELP["star"], read_star, write_star, "{name}_autopick.star"),
        PickFormat("topaz", (".txt", ".tsv", ".tab"), _HELP["topaz"], read_table, write_topaz, "{name}.txt"),
        PickFormat(
            *("box", (".box",), _HELP["box"], read_box, write_box, "{name}.box"),
            single=True,
            boxed=True,
            corners=True,
        ),
        PickFormat("csv", (".csv",), _HELP["csv"], read_table, write_csv, "{name}.csv"),
        PickFormat(
            *("cs", (".cs",), _HELP["cs"], read_cryosparc, write_cryosparc, "{name}.cs"),
            shaped=True,
        ),
        PickFormat(
            *("cbox", (".cbox",), _HELP["cbox"], read_cbox, write_cbox),
            "{name}.cbox",
            single=True,
            boxed=True,
            corners=True,
        ),
        PickFormat(
            *(
                "eman-json",
                ("_info.json", ".json"),
                _HELP["eman-json"],
                read_eman_json,
                write_eman_json,
            ),
            "{name}_info.json",
            single=True,
        ),
        PickFormat("via", (".via.csv", ".csv"), _HELP["via"], read_table, write_via, "{name}.via.csv"),
        PickFormat(
            *("imod", (".imod.txt", ".txt"), _HELP["imod"], read_imod, write_imod),
            "{name}.imod.txt",
            single=True,
        ),
        PickFormat(
            *("box-centre", (".centre.box", ".box"), _HELP["box-centre"]),
            *(read_box_centre, write_box_centre, "{name}.centre.box"),
            single=True,
            boxed=True,
        ),
    )
}
#: All suffixes, each with the format that it means: the first one that has it.
PICK_SUFFIXES: dict[str, PickFormat] = {}
for _format in PICK_FORMATS.values():
    for _suffix in _format.suffixes:
        PICK_SUFFIXES.setdefault(_suffix, _format)
#: What else lies in folders of picks often has these suffixes (``pick.json``).
_NOT_IN_FOLDERS = (".json",)


def format_of(path: str | Path) -> PickFormat | None:
    """Return the format that a file's name means, by its longest known suffix; None where it means none."""
    name = Path(path).name.lower()
    fitting = [suffix for suffix in PICK_SUFFIXES if name.endswith(suffix)]
    return PICK_SUFFIXES[max(fitting, key=len)] if fitting else None


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
    files = _files_of(path, chosen)
    if not files:
        raise FileError(f"{path} has no files of picks; known suffixes are {', '.join(PICK_SUFFIXES)}.")
    files = unlisted(files) if Path(path).is_dir() else files
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


def holds_corners(path: str | Path, format: str | None = None) -> bool:  # noqa: A002
    """Whether coordinates are, or will be, corners of boxes (:attr:`PickFormat.corners`).

    Parameters
    ----------
    path : str or Path
        As for :func:`read_picks` or :func:`write_picks`.
    format : str or None
        A key of :data:`PICK_FORMATS`; by the suffix of `path`, or of a file in it, where None.
    """
    chosen = format_of(path) if format is None else _format_named(format)
    if chosen is None and Path(path).is_dir():
        return any(_format_of(file).corners for file in _files_of(path, None))
    return chosen is not None and chosen.corners


def _files_of(path: str | Path, chosen: PickFormat | None) -> list[Path]:
    suffixes = [s for s in (chosen.suffixes if chosen else PICK_SUFFIXES) if s not in _NOT_IN_FOLDERS]
    return [file for file in expand(path, suffixes) if file.is_file()]


def write_picks(
    path: str | Path,
    picks: Mapping[str, Picks],
    *,
    format: str | None = None,  # noqa: A002
    files: Mapping[str, MicrographFile] | None = None,
    pixel_size: float | None = None,
    box_size: int | None = None,
    shapes: Mapping[str, tuple[int, int]] | None = None,
    exposures: Path | None = None,
    listed: bool = True,
) -> list[Path]:
    """Write picks; those the user rejected (:attr:`Kind.NOT_PARTICLE`) are left out.

    Parameters
    ----------
    path : str or Path
        A file for all micrographs; or a folder (one that exists, or a path without suffix),
        which gets one file per micrograph, for example ``a_01_autopick.star``, and with STAR
        files their list for RELION, ``autopick.star``. Some formats always need one file per
        micrograph (:attr:`PickFormat.single`).
    picks : mapping of str to Picks
        By micrograph name.
    format : str or None
        A key of :data:`PICK_FORMATS`; by the suffix of `path` where None, ``star`` for a folder.
    files : mapping of str to MicrographFile, optional
        Where the micrographs lie, for the names in STAR files.
    pixel_size : float, optional
        Å/px, for the optics group of STAR files.
    box_size : int, optional
        Edge of the boxes in pixels, which formats of boxes need.
    shapes : mapping of str to tuple of int, optional
        (height, width) of the micrographs that have no file, for the format ``cs``.
    exposures : Path, optional
        cryoSPARC's .cs file of the exposures that the picks are to belong to, for the format ``cs``.
    listed : bool
        Whether a folder of STAR files gets its list; who writes micrograph by micrograph makes it
        at the end (:func:`write_list`).

    Returns
    -------
    list of Path
        The files written, a list last. Each is replaced as a whole or not at all.

    Raises
    ------
    FileError
        Where the format is unknown or needs more, or the file cannot be written.
    """
    path = Path(path)
    refuse_bytes(picks)
    options = WriteOptions(files or {}, pixel_size, box_size, shapes=dict(shapes or {}), exposures=exposures)
    if not _holds_many(path):
        chosen = _format_of(path) if format is None else _format_named(format)
        chosen.write(path, dict(picks), options)
        return [path]
    chosen, options = _format_named(format or "star"), replace(options, one_each=True)
    targets = _each(path, picks, chosen)
    for target, (name, one) in zip(targets, picks.items(), strict=True):
        chosen.write(target, {name: one}, options)
    return [*targets, *(write_list(path, picks, format, files) if listed else ())]


def write_list(
    folder: Path,
    names: Iterable[str],
    format: str | None = None,  # noqa: A002
    files: Mapping[str, MicrographFile] | None = None,
) -> list[Path]:
    """Write the list of the files of a folder, where the format has one (STAR: ``autopick.star``).

    Parameters
    ----------
    folder : Path
        Where :func:`write_picks` wrote a file for each of `names`.
    names : iterable of str
        Names of micrographs.
    format : str or None
        As there.
    files : mapping of str to MicrographFile, optional
        Where the micrographs lie.

    Returns
    -------
    list of Path
        The list, or nothing.
    """
    chosen, names = _format_named(format or "star"), list(names)
    lists = _lists(folder, names, chosen)
    for target in lists:
        each = dict(zip(names, _each(folder, names, chosen), strict=True))
        write_star_list(target, each, WriteOptions(files or {}))
    return lists


def pick_targets(path: str | Path, names: Iterable[str], format: str | None = None) -> list[Path]:  # noqa: A002
    """Return the files that :func:`write_picks` would write for micrographs of these names.

    Raises
    ------
    FileError
        Where a name cannot be that of a file, or stand in one.
    """
    path, names = Path(path), list(names)
    refuse_bytes(names)
    if not _holds_many(path):
        return [path]
    chosen = _format_named(format or "star")
    return [*_each(path, names, chosen), *_lists(path, names, chosen)]


def _each(folder: Path, names: Iterable[str], chosen: PickFormat) -> list[Path]:
    """The file of each micrograph."""
    return [folder / chosen.one_each.format(name=usable_name(name, "These picks have")) for name in names]


def _lists(folder: Path, names: Sequence[str], chosen: PickFormat) -> list[Path]:
    return [folder / LISTS[0]] if chosen.write is write_star and names else []


def _holds_many(path: Path) -> bool:
    """Whether `path` is a folder, or will be."""
    return path.is_dir() or not path.suffix


def _format_named(name: str) -> PickFormat:
    if name not in PICK_FORMATS:
        raise FileError(f"{name!r} is not a format of picks; choose one of {', '.join(PICK_FORMATS)}.")
    return PICK_FORMATS[name]


def _format_of(path: Path) -> PickFormat:
    found = format_of(path)
    if found is None:
        raise FileError(
            f"{path} has no suffix of a format of picks ({', '.join(PICK_SUFFIXES)}); "
            f"choose the format: {', '.join(PICK_FORMATS)}."
        )
    return found
