"""How pictures look: colours and style of all that is drawn with matplotlib."""

from __future__ import annotations

from typing import Any

#: Okabe and Ito's colours, which colour-blind people can tell apart.
BLUE, SKY, ORANGE, YELLOW, GREEN = "#0072B2", "#56B4E9", "#E69F00", "#F0E442", "#009E73"
INK, FAINT = "#2b2b2b", "#9a9a9a"

LINE: dict[str, Any] = {"lw": 2, "marker": "o", "ms": 4}
STYLE: dict[Any, Any] = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
}
