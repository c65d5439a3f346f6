"""What the examples of a page presume: its files, small, in a folder of their own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_topaz.cli import DONE, main
from napari_topaz.files import read_micrograph, read_picks, write_picks
from napari_topaz.picks import Picks
from relion_project import make_project

#: Å; the pages say so, too.
DIAMETER = "180"


def make_ready(folder: Path) -> None:
    """Write ``micrographs``, where their particles are (``truth.star``), and a model that has seen little."""
    micrographs, truth = folder / "micrographs", folder / "truth.star"
    call("simulate", micrographs, "--micrographs", "3", "--size", "384", "--particles", "14")
    (micrographs / "particles.star").rename(truth)
    short = ["--epochs", "1", "--steps", "3", "--symmetries", "none", "--diameter", DIAMETER]
    call("train", micrographs, "--picks", truth, "--model", folder / "m.safetensors", *short)


def call(*words: object) -> None:
    """Call the command line."""
    given = [str(word) for word in words]
    assert main([*given, "--quiet"]) == DONE, given


def nothing(ready: Path, here: Path) -> None:
    """The page begins from nothing."""


def a_model(ready: Path, here: Path) -> None:
    """Micrographs and a model."""
    shutil.copytree(ready / "micrographs", here / "micrographs")
    shutil.copy(ready / "m.safetensors", here)


def other_formats(ready: Path, here: Path) -> None:
    """Picks, labels, a model of Topaz, and boxes of unbinned micrographs, counted from the other edge."""
    a_model(ready, here)
    for name in ("picks.star", "labels.star"):
        shutil.copy(ready / "truth.star", here / name)
    heights = {path.stem: read_micrograph(path).shape[0] for path in (here / "micrographs").glob("*.mrc")}
    unbinned = {
        name: Picks(np.stack([2 * (heights[name] - one.yx[:, 0]), 2 * one.yx[:, 1]], axis=1))
        for name, one in read_picks(here / "picks.star").items()
    }
    (here / "BOX").mkdir()
    write_picks(here / "BOX", unbinned, format="box", box_size=200)
    topaz_model(here / "resnet8_u64.sav")


def other_pickers(ready: Path, here: Path) -> None:
    """What Topaz and crYOLO leave behind."""
    a_model(ready, here)
    (here / "m.safetensors").unlink()
    call("convert", ready / "truth.star", here / "topaz_picks.txt", "--format", "topaz")
    call("convert", ready / "truth.star", here / "CBOX", "--format", "cbox", "--box-size", "200")
    topaz_model(here / "resnet8_u64.sav")


def relion(ready: Path, here: Path) -> None:
    """A project of RELION."""
    truth = read_picks(ready / "truth.star")
    found = [read_micrograph(path) for path in sorted((ready / "micrographs").glob("*.mrc"))]
    make_project(
        here, [(np.asarray(one.pixels), truth[one.name].yx) for one in found], found[0].pixel_size or 0
    )


def topaz_model(path: Path) -> None:
    """Save a small network of Topaz's kind."""
    import torch

    from foreign_weights import resnet_state

    torch.save(resnet_state("resnet8"), path)


#: What lies in the folder before the examples of a page are run, and what is there afterwards.
SCENES: dict[str, tuple[Callable[[Path, Path], None], set[str]]] = {
    "README.md": (nothing, {"sim", "m.safetensors", "picks.star"}),
    "docs/tutorial.md": (nothing, {"sim"}),
    "docs/choosing.md": (nothing, {"sim"}),
    "docs/formats.md": (other_formats, {"CBOX", "moved.star", "found.star", "mine.safetensors"}),
    "docs/relion.md": (relion, {"External"}),
    "docs/cluster.md": (a_model, {"picks.star", "picks_of_cluster.star"}),
    "docs/from_other_pickers.md": (
        other_pickers,
        {"picks.star", "m.safetensors", "mine.safetensors", "CBOX_new"},
    ),
}
#: Pages whose examples need more than the package alone.
NEEDS = {"docs/cluster.md": "distributed"}


def unmoved(here: Path) -> None:
    """Picks that went through another binning and the other edge are where they were."""
    picks, moved = read_picks(here / "picks.star"), read_picks(here / "moved.star")
    assert picks.keys() == moved.keys()
    for name, one in picks.items():
        np.testing.assert_allclose(np.sort(moved[name].yx, 0), np.sort(one.yx, 0), atol=1)
