"""What keys do in the viewer, from one table; and the card that tells it. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_topaz.gui.gestures import DRAGS, GESTURES
from napari_topaz.gui.marks import Mark

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_topaz.gui.session import Session


@dataclass(frozen=True)
class Key:
    """Keys that do the same.

    Attributes
    ----------
    name : str
        In the preferences, where she may choose another key in place of the first one.
    keys : tuple of str
        As napari writes them.
    does : str
        For the key card.
    do : callable
        (session) -> None
    """

    name: str
    keys: tuple[str, ...]
    does: str
    do: Callable[[Any], Any]


#: All keys. None of them is a default of napari for images and points but Control-Y (two and three
#: dimensions), which makes no sense for micrographs.
KEYS = (
    Key("next", ("N", "PageDown"), "next micrograph", lambda session: session.workspace.step(1)),
    Key("previous", ("B", "PageUp"), "previous micrograph", lambda session: session.workspace.step(-1)),
    Key(
        "unlabelled",
        ("U",),
        "next micrograph without labels that is not finished",
        lambda session: session.workspace.next_unlabelled(),
    ),
    Key(
        "finished",
        ("F",),
        "this micrograph is finished, or not",
        lambda session: session.workspace.decisions.toggle(Mark.FINISHED),
    ),
    Key(
        "excluded",
        ("E",),
        "exclude this micrograph, or take it back",
        lambda session: session.workspace.decisions.toggle(Mark.EXCLUDED),
    ),
    Key(
        "reject",
        ("X",),
        "“no particle” under the mouse; on such a label: takes it back",
        lambda session: session.reject_under_mouse(),
    ),
    Key("centre", ("G",), "move the labels here to their centres", lambda session: session.centre.emit()),
    Key("ruler", ("R",), "ruler: drag across a particle", lambda session: session.ruler.toggle()),
    Key("hide", ("H",), "hide or show labels and picks", lambda session: session.layers.edits.toggle()),
    Key("undo", ("Control-Z",), "take the last change back", lambda session: session.undo()),
    Key("redo", ("Control-Shift-Z", "Control-Y"), "do it again", lambda session: session.redo()),
    Key("away", ("Escape",), "put the ruler and this card away", lambda session: session.put_away()),
    Key("card", ("F1",), "show or hide this card", lambda session: session.card.toggle()),
)


def bind(viewer: ViewerModel, session: Session, chosen: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Bind all keys.

    Parameters
    ----------
    viewer : ViewerModel
    session : Session
    chosen : mapping of str to str
        Keys in place of the first ones, by :attr:`Key.name`.

    Returns
    -------
    bound : list of str
        For :func:`unbind`.
    wrong : list of str
        Chosen keys that are none or do something else already; the usual ones are bound in their place.
    """
    bound: list[str] = []
    wrong: list[str] = []
    usual = {one for key in KEYS for one in key.keys}
    for key in KEYS:
        for one in keys_of(key, chosen):
            taken = one in bound or (one in usual and one not in key.keys)
            if taken or not _bind_one(viewer, one, key, session):
                wrong.append(one)
                one = key.keys[0]
                _bind_one(viewer, one, key, session)
            bound.append(one)
    return bound, wrong


def unbind(viewer: ViewerModel, bound: Iterable[str]) -> None:
    """Take keys away from the viewer."""
    for one in bound:
        viewer.bind_key(one, None, overwrite=True)


def _bind_one(viewer: ViewerModel, one: str, key: Key, session: Session) -> bool:
    from app_model.types import KeyBinding, KeyCode

    try:
        known = KeyBinding.from_str(one).part0.key is not KeyCode.UNKNOWN
    except (ValueError, KeyError, TypeError):
        return False
    if known:
        viewer.bind_key(one, _pressed(key, session), overwrite=True)
    return known


def keys_of(key: Key, chosen: Mapping[str, str]) -> tuple[str, ...]:
    """The keys that do it, the chosen one first."""
    return (chosen.get(key.name) or key.keys[0], *key.keys[1:])


def card_parts(chosen: Mapping[str, str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what the key card says: gestures of the mouse, then keys, each with what it does."""
    mouse = [(gesture.how, gesture.does) for gesture in GESTURES]
    keys = [(" or ".join(map(_spoken, keys_of(key, chosen))), key.does) for key in KEYS]
    return [("Mouse, while labelling", [*mouse, *DRAGS]), ("Keys, after a click in the picture", keys)]


def _spoken(key: str) -> str:
    return key.replace("Control", "Ctrl").replace("-", "+").replace("Page", "Page ")


def _pressed(key: Key, session: Session) -> Callable[[Any], None]:
    def press(viewer: Any) -> None:
        key.do(session)

    return press
