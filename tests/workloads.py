"""Work that misbehaves, in a module that other processes can import."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from napari_topaz.preprocess import Prepared

#: Windows has no such name, and ends the process whatever the number.
KILL = getattr(signal, "SIGKILL", 9)


@dataclass(frozen=True)
class Deadly:
    """Says which process did it; kills that one for some names (where there are flags: once, with its id)."""

    names: frozenset[str]
    flags: Path | None = None

    def __call__(self, prepared: Prepared) -> int:
        if prepared.name in self.names:
            if self.flags is None:
                os.kill(os.getpid(), KILL)
            flag = self.flags / prepared.name
            if not flag.exists():
                flag.write_text(str(os.getpid()))
                os.kill(os.getpid(), KILL)
        return os.getpid()


@dataclass(frozen=True)
class Blocked:
    """Waits on one micrograph until there is a file, and says that it began."""

    name: str
    folder: Path

    def __call__(self, prepared: Prepared) -> str:
        if prepared.name == self.name:
            (self.folder / "begun").write_text(str(os.getpid()))
            while not (self.folder / "go").exists():
                time.sleep(0.01)
        return prepared.name


@dataclass(frozen=True)
class Environment:
    """The environment of a worker."""

    name: str

    def __call__(self, prepared: Prepared) -> str:
        time.sleep(0.3)  # long enough for both workers to get one
        return os.environ.get(self.name, "")
