"""The averages of the tiles in view: as they lie, and over all rotations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_topaz.gui.gallery_view import image_of
from napari_topaz.numerics.boxes import rotational_average

#: Edge of a picture, px.
EDGE = 96
#: Percentiles that are black and white.
BLACK, WHITE = 0.5, 99.5


class Averages(QWidget):
    """Two pictures."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plain, self.round = QLabel(), QLabel()
        self.plain.setToolTip("Mean of the tiles in view, as they lie; rejected ones are left out.")
        self.round.setToolTip("The same, averaged over all rotations.")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for picture in (self.plain, self.round):
            picture.setFixedSize(EDGE, EDGE)
            layout.addWidget(picture)
        title = QLabel("Average of the tiles in view, and over all rotations")
        title.setWordWrap(True)
        layout.addWidget(title, 1)

    def show_tiles(self, tiles: Sequence[NDArray[np.uint8]]) -> None:
        """Average these tiles, as they are drawn; without any there are no pictures."""
        mean = average(tiles)
        for label, picture in ((self.plain, mean), (self.round, mean)):
            if picture is None:
                label.clear()
                continue
            shown = rotational_average(picture)[0] if label is self.round else picture
            pixmap = QPixmap.fromImage(image_of(grey(shown)))
            smooth = Qt.TransformationMode.SmoothTransformation
            label.setPixmap(pixmap.scaled(EDGE, EDGE, Qt.AspectRatioMode.KeepAspectRatio, smooth))


def average(tiles: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32] | None:
    """Mean of tiles; None of none. Where they differ in size, of those of the most frequent size."""
    if not tiles:
        return None
    shape = Counter(tile.shape for tile in tiles).most_common(1)[0][0]
    same = [tile for tile in tiles if tile.shape == shape]
    return np.asarray(np.mean(same, axis=0, dtype=np.float64), np.float32)


def grey(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Stretch an image to grey levels between percentiles."""
    low, high = np.percentile(image, (BLACK, WHITE))
    levels = (image - low) * (255 / max(float(high - low), 1e-6))
    return np.asarray(np.clip(levels, 0, 255), np.uint8)
