"""Work in the folder of an *External* job of RELION: where picks go, and when to stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from napari_topaz.events import JobError
from napari_topaz.files import write_picks
from napari_topaz.files.relion import ABORT_NOW, RelionMicrographs, place_in_job
from napari_topaz.files.star import LISTS, write_star_list
from napari_topaz.files.write_options import WriteOptions
from napari_topaz.jobs.saving import Destination
from napari_topaz.picks import Picks


class Abortable:
    """A stop token that RELION sets by a file in the job's folder (*Job actions*, *Abort running*).

    Parameters
    ----------
    folder : Path
        Of the job.
    asked : Event
        Is set as well, and stops the job as well (Ctrl-C, a queue's SIGTERM).
    """

    def __init__(self, folder: Path, asked: Event) -> None:
        self._request, self._asked = folder / ABORT_NOW, asked

    def is_set(self) -> bool:
        """Whether the job should stop."""
        if not self._asked.is_set() and self._request.exists():
            self._asked.set()
        return self._asked.is_set()


@dataclass(frozen=True)
class JobFolder(Destination):
    """The folder of a picking job: coordinates in the folders of the micrographs, and their list."""

    def file_of(self, name: str) -> Path:
        """The file of one micrograph, for example ``Movies/a_autopick.star``."""
        return place_in_job(self.path, self.files[name])

    def save(self, picks: Mapping[str, Picks]) -> list[Path]:
        """Write a file for each micrograph."""
        written = []
        for name, one in picks.items():
            folder = self.file_of(name).parent
            folder.mkdir(parents=True, exist_ok=True)
            written += write_picks(folder, {name: one}, format="star", files=self.files, listed=False)
        return written

    def list_files(self, names: Iterable[str]) -> list[Path]:
        """Write ``autopick.star``, the list of RELION 4 and 5."""
        target = self.path / LISTS[0]
        write_star_list(target, {name: self.file_of(name) for name in names}, WriteOptions(self.files))
        return [target]


def common_pixel_size(micrographs: RelionMicrographs) -> float | None:
    """Å/px of all micrographs; None where the STAR file does not say, so that the headers count.

    Raises
    ------
    JobError
        Where optics groups differ: one model input needs one pixel size.
    """
    sizes = micrographs.pixel_sizes
    if len(sizes) > 1:
        raise JobError(
            f"The optics groups have pixel sizes of {', '.join(f'{s:g}' for s in sizes)} Å; "
            "split the micrographs with RELION's Subset selection, or give --pixel_size."
        )
    return sizes[0] if sizes else None


def use_threads(count: int) -> None:
    """Let the computations of this process share `count` cores."""
    import torch

    torch.set_num_threads(count)
