"""How well particles can be centred at all on the simulated sets, if their structure were known.

On each micrograph every particle away from the edges is sought within 0.45 radii of a place that is off its
centre by up to 0.4 radii, in the image that the network sees. What it should look like is drawn without noise
by the simulator, through the micrograph's own lens:

* *own view*: the very projection of that particle;
* *views N*: N random views of the same structure, 24 turns of each. Which one it is is not known; the
  place is the mean over the posterior of shifts (white noise, flat prior; Sigworth 1998).

Neither is to be had from labels; *views N* is what an ideal picker could reach that had learnt the structure.
Neighbours and the grain of the ice are not modelled.

    python benchmarks/centring_floor.py [--sets globular …] [--micrographs 2] [--views 5 20 120]

Writes benchmarks/results/centring_floor.md.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial.transform import Rotation
from scipy.special import logsumexp
from sets import SETS

from napari_topaz.numerics.rescale import fourier_crop
from napari_topaz.numerics.shapes import Blobs, add_projection, make_shape, random_view
from napari_topaz.preprocess import prepare
from napari_topaz.settings import PreprocessSettings, SimulateSettings
from napari_topaz.simulate import microscope, scene, simulate
from napari_topaz.simulate.canvas import empty_canvas

#: Edge of the drawn particle in pixels of the original, and half of that of what is compared, small pixels.
EDGE, HALF = 128, 12
ANGLES, REACH, OFF = 24, 0.45, 0.4


class Watched:
    """What the simulator draws and through which lens, noted while it draws."""

    def __init__(self, settings: SimulateSettings, index: int) -> None:
        self.views: list[tuple[Blobs, tuple[float, float], float]] = []
        draw, lens = scene.add_projection, microscope._phase_of_lens
        self._lens, self.defocus = lens, 0.0

        def drawing(canvas: NDArray, blobs: Blobs, yx: tuple[float, float], factor: float) -> None:
            self.views.append((blobs, yx, factor))
            draw(canvas, blobs, yx, factor)

        def seeing(canvas, defocus: float) -> NDArray:  # type: ignore[no-untyped-def]
            self.defocus = defocus
            return lens(canvas, defocus)

        scene.add_projection, microscope._phase_of_lens = drawing, seeing
        try:
            self.micrograph, self.truth = simulate(settings, index)
        finally:
            scene.add_projection, microscope._phase_of_lens = draw, lens
        self.settings, self.margin = settings, empty_canvas(settings, index).margin
        small = replace(empty_canvas(settings, index), phase=np.zeros((EDGE, EDGE), np.float32))
        self.transfer = lens(small, self.defocus)

    def drawn(self, blobs: Blobs, factor: float, size: int) -> NDArray[np.float32]:
        """Contrast of a view, centred on (HALF, HALF) of (2 · HALF + 1)² small pixels."""
        phase = np.zeros((EDGE, EDGE), np.float32)
        add_projection(phase, blobs, (EDGE / 2, EDGE / 2), factor)
        contrast = -2 * fft.irfft2(fft.rfft2(phase) * self.transfer, s=phase.shape)
        small = fourier_crop(contrast.astype(np.float32), (size, size))
        middle = slice(size // 2 - HALF, size // 2 + HALF + 1)
        return small[middle, middle]


def turned(blobs: Blobs, angle: float) -> Blobs:
    return Blobs(Rotation.from_euler("z", angle).apply(blobs.centres), blobs.widths, blobs.weights)


def errors(settings: SimulateSettings, index: int, counts: list[int]) -> dict[str, list[float]]:
    """Distances from the truth in radii, by what is known."""
    seen = Watched(settings, index)
    how = PreprocessSettings(diameter=settings.diameter, pixel_size=settings.pixel_size)
    prepared = prepare(seen.micrograph, how)
    image, step = prepared.image, prepared.step_yx[0]
    size = 2 * round(EDGE / step / 2)  # even: it differs from the step by 1 %
    # From contrast to the units of the normalised image.
    raw = np.clip(
        fourier_crop(seen.micrograph.pixels, image.shape),
        *np.quantile(seen.micrograph.pixels, (0.001, 0.999)),
    )
    gain = np.polyfit(raw.ravel(), image.ravel(), 1)[0] * float(seen.micrograph.pixels.mean())
    noise = float(np.median(np.abs(np.diff(image, 2, axis=0))) / 0.6745) ** 2 / 6
    radius = settings.diameter / settings.pixel_size / 2 / step
    away = np.arange(-HALF, HALF + 1)
    inside = np.hypot(away[:, None], away) <= 1.25 * radius

    def ready(views: list[Blobs], factors: list[float]) -> NDArray[np.float32]:
        images = (
            np.array([seen.drawn(b, f, size)[inside] for b, f in zip(views, factors, strict=True)]) * gain
        )
        return (images - images.mean(axis=1, keepdims=True)).astype(np.float32)

    mean_factor = 0.95 * scene.PROTEIN * math.pi / 6 * settings.diameter**3 / settings.pixel_size**2
    random = np.random.default_rng(1)
    shape = make_shape(
        settings.shape, settings.diameter / settings.pixel_size, np.random.default_rng(settings.seed)
    )
    views = [random_view(shape, random, settings.preferred_views) for _ in range(max(counts))]
    bank = [turned(view, 2 * math.pi * k / ANGLES) for view in views for k in range(ANGLES)]
    bank_images = ready(bank, [mean_factor] * len(bank))
    places = np.array([yx for _, yx, _ in seen.views]) - seen.margin
    found: dict[str, list[float]] = {"own view": [], **{f"views {n}": [] for n in counts}}
    for yx in seen.truth.yx.astype(np.float64):
        true = yx / step
        start = true + random.uniform(-OFF, OFF, 2) * radius / math.sqrt(2)
        if ((start < 2.5 * radius) | (start > np.array(image.shape) - 2.5 * radius)).any():
            continue
        view = seen.views[int(np.hypot(*(places - yx).T).argmin())]
        pixels, around = surroundings(image, start, REACH * radius, inside)
        for name, templates in {
            "own view": ready([view[0]], [view[2]]),
            **{f"views {n}": bank_images[: n * ANGLES] for n in counts},
        }.items():
            fit = (around @ templates.T - (templates**2).sum(axis=1) / 2) / noise
            likely = logsumexp(fit, axis=1)
            weight = np.exp(likely - likely.max())
            place = (weight[:, None] * pixels).sum(axis=0) / weight.sum()
            found[name].append(float(np.linalg.norm(place - true) / radius))
    return found


def surroundings(
    image: NDArray[np.float32], start: NDArray[np.float64], reach: float, inside: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pixels within reach, and what lies round each."""
    n = math.ceil(reach) + 1
    grid = np.stack(np.meshgrid(*[np.arange(-n, n + 1)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    pixels = np.rint(start).astype(np.int64) + grid
    pixels = pixels[np.linalg.norm(pixels - start, axis=1) <= reach]
    boxes = [image[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1][inside] for y, x in pixels]
    return pixels, np.array(boxes)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--micrographs", type=int, default=2, help="of the last ones, which others test on")
    parser.add_argument("--views", type=int, nargs="+", default=[5, 20, 120])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results/centring_floor.md")
    options = parser.parse_args()
    rows = []
    for name in options.sets:
        every = [
            errors(SETS[name], SETS[name].micrographs - 1 - k, options.views)
            for k in range(options.micrographs)
        ]
        for known in every[0]:
            off = np.concatenate([one[known] for one in every])
            rows.append(
                f"| {name} | {known} | {len(off)} | {np.median(off):.3f} | {np.quantile(off, 0.9):.3f} | "
                f"{np.mean(off <= 0.1):.3f} |"
            )
            print(rows[-1], flush=True)
    head = "| set | known | particles | median error | 90 % | ≤ 0.1 |\n|---|---|---|---|---|---|"
    about = __doc__.split("\n\n    python")[0].split("\n\n", 1)[1]
    words = f"--sets {' '.join(options.sets)} --micrographs {options.micrographs}"
    words += f" --views {' '.join(map(str, options.views))}"
    options.output.write_text(
        f"# How well particles can be centred at all\n\n{about}\n\nErrors are in radii of the particle. "
        f"Command: `python benchmarks/centring_floor.py {words}`.\n\n{head}\n" + "\n".join(rows) + "\n"
    )


if __name__ == "__main__":
    main()
