"""The peer, topaz-em 0.3.20, run as a program: preprocess, train, extract.

It lives in an environment of its own (peer_environment.sh) and is started by peer_launcher.py. Nothing of
it is imported here, and its source was not read. All coordinates are ours: (y, x), 0-based.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median

import numpy as np
from peer_process import Finished, finished

from napari_topaz import Picks, read_picks

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parent / ".venv-peer"
LAUNCHER = HERE / "peer_launcher.py"
#: Names of networks that come with it, as its --model takes them: what its `train` starts from (its `extract`
#: takes a plain resnet8 for the one with 64 units), and the larger one of the kind that `extract` picks with
#: where it is told nothing.
SHIPPED, SHIPPED_LARGE = "resnet8_u32", "resnet16_u64"
#: Its scores are logits: everything is above this, so that the whole precision–recall curve is there.
LOWEST = -1000
ABSENT = (
    "The peer is left out: there is no environment .venv-peer. `./run bench --peer` or "
    "`benchmarks/peer_environment.sh` makes it."
)


@dataclass(frozen=True)
class Snapshot:
    """A model after some steps; CPU `seconds` since the peer was ready to train."""

    step: int
    seconds: float
    path: Path


@dataclass(frozen=True)
class Training:
    """How the peer is trained; radius in preprocessed pixels, all else as its options are called."""

    expected: float
    pretrained: bool = True
    epochs: int = 10
    steps: int = 50
    radius: int = 3
    seed: int = 0

    def words(self) -> list[str]:
        """Command line, without files."""
        given = {"-n": self.expected, "-r": self.radius}
        given |= {"--num-epochs": self.epochs, "--epoch-size": self.steps}
        words = [str(part) for pair in given.items() for part in pair]
        # Its workers draw the same regions, each for itself: none.
        return [*words, "--num-workers", "0", *([] if self.pretrained else ["--no-pretrained"])]


def absent() -> str:
    """Why the peer cannot be measured, in a sentence; empty where it can."""
    return "" if (ENVIRONMENT / ".stamp").is_file() else ABSENT


def command(*words: object) -> list[str]:
    """Command line that starts the peer."""
    return [str(ENVIRONMENT / "bin/python"), str(LAUNCHER), *map(str, words)]


def shipped_file(name: str) -> Path:
    """File of a network that comes with the peer, for our importer."""
    found = sorted(ENVIRONMENT.glob(f"lib/python*/site-packages/topaz/pretrained/detector/{name}.sav"))
    if not found:
        raise FileNotFoundError(f"The peer's environment has no network {name}.")
    return found[0]


@lru_cache
def start_up(threads: int | None = None, times: int = 3) -> float:
    """CPU seconds that the peer takes until it does anything: median of a trivial command.

    All of its commands import the same, its networks included.
    """
    return median(finished(command("--version"), threads=threads).cpu for _ in range(times))


def preprocess(
    micrographs: Sequence[Path], folder: Path, factor: int, *, threads: int | None = None
) -> Finished:
    """Downsample and normalise into `folder`, each under its own name (MRC)."""
    return finished(
        command("preprocess", "-s", factor, "-d", -1, "-j", threads or 0, "-o", folder, *micrographs),
        threads=threads,
    )


def write_targets(path: Path, labels: Mapping[str, Picks], step_yx: tuple[float, float]) -> None:
    """Write labels as its table, in whole pixels of the preprocessed micrographs."""
    lines = ["image_name\tx_coord\ty_coord"]
    for name, picks in labels.items():
        for y, x in np.rint(picks.yx / np.asarray(step_yx)).astype(int):
            lines.append(f"{name}\t{x}\t{y}")
    path.write_text("\n".join(lines) + "\n")


def train(
    images: Path, targets: Path, folder: Path, training: Training, *, threads: int | None = None
) -> tuple[list[Snapshot], Finished]:
    """Train on a folder of preprocessed micrographs.

    Parameters
    ----------
    images : Path
        Folder; unlabelled regions come from all in it.
    targets : Path
        Table of labels.
    folder : Path
        For the models, one after each epoch.
    training : Training

    Returns
    -------
    snapshots : list of Snapshot
        Their times are the CPU seconds used until the files were written, less the time of starting up.
    whole : Finished
        All of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = start_up(threads)
    files = ["--train-images", images, "--train-targets", targets, "--save-prefix", folder / "model"]
    whole = finished(
        command("train", "-d", -1, "-j", threads or 0, *training.words(), *files, "-o", folder / "curve.txt"),
        threads=threads,
        environment={"PEER_SEED": str(training.seed)},
    )
    snapshots = []
    for epoch in range(1, training.epochs + 1):
        path = folder / f"model_epoch{epoch}.sav"
        seconds = whole.cpu_until(path.stat().st_mtime) - before
        snapshots.append(Snapshot(epoch * training.steps, max(0.0, seconds), path))
    return snapshots, whole


def extract(
    model: str | Path,
    images: Sequence[Path],
    radius: float,
    output: Path,
    *,
    threshold: float = LOWEST,
    threads: int | None = None,
) -> tuple[dict[str, Picks], Finished]:
    """Score preprocessed micrographs and pick; `model` may be "none", for maps of scores.

    Returns
    -------
    picks : dict of str to Picks
        In preprocessed pixels, by the names of the files. `radius` is rounded to a whole pixel.
    whole : Finished
    """
    given = {"-m": model, "-r": max(1, round(radius)), "-t": threshold, "-d": -1, "-j": threads or 0}
    words = [part for pair in given.items() for part in pair]
    whole = finished(command("extract", *words, "--num-workers", 0, "-o", output, *images), threads=threads)
    found = read_picks(output, "topaz")
    return {path.stem: found.get(path.stem, Picks.labels(np.empty((0, 2)))) for path in images}, whole
