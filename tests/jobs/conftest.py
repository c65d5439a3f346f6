"""A folder of micrographs and a model for all tests of jobs."""

from __future__ import annotations

import pytest

from worlds import DIAMETER, World, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def model():
    """A network that nobody trained: where it picks is arbitrary, but always the same."""
    torch = pytest.importorskip("torch")
    from napari_topaz.model.networks import build
    from napari_topaz.model.picker import ModelCard, PickerModel
    from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings

    torch.manual_seed(0)
    network = NetworkSettings(width=4)
    card = ModelCard(
        network=network,
        preprocess=PreprocessSettings(diameter=DIAMETER, particle_pixels=16),
        train=TrainSettings(),
        pixel_size=2.0,
        threshold=-100.0,
    )
    return PickerModel(build(network).eval(), card)
