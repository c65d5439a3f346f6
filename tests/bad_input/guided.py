"""Coverage-guided fuzzing of all readers by atheris; started by :mod:`bad_input.fuzz`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(include=["napari_topaz.files"]):
    for module in ("", ".relion", ".session"):
        import_module(f"napari_topaz.files{module}")

from bad_input.fuzz import keep, meet_in_time
from bad_input.mutations import READERS, meet
from bad_input.trial import TooLongError
from bad_input.whole import whole

#: torch makes a run of these slow, and its reader is not Python.
NAMES = [kind for kind in sorted(READERS) if kind not in ("model", "sav")]


def main() -> None:
    with TemporaryDirectory() as place:
        folder, seeds = Path(place, "work"), Path(place, "seeds")
        folder.mkdir()
        seeds.mkdir()
        for number, kind in enumerate(NAMES):
            (seeds / kind).write_bytes(bytes([number]) + whole(kind))

        for kind in NAMES:  # what is imported on first use takes its time
            meet(kind, whole(kind), folder)

        def one(data: bytes) -> None:
            if not data:
                return
            kind = NAMES[data[0] % len(NAMES)]
            try:
                meet_in_time(kind, data[1:], folder)
            except (Exception, TooLongError) as error:
                keep(kind, data[1:], error)
                raise

        atheris.Setup([*sys.argv, str(seeds)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
