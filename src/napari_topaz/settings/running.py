"""Where a job runs."""

from __future__ import annotations

from napari_topaz.settings.option import Settings, option


class RunSettings(Settings):
    """Where a job runs."""

    device: str = option(
        "auto", "auto, cpu, cuda, cuda:N or mps.", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", advanced=True
    )
