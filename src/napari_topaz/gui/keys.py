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
    title : str
        For the page of preferences: the manifest has one row for each.
    does : str
        For the key card.
    do : callable
        (session) -> None
    """

    name: str
    keys: tuple[str, ...]
    title: str
    does: str
    do: Callable[[Any], Any]


#: All keys. None of them is a default of napari for images and points but Control-Y (two and three
#: dimensions), which makes no sense for micrographs.
KEYS = (
    Key(
        "next",
        ("N", "PageDown"),
        "Next micrograph",
        "next micrograph",
        lambda session: session.workspace.step(1),
    ),
    Key(
        "previous",
        ("B", "PageUp"),
        "Previous micrograph",
        "previous micrograph",
        lambda session: session.workspace.step(-1),
    ),
    Key(
        "unlabelled",
        ("U",),
        "Next without labels",
        "next micrograph without labels that is not finished",
        lambda session: session.workspace.next_unlabelled(),
    ),
    Key(
        "finished",
        ("F",),
        "Finished, or not",
        "this micrograph is finished, or not",
        lambda session: session.workspace.decisions.toggle(Mark.FINISHED),
    ),
    Key(
        "excluded",
        ("E",),
        "Exclude, or take back",
        "exclude this micrograph, or take it back",
        lambda session: session.workspace.decisions.toggle(Mark.EXCLUDED),
    ),
    Key(
        "reject",
        ("X",),
        "No particle under the mouse",
        "“no particle” under the mouse; on such a label: takes it back",
        lambda session: session.reject_under_mouse(),
    ),
    Key(
        "centre",
        ("G",),
        "Centre the labels",
        "move the labels here to their centres",
        lambda session: session.centre.emit(),
    ),
    Key("ruler", ("R",), "Ruler", "ruler: drag across a particle", lambda session: session.ruler.toggle()),
    Key(
        "hide",
        ("H",),
        "Hide or show labels and picks",
        "hide or show labels and picks",
        lambda session: session.layers.edits.toggle(),
    ),
    Key("undo", ("Control-Z",), "Undo", "take the last change back", lambda session: session.undo()),
    Key("redo", ("Control-Shift-Z", "Control-Y"), "Redo", "do it again", lambda session: session.redo()),
    Key(
        "away",
        ("Escape",),
        "Put ruler and key card away",
        "put the ruler and this card away",
        lambda session: session.put_away(),
    ),
    Key("card", ("F1",), "Key card", "show or hide this card", lambda session: session.card.toggle()),
)


def accepted(chosen: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Tell which of the keys that she chose can be had, all of them together.

    Parameters
    ----------
    chosen : mapping of str to str
        Keys in place of the first ones, by :attr:`Key.name`; empty for the usual one.

    Returns
    -------
    taken : dict of str to str
        Those that are bound.
    wrong : list of str
        Those that are no keys or do something else already: the usual ones are bound in their place.
    """
    taken = {key.name: chosen[key.name] for key in KEYS if chosen.get(key.name)}
    wrong = [one for one in taken.values() if not _is_key(one)]
    taken = {name: one for name, one in taken.items() if one not in wrong}
    while (name := _clashing(taken)) is not None:
        wrong.append(taken.pop(name))
    return taken, wrong


def _clashing(taken: Mapping[str, str]) -> str | None:
    """Name of a chosen key that does something else too; a usual one stays, and of two chosen the first."""
    owners: dict[str, Key] = {}
    for key in KEYS:
        for one in keys_of(key, taken):
            other = owners.setdefault(_as_napari_writes(one), key)
            if other is not key:
                is_chosen = _as_napari_writes(taken.get(key.name, "")) == _as_napari_writes(one)
                return key.name if is_chosen else other.name
    return None


def _is_key(one: str) -> bool:
    from app_model.types import KeyBinding, KeyCode

    try:
        return KeyBinding.from_str(one).part0.key is not KeyCode.UNKNOWN
    except (ValueError, KeyError, TypeError):
        return False


def _as_napari_writes(one: str) -> str:
    from app_model.types import KeyBinding

    return str(KeyBinding.from_str(one)) if one else ""


def bind(viewer: ViewerModel, session: Session, taken: Mapping[str, str]) -> list[str]:
    """Bind all keys, the `taken` ones in place of the first ones; returns what :func:`unbind` needs."""
    bound = [(one, key) for key in KEYS for one in keys_of(key, taken)]
    for one, key in bound:
        viewer.bind_key(one, _pressed(key, session), overwrite=True)
    return [one for one, _ in bound]


def unbind(viewer: ViewerModel, bound: Iterable[str]) -> None:
    """Take keys away from the viewer."""
    for one in bound:
        viewer.bind_key(one, None, overwrite=True)


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
