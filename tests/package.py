"""Do the wheel and the sdist hold what they should, and nothing else?

Usage: python tests/package.py FOLDER   (after python -m build --outdir FOLDER; ./run package does both)
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

#: What may be in the package; regular expressions for whole paths below its folder.
PACKAGE = [
    r"[a-z_]+\.py",
    r"py\.typed",
    r"napari\.yaml",
    r"(cli|files|gui|jobs|model|numerics|settings|simulate)/[a-z0-9_]+\.py",
    r"model/weights/particles\.safetensors",
]
WHEEL = [
    *(f"napari_topaz/{path}" for path in PACKAGE),
    r"napari_topaz-[^/]+\.dist-info/(METADATA|RECORD|WHEEL|entry_points\.txt|licenses/LICENSE)",
]
SDIST = [
    *(f"src/napari_topaz/{path}" for path in PACKAGE),
    r"(README|CHANGELOG|CONTRIBUTING|SECURITY)\.md",
    r"LICENSE|CITATION\.cff|PKG-INFO|\.gitignore|constraints\.txt|mkdocs\.yml|pyproject\.toml|run|tox\.ini",
    r"tests/([a-z_]+/)?[a-z0-9_]+\.py",
    r"benchmarks/[a-z_]+\.(py|sh|md)",
    r"benchmarks/results/[a-z0-9_]+\.(md|png|csv)",
    r"docs/[a-z_]+\.(md|py|csv)",
    r"docs/images/[a-z0-9_]+\.png",
]
#: Without these the package does not work, or may not be given away.
NEEDED = [
    "napari_topaz/napari.yaml",
    "napari_topaz/model/weights/particles.safetensors",
    "napari_topaz/py.typed",
]
NEEDED_IN_WHEEL = [*NEEDED, r"licenses/LICENSE", "entry_points.txt", "napari_topaz/cli/__init__.py"]
NEEDED_IN_SDIST = [*NEEDED, "LICENSE", "README.md", "pyproject.toml", "tests/conftest.py", "CITATION.cff"]


def contents(archive: Path) -> list[str]:
    """Return the files in a wheel or an sdist; of the latter without its first folder."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return [name for name in wheel.namelist() if not name.endswith("/")]
    with tarfile.open(archive) as sdist:
        return [member.name.partition("/")[2] for member in sdist if not member.isdir()]


def complaints(names: Iterable[str], allowed: Sequence[str], needed: Sequence[str]) -> list[str]:
    """Say which files are too many or missing; `needed` are the ends of paths."""
    names = list(names)
    foreign = [name for name in names if not any(re.fullmatch(pattern, name) for pattern in allowed)]
    missing = [end for end in needed if not any(name == end or name.endswith(f"/{end}") for name in names)]
    return [f"{name} does not belong there" for name in foreign] + [f"{end} is missing" for end in missing]


def not_in(wheel: Iterable[str], source: Path) -> list[str]:
    """Say which files of the package are not in the wheel."""
    names = set(wheel)
    there = (path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    wanted = (path.relative_to(source.parent).as_posix() for path in there)
    return [f"{name} is missing" for name in sorted(wanted) if name not in names]


def main(folder: Path) -> int:
    """Check the one wheel and the one sdist of a folder; returns the exit code."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    in_wheel, in_sdist = contents(wheel), contents(sdist)
    source = Path(__file__).parents[1] / "src" / "napari_topaz"
    found = {
        wheel: complaints(in_wheel, WHEEL, NEEDED_IN_WHEEL) + not_in(in_wheel, source),
        sdist: complaints(in_sdist, SDIST, NEEDED_IN_SDIST),
    }
    for archive, names in ((wheel, in_wheel), (sdist, in_sdist)):
        print(f"{archive.name}: {len(names)} files, {archive.stat().st_size / 2**20:.2f} MiB")
        for complaint in found[archive]:
            print(f"  {complaint}")
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
