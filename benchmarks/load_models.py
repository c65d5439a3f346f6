"""Fifty trainings of twelve epochs in one window: what the kept models hold in memory and in files.

    python benchmarks/load_models.py [TRAININGS]

The trainings are pretended: each gives twelve copies of the general model's network, as a training does.
"""

from __future__ import annotations

import copy
import gc
import json
import sys

from load_soak import give_back_heap, resident
from napari.components import ViewerModel

from napari_topaz.gui.models_shelf import KeptEpoch
from napari_topaz.gui.session import Session, session_of
from napari_topaz.model.general import general_model
from napari_topaz.model.picker import EpochRecord, PickerModel

EPOCHS = range(1, 13)


def train(session: Session) -> None:
    """Keep the result of a training and its epochs, as the dock does."""
    general = general_model()
    history = tuple(EpochRecord(epoch=n, step=n, loss=1.0, held_out=None, seconds=1.0) for n in EPOCHS)
    card = general.card.model_copy(update={"history": history, "best_epoch": 3})

    def another() -> PickerModel:
        return PickerModel(copy.deepcopy(general.network), card)

    epochs = {n: KeptEpoch(n, n, 1.0, None, another()) for n in EPOCHS}
    session.shelf.put(another(), epochs=epochs)
    session.model_files.wait()
    session.model_files.catch_up()


def held(session: Session, trainings: int) -> list[object]:
    """A row: memory that is in use, and temporary files, MB."""
    gc.collect()
    give_back_heap()
    first = session.model_files.path(session.shelf.models[0]) if session.shelf.models else None
    files = [] if first is None else [path.stat().st_size for path in first.parent.iterdir()]
    return [f"after {trainings} trainings", resident(), round(sum(files) / 1e6)]


def main(trainings: int) -> None:
    """Print a row after each tenth of the trainings that were asked for."""
    viewer = ViewerModel()
    session = session_of(viewer)
    general_model()
    print(json.dumps(held(session, 0)))
    for number in range(1, trainings + 1):
        train(session)
        if number in (3, trainings // 5, trainings // 2, trainings):
            print(json.dumps(held(session, number)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
