"""Do the wheel and the sdist hold what they should, and nothing else?

Usage: python tests/package.py --build FOLDER   (./run package), or FOLDER alone where they are there already
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
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

#: Where links of README.md lead to, and its pictures.
PAGES = "https://github.com/napari-topaz/napari-topaz/blob/main/"
FILES = "https://raw.githubusercontent.com/napari-topaz/napari-topaz/main/"
_RELATIVE = re.compile(r"(!?)(\[[^\]]*\]\()(?![a-z]+:|#)([^)\s]+\))")


def with_absolute_links(text: str) -> str:
    """Return Markdown that can be read elsewhere: PyPI and the napari hub show it alone."""
    return _RELATIVE.sub(lambda found: found[1] + found[2] + (FILES if found[1] else PAGES) + found[3], text)


def relative_links(wheel: Path) -> list[str]:
    """Say which links of the description lead nowhere."""
    with zipfile.ZipFile(wheel) as archive:
        (about,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(about).decode()
    return [
        f"the description links to {found[3][:-1]}, which is not there" for found in _RELATIVE.finditer(text)
    ]


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
    source = ROOT / "src" / "napari_topaz"
    found = {
        wheel: complaints(in_wheel, WHEEL, NEEDED_IN_WHEEL)
        + not_in(in_wheel, source)
        + relative_links(wheel),
        sdist: complaints(in_sdist, SDIST, NEEDED_IN_SDIST),
    }
    for archive, names in ((wheel, in_wheel), (sdist, in_sdist)):
        print(f"{archive.name}: {len(names)} files, {archive.stat().st_size / 2**20:.2f} MiB")
        for complaint in found[archive]:
            print(f"  {complaint}")
    return int(any(found.values()))


def build(folder: Path) -> None:
    """Build both from a copy of the sources, whose README.md gets absolute links."""
    ignored = shutil.ignore_patterns(
        ".git", ".venv*", ".env-*", ".*_cache", ".tox", "dist", "site", "__pycache__"
    )
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "napari-topaz"
        shutil.copytree(ROOT, copy, ignore=ignored)
        text = (copy / "README.md").read_text("utf-8")
        (copy / "README.md").write_text(with_absolute_links(text), "utf-8", newline="\n")
        line = [sys.executable, "-m", "build", "--outdir", str(folder.resolve()), str(copy)]
        subprocess.run(line, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    folder_ = Path(sys.argv[-1])
    if sys.argv[1] == "--build":
        build(folder_)
    sys.exit(main(folder_))
