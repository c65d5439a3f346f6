"""The command that makes the general model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from napari_topaz.cli.call_errors import CallError
from napari_topaz.cli.options import (
    NETWORK,
    PRETRAIN,
    RUN,
    SHOWN,
    Network,
    Overwrite,
    Pretraining,
    Running,
    Showing,
    flag,
    refuse_existing,
)
from napari_topaz.cli.screen import Screen


def pretrain(
    model: Annotated[Path, Parameter(help="Model file to write (.safetensors).")],
    /,
    *,
    resume: Annotated[bool, flag("Go on from where an interrupted run was.")] = False,
    overwrite: Overwrite = False,
    workers: Annotated[
        int, Parameter(help="Processes that simulate; 0: the training one.", validator=Number(gte=0, lte=256))
    ] = 1,
    settings: Pretraining = PRETRAIN,
    network: Network = NETWORK,
    running: Running = RUN,
    shown: Showing = SHOWN,
) -> int:
    """Make a general model from simulated particles of many shapes; one comes with the package.

    It picks without labels and is what training starts from (--pretrained). Beside it lies a table of
    all simulated micrographs. Ctrl-C keeps what is needed to go on with --resume.
    """
    from napari_topaz.jobs.pretrain import pretrain as job

    if model.suffix.lower() != ".safetensors":
        raise CallError(f"{model} must end in .safetensors.")
    refuse_existing([model], "file", overwrite=overwrite)
    screen = Screen(shown)
    made = screen.drive(
        job(
            model,
            settings,
            network,
            device=running.device,
            workers=workers,
            resume=resume,
            stop=screen.stop,
        )
    )
    (record,) = made.card.history
    values = {
        "model": model,
        "steps": record.step,
        "seconds": screen.seconds,
        "average_precision": record.held_out,
        "threshold": made.card.threshold,
    }
    text = f"Wrote {model}: average precision {record.held_out:.3f} on simulated worlds that it has not seen."
    return screen.result(values, text)
