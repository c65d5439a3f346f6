"""Stacks of particles as RELION ≥ 3.1 reads them: ``.mrcs`` files and the STAR file that lists them.

A stack is written one particle at a time; its header, which needs their number, comes last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from mrcfile.dtypes import HEADER_DTYPE
from numpy.typing import NDArray

from napari_topaz.files.atomic import replace_file, write_text
from napari_topaz.files.columns import digits
from napari_topaz.files.star import NO_SCORE, quoted, star_text
from napari_topaz.picks import Picks


class StackWriter:
    """An open stack; made by :func:`open_stack`."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self._sum = self._squares = 0.0
        self._low, self._high = np.inf, -np.inf
        #: Number of particles so far.
        self.count = 0

    def add(self, box: NDArray[np.float32]) -> None:
        """Append one particle of shape (size, size)."""
        if box.shape != (self._size, self._size):
            raise ValueError(f"A particle of {box.shape} px does not fit a stack of {self._size} px.")
        self._file.write(np.ascontiguousarray(box, "<f4").tobytes())
        self._sum += float(box.sum(dtype=np.float64))
        self._squares += float(np.square(box, dtype=np.float64).sum())
        self._low, self._high = min(self._low, float(box.min())), max(self._high, float(box.max()))
        self.count += 1

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """Take back the particles that a block adds, where it fails."""
        before = self.count, self._sum, self._squares, self._low, self._high
        try:
            yield
        except BaseException:
            self.count, self._sum, self._squares, self._low, self._high = before
            self._file.seek(HEADER_DTYPE.itemsize + self.count * self._size**2 * 4)
            self._file.truncate()
            raise

    def header(self, pixel_size: float) -> bytes:
        """Return the 1024 bytes of an MRC2014 header of an image stack."""
        header = np.zeros((), HEADER_DTYPE.newbyteorder("<"))
        size, count = self._size, self.count
        for names, values in (
            ("nx ny nz", (size, size, count)),
            ("mx my mz", (size, size, 1)),
            ("mapc mapr maps", (1, 2, 3)),
            ("mode nversion ispg", (2, 20141, 0)),
        ):
            for name, value in zip(names.split(), values, strict=True):
                header[name] = value
        header["cella"] = (size * pixel_size, size * pixel_size, pixel_size)
        header["cellb"] = (90, 90, 90)
        header["map"], header["machst"] = b"MAP ", (0x44, 0x44, 0, 0)
        pixels = max(count * size * size, 1)
        mean = self._sum / pixels
        header["dmin"], header["dmax"], header["dmean"] = (
            (self._low, self._high, mean) if count else (0, 0, 0)
        )
        header["rms"] = np.sqrt(max(self._squares / pixels - mean**2, 0))
        return header.tobytes()


@contextmanager
def open_stack(path: str | Path, size: int, pixel_size: float) -> Iterator[StackWriter]:
    """Open a stack to write particles of `size` × `size` pixels to; whole or not at all.

    Parameters
    ----------
    path : str or Path
        The ``.mrcs`` file; replaced where it exists.
    size : int
        Edge of a particle, px.
    pixel_size : float
        Å/px of the particles.

    Raises
    ------
    FileError
        Where the file cannot be written.
    """
    with replace_file(path) as part, part.open("wb") as file:
        file.write(bytes(HEADER_DTYPE.itemsize))
        writer = StackWriter(file, size)
        yield writer
        file.seek(0)
        file.write(writer.header(pixel_size))


@dataclass(frozen=True)
class Optics:
    """One optics group: what all particles of it share.

    Attributes
    ----------
    micrograph_pixel_size, pixel_size : float
        Å/px of the micrographs, and of the particles.
    size : int
        Edge of a particle, px.
    voltage, spherical_aberration, amplitude_contrast : float
        kV, mm, and a fraction.
    """

    micrograph_pixel_size: float
    pixel_size: float
    size: int
    voltage: float
    spherical_aberration: float
    amplitude_contrast: float


@dataclass(frozen=True, eq=False)
class StackedPicks:
    """The particles of one micrograph in a stack.

    Attributes
    ----------
    stack : Path
        The ``.mrcs`` file.
    first : int
        0-based place of the first particle in it; the others follow.
    micrograph : str
        As the STAR file names it.
    picks : Picks
        As they were picked, with all their digits: the box is cut at the nearest pixel.
    optics : Optics
    """

    stack: Path
    first: int
    micrograph: str
    picks: Picks
    optics: Optics


def write_particle_star(path: str | Path, parts: Sequence[StackedPicks]) -> None:
    """Write optics groups and particles; paths stand as given, relative ones count from RELION's project.

    Raises
    ------
    FileError
        Where the file cannot be written.
    """
    groups = list(dict.fromkeys(part.optics for part in parts))
    tables = [_particles(part, groups.index(part.optics) + 1) for part in parts]
    particles = pd.concat(tables, ignore_index=True)
    if (particles["rlnAutopickFigureOfMerit"] == NO_SCORE).all():
        particles = particles.drop(columns="rlnAutopickFigureOfMerit")
    blocks = {"optics": _optics(groups), "particles": particles}
    write_text(path, star_text(blocks))


def _particles(part: StackedPicks, group: int) -> pd.DataFrame:
    scores = digits(part.picks.scores)
    scores[scores == ""] = NO_SCORE
    numbers = range(part.first + 1, part.first + 1 + len(part.picks))
    return pd.DataFrame(
        {
            "rlnCoordinateX": digits(part.picks.yx[:, 1]),
            "rlnCoordinateY": digits(part.picks.yx[:, 0]),
            "rlnImageName": [quoted(f"{n:06d}@{part.stack.as_posix()}") for n in numbers],
            "rlnMicrographName": quoted(part.micrograph),
            "rlnOpticsGroup": str(group),
            "rlnAutopickFigureOfMerit": scores,
        }
    )


def _optics(groups: Sequence[Optics]) -> pd.DataFrame:
    rows = [
        {
            "rlnOpticsGroup": f"{n}",
            "rlnOpticsGroupName": f"opticsGroup{n}",
            "rlnMicrographOriginalPixelSize": f"{group.micrograph_pixel_size:.6f}",
            "rlnVoltage": f"{group.voltage:.6f}",
            "rlnSphericalAberration": f"{group.spherical_aberration:.6f}",
            "rlnAmplitudeContrast": f"{group.amplitude_contrast:.6f}",
            "rlnImagePixelSize": f"{group.pixel_size:.6f}",
            "rlnImageSize": f"{group.size}",
            "rlnImageDimensionality": "2",
        }
        for n, group in enumerate(groups, 1)
    ]
    return pd.DataFrame(rows)
