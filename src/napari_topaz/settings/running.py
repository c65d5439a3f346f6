"""Where a job runs."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from napari_topaz.settings.option import Settings, option

#: Environment variable: the device that "auto" means. The viewer sets it from its preferences.
DEVICE_VARIABLE = "NAPARI_TOPAZ_DEVICE"


class RunSettings(Settings):
    """Where a job runs."""

    device: str = option(
        "auto", "auto, cpu, cuda, cuda:N or mps.", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", advanced=True
    )


class ScaleSettings(Settings):
    """Which processes share the micrographs of a job."""

    workers: int | None = option(
        None,
        "Processes on this machine that share the micrographs (extra 'cluster').",
        step=1,
        ge=1,
        le=1024,
        advanced=True,
    )
    cluster: str | None = option(
        None,
        "host:port (or the .json file) of a running dask scheduler whose workers share the micrographs.",
        pattern=r"^(\S+:\d+|.+\.json)$",
        advanced=True,
    )

    @property
    def elsewhere(self) -> bool:
        """Whether the work is done in other processes than this one."""
        return self.workers is not None or self.cluster is not None

    @property
    def where(self) -> str:
        """Which stage precedes the work, for people."""
        return f"Starting {self.workers} workers" if self.cluster is None else f"Connecting to {self.cluster}"

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.workers is not None and self.cluster is not None:
            raise ValueError("--workers and --cluster both say who does the work; give one of them.")
        return self
