"""What the site makes from the code and from the repository's own files; a hook of mkdocs.

Options, commands and the API are read from the code whenever the site is built, so that a new option
shows up by itself; README, changelog and tables of results are pages of the site as they are. Links in
Markdown are those of the repository (they work there, too) and are turned into those of the site.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.fields import FieldInfo

from napari_topaz import settings
from napari_topaz.settings.presets import GROUPS, PRESETS

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
#: Files of the repository that are pages, and where.
COPIES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
RESULTS = "benchmarks/results"
#: Classes of options in the order of the page, with their headings.
TITLES = {
    "PreprocessSettings": "Particle and preprocessing",
    "TrainSettings": "Training",
    "NetworkSettings": "Network",
    "PickSettings": "Picking",
    "ReferenceSettings": "Picking without a model",
    "SavingSettings": "Files of picks",
    "StackSettings": "Particle stacks",
    "SimulateSettings": "Simulation",
    "PretrainSettings": "Pretraining",
    "RunSettings": "Device",
    "ScaleSettings": "Other processes and machines",
    "DisplaySettings": "Display",
    "DrawingSettings": "Drawing",
}
#: Packages without a page of reference: they are programs, not libraries.
PROGRAMS = {"cli", "gui"}

_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")
#: What docstrings say for Sphinx, once it is HTML.
_ROLE = re.compile(r":(?:func|class|mod|data|meth|attr|exc|obj):<code>~?([^<]+)</code>")
_MATH = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


# What is made from the code


def settings_page() -> str:
    """Return all options with default, unit, bounds and help; choices and presets with their own tables."""
    parts = [
        "# Settings",
        "Every option once: the command line has it with two dashes, the dock in its form (under *Advanced* "
        "where it is marked ◦), and a model file remembers those that picking needs. "
        "“–” as a default means that it follows from other options. Made from the code.",
    ]
    for kind in sorted(settings.Settings.__subclasses__(), key=_position):
        if kind.__module__.startswith("napari_topaz.settings."):
            parts += [f"## {TITLES.get(kind.__name__, kind.__name__)}", str(kind.__doc__), _table_of(kind)]
            parts += _choices_of(kind)
    return "\n\n".join([*parts, "## Presets", _presets()]) + "\n"


def _position(kind: type[settings.Settings]) -> int:
    return list(TITLES).index(kind.__name__) if kind.__name__ in TITLES else len(TITLES)


def _table_of(kind: type[settings.Settings]) -> str:
    rows = ["| option | default | unit | bounds | |", "|---|---|---|---|---|"]
    for name, field in kind.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, Mapping) else {}
        mark = " ◦" if extra.get("advanced") else ""
        cells = [f"`{_dashed(name)}`{mark}", _value(field.default), str(extra.get("unit") or "")]
        rows.append("| " + " | ".join([*cells, _bounds(field), _cell(field.description or "")]) + " |")
    return "\n".join(rows)


def _choices_of(kind: type[settings.Settings]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        if chosen := settings.choices_of(field):
            rows = [f"| `{choice}` | {_cell(help)} |" for choice, help in chosen.items()]  # noqa: A001
            yield "\n".join([f"| `{_dashed(name)}` | |", "|---|---|", *rows])


def _presets() -> str:
    rows = [f"| option | {' | '.join(f'`{name}`' for name in PRESETS)} |", "|---" * (len(PRESETS) + 1) + "|"]
    for group, kind in GROUPS.items():
        for name, field in kind.model_fields.items():
            values = [PRESETS[preset].get(group, {}).get(name, field.default) for preset in PRESETS]
            if any(value != field.default for value in values):
                rows.append(f"| `{_dashed(name)}` | {' | '.join(map(_value, values))} |")
    return "\n".join(rows)


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _bounds(field: FieldInfo) -> str:
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    found = {
        sign: getattr(bound, key)
        for bound in field.metadata
        for key, sign in signs.items()
        if getattr(bound, key, None) is not None
    }
    return ", ".join(f"{sign} {value:g}" for sign, value in found.items())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def command_line_page() -> str:
    """Return the help of all commands, and of the programs for RELION."""
    from napari_topaz.cli import build_app
    from napari_topaz.cli.relion import PROGRAMS as FOR_RELION

    text = build_app(lazy=False).generate_docs(output_format="markdown")
    text = text[text.index("## Table of Contents") :]
    text = text[text.index("**Commands**") :].replace("```console", "```")
    programs = ", ".join(f"[`{name}`](#{name})" for name in FOR_RELION)
    start = (
        "# Command line\n\nThe same as `napari-topaz COMMAND --help`; units and bounds stand in "
        "[Settings](settings.md). Made from the code.\n\n"
        f"For [RELION's External job](relion.md): {programs}.\n\n"
    )
    commands = re.sub(r"^## napari-topaz ", "## ", text, flags=re.MULTILINE).replace("(#napari-topaz-", "(#")
    return "\n".join([start + commands, *map(_relion_program, FOR_RELION)])


def _relion_program(name: str) -> str:
    from napari_topaz.cli.relion import build_app

    text = build_app(name).generate_docs(output_format="markdown")
    return text.replace(f"# {name}\n", f"## {name}\n", 1).replace("```console", "```")


def api_pages() -> dict[str, str]:
    """Return a page for each public module or package, by its path."""
    return {f"api/{name}.md": _api_page(name, modules) for name, modules in _public_modules().items()}


def _public_modules() -> dict[str, list[str]]:
    """Return the modules of each top-level module or package, as dotted names."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "src" / "napari_topaz").rglob("*.py")):
        parts = path.relative_to(ROOT / "src").with_suffix("").parts
        if len(parts) < 2 or parts[1] in PROGRAMS or parts[1] == "__init__":
            continue
        dotted = ".".join(part for part in parts if part != "__init__")
        if not path.name.startswith("_") or path.name == "__init__.py":
            found.setdefault(parts[1], []).append(dotted)
    return found


def _api_page(name: str, modules: list[str]) -> str:
    parts = [f"# napari_topaz.{name}"]
    for module in sorted(modules):
        # Of a package itself its text alone: what it passes on is documented where it is made.
        package = len(modules) > 1 and module.count(".") == 1
        parts.append(f"::: {module}" + ("\n    options:\n      members: false" if package else ""))
    return "\n\n".join(parts) + "\n"


# What mkdocs calls


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages that are made here to the navigation."""
    results = sorted(path.name for path in (ROOT / RESULTS).glob("*.md"))
    config.nav.append({"Results": [f"results/{name}" for name in results]})
    config.nav.append({"Reference": [{page[4:-3]: page} for page in api_pages()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add those pages themselves."""
    from mkdocs.structure.files import File

    made = {"settings.md": settings_page(), "command_line.md": command_line_page(), **api_pages()}
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    copies = {**COPIES, **{f"{RESULTS}/{p.name}": f"results/{p.name}" for p in (ROOT / RESULTS).iterdir()}}
    for source, path in copies.items():
        if (ROOT / source).is_file():
            files.append(File.generated(config, path, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of the repository into those of the site."""
    if page.file.src_uri.startswith("api/") or page.file.src_uri in {"settings.md", "command_line.md"}:
        return markdown
    return with_site_links(markdown, page.file.src_uri, config.repo_url or "")


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Set formulas as MathML, which browsers draw by themselves, and references of Sphinx as code."""
    from latex2mathml.converter import convert

    def formula(found: re.Match[str]) -> str:
        display = "block" if found[1] == "div" else "inline"
        return convert(html.unescape(found[2]).strip(), display=display)

    return _ROLE.sub(r"<code>\1</code>", _MATH.sub(formula, content))


def with_site_links(text: str, page: str, repository: str) -> str:
    """Return Markdown whose links lead to pages of the site, or else to the repository.

    Parameters
    ----------
    text : str
        Markdown as it stands in the repository.
    page : str
        Path of its page in the site.
    repository : str
        Address of the repository.
    """
    source = _source_of(page)

    def link(found: re.Match[str]) -> str:
        target, hash_, anchor = found[2].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return found[0]
        path = os.path.normpath(os.path.join(os.path.dirname(source), target))  # noqa: PTH118, PTH120
        there = _page_of(path)
        if there is not None:
            relative = os.path.relpath(there, os.path.dirname(page) or ".")  # noqa: PTH120
            return f"{found[1]}{relative}{hash_}{anchor}{found[3]}"
        if (ROOT / path).exists():
            return f"{found[1]}{repository}/blob/main/{path}{hash_}{anchor}{found[3]}"
        return found[0]

    # Code is left alone: every second part stands between fences.
    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if i % 2 else _LINK.sub(link, part) for i, part in enumerate(parts))


def _source_of(page: str) -> str:
    for source, copy in COPIES.items():
        if copy == page:
            return source
    return f"benchmarks/{page}" if page.startswith("results/") else f"docs/{page}"


def _page_of(path: str) -> str | None:
    if path in COPIES:
        return COPIES[path]
    if path.startswith("docs/") and not path.endswith(".py"):
        return path.removeprefix("docs/")
    return path.removeprefix("benchmarks/") if path.startswith(f"{RESULTS}/") else None
