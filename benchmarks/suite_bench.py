"""What the stages of the suite share: where things lie, micrographs, and how commands are run."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from peer_process import Finished, finished

from napari_topaz.files import write_mrc

HERE = Path(__file__).parent
SIZE, DOWNSAMPLE, PIXEL_SIZE = 4096, 8, 1.2
#: Å: 19 px wide after downsampling; and the radius there.
DIAMETER = 19 * DOWNSAMPLE * PIXEL_SIZE
RADIUS = 10
#: How our commands are told to preprocess.
PREPARING = ("--diameter", DIAMETER, "--downsample", DOWNSAMPLE)
#: Writes the model of long_job.py.
UNTRAINED = "import sys, pathlib; from long_job import make_model; make_model(pathlib.Path(sys.argv[1]))"


@dataclass(frozen=True)
class Bench:
    """What all stages share.

    Attributes
    ----------
    work : Path
        Folder for everything that is made.
    repeats : int
        Of every measurement.
    threads : int or None
        Threads of both programs; their own choice where None.
    quick : bool
        Whether small sizes will do: that it works is looked at, not how fast.
    with_peer : bool
    weights : Path or None
        Model that our training starts from.
    """

    work: Path
    repeats: int = 5
    threads: int | None = None
    quick: bool = False
    with_peer: bool = False
    weights: Path | None = None

    @property
    def size(self) -> int:
        return 1024 if self.quick else SIZE

    def folder(self, name: str) -> Path:
        made = self.work / name
        made.mkdir(parents=True, exist_ok=True)
        return made

    def ours(self, *words: object) -> Finished:
        """Run our command line."""
        program = Path(sys.executable).with_name("napari-topaz")
        return finished([program, *words], threads=self.threads)

    def python(self, *words: object) -> Finished:
        return finished([sys.executable, *words], threads=self.threads)

    def micrographs(self, number: int) -> list[Path]:
        """Return so many micrographs (float32, MRC); two are different."""
        from napari_topaz.settings import SimulateSettings
        from napari_topaz.simulate import simulate

        folder = self.folder(f"micrographs_{self.size}")
        originals = [folder / f"original_{k}.mrc" for k in range(2)]
        settings = SimulateSettings(
            size=self.size, pixel_size=PIXEL_SIZE, diameter=DIAMETER, micrographs=2, particles=200, dose=2.0
        )
        for k, path in enumerate(originals):
            if not path.exists():
                write_mrc(path, simulate(settings, k)[0].pixels, PIXEL_SIZE)
        files = [folder / f"mic_{k:04d}.mrc" for k in range(number)]
        for k, path in enumerate(files):
            if not path.exists():
                os.link(originals[k % 2], path)
        return files

    def prepared(self, number: int) -> list[Path]:
        """Return so many preprocessed micrographs: what both score."""
        files, folder = self.micrographs(number), self.folder(f"prepared_{self.size}")
        if any(not (folder / f.name).exists() for f in files):
            self.ours("preprocess", *files, "--output", folder, *PREPARING, "--overwrite", "--quiet")
        return [folder / f.name for f in files]

    def untrained(self) -> Path:
        """Return an untrained model: what it picks is arbitrary, what it costs is not."""
        path = self.work / "untrained.safetensors"
        if not path.exists():
            finished([sys.executable, "-c", UNTRAINED, path], environment={"PYTHONPATH": str(HERE)})
        return path
