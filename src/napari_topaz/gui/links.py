"""Connections to signals that outlive a dock: they end with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from qtpy.QtWidgets import QWidget

#: A signal, and the slot that it calls.
Link = tuple[Any, Callable[..., Any]]


def connect_until_destroyed(dock: QWidget, links: Sequence[Link], *ends: Callable[[], object]) -> None:
    """Connect slots to signals until the dock is destroyed; then `ends` are called.

    Parameters
    ----------
    dock : QWidget
    links : sequence of (signal, slot)
    *ends : callable
        What else ends with the dock. The widgets that it owns are gone by then.
    """
    for signal, slot in links:
        signal.connect(slot)
    # Not a method: when `destroyed` comes, the objects that the dock owns are hardly ones any more.
    dock.destroyed.connect(partial(_let_go, list(links), ends))


def _let_go(links: Sequence[Link], ends: Sequence[Callable[[], object]], *_: object) -> None:
    for signal, slot in links:
        signal.disconnect(slot)
    for end in ends:
        end()
