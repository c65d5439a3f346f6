"""What is seen on the screen. Nothing here touches what is learnt from, picked or saved."""

from __future__ import annotations

from napari_topaz import choices
from napari_topaz.settings.option import Settings, option


class DisplaySettings(Settings):
    """How the picture of a micrograph is made; training and picking read the file."""

    low_pass: float = option(
        20.0,
        "Hides what is finer than this, in the picture only (half amplitude); 0 shows the noise as it is.",
        unit="Å",
        step=5,
        ge=0,
        le=1000,
        advanced=True,
    )
    high_pass: float = option(
        0.0,
        "Hides what is coarser than this, such as uneven ice, in the picture only; 0 hides nothing.",
        unit="Å",
        step=100,
        ge=0,
        le=100_000,
        advanced=True,
    )
    binning: int | None = option(
        None,
        "Pixels of the micrograph per pixel of the picture, along both axes; by default as few as fit "
        "the longest side.",
        step=1,
        ge=1,
        le=64,
        advanced=True,
    )
    longest_side: int = option(
        2048,
        "Larger micrographs are binned for the screen until they are at most this long.",
        unit="px",
        step=256,
        ge=128,
        le=16_384,
        advanced=True,
    )
    black: float = option(
        0.5, "So much of the picture is black.", unit="%", step=0.5, ge=0, le=49, advanced=True
    )
    white: float = option(
        0.3, "So much of the picture is white.", unit="%", step=0.5, ge=0, le=49, advanced=True
    )
    invert: bool = option(False, "Draws dark particles bright.", advanced=True)


class DrawingSettings(Settings):
    """How labels and picks are drawn over the picture."""

    outline: str = option(
        "circle", "What stands round labels and picks", choices=choices.OUTLINES, advanced=True
    )
    colour_by_score: bool = option(
        False,
        "Picks get the colour of their score; the legend says which colour is which score.",
        advanced=True,
    )
