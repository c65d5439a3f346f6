"""Writer for napari: a Points layer becomes a file of picks, in the format of the suffix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_topaz.files import write_picks
from napari_topaz.gui.looks import LOOKS, METADATA
from napari_topaz.gui.tasks import box_size
from napari_topaz.micrograph import MicrographFile, micrograph_name
from napari_topaz.picks import Kind, Picks


def write_points(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write the points that are shown.

    Parameters
    ----------
    path : str
        Its suffix tells the format.
    data : array of shape (n, 2)
        (y, x) in pixels of the micrograph.
    meta : dict
        Of the layer; points that are hidden (``shown``) or labelled "no particle" are left out.

    Returns
    -------
    list of str
        The files written.
    """
    about = meta.get("metadata", {}).get(METADATA, {})
    file = about.get("file")
    name = about.get("name") or micrograph_name(str(meta.get("name", "picks")))
    size = about.get("pixel_size") or _pixel_size(meta)
    written = write_picks(
        path,
        {name: _picks(np.asarray(data), meta)},
        files={name: file} if isinstance(file, MicrographFile) else None,
        pixel_size=size,
        shapes={name: about["shape"]} if about.get("shape") else None,
        box_size=box_size(about.get("diameter") or _diameter(meta)),
    )
    return [str(one) for one in written]


def _picks(data: NDArray[Any], meta: dict[str, Any]) -> Picks:
    features = meta.get("features", {})
    n = len(data)
    scores = np.asarray(features["score"], np.float32) if "score" in features else np.full(n, np.nan, "f4")
    kinds = np.full(n, Kind.PICK, np.uint8)
    if "kind" in features:
        kinds[np.asarray(features["kind"], str) == LOOKS[Kind.NOT_PARTICLE][0]] = Kind.NOT_PARTICLE
    picks = Picks(data.reshape(n, -1)[:, -2:], scores, kinds)
    shown = np.broadcast_to(np.asarray(meta.get("shown", True), bool), (n,))
    return picks[shown & (kinds != Kind.NOT_PARTICLE)]


def _pixel_size(meta: dict[str, Any]) -> float | None:
    """Å/px of a layer that is not ours: its scale, where that is in Å."""
    units = [str(unit).lower() for unit in meta.get("units") or ()]
    return float(meta["scale"][-1]) if units and units[-1] in ("angstrom", "å") and "scale" in meta else None


def _diameter(meta: dict[str, Any]) -> float | None:
    size = np.asarray(meta.get("size", ()), float).ravel()
    return float(np.median(size)) if size.size else None
