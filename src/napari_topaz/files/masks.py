"""Masks in a folder: one micrograph's are ``NAME_mask.geojson`` (polygons) or ``NAME_mask.png`` (a raster).

* ``.geojson`` and ``.json``: GeoJSON (RFC 7946: FeatureCollection, Feature or geometry, of Polygons and
  MultiPolygons), as QuPath reads and writes it for pictures: x, y in pixels of the micrograph, from the
  upper left *corner* of the first pixel, y downwards with the rows of the file. Holes are kept.
* ``.png``, ``.tif``, ``.tiff`` and ``.mrc``: 0 where the micrograph counts and one other value (1 or 255)
  where it does not, or probabilities from 0 to 1, of which more than a half hide; of any size, as long as
  it is a scaled picture of the micrograph.

``_mask`` may be missing in names that are read. Where a micrograph has several files, all of them hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_topaz.files.atomic import replace_file, write_text
from napari_topaz.files.errors import FileError, reading_failed
from napari_topaz.files.micrographs import read_micrograph
from napari_topaz.files.names import usable_name
from napari_topaz.masks import Mask
from napari_topaz.micrograph import MicrographFile

#: Before the suffix of masks that are written.
ENDING = "_mask"
POLYGONS, RASTERS = (".geojson", ".json"), (".png", ".tif", ".tiff", ".mrc")
#: From the corner of the first pixel to its centre.
HALF = np.float32(0.5)


class MaskFolder(Mapping[str, Mask]):
    """Masks of a folder by micrograph name; each is read when it is asked for.

    Parameters
    ----------
    folder : Path
    paths : mapping of str to tuple of Path
        Files by micrograph name.
    """

    def __init__(self, folder: Path, paths: Mapping[str, tuple[Path, ...]]) -> None:
        self.folder = folder
        self._paths = dict(paths)

    def __getitem__(self, name: str) -> Mask:
        """Read a mask; FileError where that fails."""
        first, *more = (read_mask(path) for path in self._paths[name])
        return sum(more, first)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def find_masks(folder: str | Path, names: Iterable[str]) -> MaskFolder:
    """Find the masks of micrographs.

    Parameters
    ----------
    folder : str or Path
    names : iterable of str
        Of the micrographs.

    Raises
    ------
    FileError
        Where there is no such folder, or nothing in it is the mask of one of them.
    """
    folder = Path(folder)
    if not folder.is_dir():
        if folder.exists():
            raise FileError(f"{folder} is a file; give the folder with the masks.")
        raise reading_failed(folder, FileNotFoundError())
    by_stem: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (*POLYGONS, *RASTERS) and not path.name.startswith("."):
            by_stem.setdefault(path.stem, []).append(path)
    found = {name: tuple(by_stem.get(name + ENDING) or by_stem.get(name) or ()) for name in names}
    found = {name: paths for name, paths in found.items() if paths}
    if not found:
        there = f"the files there are of {', '.join(sorted(by_stem)[:2])}" if by_stem else "it has none"
        raise FileError(
            f"{folder} has no mask of these micrographs ({there}); a mask is called NAME{ENDING}.geojson or "
            f"NAME{ENDING}.png (.tif, .mrc)."
        )
    return MaskFolder(folder, found)


def read_mask(path: Path) -> Mask:
    """Read one file.

    Raises
    ------
    FileError
        Where it is no mask.
    """
    if path.suffix.lower() in POLYGONS:
        return _read_polygons(path)
    try:
        pixels = read_micrograph(MicrographFile(path)).pixels
    except OSError as error:
        raise reading_failed(path, error) from error
    return Mask(raster=_hidden(pixels, path))


def mask_path(folder: str | Path, name: str) -> Path:
    """Return the file that polygons of a micrograph are written to."""
    return Path(folder) / f"{usable_name(name, 'The list has')}{ENDING}.geojson"


def write_mask(folder: str | Path, name: str, mask: Mask) -> list[Path]:
    """Write a mask's polygons (also where it has none: nothing is masked), and its raster if it has one.

    The margin is not written. Returns the files; FileError where that fails.
    """
    written = [mask_path(folder, name)]
    write_text(written[0], json.dumps(_geojson(mask), indent=1))
    raster_path = written[0].with_suffix(".png")
    if mask.raster is not None:
        written.append(raster_path)
        with replace_file(raster_path) as part:
            Image.fromarray(mask.raster.astype(np.uint8) * 255).save(part, format="PNG")
    return written


# -- rasters --------------------------------------------------------------------------------------


def _hidden(pixels: NDArray[Any], path: Path) -> NDArray[np.bool_]:
    """Return which pixels hide."""
    if np.issubdtype(pixels.dtype, np.floating) and np.isfinite(pixels).all():
        low, high = float(pixels.min()), float(pixels.max())
        if low >= 0 and high <= 1:
            return np.asarray(pixels > 0.5)
    values = np.unique(pixels)
    if len(values) > 2 or (len(values) == 2 and values[0] != 0) or not np.isfinite(values).all():
        raise FileError(
            f"{path} has {len(values)} values from {values[0]:g} to {values[-1]:g}, but a mask has two: 0 "
            "where the micrograph counts, and 1 or 255 where it does not; give masks, not pictures."
        )
    return np.asarray(pixels != 0)


# -- polygons -------------------------------------------------------------------------------------


def _geojson(mask: Mask) -> dict[str, Any]:
    features = []
    for polygon in mask.polygons:
        ring = (polygon[:, ::-1] + HALF).tolist()
        features.append(
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
                "properties": {"objectType": "annotation", "classification": {"name": "Ignore*"}},
            }
        )
    return {"type": "FeatureCollection", "features": features}


def _read_polygons(path: Path) -> Mask:
    try:
        found = json.loads(path.read_text("utf-8"))
        return Mask(tuple(_polygon(rings) for rings in _rings(found)))
    except OSError as error:
        raise reading_failed(path, error) from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
        raise FileError(
            f"{path} is no GeoJSON of polygons ({reason.rstrip('.')}); write it again, or draw the mask anew."
        ) from error


def _rings(found: Any) -> Iterator[list[Any]]:
    """The rings of every polygon, the outline first and then its holes."""
    match found["type"]:
        case "FeatureCollection":
            for feature in found["features"]:
                yield from _rings(feature)
        case "Feature":
            if found["geometry"] is not None:
                yield from _rings(found["geometry"])
        case "GeometryCollection":
            for geometry in found["geometries"]:
                yield from _rings(geometry)
        case "MultiPolygon":
            yield from found["coordinates"]
        case "Polygon":
            yield found["coordinates"]
        case other:
            raise ValueError(f"{other!r} is no polygon")


def _polygon(rings: list[Any]) -> NDArray[np.float32]:
    """Join an outline and its holes into one polygon: a cut there and back counts as none (even–odd)."""
    closed = [np.asarray(ring, np.float32)[:, :2][:, ::-1] - HALF for ring in rings]
    if not closed or any(len(ring) < 4 for ring in closed):
        raise ValueError("a ring has fewer than four places")
    outline, *holes = closed
    parts = [outline[:-1]]
    for hole in holes:
        parts += [outline[:1], hole, outline[:1]]
    return np.concatenate(parts)
