"""The docs: links lead somewhere, and what is made from the code has all of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_topaz import choices, settings
from napari_topaz.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])

sys.path.insert(0, str(ROOT / "docs"))
import generate  # noqa: E402


def links_of(page: Path) -> Iterator[tuple[str, str]]:
    """Targets and anchors of all links within the repository, outside of code."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors_of(page: Path) -> set[str]:
    """Anchors that GitHub and the site give to headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    made = {"settings.md", "command_line.md"}
    for path, anchor in links_of(page):
        target = (page.parent / path).resolve() if path else page
        if target.name in made or target.parent.name == "api":
            continue  # pages that the site makes
        assert target.exists(), f"{page.name} links to {path}"
        if anchor:
            assert anchor in anchors_of(target), f"{page.name} links to {path}#{anchor}"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_every_page_is_in_the_navigation(page: Path) -> None:
    assert f": {page.name}\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_every_picture_is_on_a_page() -> None:
    linked = {(page.parent / path).resolve() for page in PAGES for path, _ in links_of(page) if path}
    pictures = set((ROOT / "docs" / "images").resolve().iterdir())
    assert pictures
    assert pictures <= linked


def test_every_option_is_in_the_table_of_settings() -> None:
    text = generate.settings_page()
    kinds = [
        k for k in settings.Settings.__subclasses__() if k.__module__.startswith("napari_topaz.settings.")
    ]
    assert len(kinds) > 8
    for kind in kinds:
        for name, field in kind.model_fields.items():
            assert f"| `{name.replace('_', '-')}`" in text, f"{kind.__name__}.{name}"
            assert (field.description or "").replace("|", "\\|") in text
    assert all(help_ in text for help_ in choices.OBJECTIVES.values())


def test_an_option_that_is_added_shows_up() -> None:
    class NewSettings(settings.Settings):
        """New ones."""

        brightness: float = settings.option(2.5, "How bright it is.", unit="cd", ge=0, lt=9, advanced=True)

    # As a module of settings/ would make it; the next test must not see it.
    NewSettings.__module__ = "napari_topaz.settings.new"
    text = generate.settings_page()
    NewSettings.__module__ = "tests"
    assert "## NewSettings\n\nNew ones." in text
    assert "| `brightness` ◦ | 2.5 | cd | ≥ 0, < 9 | How bright it is. |" in text


def test_every_command_is_on_its_page_with_its_options() -> None:
    text = generate.command_line_page()
    for command in COMMANDS:
        assert f"\n## {command}\n" in text
    assert "`--estimate-expected" in text
    assert "(#train)" in text


def test_the_programs_for_relion_are_there_with_all_their_options() -> None:
    _, train, pick = re.split(r"^## napari-topaz-relion-\w+$", generate.command_line_page(), flags=re.M)
    for option in (
        "--in_mics",
        "--in_coords",
        "--in_parts",
        "--o",
        "--j",
        "--masks",
        "--preset",
        "--objective",
        "--diameter",
    ):
        assert f"* `{option} " in train
    for option in ("--in_mics", "--o", "--j", "--masks", "--model", "--threshold", "--margin"):
        assert f"* `{option} " in pick
    assert "--in_coords" not in pick
    assert "pipeline_control" not in train + pick  # RELION's own business


def test_every_public_module_has_its_place_in_the_reference() -> None:
    pages = "\n".join(generate.api_pages().values())
    for module in ("picks", "numerics.matching", "model.objectives", "jobs.train", "files.star"):
        assert f"::: napari_topaz.{module}" in pages
    assert "napari_topaz.gui" not in pages


@pytest.mark.parametrize(
    ("link", "page", "there"),
    [
        ("[a](docs/tutorial.md#b)", "index.md", "[a](tutorial.md#b)"),
        ("![a](images/trained.png)", "viewer.md", "![a](images/trained.png)"),
        ("[a](../benchmarks/results/prior.md)", "choosing.md", "[a](results/prior.md)"),
        ("[a](../../README.md)", "results/prior.md", "[a](../index.md)"),
        ("[a](papers_table.png)", "results/papers_table.md", "[a](papers_table.png)"),
        ("[a](LICENSE)", "index.md", "[a](https://host/us/blob/main/LICENSE)"),
        ("[a](https://napari.org)", "index.md", "[a](https://napari.org)"),
        ("[a](no/such/file)", "index.md", "[a](no/such/file)"),
        ("```\n[a](docs/tutorial.md)\n```", "index.md", "```\n[a](docs/tutorial.md)\n```"),
    ],
)
def test_links_of_the_repository_become_those_of_the_site(link: str, page: str, there: str) -> None:
    assert generate.with_site_links(link, page, "https://host/us") == there
