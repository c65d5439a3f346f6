"""What the suite lets our package do in a process of its own; prints seconds of each item as JSON.

    python benchmarks/suite_work.py scores MODEL.sav RADIUS FOLDER IMAGE.mrc …     # at its stride, and picks
    python benchmarks/suite_work.py every-pixel MODEL.sav RADIUS FOLDER IMAGE.mrc …
    python benchmarks/suite_work.py suppress RADIUS MAP.mrc …

Seconds are without the first item, which is done twice: it warms up.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_topaz.files import find_micrographs, read_micrograph
from napari_topaz.numerics.suppression import suppress


def read(path: Path) -> NDArray[np.float32]:
    """Pixels of a file."""
    return np.asarray(read_micrograph(find_micrographs([path])[0]).pixels, np.float32)


def scores(model: Path, files: list[Path], radius: float, folder: Path) -> tuple[list[float], dict]:
    """Score preprocessed images with a network of the peer's; picks in pixels of the image, best first.

    The scores, of every stride-th pixel, are written into the folder.
    """
    from napari_topaz.extract import extract
    from napari_topaz.model.topaz_models import read_topaz_model
    from napari_topaz.preprocess import Prepared

    network, seconds, picks = read_topaz_model(model), [], {}
    for path in [files[0], *files]:
        clock = time.perf_counter()
        image = read(path)
        prepared = Prepared(path.stem, image, (image.shape[0], image.shape[1]))
        found = network.score(prepared, symmetries="none")
        seconds.append(time.perf_counter() - clock)
        best = extract(found, radius)
        picks[path.stem] = [[*map(float, yx), float(s)] for yx, s in zip(best.yx, best.scores, strict=True)]
        np.save(folder / f"{path.stem}.npy", found.logits)
    return seconds[1:], picks


def every_pixel(model: Path, files: list[Path], radius: float) -> tuple[list[float], dict]:
    """Score every pixel, by strided passes over the image shifted by one pixel after the other."""
    from napari_topaz.model.scoring import score_image
    from napari_topaz.model.topaz_models import read_topaz_model

    network, seconds, picks = read_topaz_model(model).network, [], {}
    for path in [files[0], *files]:
        clock = time.perf_counter()
        image, step = read(path), network.stride
        dense = np.empty_like(image)
        for dy in range(step):
            for dx in range(step):
                dense[dy::step, dx::step] = score_image(network, image[dy:, dx:])
        seconds.append(time.perf_counter() - clock)
        ij, found = suppress(dense, radius)
        picks[path.stem] = [[int(i), int(j), float(s)] for (i, j), s in zip(ij, found, strict=True)]
    return seconds[1:], picks


def suppressed(files: list[Path], radius: float) -> tuple[list[float], dict[str, list]]:
    """Suppress in score maps; picks are grid points (y, x, score)."""
    seconds, picks = [], {}
    for path in [files[0], *files]:
        clock = time.perf_counter()
        ij, found = suppress(read(path), radius)
        seconds.append(time.perf_counter() - clock)
        picks[path.stem] = [[int(i), int(j), float(s)] for (i, j), s in zip(ij, found, strict=True)]
    return seconds[1:], picks


def greedy(image: NDArray[np.float32], radius: float) -> list[tuple[int, int]]:
    """Suppression as it is defined, point after point: slow, and nothing to get wrong."""
    height, width = image.shape
    reach = int(radius)
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = dy**2 + dx**2 <= radius**2
    dy, dx = dy[disc], dx[disc]
    free, taken = np.ones(image.shape, bool), []
    for flat in np.argsort(-image.ravel(), kind="stable"):
        i, j = divmod(int(flat), width)
        if not free[i, j]:
            continue
        taken.append((i, j))
        y, x = i + dy, j + dx
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        free[y[inside], x[inside]] = False
    return taken


def main(words: list[str]) -> None:
    what, *given = words
    if what == "suppress":
        seconds, picks = suppressed([Path(w) for w in given[1:]], float(given[0]))
    else:
        model, radius, folder, files = Path(given[0]), float(given[1]), Path(given[2]), map(Path, given[3:])
        if what == "scores":
            seconds, picks = scores(model, list(files), radius, folder)
        else:
            seconds, picks = every_pixel(model, list(files), radius)
    print(json.dumps({"seconds": seconds, "picks": picks}))


if __name__ == "__main__":
    main(sys.argv[1:])
