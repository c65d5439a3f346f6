"""Whose picks are these, and can they be: matching names, and coordinates against shapes."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_topaz.files.errors import FileError
from napari_topaz.micrograph import micrograph_name
from napari_topaz.picks import Picks

#: Factors between the images of one micrograph: binning, super-resolution, Fourier cropping.
_FACTORS = (1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8, 1 / 12, 1 / 16)
#: cryoSPARC's uid before a name.
_UID = re.compile(r"^\d{21}_(?=.)")
#: On Windows these name drives, streams and devices, or nothing at all.
_ON_WINDOWS = os.name == "nt"
_NOT_ON_WINDOWS = re.compile(r'.*[<>:"|?*]|(con|prn|aux|nul|com\d|lpt\d)(\..*)?$', re.IGNORECASE)
#: A factor is believed when it makes the picks fill this much of the micrograph (some pickers
#: go a little beyond the edge).
_FILLED = (0.8, 1.03)


@dataclass(frozen=True)
class Matched:
    """Picks by micrograph.

    Attributes
    ----------
    picks : dict of str to Picks
        By micrograph name, in the order of the micrographs; those without picks are absent.
    missing : tuple of str
        Names that have picks, but no micrograph.
    """

    picks: dict[str, Picks]
    missing: tuple[str, ...]


def match_names(picks: Mapping[str, Picks], names: Sequence[str]) -> Matched:
    """Match picks and micrographs by file name without folder and suffix.

    Nothing is guessed: ``a_01_DW`` is not ``a_01``. Only the uid that cryoSPARC writes before a name may
    be missing on one side.

    Parameters
    ----------
    picks : mapping of str to Picks
        Keys may have folders and suffixes.
    names : sequence of str
        Names or paths of the micrographs.

    Raises
    ------
    FileError
        Where two names become one, or where nothing matches.
    """
    by_name = unique_names(picks, "picks")
    wanted = unique_names(names, "micrographs")
    found = {name: by_name[name] for name in wanted if name in by_name}
    found |= _but_for_uid(by_name, [name for name in wanted if name not in found])
    matched = {name: picks[found[name]] for name in wanted if name in found}
    if by_name and not matched:
        raise FileError(
            f"No picks belong to these micrographs: the picks are for {_examples(by_name)}, the "
            f"micrographs are {_examples(wanted)}; names must agree without folder and suffix."
        )
    used = set(found.values())
    return Matched(matched, tuple(name for name, text in by_name.items() if text not in used))


def _but_for_uid(by_name: Mapping[str, str], wanted: Iterable[str]) -> dict[str, str]:
    """Match names that agree but for cryoSPARC's uid; none where two do."""
    plain: dict[str, list[str]] = {}
    for name, text in by_name.items():
        plain.setdefault(without_uid(name), []).append(text)
    keys = {name: without_uid(name) for name in wanted}
    shared = Counter(keys.values())
    return {
        name: plain[key][0] for name, key in keys.items() if len(plain.get(key, ())) == 1 and shared[key] == 1
    }


def without_uid(name: str) -> str:
    """Take off the uid that cryoSPARC writes before the name of a micrograph: 21 digits and "_"."""
    return _UID.sub("", name)


def unique_names(texts: Iterable[str], what: str) -> dict[str, str]:
    """Map each micrograph name (see :func:`micrograph_name`) to the text it came from.

    Raises
    ------
    FileError
        Where two texts give the same name; `what` says what they are.
    """
    names: dict[str, str] = {}
    for text in texts:
        other = names.setdefault(micrograph_name(text), text)
        if other != text:
            raise FileError(
                f"The {what} {other!r} and {text!r} have the same name without folder and suffix; "
                "rename one, or use one folder at a time."
            )
    return names


def usable_name(name: str, who: str) -> str:
    """Refuse a name that would lead out of a folder when a file is named after it.

    Parameters
    ----------
    name : str
        Of a micrograph, without folder and suffix.
    who : str
        Begins the message, for example ``"picks.star has"``.

    Raises
    ------
    FileError
        For nothing, dots alone, separators of folders, and control characters; on Windows also for
        what means a drive, a stream or a device there.
    """
    climbs = not name.strip(". ") or any(c in "/\\" or ord(c) < 32 for c in name)
    if climbs or (_ON_WINDOWS and _NOT_ON_WINDOWS.match(name)):
        raise FileError(f"{who} {name!r} as the name of a micrograph, which no file can have; correct it.")
    return name


def refuse_bytes(names: Iterable[str]) -> None:
    """Refuse names or paths of files that no table can hold.

    Raises
    ------
    FileError
        For bytes that are not UTF-8 (lone surrogates, as Python has them in names of files).
    """
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise FileError(
                f"The name {name!r} of a micrograph is not UTF-8, so that no table can hold it; rename it."
            ) from error


def check_inside(picks: Picks, shape: tuple[int, int], name: str) -> None:
    """Refuse picks outside their micrograph, and say why they may be there.

    Parameters
    ----------
    picks : Picks
        In pixels of the micrograph.
    shape : tuple of int
        (height, width) of the micrograph.
    name : str
        Its name, for the message.

    Raises
    ------
    FileError
        With the likely cause and the remedy.
    """
    outside = ~picks.inside(shape)
    if not outside.any():
        return
    x, y = (float(value) for value in picks.yx[outside][0, ::-1])
    raise FileError(
        f"{outside.sum()} of {len(picks)} picks of {name!r} are outside its {shape[1]} × {shape[0]} px "
        f"(width × height), for example x {x:g}, y {y:g}; {_likely_cause(picks, shape)}."
    )


def _likely_cause(picks: Picks, shape: tuple[int, int]) -> str:
    if (picks.yx < -0.5).any():
        height = shape[0]
        if Picks(picks.yx + np.array([height, 0], np.float32)).inside(shape).all():
            return f"all y are negative, as if counted from the other edge: add the height ({height}) to y"
        return "negative coordinates are no centres of particles: check the format and the box size"
    # The factor that brings the farthest pick into the last pixel.
    fits = float(((np.asarray(shape) - 0.51) / np.maximum(picks.yx.max(axis=0), 1)).min())
    if fits > 0.97:
        return "they are just over the edge: remove them, or check that they belong to this micrograph"
    if Picks(picks.yx[:, ::-1]).inside(shape).all():
        return "x and y seem to be exchanged: exchange the columns"
    for factor in _FACTORS:
        if _FILLED[0] < factor / fits < _FILLED[1]:
            return (
                f"they seem to come from an image {round(1 / factor)} times larger: use --scale "
                f"{factor:.6g} (and --flip-y if they are then upside down)"
            )
    return f"a scale of at most {np.floor(fits * 1e4) / 1e4:g} would make them fit: use --scale"


def _examples(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(repr(name) for name in names[:2]) + more
