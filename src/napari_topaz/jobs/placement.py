"""Look at a few micrographs whether picks lie on particles, and say what would put them there.

Nothing is moved here: a finding is a warning with its remedy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_topaz.events import Job, Warned
from napari_topaz.files import FileError, read_micrograph
from napari_topaz.jobs.preparing import Source
from napari_topaz.micrograph import Micrograph
from napari_topaz.numerics.placement import Placement, better_placement, blob_maps
from napari_topaz.picks import Kind, Picks

#: Micrographs that are looked at: those with the most picks.
MOST_MICROGRAPHS = 3


@dataclass(frozen=True)
class Finding:
    """Picks that do not fit, and how they would.

    Attributes
    ----------
    placement : Placement
        From the coordinates of the file to those of the micrographs.
    as_is, best : float
        How well picks lie now and would lie then (see :mod:`napari_topaz.numerics.placement`).
    micrographs : int
        How many were looked at.
    """

    placement: Placement
    as_is: float
    best: float
    micrographs: int

    @property
    def options(self) -> str:
        """Of ``napari-topaz convert``."""
        return " ".join(option for option, _ in _parts(self.placement))

    @property
    def words(self) -> str:
        """What is done to the coordinates, for people."""
        return ", ".join(text for _, text in _parts(self.placement)) or "as they are in the file"

    def sentence(self, remedy: str) -> str:
        """Say what was found; `remedy` says what to do."""
        where = "1 micrograph" if self.micrographs == 1 else f"{self.micrographs} micrographs"
        return (
            f"Picks seem to be in the wrong place: on {where} they differ from the surroundings by "
            f"{self.as_is:.1f} standard deviations, but by {self.best:.0f} with {self.words}; {remedy}."
        )


@dataclass(frozen=True)
class Misplaced(Warned):
    """Labels do not fit; the user is to decide.

    Attributes
    ----------
    finding : Finding
    outside : int
        How many are outside of their micrographs: then they cannot be taken as they are.
    """

    finding: Finding
    outside: int = 0


def look_at_picks(
    sources: Sequence[Source], picks: Mapping[str, Picks], present: Placement | None = None
) -> Job[Finding | None]:
    """Find out whether picks lie on particles, from the pixels of a few micrographs.

    Parameters
    ----------
    sources : sequence of MicrographFile or Micrograph
        Those without picks are not read.
    picks : mapping of str to Picks
        As the file says, by micrograph name; those the user rejected do not count.
    present : Placement, optional
        What will be done to the coordinates; nothing where None.

    Yields
    ------
    Warned
        Where a micrograph cannot be read; the others are looked at.

    Returns
    -------
    Finding or None
        None where the picks may well be right, or nothing would put them right.
    """
    wanted = {name: one[one.kinds != Kind.NOT_PARTICLE].by_score() for name, one in picks.items()}
    having = [source for source in sources if len(wanted.get(source.name, ()))]
    most = sorted(having, key=lambda source: -len(wanted[source.name]))[:MOST_MICROGRAPHS]
    maps, yx = [], []
    for source in most:
        try:
            micrograph = source if isinstance(source, Micrograph) else read_micrograph(source)
            maps.append(blob_maps(micrograph.pixels))
        except (FileError, ValueError) as error:
            yield Warned(f"{source.name} was not looked at: {error}")
            continue
        yx.append(wanted[source.name].yx)
    verdict = better_placement(maps, yx, present) if maps else None
    if verdict is None:
        return None
    return Finding(verdict.placement, verdict.as_is, verdict.best, len(maps))


def _parts(placement: Placement) -> list[tuple[str, str]]:
    """Options of ``convert`` and the same in words, in the order in which they work."""
    y, x = placement.shift_yx
    parts = [
        (placement.swap_xy, "--swap-xy", "x and y exchanged"),
        (placement.scale != 1, f"--scale {placement.scale:.6g}", f"coordinates times {placement.scale:.6g}"),
        (placement.flip_y, "--flip-y", "y from the other edge"),
        (bool(x), f"--shift-x {x:g}", f"x moved by about {x:g} px"),
        (bool(y), f"--shift-y {y:g}", f"y moved by about {y:g} px"),
    ]
    return [(option, text) for used, option, text in parts if used]
