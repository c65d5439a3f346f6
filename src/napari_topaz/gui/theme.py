"""Colours of the dock in the viewer's light and dark theme."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.theme import Theme, get_theme

from napari_topaz.gui.plots import Colours

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: The button of the next step.
EMPHASIS = "QPushButton { background: #1f7a9e; color: white; } QPushButton:hover { background: #2891ba; }"
#: The number that she must type next.
REQUIRED = "QAbstractSpinBox { border: 1px solid #2891ba; }"


def colours_of(viewer: ViewerModel) -> Colours:
    """Return the colours of plots in the viewer's theme."""
    theme = get_theme(viewer.theme)
    dark = theme.id != "light"
    return Colours(
        background=theme.background.as_hex(),
        text=theme.text.as_hex(),
        loss="#9fb4d4" if dark else "#3d5a80",
        held_out="#ffb454" if dark else "#b35c00",
        kept="#35c9ff" if dark else "#0077b6",
        dropped="#7a828c" if dark else "#9aa1aa",
    )


def hint_style(viewer: ViewerModel) -> str:
    """Return the style sheet of the line that names the next step."""
    theme: Theme = get_theme(viewer.theme)
    return (
        f"QLabel#hint {{ padding: 6px; border-left: 4px solid {colours_of(viewer).kept};"
        f" background: {theme.foreground.as_hex()}; }}"
    )
