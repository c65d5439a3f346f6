"""Reference pickers: drawn particles come back, dark or bright, and what cannot work says why."""

from __future__ import annotations

import threading
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from napari_topaz.choices import REFERENCE_PICKERS
from napari_topaz.events import JobError, MicrographDone, ScoresDone, Started, Warned
from napari_topaz.files import FileError, write_mrc
from napari_topaz.jobs import reference_picker
from napari_topaz.jobs.evaluate import evaluate
from napari_topaz.jobs.preparing import PreparedCache, prepare_source
from napari_topaz.jobs.reference import own_threshold, reference_pick
from napari_topaz.jobs.reference_picker import BLOBS, Templates, make_picker, read_templates
from napari_topaz.micrograph import Micrograph, MicrographFile
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PreprocessSettings, ReferenceSettings, SimulateSettings
from napari_topaz.simulate import simulate
from worlds import DIAMETER, PIXEL_SIZE, run

pytestmark = pytest.mark.slow

HOW = PreprocessSettings(diameter=DIAMETER, particle_pixels=16)
#: Half a particle, in pixels.
RADIUS = DIAMETER / PIXEL_SIZE / 2


def picked(files, how=HOW, *, labels=None, templates=None, labelled=None, **settings):
    job = reference_pick(
        files, how, ReferenceSettings(**settings), labels=labels, templates=templates, labelled=labelled
    )
    return run(job)[1]


def found(picks, truth) -> float:
    """Average precision."""
    return evaluate(picks, truth, RADIUS / 2).average_precision


def inverted(world) -> list[Micrograph]:
    from napari_topaz.files import read_micrograph

    read = [read_micrograph(f) for f in world.files]
    return [Micrograph(m.name, -np.asarray(m.pixels), m.pixel_size) for m in read]


def test_every_name_in_the_settings_has_a_picker(world) -> None:
    assert {*BLOBS, "template"} == set(REFERENCE_PICKERS)


@pytest.mark.parametrize("method", REFERENCE_PICKERS)
def test_drawn_particles_come_back(world, method: str) -> None:
    picks = picked(world.files, labels=world.truth, method=method)
    assert list(picks) == [f.name for f in world.files]
    assert found(picks, world.truth) > 0.9
    # The threshold that it finds by itself leaves about as many as there are.
    assert 0.7 < sum(map(len, picks.values())) / sum(map(len, world.truth.values())) < 1.4


@pytest.mark.parametrize("method", BLOBS)
def test_bright_particles_come_back_if_said_so_or_labelled_so(world, method: str) -> None:
    files = inverted(world)
    assert found(picked(files, method=method, contrast="bright"), world.truth) > 0.9
    assert found(picked(files, method=method, labels=world.truth), world.truth) > 0.9
    assert found(picked(files, method=method), world.truth) < 0.3
    assert found(picked(files, method=method, labels=world.truth, contrast="dark"), world.truth) < 0.3


def test_averages_of_bright_particles_find_bright_particles(world) -> None:
    assert found(picked(inverted(world), method="template", labels=world.truth), world.truth) > 0.9


def test_three_labels_on_another_micrograph_make_a_template(world) -> None:
    labels = {"mic_3": world.truth["mic_3"][:3]}
    job = reference_pick(
        world.files[:1], HOW, ReferenceSettings(method="template"), labels=labels, labelled=world.files
    )
    _, picks = run(job)
    assert found(picks, {"mic_0": world.truth["mic_0"]}) > 0.8


@pytest.mark.parametrize("averages", [0, 3])
def test_other_numbers_of_averages(world, averages: int) -> None:
    picks = picked(world.files, labels=world.truth, method="template", averages=averages)
    assert found(picks, world.truth) > 0.8


def test_events_and_scores(world) -> None:
    events, picks = run(reference_pick(world.files, HOW, cache=PreparedCache()))
    assert events[0] == Started("Picking", 4)
    maps = [e.score_map for e in events if isinstance(e, ScoresDone)]
    assert [m.name for m in maps] == [f.name for f in world.files]
    assert maps[0].shape == (240, 320)
    done = [e for e in events if isinstance(e, MicrographDone)]
    assert all(e.picks is picks[e.name] for e in done)
    assert all((np.diff(p.scores) <= 0).all() for p in picks.values())


def test_correlations_are_bounded_and_z_scores_are_standard(world) -> None:
    for method in REFERENCE_PICKERS:
        settings = ReferenceSettings(method=method)
        _, picker = run(make_picker(world.files, HOW, settings, labels=world.truth))
        scores = picker.score(prepare_source(world.files[0], HOW)).logits
        if method == "template":
            assert 0.5 < scores.max() <= 1
        else:
            assert abs(float(np.median(scores))) < 1e-3


def test_a_threshold_counts_as_given(world) -> None:
    everything = picked(world.files[:1], threshold=-1000)["mic_0"]
    some = picked(world.files[:1], threshold=2.5)["mic_0"]
    assert len(some) == int((everything.scores >= 2.5).sum()) > 0
    own = picked(world.files[:1])["mic_0"]
    assert len(own) == int((everything.scores >= own_threshold(everything)).sum())


def test_distances_are_in_angstrom(world) -> None:
    far = picked(world.files[:1], threshold=-1000, suppression_radius=100)["mic_0"].yx
    near = picked(world.files[:1], threshold=-1000)["mic_0"].yx
    for yx, least in ((far, 50), (near, RADIUS)):  # 100 Å are 50 px; the particle's radius
        gaps = np.linalg.norm(yx[:, None] - yx, axis=2)[np.triu_indices(len(yx), 1)]
        assert gaps.min() > least - 4  # on a grid of 2 px, and refined
    inside = picked(world.files[:1], threshold=-1000, margin=60)["mic_0"]
    assert inside.inside((240, 320), 30).all()


@pytest.mark.parametrize("labelled", ["coarse", "fine"])
def test_micrographs_of_two_pixel_sizes_share_a_template(world, labelled: str) -> None:
    """The same particles at two pixel sizes: labelled in one micrograph, picked in the other."""
    from scipy.ndimage import zoom

    from napari_topaz.files import read_micrograph

    pixels = read_micrograph(world.files[0]).pixels
    finer = zoom(pixels, 2, order=3, grid_mode=True, mode="reflect")
    sources = {
        "coarse": Micrograph("coarse", pixels, PIXEL_SIZE),
        "fine": Micrograph("fine", finer, PIXEL_SIZE / 2),
    }
    truth = {"coarse": world.truth["mic_0"], "fine": world.truth["mic_0"].rescaled(2)}
    how = HOW.model_copy(update={"downsample": 2.0})  # so that the grids differ
    other = "fine" if labelled == "coarse" else "coarse"
    labels = {labelled: truth[labelled]}
    picks = picked([sources[other]], how, method="template", labels=labels, labelled=[sources[labelled]])
    assert evaluate(picks, {other: truth[other]}, DIAMETER / 4 / sources[other].pixel_size).best_f1 > 0.75
    # Of the wrong size it would correlate less than a template of the micrograph itself.
    own = picked([sources[other]], how, method="template", labels={other: truth[other]})
    assert np.median(picks[other].scores[:8]) > np.median(own[other].scores[:8]) - 0.05


@pytest.mark.parametrize("method", REFERENCE_PICKERS)
def test_carbon_gaps_and_nothing_at_all(method: str) -> None:
    simulated, truth = simulate(SimulateSettings(size=512, particles=25, dose=60), 1)
    how, labels = PreprocessSettings(diameter=180), {simulated.name: truth}
    carbon = simulated.pixels.copy()
    carbon[:, :170] *= 0.6
    gaps = carbon.copy()
    gaps[100:300, 300:330], gaps[5] = np.nan, np.inf
    sources = [
        simulated,
        Micrograph("carbon", carbon, 3.5),
        Micrograph("gaps", gaps, 3.5),
        Micrograph("constant", np.full((300, 400), 7, np.int16), 3.5),
        Micrograph("tiny", np.ones((3, 5), np.float32), 3.5),
        Micrograph("nothing", np.full((300, 400), np.nan, np.float32), 3.5),
    ]
    events, picks = run(reference_pick(sources, how, ReferenceSettings(method=method), labels=labels))
    assert found_on(picks[simulated.name], truth) > 0.6
    right = truth[truth.yx[:, 1] > 230]
    assert found_on(picks["carbon"][picks["carbon"].yx[:, 1] > 200], right) > 0.5
    assert all(np.isfinite(p.scores).all() for p in picks.values())
    assert [e.name for e in events if isinstance(e, MicrographDone) and e.error] == ["nothing"]


def found_on(picks: Picks, truth: Picks) -> float:
    return evaluate({"m": picks}, {"m": truth}, 25).best_f1


# ── given templates ────────────────────────────────────────────────────────────────────────────


def blob(size: int, sigma: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size // 2
    return np.exp(-(y**2 + x**2) / (2 * sigma**2)).astype(np.float32)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Two class averages at 4 Å/px, bright on dark as those of RELION are."""
    path = tmp_path / "classes.mrcs"
    with mrcfile.new(path) as mrc:
        mrc.set_data(np.stack([blob(24, 3.5), blob(24, 2.5)]))
        mrc.set_image_stack()
        mrc.voxel_size = 4.0
    return path


def test_given_templates_are_turned_to_the_contrast_and_scale_of_the_micrographs(world, stack) -> None:
    templates = read_templates(stack)
    assert templates.images.shape == (2, 24, 24)
    assert templates.pixel_size == 4.0
    assert found(picked(world.files, method="template", templates=templates), world.truth) > 0.9
    bright = picked(inverted(world), method="template", templates=templates, contrast="bright")
    assert found(bright, world.truth) > 0.9
    labelled = picked(inverted(world), method="template", templates=templates, labels=world.truth)
    assert found(labelled, world.truth) > 0.9
    wrong = picked(inverted(world), method="template", templates=templates)
    assert found(wrong, world.truth) < 0.3


def test_a_single_image_is_a_template(tmp_path) -> None:
    write_mrc(tmp_path / "one.mrc", blob(20, 4), None)
    assert read_templates(tmp_path / "one.mrc").images.shape == (1, 20, 20)
    assert read_templates(tmp_path / "one.mrc").pixel_size is None


def test_templates_without_pixel_size_need_one(world) -> None:
    silent = Templates(blob(24, 3.5)[None])
    with pytest.raises(JobError, match="pixel size of the templates"):
        picked(world.files, method="template", templates=silent)
    said = picked(world.files, method="template", templates=silent, template_pixel_size=4.0)
    assert found(said, world.truth) > 0.9


def test_templates_much_smaller_than_the_particle_are_refused(world) -> None:
    with pytest.raises(JobError, match=r"24 Å wide.*check their pixel size"):
        picked(world.files, method="template", templates=Templates(blob(24, 3.5)[None], 1.0))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.ones((2, 8, 9), np.float32), "9 × 8 px; cut them to squares"),
        (np.full((8, 8), np.nan, np.float32), "not numbers"),
        (np.stack([blob(8, 2), np.ones((8, 8), np.float32)]), "empty template"),
    ],
)
@pytest.mark.filterwarnings("ignore:Data array contains")
def test_templates_that_cannot_be_used(tmp_path, pixels, message: str) -> None:
    path = tmp_path / "t.mrcs"
    with mrcfile.new(path) as mrc:
        mrc.set_data(pixels)
        if pixels.ndim == 3:
            mrc.set_image_stack()
    with pytest.raises(FileError, match=message) as error:
        read_templates(path)
    assert "t.mrcs" in str(error.value)


def test_a_stack_that_is_none(tmp_path) -> None:
    (tmp_path / "broken.mrcs").write_bytes(b"no stack")
    with pytest.raises(FileError, match=r"broken\.mrcs"):
        read_templates(tmp_path / "broken.mrcs")
    with pytest.raises(FileError, match=r"missing\.mrcs"):
        read_templates(tmp_path / "missing.mrcs")


# ── what cannot work ───────────────────────────────────────────────────────────────────────────


def test_a_missing_diameter_is_asked_for(world) -> None:
    with pytest.raises(JobError, match="diameter"):
        picked(world.files, PreprocessSettings(downsample=2))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "no particle is labelled"),
        ({"elsewhere": Picks.labels(np.full((9, 2), 50))}, "no particle is labelled"),
        ({"mic_0": Picks.labels(np.full((9, 2), 50), Kind.NOT_PARTICLE)}, "no particle is labelled"),
        ({"mic_0": Picks.labels([[50, 60], [90, 70]])}, "only 2"),
        ({"mic_0": Picks.labels(np.full((9, 2), 999))}, "no particle is labelled"),
    ],
)
def test_templates_need_labels(world, labels, message: str) -> None:
    with pytest.raises(JobError, match=message):
        picked(world.files, method="template", labels=labels)


def test_a_missing_pixel_size_is_said_of_each_micrograph(world) -> None:
    silent = Micrograph("silent", np.random.default_rng(0).normal(0, 1, (90, 120)).astype(np.float32))
    events, picks = run(reference_pick([silent, world.files[0]], HOW))
    assert list(picks) == ["mic_0"]
    assert "pixel size" in next(e.error for e in events if isinstance(e, MicrographDone) and e.error)
    with pytest.raises(JobError, match="pixel size of 'silent'"):
        picked([silent], HOW.model_copy(update={"downsample": 2.0}))


def test_a_labelled_micrograph_that_is_broken_is_left_out_with_a_warning(world, tmp_path) -> None:
    (tmp_path / "broken.mrc").write_bytes(b"no micrograph")
    files = [*world.files, MicrographFile(tmp_path / "broken.mrc")]
    labels = world.truth | {"broken": Picks.labels([[5, 5]])}
    events, picks = run(reference_pick(files, HOW, ReferenceSettings(method="template"), labels=labels))
    assert any(isinstance(e, Warned) and "broken" in e.message for e in events)
    assert len(picks) == 4


def test_done_ones_are_skipped_and_stop_keeps_the_rest(world) -> None:
    stop = threading.Event()

    def write(name, picks):
        stop.set()
        return ()

    _, picks = run(reference_pick(world.files, HOW, skip={"mic_0"}, stop=stop, write=write))
    assert list(picks) == ["mic_1"]


def test_very_many_labels_are_thinned_out(world, monkeypatch) -> None:
    monkeypatch.setattr(reference_picker, "MOST_LABELS", 8)
    events, picks = run(
        reference_pick(world.files, HOW, ReferenceSettings(method="template"), labels=world.truth)
    )
    assert events[0] == Started("Reading labels", 8)
    assert found(picks, world.truth) > 0.8
