"""DeepEM's loop: train, pick the training micrographs, label true and false picks, train again.

Simulated micrographs with lumps of ice and fragments of particles; some are trained on, others tested.
The first round has labelled particles alone. After each round a person is imitated who looks at the
picks on the training micrographs: the best-scoring false ones and the best-scoring true ones that are
not labelled yet become labels. Average precision is that of all picks on the test micrographs, without
the filter of standard deviations (ten labels have no range).

    python benchmarks/deepem_rounds.py [--seeds 1 2 3] [--rounds 3]

Writes benchmarks/results/deepem_rounds.md. Settings were chosen on seed 101.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import mean

import numpy as np

from napari_topaz.events import Job
from napari_topaz.jobs.evaluate import evaluate
from napari_topaz.jobs.label import label
from napari_topaz.jobs.pick import pick
from napari_topaz.jobs.train import train_on_files
from napari_topaz.micrograph import Micrograph
from napari_topaz.picks import Picks
from napari_topaz.settings import (
    NetworkSettings,
    PickSettings,
    PreprocessSettings,
    SimulateSettings,
    TrainSettings,
)
from napari_topaz.settings.presets import with_preset
from napari_topaz.simulate import simulate

TRAINING, TEST = 3, 3
PARTICLES, LABELS, ADDED = 25, 10, 20
EPOCHS, STEPS = 6, 50
SIMULATED = {"size": 768, "particles": PARTICLES, "contaminations": 20.0, "fragments": 0.7}


def result_of(job: Job):
    """Run a job to its end."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


def a_set(seed: int) -> tuple[list[Micrograph], dict[str, Picks]]:
    settings = SimulateSettings(seed=seed, micrographs=TRAINING + TEST, **SIMULATED)
    made = [simulate(settings, i) for i in range(settings.micrographs)]
    return [m for m, _ in made], {m.name: truth for m, truth in made}


def first_labels(truth: dict[str, Picks], names: list[str], seed: int) -> dict[str, Picks]:
    """Draw labels at random from those of the training micrographs."""
    every = [(name, i) for name in names for i in range(len(truth[name]))]
    chosen = np.random.default_rng(seed).permutation(len(every))[:LABELS]
    return {n: truth[n][np.array([every[c][1] for c in chosen if every[c][0] == n], np.intp)] for n in names}


def rounds(seed: int, count: int) -> list[dict[str, float]]:
    """Run the loop; returns one row a round."""
    images, truth = a_set(seed)
    training, test = images[:TRAINING], images[TRAINING:]
    simulated = SimulateSettings()
    preprocess = with_preset("deepem", PreprocessSettings(diameter=simulated.diameter))
    # Every label trains, and the last epoch is kept: a few of so few labels would be a noisy judge.
    given = TrainSettings(expected=PARTICLES, seed=seed, epochs=EPOCHS, steps=STEPS, held_out=0)
    settings = with_preset("deepem", given)
    network = with_preset("deepem", NetworkSettings())
    radius = simulated.diameter / simulated.pixel_size / 2
    targets = {m.name: truth[m.name] for m in test}
    labels, model, rows = first_labels(truth, [m.name for m in training], seed), None, []
    every = PickSettings(threshold=-50, deviation_filter="off")
    for number in range(1, count + 1):
        began = time.monotonic()
        model = result_of(
            train_on_files(training, labels, preprocess, settings, network, device="cpu", start=model)
        )
        seconds = time.monotonic() - began
        found = result_of(pick(test, model, every, device="cpu"))
        rows.append(
            {
                "seed": seed,
                "round": number,
                "particles": sum(int((p.kinds == 1).sum()) for p in labels.values()),
                "not": sum(int((p.kinds == 2).sum()) for p in labels.values()),
                "ap": evaluate(found, targets, radius).average_precision,
                "seconds": seconds,
            }
        )
        print(rows[-1], flush=True)
        own = result_of(pick(training, model, every, device="cpu"))
        labels = label(own, truth, radius, most_true=ADDED, most_false=ADDED, known=labels).labels
    return rows


def table(rows: list[dict[str, float]], seeds: list[int], count: int) -> str:
    """Lay the results out as Markdown."""
    heads = ["round", "labels: particles, no particles", *(f"seed {s}" for s in seeds)]
    heads += ["mean", "training, s"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for number in range(1, count + 1):
        mine = [r for r in rows if r["round"] == number]
        some = f"{mean(r['particles'] for r in mine):.0f}, {mean(r['not'] for r in mine):.0f}"
        cells = [str(number), some, *(f"{r['ap']:.3f}" for r in mine)]
        cells += [f"**{mean(r['ap'] for r in mine):.3f}**", f"{mean(r['seconds'] for r in mine):.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results/deepem_rounds.md")
    options = parser.parse_args()
    began = time.monotonic()
    rows = [row for seed in options.seeds for row in rounds(seed, options.rounds)]
    about = __doc__.split("\n\n")
    words = " ".join(map(str, options.seeds))
    text = table(rows, options.seeds, options.rounds)
    options.output.write_text(
        f"# {about[0]}\n\n{about[1]} {about[3].split('. ', 1)[1]}\n\n"
        f"{TRAINING} micrographs train and {TEST} test, {PARTICLES} particles on each; {LABELS} labels at "
        f"first, up to {ADDED} of each kind more after each round; preset `deepem`. Command: "
        f"`python benchmarks/deepem_rounds.py --seeds {words} --rounds {options.rounds}`, "
        f"{time.monotonic() - began:.0f} s on a CPU that had other work.\n\n{text}\n"
    )
    print(text)


if __name__ == "__main__":
    main()
