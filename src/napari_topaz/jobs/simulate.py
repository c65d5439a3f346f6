"""Write simulated micrographs and their true particles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_topaz.events import Job, MicrographDone, Saved, Started, StopToken
from napari_topaz.files import write_mrc, write_picks
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Picks
from napari_topaz.settings import SimulateSettings

#: Name of the table of true particles, in the folder of the micrographs.
TRUTH_FILE = "particles.star"


@dataclass(frozen=True)
class Simulated:
    """Micrographs on disk with known particles.

    Attributes
    ----------
    files : tuple of MicrographFile
        The micrographs.
    truth : dict of str to Picks
        All particles by micrograph name.
    """

    files: tuple[MicrographFile, ...]
    truth: dict[str, Picks]


def simulate(
    settings: SimulateSettings, output: str | Path, *, stop: StopToken | None = None
) -> Job[Simulated]:
    """Write micrographs as MRC files into a folder, and their particles as one STAR file.

    Parameters
    ----------
    settings : SimulateSettings
        What to simulate.
    output : str or Path
        Folder, made where it is missing.
    stop : StopToken, optional
        Where set, the micrographs so far are kept, with their particles.

    Yields
    ------
    Started, MicrographDone (with the particles), Saved

    Raises
    ------
    FileError
        Where the folder cannot be written.
    """
    from napari_topaz.simulate import simulate as simulated

    yield Started("Simulating", settings.micrographs)
    files: dict[str, MicrographFile] = {}
    truth: dict[str, Picks] = {}
    for index in range(settings.micrographs):
        if stop is not None and stop.is_set():
            break
        micrograph, particles = simulated(settings, index)
        name = micrograph.name
        files[name], truth[name] = MicrographFile(Path(output) / f"{name}.mrc"), particles
        write_mrc(files[name].path, micrograph.pixels, settings.pixel_size)
        yield Saved(str(files[name].path))
        yield MicrographDone(name, picks=particles)
    for path in write_picks(Path(output) / TRUTH_FILE, truth, files=files, pixel_size=settings.pixel_size):
        yield Saved(str(path))
    return Simulated(tuple(files.values()), truth)
