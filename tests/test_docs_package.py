"""What is packed: the check of ./run package finds what is too much and what is missing; versions agree."""

from __future__ import annotations

import io
import re
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import napari_topaz
import package

ROOT = Path(__file__).parents[1]
in_the_repository = pytest.mark.skipif(
    not (ROOT / ".github").is_dir(), reason="the sdist has no workflows of GitHub"
)
GOOD = [
    "napari_topaz/__init__.py",
    "napari_topaz/cli/__init__.py",
    "napari_topaz/napari.yaml",
    "napari_topaz/py.typed",
    "napari_topaz/model/weights/particles.safetensors",
    "napari_topaz-1.0.dist-info/METADATA",
    "napari_topaz-1.0.dist-info/entry_points.txt",
    "napari_topaz-1.0.dist-info/licenses/LICENSE",
]


def test_a_wheel_as_it_should_be_passes() -> None:
    assert package.complaints(GOOD, package.WHEEL, package.NEEDED_IN_WHEEL) == []


@pytest.mark.parametrize(
    "name",
    [
        "tests/test_picks.py",
        "napari_topaz/notes.txt",
        "napari_topaz/napari.yaml.orig",
        "napari_topaz/old/cli/a.py",
    ],
)
def test_what_does_not_belong_into_the_wheel_is_named(name: str) -> None:
    said = package.complaints([*GOOD, name], package.WHEEL, package.NEEDED_IN_WHEEL)
    assert said == [f"{name} does not belong there"]


@pytest.mark.parametrize("end", ["napari.yaml", "particles.safetensors", "LICENSE", "py.typed"])
def test_what_is_missing_in_the_wheel_is_named(end: str) -> None:
    names = [name for name in GOOD if not name.endswith(end)]
    (said,) = package.complaints(names, package.WHEEL, package.NEEDED_IN_WHEEL)
    assert end in said
    assert said.endswith("is missing")


def test_a_module_that_the_wheel_forgets_is_named() -> None:
    source = ROOT / "src" / "napari_topaz"
    whole = [
        p.relative_to(source.parent).as_posix() for p in source.rglob("*") if "__pycache__" not in p.parts
    ]
    assert package.not_in(whole, source) == []
    whole.remove("napari_topaz/extract.py")
    assert package.not_in(whole, source) == ["napari_topaz/extract.py is missing"]


def test_every_file_of_the_package_is_allowed() -> None:
    """Or ./run package fails at the next release."""
    source = ROOT / "src" / "napari_topaz"
    files = [p for p in source.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    names = [p.relative_to(source.parent).as_posix() for p in files]
    assert package.complaints(names, package.WHEEL, package.NEEDED) == []


def test_archives_are_listed_alike(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("napari_topaz/py.typed", "")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as sdist:
        sdist.addfile(tarfile.TarInfo("napari_topaz-1.0/LICENSE"), io.BytesIO())
    assert package.contents(tmp_path / "a.whl") == ["napari_topaz/py.typed"]
    assert package.contents(tmp_path / "a.tar.gz") == ["LICENSE"]


def test_the_description_can_be_read_elsewhere(tmp_path: Path) -> None:
    text = "![a](docs/images/a.png) [b](docs/b.md#c) [L](LICENSE) [d](https://e.f) [g](#h)"
    there = package.with_absolute_links(text)
    assert there == (
        f"![a]({package.FILES}docs/images/a.png) [b]({package.PAGES}docs/b.md#c) [L]({package.PAGES}LICENSE) "
        "[d](https://e.f) [g](#h)"
    )
    for content, wrong in ((text, 3), (there, 0)):
        with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
            wheel.writestr("napari_topaz-1.0.dist-info/METADATA", content)
        assert len(package.relative_links(tmp_path / "a.whl")) == wrong
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert package.FILES in package.with_absolute_links(readme)


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited is not None
    assert project["version"] == napari_topaz.__version__ == cited[1]


def test_the_napari_hub_finds_what_it_shows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "Framework :: napari" in project["classifiers"]
    assert {"Source Code", "Documentation", "Bug Tracker", "User Support"} <= project["urls"].keys()
    assert project["license"] == "BSD-3-Clause"
    assert not any(
        text.startswith("License ::") for text in project["classifiers"]
    )  # PEP 639: one or the other
    manifest = (ROOT / "src" / "napari_topaz" / "napari.yaml").read_text(encoding="utf-8")
    assert re.search(r"^categories: \[\w+", manifest, re.MULTILINE)


@in_the_repository
def test_pythons_that_are_named_are_those_that_are_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pattern = re.compile(r"Programming Language :: Python :: (3\.\d+)")
    named = {found[1] for text in project["classifiers"] if (found := pattern.fullmatch(text))}
    tox = re.search(r"env_list = py\{([\d,]+)\}", (ROOT / "tox.ini").read_text(encoding="utf-8"))
    assert tox is not None
    assert named == {f"3.{minor[1:]}" for minor in tox[1].split(",")}
    assert project["requires-python"] == f">={min(named, key=_minor)}"
    workflow = ROOT / ".github" / "workflows" / "test.yml"
    if not workflow.is_file():  # it is not in the sdist
        return
    matrix = re.search(r"python: \[(.*)\]", workflow.read_text(encoding="utf-8"))
    assert matrix is not None
    tested = set(re.findall(r"3\.\d+", matrix[1]))
    assert tested <= named
    assert {min(named, key=_minor), max(named, key=_minor)} <= tested


def _minor(python: str) -> int:
    return int(python.partition(".")[2])


def environments() -> dict[str, str]:
    """The environments of tox.ini, with their text."""
    parts = re.split(r"^\[testenv:?([\w-]*)\]$", (ROOT / "tox.ini").read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@in_the_repository
def test_what_the_workflows_call_is_there() -> None:
    doors = set(re.findall(r"^  (\w+)\)$", (ROOT / "run").read_text(encoding="utf-8"), flags=re.M))
    workflows = {p.name: p.read_text("utf-8") for p in (ROOT / ".github/workflows").glob("*.yml")}
    called = {name for text in workflows.values() for name in re.findall(r"\./run (\w+)", text)}
    assert {"fuzz", "faults", "docs", "package"} <= called <= doors
    found = re.search(r"environment: \[(.*)\]", workflows["test.yml"])
    assert found is not None
    named = set(found[1].split(", "))
    assert {"lowest", "lowest-viewer", "without-napari", "check", "docs"} == named <= environments().keys()


def test_environments_without_a_viewer_leave_its_tests_alone() -> None:
    """They import napari: collecting them would end the run."""
    bare = [text for text in environments().values() if "headless" in text and "pytest" in text]
    assert len(bare) == 2
    assert all("--ignore=tests/gui" in text for text in bare)
