"""Micrographs: which formats there are, finding files, reading them."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_topaz.files.errors import FileError, reading_failed, refuse_special
from napari_topaz.files.mrc import find_mrc_pixels, read_mrc_header
from napari_topaz.files.pictures import read_picture_header, read_picture_pixels
from napari_topaz.files.stored import LocatedMicrograph, StoredPixels, stamp_of
from napari_topaz.files.tiff import find_tiff_pixels, read_tiff_header
from napari_topaz.micrograph import COMPRESSIONS, Micrograph, MicrographFile, MicrographHeader


@dataclass(frozen=True)
class MicrographFormat:
    """How one format is read.

    Attributes
    ----------
    suffixes : tuple of str
        In lower case.
    header : callable
        (path) -> MicrographHeader; reads no pixels.
    pixels : callable
        (path, 0-based section) -> StoredPixels, or array (height, width), read-only.
    """

    suffixes: tuple[str, ...]
    header: Callable[[Path], MicrographHeader]
    pixels: Callable[[Path, int], StoredPixels | NDArray[Any]]


#: All formats; a new one is a function pair and one line.
MICROGRAPH_FORMATS = {
    "mrc": MicrographFormat(
        (".mrc", ".mrcs", ".map", ".rec", ".st", ".ali"), read_mrc_header, find_mrc_pixels
    ),
    "tiff": MicrographFormat((".tif", ".tiff"), read_tiff_header, find_tiff_pixels),
    "picture": MicrographFormat((".png", ".jpg", ".jpeg"), read_picture_header, read_picture_pixels),
}
_BY_SUFFIX = {suffix: format_ for format_ in MICROGRAPH_FORMATS.values() for suffix in format_.suffixes}
#: Only MRC files are read compressed.
_BY_SUFFIX |= {
    suffix + end: MICROGRAPH_FORMATS["mrc"]
    for suffix in MICROGRAPH_FORMATS["mrc"].suffixes
    for end in COMPRESSIONS
}

#: Characters of a name in a message.
_LONGEST_NAME = 80


def find_micrographs(specs: Iterable[str | Path]) -> list[MicrographFile]:
    """Find the micrographs that a user names.

    Parameters
    ----------
    specs : iterable of str or Path
        Files; RELION's ``000003@stack.mrcs`` for one section; folders (not their subfolders;
        in natural order, files with a known suffix only); globs (``**`` descends); and
        ``@list.txt``, a file with one of these per line, relative to the working folder or else
        to the list's own folder.

    Returns
    -------
    list of MicrographFile
        In the order given, each once; a stack gives one per section. A file whose header cannot
        be read is in the list too: reading it says why.

    Raises
    ------
    FileError
        Where something is missing, nothing is found, a file's format is unknown, or two
        micrographs have the same name.
    """
    specs = [specs] if isinstance(specs, (str, Path)) else list(specs)
    found: dict[tuple[str, int | None], MicrographFile] = {}
    for spec in specs:
        for file in _sections_of(spec):
            found.setdefault((os.path.abspath(file.path), file.section), file)  # noqa: PTH100 (no disk access)
    if not found:
        raise FileError(f"No micrograph in {_some(specs)}; known suffixes are {', '.join(_BY_SUFFIX)}.")
    refuse_clashes(found.values())
    return list(found.values())


def read_header(source: str | Path | MicrographFile) -> MicrographHeader:
    """Read shape, pixel size, number of sections and kind, but no pixels.

    Raises
    ------
    FileError
        Where the file cannot be read as what its suffix says.
    """
    path = source.path if isinstance(source, MicrographFile) else Path(source)
    return _format_of(path).header(path)


def read_micrograph(source: str | Path | MicrographFile) -> Micrograph:
    """Read one micrograph.

    Parameters
    ----------
    source : str, Path or MicrographFile
        A path to a single image or to the first section of a stack (``000003@stack.mrcs`` is its
        third), or what :func:`find_micrographs` returned.

    Returns
    -------
    Micrograph
        Pixels (height, width), row 0 first as stored, in the file's data type and byte order,
        read-only. The pixel size is None where the file does not say or says 0.

    Raises
    ------
    FileError
        Where the file cannot be read as what its suffix says, has no such section, or changes while
        it is read.
    """
    file = source if isinstance(source, MicrographFile) else _one_file(source)
    found = locate_micrograph(file)
    return Micrograph(found.name, found.read(), found.pixel_size, found.file)


def locate_micrograph(source: MicrographFile | Micrograph) -> LocatedMicrograph:
    """Find the pixels of one micrograph, to read windows of it; see :func:`read_micrograph`.

    Raises
    ------
    FileError
        Where the file cannot be read as what its suffix says, or has no such section.
    """
    if isinstance(source, Micrograph):
        return LocatedMicrograph(source.name, source.file, source.pixels, source.pixel_size)
    file = source
    format_, stamp = _format_of(file.path), stamp_of(file.path)
    header = format_.header(file.path)
    if file.section is None and header.sections > 1:
        file = MicrographFile(file.path, 0)
    if not 0 <= (file.section or 0) < header.sections:
        raise FileError(f"{file.path} has {header.sections} sections, so {file.star_name} does not exist.")
    pixels = format_.pixels(file.path, file.section or 0)
    return LocatedMicrograph(file.name, file, pixels, header.pixel_size, stamp)


def expand(spec: str | Path, suffixes: Iterable[str]) -> list[Path]:
    """Return the files that a path, folder, glob or ``@list.txt`` stands for.

    Parameters
    ----------
    spec : str or Path
        See :func:`find_micrographs`.
    suffixes : iterable of str
        The files of a folder that count, in lower case.

    Raises
    ------
    FileError
        Where it is missing.
    """
    text = str(spec)
    if text.startswith("@"):
        return [path for line in _lines_of(Path(text[1:])) for path in expand(line, suffixes)]
    path = _readable_name(text)
    if path.is_dir():
        ends = tuple(suffixes)
        inside = [entry.name for entry in os.scandir(path) if entry.name.lower().endswith(ends)]
        return [path / name for name in sorted(inside, key=_natural) if not name.startswith(".")]
    if not path.exists() and glob.has_magic(text):
        names = sorted(glob.glob(str(path), recursive=True), key=_natural)  # noqa: PTH207
        if not names:
            raise FileError(f"No file matches {text}; check the pattern.")
        return [Path(name) for name in names]
    if not path.exists():
        raise reading_failed(path, FileNotFoundError())
    return [path]


def _sections_of(spec: str | Path) -> Iterator[MicrographFile]:
    """The micrographs of one spec; headers that cannot be read are left for later."""
    text = str(spec)
    if text.startswith("@"):
        for line in _lines_of(Path(text[1:])):
            yield from _sections_of(line)
        return
    if text.partition("@")[0].isdigit() and not _readable_name(text).exists():
        yield _one_file(text)
        return
    for path in expand(spec, _BY_SUFFIX):
        if path.is_dir():  # a glob may hit folders; a folder "x.mrc" is no micrograph
            continue
        try:
            header = _format_of(path).header(path)
        except FileError:
            _format_of(path)  # an unknown suffix is refused here, a broken file when it is read
            yield MicrographFile(path)
            continue
        count = header.sections
        yield from (MicrographFile(path, k if count > 1 else None, header) for k in range(count))


def _one_file(source: str | Path) -> MicrographFile:
    section, at, rest = str(source).partition("@")
    if at and section.isdigit() and not _readable_name(str(source)).exists():
        return MicrographFile(expand(rest, ())[0], int(section) - 1)
    return MicrographFile(Path(source))


def _lines_of(path: Path) -> list[str]:
    """The entries of a list file; blank lines and ``#`` comments are skipped."""
    try:
        refuse_special(path)
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is not a text file; give a list with one path per line.") from error
    except OSError as error:
        raise reading_failed(path, error) from error
    entries = [line for line in lines if line and not line.startswith("#")]
    if nested := [line for line in entries if line.startswith("@")]:
        raise FileError(f"{path} names another list ({nested[0]}); name the files themselves.")
    return [line if _exists(line) else _beside(path, line) for line in entries]


def _readable_name(text: str) -> Path:
    """The path of this name, which the system is able to look for."""
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, RuntimeError) as error:  # too long; no such user's home
        short = text if len(text) < _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"
        raise FileError(f"{short!r} cannot be the name of a file ({_reason(error)}); correct it.") from error
    return path


def _reason(error: OSError | RuntimeError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error).rstrip(".")


def _exists(entry: str) -> bool:
    rest = entry.partition("@")[2] if entry.partition("@")[0].isdigit() else entry
    return _readable_name(rest).exists() or bool(glob.has_magic(rest) and glob.glob(rest))  # noqa: PTH207


def _beside(path: Path, entry: str) -> str:
    """The entry relative to the folder of its list."""
    section, at, rest = entry.partition("@")
    return f"{section}@{path.parent / rest}" if at and section.isdigit() else str(path.parent / entry)


def _format_of(path: Path) -> MicrographFormat:
    name = path.name.lower()
    for suffix, format_ in _BY_SUFFIX.items():
        if name.endswith(suffix):
            return format_
    if not path.exists():
        raise reading_failed(path, FileNotFoundError())
    if path.is_dir():
        raise reading_failed(path, IsADirectoryError())
    raise FileError(f"{path} has an unknown suffix; known are {', '.join(_BY_SUFFIX)}.")


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorting key: runs of digits count as numbers, so that a_10 comes after a_9."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def refuse_clashes(files: Iterable[MicrographFile]) -> None:
    """Raise FileError where two micrographs have the same name."""
    seen: dict[str, MicrographFile] = {}
    for file in files:
        other = seen.setdefault(file.name, file)
        if other is not file:
            raise FileError(
                f"{other.star_name} and {file.star_name} are both called {file.name!r}; rename one or "
                "name the files more narrowly, for example with a glob."
            )


def _some(specs: list[str | Path]) -> str:
    return ", ".join(str(spec) for spec in specs[:3]) + (", …" if len(specs) > 3 else "") or "an empty list"
