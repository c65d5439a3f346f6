"""A mock project of RELION 5, made of STAR files as its documentation describes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from napari_topaz.files import write_mrc, write_picks
from napari_topaz.files.star import star_text
from napari_topaz.picks import Picks

MICS = "CtfFind/job003/micrographs_ctf.star"
COORDS = "ManualPick/job004/manualpick.star"


def make_project(
    folder: Path, micrographs: Sequence[tuple[np.ndarray, np.ndarray]], pixel_size: float
) -> None:
    """Motion-corrected micrographs, their CTF's STAR file, and a ManualPick job of RELION 5."""
    movies, job = folder / "MotionCorr/job002/Movies", folder / "ManualPick/job004/Movies"
    for place in (movies, job, folder / "CtfFind/job003"):
        place.mkdir(parents=True)
    names, coordinates = [], []
    for k, (pixels, yx) in enumerate(micrographs):
        write_mrc(movies / f"mic_{k}.mrc", pixels, 9.9)  # RELION's own optics groups count
        write_picks(job / f"mic_{k}_manualpick.star", {f"mic_{k}": Picks.labels(yx)})
        names.append(f"MotionCorr/job002/Movies/mic_{k}.mrc")
        coordinates.append(f"ManualPick/job004/Movies/mic_{k}_manualpick.star")
    optics = {"rlnOpticsGroup": ["1"], "rlnMicrographPixelSize": [str(pixel_size)]}
    blocks = {"optics": optics, "micrographs": {"rlnMicrographName": names, "rlnOpticsGroup": "1"}}
    (folder / MICS).write_text(star_text({k: pd.DataFrame(v) for k, v in blocks.items()}))
    listed = pd.DataFrame({"rlnMicrographName": names, "rlnMicrographCoordinates": coordinates})
    (folder / COORDS).write_text(star_text({"coordinate_files": listed}))
    nodes = pd.DataFrame(
        {"rlnPipeLineNodeName": [MICS], "rlnPipeLineNodeTypeLabel": ["MicrographGroupMetadata"]}
    )
    (folder / "default_pipeline.star").write_text(star_text({"pipeline_nodes": nodes}))
