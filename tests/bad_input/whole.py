"""One small, whole file of each kind that the program reads."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from napari_topaz.files import Heatmap, write_heatmap, write_mrc, write_picks
from napari_topaz.files.session import SavedSession, write_session
from napari_topaz.picks import Picks
from napari_topaz.score_map import ScoreMap

NAME = "mic"
PICKS = Picks([[20.5, 10.25], [30, 40]], [1.5, -0.5])
PIXELS = np.random.default_rng(0).normal(0, 1, (64, 48)).astype(np.float32)
LENGTHS = {"box_size": 16, "pixel_size": 1.5, "shapes": {NAME: PIXELS.shape}}


def _made(write: Callable[[Path], None], suffix: str) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, f"{NAME}{suffix}")
        write(path)
        return path.read_bytes()


def _picks(name: str, suffix: str) -> bytes:
    return _made(lambda path: write_picks(path, {NAME: PICKS}, format=name, **LENGTHS), suffix)  # type: ignore[arg-type]


def _tiff() -> bytes:
    import tifffile

    return _made(lambda path: tifffile.imwrite(path, PIXELS, compression="zlib"), ".tif")


def _png() -> bytes:
    from PIL import Image

    grey = (PIXELS * 20 + 128).clip(0, 255).astype(np.uint8)
    return _made(lambda path: Image.fromarray(grey).save(path), ".png")


def _heatmap() -> bytes:
    with TemporaryDirectory() as folder:
        scores = ScoreMap(NAME, PIXELS[::4, ::4].copy(), (4.0, 4.0), 0, (64, 48))
        return write_heatmap(Path(folder), Heatmap(scores, 3.0), 1.5).read_bytes()


def _session(name: str) -> bytes:
    with TemporaryDirectory() as folder:
        write_session(Path(folder, "s"), SavedSession({NAME: PICKS}, {"train": {"epochs": 3}}, current=NAME))
        return Path(folder, "s", name).read_bytes()


def _model() -> bytes:
    from napari_topaz.model.networks import build
    from napari_topaz.model.picker import ModelCard, PickerModel
    from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings

    network = NetworkSettings(width=4)
    card = ModelCard(network=network, preprocess=PreprocessSettings(diameter=20.0), train=TrainSettings())
    model = PickerModel(build(network).eval(), card)
    return _made(lambda path: model.save(path) and None, ".safetensors")


def _sav() -> bytes:
    import torch

    file = BytesIO()
    torch.save({"features.0.weight": torch.zeros(4, 1, 3, 3)}, file)
    return file.getvalue()


def zipped(name: str, size: int) -> bytes:
    """Zeros that take a thousandth of their room."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as inside:
        for _ in range(size >> 20):
            inside.write(bytes(1 << 20))
    return file.getvalue()


def _relion() -> bytes:
    return b"data_micrographs\n\nloop_\n_rlnMicrographName #1\nother.mrc\n"


#: Suffix and contents of every kind of file.
KINDS: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "mrc": (".mrc", lambda: _made(lambda path: write_mrc(path, PIXELS, 1.5), ".mrc")),
    "mrc.gz": (".mrc.gz", lambda: _made(lambda path: write_mrc(path, PIXELS, 1.5), ".mrc.gz")),
    "mrc.bz2": (".mrc.bz2", lambda: _made(lambda path: write_mrc(path, PIXELS, 1.5), ".mrc.bz2")),
    "tiff": (".tif", _tiff),
    "png": (".png", _png),
    "star": (".star", lambda: _picks("star", ".star")),
    "box": (".box", lambda: _picks("box", ".box")),
    "box-centre": (".centre.box", lambda: _picks("box-centre", ".centre.box")),
    "cbox": (".cbox", lambda: _picks("cbox", ".cbox")),
    "cs": (".cs", lambda: _picks("cs", ".cs")),
    "eman-json": ("_info.json", lambda: _picks("eman-json", "_info.json")),
    "via": (".via.csv", lambda: _picks("via", ".via.csv")),
    "imod": (".imod.txt", lambda: _picks("imod", ".imod.txt")),
    "topaz": (".txt", lambda: _picks("topaz", ".txt")),
    "csv": (".csv", lambda: _picks("csv", ".csv")),
    "list": (".txt", lambda: b"# micrographs\nother.mrc\n"),
    "relion": (".star", _relion),
    "heatmap": ("_heatmap.mrc", _heatmap),
    "model": (".safetensors", _model),
    "sav": (".sav", _sav),
    "session": (".json", lambda: _session("session.json")),
    "labels": (".csv", lambda: _session("labels.csv")),
}
MICROGRAPHS = ("mrc", "mrc.gz", "mrc.bz2", "tiff", "png")
PICK_KINDS = ("star", "box", "box-centre", "cbox", "cs", "eman-json", "via", "imod", "topaz", "csv")


@cache
def whole(kind: str) -> bytes:
    """The contents of a file of this kind that is as it should be."""
    return KINDS[kind][1]()


def altered_card(**changes: object) -> bytes:
    """A model whose description says something else."""
    data = whole("model")
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    card = json.loads(header["__metadata__"]["napari_topaz"]) | changes
    header["__metadata__"]["napari_topaz"] = json.dumps(card)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]
