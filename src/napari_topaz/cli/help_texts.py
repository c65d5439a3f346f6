"""Help that shows units, from the settings that state them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve
from cyclopts.help import DefaultFormatter
from pydantic.fields import FieldInfo

from napari_topaz import settings

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions


class UnitFormatter(DefaultFormatter):
    """The default help, with the unit of a number in the place of its type."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print one panel."""
        entries = [evolve(entry, metavar=_placeholder(entry)) for entry in panel.entries]
        super().__call__(console, options, evolve(panel, entries=entries))


def option_named(name: str) -> FieldInfo | None:
    """Return the settings' field of that name, None where there is none."""
    return next((field for key, field in _all_fields() if key == name), None)


def _placeholder(entry: HelpEntry) -> str | None:
    names = [name.removeprefix("--").replace("-", "_") for name in entry.positive_names]
    field = option_named(names[0]) if names else None
    if field is None or entry.metavar is None:
        return entry.metavar
    extra: Any = field.json_schema_extra
    if isinstance(extra, Mapping) and extra.get("unit"):
        return str(extra["unit"])
    return "NAME" if settings.choices_of(field) else entry.metavar


def _all_fields() -> Iterator[tuple[str, FieldInfo]]:
    for kind in settings.Settings.__subclasses__():
        yield from kind.model_fields.items()
