"""Time and memory of a long `pick`, in one process and shared out; writes results/long_job.md.

    python benchmarks/long_job.py [--counts 50 250 500] [--timed 24]

Memory: many links to a few small simulated micrographs. Time: simulated micrographs of 1024 x 1024
pixels. The model is not trained: what it picks is arbitrary, what it costs is not. Memory is the most
that all processes of the command held together (resident, shared pages counted in each), looked at
five times a second. With OMP_NUM_THREADS=1 a process uses one core.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from napari_topaz.files import write_mrc
from napari_topaz.settings import NetworkSettings, PreprocessSettings, SimulateSettings, TrainSettings
from napari_topaz.simulate import simulate

RESULTS = Path(__file__).parent / "results" / "long_job.md"
DIAMETER = 180.0


def make_model(path: Path) -> None:
    import torch

    from napari_topaz.model.networks import build
    from napari_topaz.model.picker import ModelCard, PickerModel

    torch.manual_seed(0)
    network = NetworkSettings()
    card = ModelCard(
        network=network,
        preprocess=PreprocessSettings(diameter=DIAMETER),
        train=TrainSettings(),
        pixel_size=3.5,
        threshold=-1000,
    )
    PickerModel(build(network).eval(), card).save(path)


def make_micrographs(folder: Path, size: int, different: int, count: int) -> None:
    """Write `different` micrographs, and links to them until there are `count`."""
    folder.mkdir()
    settings = SimulateSettings(size=size, micrographs=different)
    originals = []
    for index in range(different):
        micrograph, _ = simulate(settings, index)
        originals.append(folder.parent / f"{folder.name}_{index}.mrc")
        write_mrc(originals[-1], micrograph.pixels, settings.pixel_size)
    for k in range(count):
        os.link(originals[k % different], folder / f"mic_{k:05d}.mrc")


def measured(*words: object) -> tuple[float, float]:
    """Run a command; returns seconds, and the most MB that it and its children held."""
    begun, most = time.monotonic(), 0
    command = [Path(sys.executable).parent / "napari-topaz", *map(str, words), "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        top = psutil.Process(process.pid)
        while process.poll() is None:
            most = max(most, held(top))
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"pick failed with exit code {process.returncode}.")
    return time.monotonic() - begun, most / 1e6


def held(top: psutil.Process) -> int:
    total = 0
    for process in [top, *top.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[50, 250, 500])
    parser.add_argument("--timed", type=int, default=24)
    given = parser.parse_args()
    rows = ["| micrographs | edge (px) | processes | seconds | most memory (MB) |", "|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder / "m.safetensors")
        make_micrographs(folder / "timed", 1024, 4, given.timed)
        jobs = [("timed", 1024, given.timed)]
        for count in given.counts:
            make_micrographs(folder / f"small_{count}", 256, 4, count)
            jobs.append((f"small_{count}", 256, count))
        for where, edge, count in jobs:
            for label, more in (("1", []), ("--workers 2", ["--workers", 2])):
                output = folder / f"{where}{len(more)}.star"
                words = ["pick", folder / where, "--model", folder / "m.safetensors", "--output", output]
                seconds, memory = measured(*words, *more)
                rows.append(f"| {count} | {edge} | {label} | {seconds:.0f} | {memory:.0f} |")
                print(rows[-1], flush=True)
                report(rows)
            first, second = (folder / f"{where}{n}.star" for n in (0, 2))
            if first.read_bytes() != second.read_bytes():
                raise SystemExit(f"The picks of {where} differ.")


def report(rows: list[str]) -> None:
    """Write what is measured so far."""
    load = f"{os.cpu_count()} cores, load {os.getloadavg()[1]:.1f} (mean of 5 minutes, at the end)"
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    text = f"# A long pick\n\n{__doc__.strip()}\n\nMachine: {load}; OMP_NUM_THREADS={threads}.\n\n"
    RESULTS.write_text(text + "\n".join(rows) + "\n", "utf-8")


if __name__ == "__main__":
    main()
