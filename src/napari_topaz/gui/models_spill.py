"""Models that are kept but need not be in memory: in files, as long as the window is open. No Qt."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel


class Spilled:
    """A model in a temporary file, which goes away with this object."""

    def __init__(self, path: Path) -> None:
        self.path = path
        weakref.finalize(self, path.unlink, missing_ok=True)


class Spill:
    """A temporary folder of models; it goes away with this object, or with the process."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def put(self, model: PickerModel) -> Spilled:
        """Write a model; for one thread.

        Raises
        ------
        FileError, OSError
            Where it cannot be written.
        """
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="napari-topaz-models-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return Spilled(model.save(self._folder / f"{secrets.token_hex(8)}.safetensors"))
