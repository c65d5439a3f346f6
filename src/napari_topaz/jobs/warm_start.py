"""What follows for a training from the model that it starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_topaz.events import JobError
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel

#: Peak learning rate of a warm start, where none is given: weights that are good already are tuned.
WARM_LEARNING_RATE = 5e-4


def origin_of(start: PickerModel | None) -> str:
    """Return where the first weights come from, for the card; empty without a start."""
    if start is None:
        return ""
    return start.name or start.card.pretrained or "a model that was not saved"


def network_of(start: PickerModel | None, network: NetworkSettings | None) -> NetworkSettings:
    """Return the start's network, else the given one, else the default.

    Raises
    ------
    JobError
        Where what is set in `network` contradicts the start.
    """
    if start is None:
        return network or NetworkSettings()
    own = start.card.network
    for name in sorted(network.model_fields_set) if network else ():
        if getattr(network, name) != getattr(own, name):
            option = "--" + name.replace("_", "-")
            raise JobError(
                f"{option} {getattr(network, name)} contradicts the model to start from "
                f"({origin_of(start)}: {own.architecture}); leave it out, or start from nothing."
            )
    return own


def preprocess_of(start: PickerModel, preprocess: PreprocessSettings) -> PreprocessSettings:
    """Return what is set in `preprocess`, completed by the start's.

    The pixel size is not the start's but that of the micrographs to come, and so is the mixture of
    ``gmm-dataset``.
    """
    given = {name: getattr(preprocess, name) for name in preprocess.model_fields_set}
    own = start.card.preprocess.model_dump(include=set(PreprocessSettings.model_fields))
    return PreprocessSettings.model_validate(own | {"pixel_size": None} | given)


def settings_of(start: PickerModel | None, settings: TrainSettings | None) -> TrainSettings:
    """Return the settings; with a start and no learning rate set, that of a warm start."""
    settings = settings or TrainSettings()
    if start is None or "learning_rate" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"learning_rate": WARM_LEARNING_RATE})
