"""Start the peer (topaz-em 0.3.20) with two repairs; runs in its environment, and knows nothing of ours.

    python benchmarks/peer_launcher.py train …        # any command line of the peer

* Its 0.3.x releases count 203 pixels for a disc of radius 3, which has 29: π and the part of it that is
  labelled come out seven times too large. The right count takes its place.
* torchvision's wheel on PyPI is built for CUDA; beside a CPU build of torch its compiled operators cannot be
  loaded, and importing it fails over two of them, which the peer never calls. Their names are declared here.

PEER_SEED, where it is set in the environment, seeds torch and numpy before the peer starts.
"""

from __future__ import annotations

import importlib
import os
import sys

#: What torchvision describes while it is imported, whether it could load it or not.
OPERATORS = ("nms", "qnms")
SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
#: Where the peer binds the name of the count: it is defined in the first, and imported by the second.
COUNTED_IN = ("topaz.stats", "topaz.training")


def pixels_given_radius(radius: float, dims: int = 2) -> int:
    """Number of pixels (dy, dx) with dy² + dx² ≤ radius²."""
    if dims != 2:
        raise SystemExit("This counts the pixels of micrographs, not the voxels of tomograms.")
    reach = range(-int(radius), int(radius) + 1)
    return sum(dy * dy + dx * dx <= radius * radius for dy in reach for dx in reach)


def declare_operators() -> None:
    """Declare the operators that torchvision wants, where it cannot be imported without."""
    import torch

    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        for name in OPERATORS:
            torch.library.define(f"torchvision::{name}", SIGNATURE)


def correct_count() -> None:
    """Replace the peer's count of pixels, everywhere it is bound."""
    for name in COUNTED_IN:
        module = importlib.import_module(name)
        if not hasattr(module, "pixels_given_radius"):
            raise SystemExit(f"{name} has no pixels_given_radius; this is made for topaz-em 0.3.20.")
        vars(module)["pixels_given_radius"] = pixels_given_radius


def seed(number: int) -> None:
    import numpy as np
    import torch

    torch.manual_seed(number)
    np.random.seed(number)  # noqa: NPY002  what the peer draws from is the old, global state


def main() -> None:
    declare_operators()
    if sys.argv[1:2] == ["train"]:
        correct_count()
    if "PEER_SEED" in os.environ:
        seed(int(os.environ["PEER_SEED"]))
    importlib.import_module("topaz.main").main()


if __name__ == "__main__":
    main()
