from __future__ import annotations

import hashlib

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_topaz.choices import SHAPES
from napari_topaz.numerics.curves import precision_recall
from napari_topaz.numerics.matching import match
from napari_topaz.numerics.suppression import suppress
from napari_topaz.picks import Kind
from napari_topaz.preprocess import prepare
from napari_topaz.settings import PreprocessSettings, SimulateSettings
from napari_topaz.simulate import simulate
from napari_topaz.simulate.canvas import Canvas, empty_canvas
from napari_topaz.simulate.scene import add_gold, carbon_film

SMALL = SimulateSettings(size=300, particles=12)
#: Mean, standard deviation and first particle of its first micrographs.
PINNED = [
    (247.4327, 21.7838, (243.51, 19.141)),
    (244.7122, 20.977, (102.7, 126.731)),
    (240.7543, 22.9247, (142.208, 53.859)),
]


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


#: Nothing but ice of even thickness, without structure.
EMPTY = SimulateSettings(
    size=256, particles=0, carbon=0, contaminations=0, ice_gradient=0, ice_grain=0, hot_pixels=0
)


def like(settings: SimulateSettings, **changes: object) -> SimulateSettings:
    return SimulateSettings(**(settings.model_dump() | changes))


def fingerprint(settings: SimulateSettings, index: int) -> str:
    micrograph, truth = simulate(settings, index)
    return hashlib.sha256(micrograph.pixels.tobytes() + truth.yx.tobytes()).hexdigest()[:12]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_can_be_simulated(shape: str) -> None:
    micrograph, truth = simulate(like(SMALL, shape=shape), 0)
    assert len(truth) > 3
    assert (micrograph.pixels != simulate(SMALL, 0)[0].pixels).any() == (shape != "globular")


@pytest.mark.parametrize("dose", [0.3, 1.0, 20.0])
def test_electrons_are_counted(dose: float) -> None:
    """Variance and mean are equal, on either side of Poisson's approximation."""
    pixels = simulate(like(EMPTY, dose=dose), 0)[0].pixels
    assert pixels.mean() == pytest.approx(dose * 3.5**2, rel=0.01)
    assert pixels.var() / pixels.mean() == pytest.approx(1, abs=0.03)


def thon_minimum(settings: SimulateSettings, low: float, high: float, along: int | None = None) -> float:
    """Spatial frequency (1/Å) of the weakest power between two, of four micrographs' ice.

    All round, or within 15 degrees of an axis of the image.
    """
    power = sum(np.abs(np.fft.fft2(simulate(settings, i)[0].pixels)) ** 2 for i in range(4))
    k = np.fft.fftfreq(settings.size, settings.pixel_size)
    radius = np.hypot(k[:, None], k)
    sector = np.ones(radius.shape, bool)
    if along is not None:
        axis = np.abs([k[:, None], k][along])
        sector = axis > np.cos(np.deg2rad(15)) * radius
    edges = np.arange(low, high, 0.001)
    rings = [power[sector & (radius >= e) & (radius < e + 0.001)].mean() for e in edges]
    return float(edges[int(np.argmin(rings))] + 0.0005)


@pytest.mark.parametrize("defocus", [1.0, 2.0, 3.0])
def test_thon_rings_are_where_the_defocus_puts_them(defocus: float) -> None:
    settings = like(
        EMPTY, size=512, dose=1000, ice_grain=0.3, b_factor=0, defocus_low=defocus, defocus_high=defocus
    )
    # First zero: π λ Δf k² − π/2 Cs λ³ k⁴ + asin(0.1) = π, at 300 kV and 2.7 mm.
    powers = [-np.pi / 2 * 2.7e7 * 0.0197**3, 0, np.pi * 0.0197 * defocus * 1e4, 0, np.arcsin(0.1) - np.pi]
    expected = min(k.real for k in np.roots(powers) if k.real > 0 and abs(k.imag) < 1e-9)
    assert thon_minimum(settings, 0.75 * expected, 1.25 * expected) == pytest.approx(expected, abs=0.0011)


def test_astigmatism_makes_rings_ellipses(monkeypatch) -> None:
    class AlongRows:
        def uniform(self, low: float, high: float) -> float:
            return 0.0  # the axis of the largest underfocus is that of the columns' frequencies

    monkeypatch.setattr(Canvas, "stream", lambda self, effect: AlongRows())
    monkeypatch.setattr("napari_topaz.simulate.micrographs.add_gold", lambda canvas: np.zeros((0, 3)))
    settings = like(
        EMPTY, size=512, dose=1000, ice_grain=0.3, b_factor=0, astigmatism=0.8, defocus_low=2, defocus_high=2
    )
    down, across = (thon_minimum(settings, 0.035, 0.07, axis) for axis in (0, 1))
    assert down == pytest.approx(np.sqrt((1 - 0.0319) / (0.0197 * 16_000)), abs=0.0016)
    assert across == pytest.approx(np.sqrt((1 - 0.0319) / (0.0197 * 24_000)), abs=0.0016)


def test_b_factor_takes_high_frequencies_away() -> None:
    def power(b_factor: float, band: tuple[float, float]) -> float:
        settings = like(EMPTY, dose=1000, ice_grain=0.3, b_factor=b_factor)
        found = np.abs(np.fft.fft2(simulate(settings, 0)[0].pixels)) ** 2
        k = np.fft.fftfreq(settings.size, settings.pixel_size)
        radius = np.hypot(k[:, None], k)
        return float(found[(radius > band[0]) & (radius < band[1])].mean())

    fall = power(300, (0.08, 0.09)) / power(0, (0.08, 0.09))
    assert fall == pytest.approx(np.exp(-300 / 2 * 0.0852**2), rel=0.15)


def test_zero_mean() -> None:
    plain, shifted = simulate(SMALL, 1)[0].pixels, simulate(like(SMALL, zero_mean=True), 1)[0].pixels
    assert abs(shifted.mean(dtype=np.float64)) < 1e-4 * plain.std()
    np.testing.assert_allclose(plain - shifted, plain.mean(dtype=np.float64), rtol=1e-4)


@pytest.mark.parametrize(("spacing", "crowd"), [(0.5, 300), (0.9, 300), (1.6, 40)])
def test_spacing_is_the_smallest_distance(spacing: float, crowd: int) -> None:
    _, truth = simulate(like(SMALL, size=512, particles=crowd, spacing=spacing, carbon=0), 0)
    nearest = cKDTree(truth.yx).query(truth.yx, 2)[0][:, 1] / (180 / 3.5)
    assert spacing <= nearest.min() < spacing * 1.1
    assert len(truth) > 20


def test_without_spacing_particles_lie_anywhere() -> None:
    _, truth = simulate(like(SMALL, size=512, particles=300, spacing=0, carbon=0, contaminations=0), 0)
    assert 240 < len(truth) < 360
    assert cKDTree(truth.yx).query(truth.yx, 2)[0][:, 1].min() < 0.1 * 180 / 3.5


def test_carbon_covers_its_share_and_has_no_particles() -> None:
    bare = like(EMPTY, particles=60, spacing=0.2, dose=1000, fragments=0)
    covered, shares = 0, []
    for index in range(40):
        film = carbon_film(empty_canvas(like(bare, carbon=0.4), index))
        covered += film is not None
        if film is not None:
            shares.append((film > 0.5).mean())
            assert carbon_film(empty_canvas(like(bare, carbon=0), index)) is None
    assert 8 <= covered <= 24  # 40 % of 40, within 2.6 standard deviations
    assert 0.02 < min(shares) < max(shares) < 0.35
    settings = like(bare, carbon=1)
    for index in range(6):
        micrograph, truth = simulate(settings, index)
        canvas = empty_canvas(settings, index)
        film = carbon_film(canvas)
        assert film is not None
        film = film[canvas.middle]
        rows, columns = truth.yx.round().astype(int).clip(0, 255).T
        assert (film[rows, columns] < 0.2).all()
        if (film > 0.9).mean() > 0.05:
            ratio = np.median(micrograph.pixels[film > 0.99]) / np.median(micrograph.pixels[film < 0.01])
            assert ratio == pytest.approx(0.85, abs=0.03)


def test_gold_is_dark_and_not_labelled() -> None:
    settings = like(EMPTY, size=512, particles=40, gold=15, dose=100, spacing=0.3, fragments=0)
    canvas = empty_canvas(settings, 0)
    beads = add_gold(canvas) - [canvas.margin, canvas.margin, 0]
    beads = beads[((beads[:, :2] > 16) & (beads[:, :2] < 496)).all(axis=1)]
    assert len(beads) > 5
    micrograph, truth = simulate(settings, 0)
    ice = np.median(micrograph.pixels)
    y, x = np.indices(micrograph.shape)
    for row, column, radius in beads:
        assert radius == pytest.approx(50 / 3.5, rel=0.11)
        inside = np.hypot(y - row, x - column) < radius / 2
        assert micrograph.pixels[inside].mean() < 0.5 * ice
        assert np.hypot(*(truth.yx - [row, column]).T).min() > radius + 90 / 3.5 - 1
    without = simulate(like(settings, gold=0), 0)[0].pixels
    assert without.min() > 0.5 * ice


def test_gold_lies_elsewhere_in_every_micrograph_and_seed() -> None:
    gold = like(EMPTY, gold=20)
    one, *others = (add_gold(empty_canvas(s, i)) for s, i in ((gold, 0), (gold, 1), (like(gold, seed=1), 0)))
    assert all(one.shape != other.shape or (one != other).any() for other in others)


def test_the_ice_gets_thicker_to_one_side() -> None:
    def unevenness(gradient: float) -> float:
        found = [simulate(like(EMPTY, ice_gradient=gradient), i)[0].pixels for i in range(6)]
        return float(
            np.mean([np.ptp(ndimage.zoom(ndimage.uniform_filter(p, 32), 1 / 32)) / p.mean() for p in found])
        )

    assert unevenness(0) < 0.03
    assert unevenness(0.2) > 3 * unevenness(0.03) > 0.05


def test_every_option_changes_the_micrograph() -> None:
    plain = fingerprint(SMALL, 3)
    changes = {
        "shape": "ring", "spacing": 1.2, "preferred_views": 0.5, "defocus_low": 2.5, "carbon": 1.0,
        "contaminations": 40.0, "gold": 5.0, "ice_gradient": 0.1, "zero_mean": True, "fragments": 3.0,
        "ice_grain": 0.3, "b_factor": 100.0, "astigmatism": 0.2, "hot_pixels": 200.0, "dose": 5.0,
    }  # fmt: skip
    found = {name: fingerprint(like(SMALL, **{name: value}), 3) for name, value in changes.items()}
    assert len({plain, *found.values()}) == len(found) + 1
    gold = like(SMALL, gold=5.0)
    assert fingerprint(like(gold, gold_diameter=50.0), 3) != fingerprint(gold, 3)
    assert fingerprint(like(SMALL, gold_diameter=50.0), 3) == plain


def test_what_was_added_later_leaves_the_places_of_particles_alone() -> None:
    places = simulate(SMALL, 3)[1].yx
    for more in ({"preferred_views": 0.8}, {"astigmatism": 0.3}, {"zero_mean": True}, {"shape": "shell"}):
        np.testing.assert_array_equal(simulate(like(SMALL, **more), 3)[1].yx, places)


def test_preferred_views_are_seen() -> None:
    """Barrels from the top have a hole, and look alike."""

    def mean_picture(preferred: float) -> np.ndarray:
        settings = like(
            EMPTY, size=512, shape="barrel", particles=30, dose=1000, fragments=0, preferred_views=preferred
        )
        total, count = np.zeros((31, 31)), 0
        for index in range(3):
            micrograph, truth = simulate(settings, index)
            smooth = ndimage.gaussian_filter(micrograph.pixels, 1) / micrograph.pixels.mean()
            for y, x in truth.yx[truth.inside(micrograph.shape, 20)].round().astype(int):
                total += smooth[y - 15 : y + 16, x - 15 : x + 16]
                count += 1
        return total / count

    y, x = np.indices((31, 31)) - 15
    hole, wall = np.hypot(y, x) < 3, np.abs(np.hypot(y, x) - 11) < 2
    top, mixed = mean_picture(1.0), mean_picture(0.0)
    assert top[hole].mean() - top[wall].mean() > 2 * abs(mixed[hole].mean() - mixed[wall].mean())


def test_defaults_stay_as_they_are() -> None:
    """The sample data, the demo and the measured figures are made with them.

    Rounded, as other processors' sines and exponentials differ in the last bit.
    """
    for index, (mean, spread, first) in enumerate(PINNED):
        micrograph, truth = simulate(SMALL, index)
        pixels = micrograph.pixels.astype(np.float64)
        np.testing.assert_allclose([pixels.mean(), pixels.std()], [mean, spread], rtol=1e-5)
        np.testing.assert_allclose(truth.yx[0], first, atol=1e-3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shape": "teapot"}, "shape is 'teapot', but must be one of globular"),
        ({"defocus_low": 3.0}, "defocus_low is 3 µm, but must not be above defocus_high, 2.8 µm"),
        ({"preferred_views": 1.1}, "less than or equal to 1"),
        ({"spacing": -0.1}, "greater than or equal to 0"),
        ({"gold_diameter": 0}, "greater than 0"),
        ({"carbon": 2}, "less than or equal to 1"),
    ],
)
def test_wrong_values_are_refused(values: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SimulateSettings(**values)
