"""What a pretraining leaves on the disk beside the model: a state to go on from, and a manifest."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_topaz.events import JobError
from napari_topaz.files.atomic import replace_file
from napari_topaz.files.safetensors_file import read_safetensors
from napari_topaz.settings import NetworkSettings, PretrainSettings

if TYPE_CHECKING:
    from napari_topaz.model.pretraining import Pretraining

#: Keys of the metadata of a state.
SETTINGS, NETWORK = "pretrain", "network"


def state_file(output: Path) -> Path:
    """Return where the state lies until the model is whole."""
    return output.with_suffix(".state.safetensors")


def manifest_file(output: Path) -> Path:
    """Return where the table of all worlds lies."""
    return output.with_suffix(".manifest.csv")


def put_away(output: Path, run: Pretraining, settings: PretrainSettings, network: NetworkSettings) -> Path:
    """Write the state, whole or not at all."""
    from safetensors.torch import save

    about = {SETTINGS: settings.model_dump_json(), NETWORK: network.model_dump_json()}
    with replace_file(path := state_file(output)) as temporary:
        temporary.write_bytes(save(run.state(), about))
    return path


def take_up(output: Path, run: Pretraining, settings: PretrainSettings, network: NetworkSettings) -> None:
    """Go back to the state that was put away.

    Raises
    ------
    JobError
        Where there is none, or it is that of another pretraining.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = state_file(output)
    if not path.is_file():
        raise JobError(f"There is no {path} to go on from; leave --resume out.")
    try:
        about, data = read_safetensors(path)
        tensors = load(data)
        same = (
            PretrainSettings.model_validate_json(about.get(SETTINGS, "")) == settings
            and NetworkSettings.model_validate_json(about.get(NETWORK, "")) == network
        )
        if same:
            run.restore(tensors)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise JobError(f"{path} is damaged; delete it and begin anew without --resume.") from error
    if not same:
        raise JobError(f"{path} is of a pretraining with other settings; give the same, or begin anew.")


def write_manifest(output: Path, rows: Sequence[dict[str, str]]) -> Path:
    """Write the table of worlds as CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with replace_file(path := manifest_file(output)) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")
    return path


def read_manifest(output: Path) -> list[dict[str, str]]:
    """Read the table of worlds; empty where there is none."""
    path = manifest_file(output)
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
