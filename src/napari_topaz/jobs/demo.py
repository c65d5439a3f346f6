"""The whole way on simulated micrographs: label a few particles, train, pick, compare with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_topaz.events import Job, JobError, Saved, StopToken
from napari_topaz.files import write_picks
from napari_topaz.jobs.evaluate import Evaluation, evaluate
from napari_topaz.jobs.pick import pick, picks_of, score_one
from napari_topaz.jobs.preparing import prepare_source
from napari_topaz.jobs.simulate import Simulated, simulate
from napari_topaz.jobs.train import train_on_files
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Picks
from napari_topaz.settings import PickSettings, PreprocessSettings, SimulateSettings, TrainSettings

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel

#: Labels on each micrograph that is trained on: what a patient user clicks.
LABELS = 25
#: Fraction of the micrographs that only serve to compare picks with the truth.
TEST_PART = 1 / 3
#: What is written into its folder.
WRITTEN = ("micrographs/simulated_*.mrc", "labels.star", "model.safetensors", "picks.star", "report.png")
#: Training ends after this many epochs or seconds.
EPOCHS, SECONDS = 8, 60.0
#: Picks within this part of the diameter of a particle are hits.
HIT_PART = 0.25
#: Picks are made down to this far below the threshold, so that the curve goes on where they end.
BELOW = 8.0


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the demo found and wrote.

    Attributes
    ----------
    folder : Path
        With ``micrographs/``, ``labels.star``, ``model.safetensors``, ``picks.star``, ``report.png``.
    evaluation : Evaluation
        On micrographs that the model has not seen; of all picks, also those below the threshold.
    picks : int
        Above the model's threshold, on those micrographs.
    labels : int
        Particles that were labelled.
    """

    folder: Path
    evaluation: Evaluation
    picks: int
    labels: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        found = self.evaluation.as_dict()
        return found | {
            "folder": str(self.folder),
            "labels": self.labels,
            "picks_above_threshold": self.picks,
        }

    def table(self, seconds: float) -> str:
        """Say for people what came out."""
        found = self.evaluation
        rows = (
            ("labels", f"{self.labels}"),
            ("unseen micrographs", f"{found.micrographs} with {found.targets} particles"),
            ("average precision", f"{found.average_precision:.3f}"),
            ("best F1", f"{found.best_f1:.3f}"),
            ("median distance", f"{found.median_distance:.1f} px"),
            ("time", f"{seconds:.0f} s"),
            ("look at", f"{self.folder / 'report.png'}"),
        )
        return "\n".join(f"{label:20}{value}" for label, value in rows)


def demo(
    output: str | Path,
    settings: SimulateSettings | None = None,
    *,
    device: str = "auto",
    stop: StopToken | None = None,
) -> Job[DemoResult]:
    """Simulate, train, pick and evaluate.

    Parameters
    ----------
    output : str or Path
        Folder, made where it is missing.
    settings : SimulateSettings, optional
        The micrographs; a third of them only serves to compare picks with the truth.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    stop : StopToken, optional
        Where set, the demo ends with a JobError: half of it shows nothing.

    Yields
    ------
    Events of all steps, and Saved

    Raises
    ------
    JobError
        Where there are fewer than two micrographs or no particles, or `stop` was set.
    """
    settings, folder = settings or SimulateSettings(), Path(output)
    if settings.micrographs < 2 or settings.particles < 1:
        raise JobError("The demo needs at least two micrographs with particles; raise --micrographs.")
    made = yield from simulate(settings, folder / "micrographs", stop=stop)
    _refuse_if_stopped(stop)
    n_test = max(1, round(TEST_PART * len(made.files)))
    seen, unseen = made.files[:-n_test], made.files[-n_test:]
    labels = label_some(made, seen, settings.seed)
    write_picks(folder / "labels.star", labels, files={f.name: f for f in seen})
    how = TrainSettings(epochs=EPOCHS, time_limit=SECONDS, expected=settings.particles, seed=settings.seed)
    diameter = PreprocessSettings(diameter=settings.diameter)
    model = yield from train_on_files(seen, labels, diameter, how, device=device, stop=stop)
    _refuse_if_stopped(stop)
    yield Saved(str(model.save(folder / "model.safetensors")))
    return (yield from _judge(folder, model, unseen, made, device, stop))


def label_some(made: Simulated, files: Sequence[MicrographFile], seed: int) -> dict[str, Picks]:
    """Label a few particles of each micrograph at random, as a user clicks."""
    rng = np.random.default_rng(seed)
    truth = {f.name: made.truth[f.name] for f in files}
    return {n: t[rng.permutation(len(t))[:LABELS]] for n, t in truth.items() if len(t)}


def _judge(
    folder: Path,
    model: PickerModel,
    files: Sequence[MicrographFile],
    made: Simulated,
    device: str,
    stop: StopToken | None,
) -> Job[DemoResult]:
    threshold = model.card.threshold
    low = PickSettings(threshold=threshold - BELOW)
    found = yield from pick(files, model, low, device=device, stop=stop)
    _refuse_if_stopped(stop)
    truth = {f.name: made.truth[f.name] for f in files}
    above = {name: one.above(threshold) for name, one in found.items()}
    size = model.card.pixel_size
    write_picks(folder / "picks.star", above, files={f.name: f for f in files}, pixel_size=size)
    evaluation = evaluate(found, truth, 2 * HIT_PART * model.radius())
    result = DemoResult(folder, evaluation, sum(map(len, above.values())), model.card.labels)
    _report(result, model, files[-1], truth)
    yield Saved(str(folder / "report.png"))
    return result


def _report(result: DemoResult, model: PickerModel, file: MicrographFile, truth: dict[str, Picks]) -> None:
    from napari_topaz.jobs.report import Scene, draw_report

    prepared = prepare_source(file, model.card.preprocess)
    scores = score_one(prepared, model)
    scene = Scene(
        prepared=prepared,
        score_map=scores,
        picks=picks_of(scores, model, pixel_size=prepared.pixel_size),
        targets=truth[file.name],
        hit_radius=result.evaluation.radius,
        mark_radius=model.radius(prepared.pixel_size),
        threshold=model.card.threshold,
    )
    seconds, precision = model.card.history[-1].seconds, result.evaluation.average_precision
    title = f"{result.labels} labels, {seconds:.0f} s of training: average precision {precision:.2f}"
    draw_report(result.folder / "report.png", title, scene, model.card, result.evaluation)


def _refuse_if_stopped(stop: StopToken | None) -> None:
    if stop is not None and stop.is_set():
        raise JobError("The demo was stopped; what it wrote so far is kept.")
