"""How quickly the window answers: next micrograph, threshold, heat map, training, Live.

A real napari window of 1280 × 800 pixels with the dock *Particle picker*, drawn by software (Mesa) in a
virtual display. Micrographs of 4096² pixels for what is drawn, with 500 picks each; for learning six
simulated ones of 2048² with 100 labels in all, preprocessed before, torch imported. Median and worst are
on the wall, until it is painted; "window" is the processor time of the window's own thread, painting
included, which other programs on the machine hardly change.

    python benchmarks/viewer_speed.py [--only NAME …]        # starts Xvfb where there is no display

Writes benchmarks/results/viewer_speed.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from viewer_watch import Bench, Row

from napari_topaz.files import find_micrographs, write_mrc
from napari_topaz.numerics.curves import precision_recall
from napari_topaz.numerics.matching import match
from napari_topaz.picks import Kind, Picks
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import PreprocessSettings, SimulateSettings
from napari_topaz.simulate import simulate

EDGE, MICROGRAPHS, PICKS, MANY_PICKS = 4096, 12, 500, 2000
#: Grid of the scores of a micrograph of 4096² pixels whose particles are 160 pixels wide, and finer.
GRID = 256
DIAMETER, PIXEL_SIZE = 160.0, 1.0
LEARNING = SimulateSettings(size=2048, particles=150, seed=5)
LEARNED_FROM, LABELS = 6, 100
#: How often each is measured, and Live's clicks.
TIMES, CLICKS = 20, 5


def measure(only: list[str]) -> list[Row]:
    """Measure what is asked for; all where nothing is."""
    rows: list[Row] = []
    bench = Bench()
    with tempfile.TemporaryDirectory() as folder:
        for name, step in STEPS.items():
            if not only or name in only:
                place = Path(folder, name)
                place.mkdir()
                made = step(bench, place)
                rows += made
                for row in made:
                    print(*row.cells(), sep=" | ", flush=True)
        bench.dock.job_bar.close_down()
        bench.pump(0.5)
        bench.dock.keeper.leave()
        bench.viewer.close()
    return rows


def drawing(bench: Bench, folder: Path) -> list[Row]:
    """Next micrograph, threshold, heat map."""
    workspace, rng = bench.workspace, np.random.default_rng(0)
    for k in range(MICROGRAPHS):
        pixels = rng.normal(100, 10, (EDGE, EDGE)).astype(np.float32)
        write_mrc(folder / f"m_{k:02}.mrc", pixels, PIXEL_SIZE)
    bench.dock.opening.open_paths([folder])
    bench.until(lambda: bench.layers.shown == "m_00")
    workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER))
    workspace.change(pick=workspace.options.pick.model_copy(update={"threshold": 0.0}))
    for name in workspace.names:
        workspace.set_candidates(name, _peaks(rng, PICKS))
    return [_steps(bench), _threshold(bench, rng), *_heat_maps(bench, rng)]


def _peaks(rng: np.random.Generator, above: int) -> Picks:
    scores = np.concatenate([rng.exponential(2, above), -rng.exponential(2, above)])
    return Picks(rng.uniform(0, EDGE, (2 * above, 2)), scores)


def _steps(bench: Bench) -> Row:
    row = Row("show the next micrograph, 4096²", 0.1)
    names = bench.workspace.names
    for turn in range(TIMES):
        bench.pump(0.5)
        bench.until(lambda: _prefetched(bench))
        forth = turn % (2 * (len(names) - 1)) < len(names) - 1
        here = names.index(bench.workspace.current or "")
        bench.time(
            row,
            lambda by=1 if forth else -1: bench.workspace.step(by),
            lambda there=here + (1 if forth else -1): bench.layers.shown == names[there],
        )
    return row


def _prefetched(bench: Bench) -> bool:
    pictures = bench.dock.opening._session.pictures._pictures
    return all(future.done() for _, future in pictures.values())


def _threshold(bench: Bench, rng: np.random.Generator) -> Row:
    row = Row(f"move the threshold, {MANY_PICKS} picks", 0.03)
    bench.workspace.set_candidates(bench.workspace.current or "", _peaks(rng, MANY_PICKS))
    for turn in range(TIMES):
        threshold = 0.02 * (turn % 7) + 0.01 * (turn + 1)
        bench.time(row, lambda threshold=threshold: bench.dock.actions_.choose_threshold(threshold))
    return row


def _heat_maps(bench: Bench, rng: np.random.Generator) -> list[Row]:
    alone = Row("another heat map", 0.05)
    both = Row(f"another heat map and {MANY_PICKS} other picks", 0.1)
    name = bench.workspace.current or ""
    for _ in range(TIMES):
        logits = rng.normal(0, 3, (GRID, GRID)).astype(np.float32)
        scores = ScoreMap(name, logits, (EDGE / GRID,) * 2, 1, (EDGE, EDGE))
        bench.time(alone, lambda scores=scores: bench.layers.show_scores(scores))
        peaks = _peaks(rng, MANY_PICKS)

        def round_done(scores: ScoreMap = scores, peaks: Picks = peaks) -> None:
            bench.layers.show_scores(scores)
            bench.workspace.set_candidates(name, peaks)

        bench.time(both, round_done)
    return [alone, both]


def learning(bench: Bench, folder: Path) -> list[Row]:
    """From Train to the first heat map; pauses while it trains; from a click to picks with Live."""
    import torch  # noqa: F401

    workspace, truth = bench.workspace, {}
    for k in range(LEARNED_FROM):
        micrograph, particles = simulate(LEARNING, k)
        write_mrc(folder / f"{micrograph.name}.mrc", micrograph.pixels, LEARNING.pixel_size)
        truth[micrograph.name] = particles
    workspace_names = [f.name for f in find_micrographs([folder])]
    bench.dock.opening.open_paths([folder])
    bench.until(lambda: bench.layers.shown == workspace_names[0])
    preprocess = PreprocessSettings(diameter=LEARNING.diameter)
    train = workspace.options.train.model_copy(update={"expected": float(LEARNING.particles)})
    workspace.change(preprocess=preprocess, train=train)
    for name, particles in truth.items():
        labels = LABELS // LEARNED_FROM + (name < workspace_names[LABELS % LEARNED_FROM])
        workspace.label(name, particles.yx[:labels], Kind.PARTICLE)
        bench.dock.opening._session.prepared.prepare(workspace.source(name), preprocess)
    bench.pump(1.0)
    return [*_train(bench, truth[workspace_names[0]]), _live(bench, truth)]


def _train(bench: Bench, truth: Picks) -> list[Row]:
    guess = Row("first heat map after Train, a guess", 3.0)
    learnt, epoch = Row("first learnt heat map", 3.0), Row("first epoch's heat map", 3.0)
    stalls = Row("longest pause while it trains", 0.1)
    workspace, name = bench.workspace, bench.workspace.current or ""
    bench.until(bench.dock.training.button.isEnabled)
    began, busy = time.perf_counter(), time.process_time()
    moments: list[tuple[Row, Callable[[], bool]]] = [
        (guess, lambda: True),
        (learnt, lambda: not workspace.model.is_general),
        (epoch, lambda: bool(workspace.model.card.history)),
    ]
    with bench.watched(stalls):
        bench.time(guess, bench.dock.training.button.click, lambda: workspace.is_picked(name))
        for row, done in moments:
            bench.until(lambda done=done: done() and workspace.is_picked(name))
            drawn, all_threads = _precision(workspace.peaks(name), truth), time.process_time() - busy
            row.note = f"average precision of its peaks {drawn:.2f}; {all_threads:.1f} s of all threads"
            if row is not guess:
                row.wall.append(time.perf_counter() - began)
        bench.until(lambda: bench.dock.job_bar.running is None)
    guess.window.clear()
    return [guess, learnt, epoch, stalls]


def _precision(found: Picks, truth: Picks) -> float:
    radius = LEARNING.diameter / LEARNING.pixel_size / 2
    hits = match(truth.yx, found.yx, radius).target_of_pick >= 0
    return precision_recall(found.scores, hits, len(truth)).average_precision


def _live(bench: Bench, truth: dict[str, Picks]) -> Row:
    row = Row("from a click to picks, Live", 5.0, note="a click when all labels were learnt")
    workspace, name = bench.workspace, bench.workspace.current or ""
    seen: list[int] = []
    bench.dock.live._take_round, take = (
        lambda e: (take(e), seen.append(e.labels)),
        bench.dock.live._take_round,
    )
    bench.dock.training.live.click()
    for turn in range(CLICKS):
        at = truth[name].yx[LABELS // LEARNED_FROM + 1 + turn]
        if turn:
            bench.until(lambda: "up to date" in bench.dock.training.summary.text())
            bench.pump(1.0)
        wanted = sum(map(len, workspace.all_labels.values())) + 1
        before = time.perf_counter()
        workspace.label(name, at[None], Kind.PARTICLE)
        bench.until(lambda wanted=wanted: bool(seen) and seen[-1] == wanted)
        bench.pump()
        if turn:
            row.wall.append(time.perf_counter() - before)
    bench.dock.training.live.click()
    bench.until(lambda: not bench.dock.job_bar.behind.busy)
    return row


STEPS = {"drawing": drawing, "learning": learning}


def write(output: Path, rows: list[Row]) -> None:
    """Write the table."""
    heads = ["what", "target", "median", "worst", "window, median", "window, worst", "met", ""]
    lines = [heads, ["---"] * len(heads), *(row.cells() for row in rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    about, load = __doc__.split("\n\n"), ", ".join(f"{value:.1f}" for value in os.getloadavg())
    output.write_text(
        f"# {about[0]}\n\n{about[1]}\n\nCommand: `python benchmarks/viewer_speed.py`, {os.cpu_count()} cores "
        f"({platform.machine()}), load {load}.\n\n{table}\n"
    )
    print(table)


def main() -> int:
    """Measure, in a display of its own where there is none."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results/viewer_speed.md")
    parser.add_argument("--only", nargs="*", choices=list(STEPS), default=[])
    options = parser.parse_args()
    if not os.environ.get("DISPLAY"):
        display = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24 +extension GLX +render -noreset"]
        software = {"LIBGL_ALWAYS_SOFTWARE": "1", "QT_QPA_PLATFORM": "xcb"}
        return subprocess.run([*display, sys.executable, *sys.argv], env=os.environ | software).returncode
    write(options.output, measure(options.only))
    return 0


if __name__ == "__main__":
    sys.exit(main())
