from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_topaz.numerics.curves import precision_recall
from napari_topaz.numerics.matching import match
from napari_topaz.numerics.suppression import suppress
from napari_topaz.picks import Kind
from napari_topaz.preprocess import prepare
from napari_topaz.settings import PreprocessSettings, SimulateSettings
from napari_topaz.simulate import simulate

SMALL = SimulateSettings(size=300, particles=12)


def test_the_same_settings_give_the_same_micrograph() -> None:
    (one, truth), (again, truth_again) = simulate(SMALL, 3), simulate(SMALL, 3)
    np.testing.assert_array_equal(one.pixels, again.pixels)
    np.testing.assert_array_equal(truth.yx, truth_again.yx)
    for other, index in ((SMALL, 4), (SMALL.model_copy(update={"seed": 1}), 3)):
        assert (simulate(other, index)[0].pixels != one.pixels).mean() > 0.9


def test_says_what_it_is() -> None:
    micrograph, truth = simulate(SMALL, 7)
    assert (micrograph.name, micrograph.shape, micrograph.pixel_size) == ("simulated_0007", (300, 300), 3.5)
    assert micrograph.pixels.dtype == np.float32
    assert np.isfinite(micrograph.pixels).all()
    assert truth.inside((300, 300)).all()
    assert (truth.kinds == Kind.PARTICLE).all()


def test_number_dose_and_distance_of_particles() -> None:
    settings = SimulateSettings(size=512, particles=20)
    counts, apart, means = [], [], []
    for index in range(12):
        micrograph, truth = simulate(settings, index)
        counts.append(len(truth))
        means.append(np.median(micrograph.pixels))
        gaps = np.linalg.norm(truth.yx[:, None] - truth.yx, axis=2)
        apart.append((gaps + 1e9 * np.eye(len(truth))).min())
    assert 16 < np.mean(counts) < 24
    assert min(apart) > 0.85 * 180 / 3.5
    assert np.median(means) == pytest.approx(20 * 3.5**2, rel=0.1)


def test_particles_are_dark_and_where_the_truth_says() -> None:
    total = np.zeros((41, 41))
    for index in range(4):
        micrograph, truth = simulate(SimulateSettings(size=512, particles=25, dose=200), index)
        smooth = ndimage.gaussian_filter(micrograph.pixels, 2)
        for y, x in truth.yx[truth.inside(micrograph.shape, 21)].round().astype(int):
            total += smooth[y - 20 : y + 21, x - 20 : x + 21]
    y, x = np.indices(total.shape) - 20
    inside, around = np.hypot(y, x) < 12, np.hypot(y, x) > 19
    assert total[inside].mean() < 0.99 * total[around].mean()
    weights = np.maximum(np.median(total[around]) - total, 0) * (np.hypot(y, x) < 19)
    centre = (weights * y).sum() / weights.sum(), (weights * x).sum() / weights.sum()
    np.testing.assert_allclose(centre, 0, atol=1)


def test_a_lower_dose_is_noisier() -> None:
    def noise(dose: float) -> float:
        pixels = simulate(SMALL.model_copy(update={"dose": dose}), 0)[0].pixels
        return float(np.std(np.diff(pixels, axis=0)) / pixels.mean())

    assert noise(2) > 2 * noise(20) > 2 * noise(200)
    # Few enough electrons for shot noise to prevail, on either side of Poisson's approximation.
    for dose in (1.0, 4.0):
        assert noise(dose) == pytest.approx(np.sqrt(2 / (dose * 3.5**2)), rel=0.1)
    counts = simulate(SMALL.model_copy(update={"dose": 0.5}), 0)[0].pixels
    np.testing.assert_array_equal(counts, counts.round())


def test_learnable_but_not_trivial() -> None:
    """A difference of Gaussians finds most particles, and contaminations and fragments, too."""
    settings, scores, hits, targets = SimulateSettings(), [], [], 0
    for index in range(3):
        micrograph, truth = simulate(settings, index)
        prepared = prepare(micrograph, PreprocessSettings(diameter=settings.diameter))
        image = np.clip(prepared.image, -3, 3)
        matched = ndimage.gaussian_filter(image, 7.0) - ndimage.gaussian_filter(image, 3.5)
        ij, found = suppress(matched, 9.0)
        scores.append(found)
        hits.append(match(truth.yx / np.array(prepared.step_yx), ij, 4.75).hits)
        targets += len(truth)
    curve = precision_recall(np.concatenate(scores), np.concatenate(hits), targets)
    assert 0.6 < curve.average_precision < 0.95


def test_full_and_empty_micrographs() -> None:
    crowded = simulate(SimulateSettings(size=300, particles=5000), 0)[1]
    assert 15 < len(crowded) < 60
    micrograph, nothing = simulate(SimulateSettings(size=64, particles=0, diameter=10_000), 0)
    assert len(nothing) == 0
    assert np.isfinite(micrograph.pixels).all()


@pytest.mark.parametrize("shape", ["barrel", "rod"])
def test_other_shapes(shape: str) -> None:
    micrograph, truth = simulate(SMALL.model_copy(update={"shape": shape}), 0)
    assert len(truth) > 3
    assert (micrograph.pixels != simulate(SMALL, 0)[0].pixels).any()
