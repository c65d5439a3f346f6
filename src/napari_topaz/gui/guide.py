"""What to do next, and why a button cannot work: one place, no Qt."""

from __future__ import annotations

from dataclasses import dataclass

from napari_topaz.gui.general import is_guess
from napari_topaz.gui.workspace import Workspace

#: Labels from which training usually works.
ENOUGH_LABELS = 10
#: Labels without which it makes no sense.
LEAST_LABELS = 3


@dataclass(frozen=True)
class Guide:
    """One line of advice, and per button the reason why it is disabled (None where it works).

    `emphasis` names the button of the next step, open, guess, take, train, pick, save; or the number
    she must type: diameter, pixel_size; None where it is neither. `guessed`: the picks are a first guess.
    `locked`: why nothing may be edited.
    """

    next_step: str
    emphasis: str | None
    label: str | None
    train: str | None
    pick: str | None
    save: str | None
    save_model: str | None
    load: str | None
    go_on: str | None
    guess: str | None
    suggest: str | None
    suggest_template: str | None
    take: str | None
    guessed: bool
    locked: str | None


def guide(
    workspace: Workspace,
    running: str | None,
    *,
    live: bool = False,
    awaited: bool = False,
    renewing: bool = False,
) -> Guide:
    """Look at the workspace and at what runs (None where nothing does) and give advice.

    `live`: a model learns by itself behind whatever runs. `awaited`: that of the session is being read.
    `renewing`: picks follow other distances by themselves.
    """
    busy = f"{running} is running: press Stop first, or wait until it is done." if running else None
    no_files = _why_none(workspace)
    no_model = None if workspace.model is not None else "Train a model first, or load one."
    # Asked after every change: results of thousands of micrographs must not be put together for it.
    some = (
        bool(workspace.particles)
        or bool(workspace.all_labels)
        or not workspace.picked.isdisjoint(workspace.decisions.names_in_use)
    )
    nothing = None if some else "There is nothing to save yet: label particles or train a model."
    next_step, emphasis = _next_step(workspace, running)
    if live and emphasis == "train":
        next_step, emphasis = "Live learns from every click: correct what it gets wrong.", None
    if renewing and not running:
        next_step, emphasis = f"{_former(workspace)} follow the new distances …", None
    if awaited and not running:
        next_step, emphasis = "The model of the session is being loaded …", None
    if not running and _shows_guess(workspace) and "guess" not in next_step:
        next_step = f"These picks are still a guess. {next_step}"
    if (locked := workspace.lock.sentence) is not None and not running:
        next_step, emphasis = f"{locked} To go on, press Save a copy elsewhere …", None
    no_suggestions = busy or no_files or _why_no_diameter(workspace)
    return Guide(
        next_step=next_step,
        emphasis=emphasis,
        label=locked or (None if workspace.list.of else no_files),
        train=locked or busy or no_files or _why_not_train(workspace),
        pick=busy or no_files or no_model or _why_no_lengths(workspace) or _why_all_picked(workspace),
        save=busy or no_files or nothing,
        save_model=no_model,
        load=busy,
        go_on=locked or busy or no_model or _why_not_go_on(workspace),
        guess=no_suggestions or _why_not_guess(workspace),
        suggest=no_suggestions,
        suggest_template=no_suggestions or _why_no_template(workspace),
        take=locked or no_files or _why_nothing_to_take(workspace),
        guessed=is_guess(workspace.model),
        locked=locked,
    )


def _why_none(workspace: Workspace) -> str | None:
    """Why there is no micrograph to work on."""
    if not workspace.list.of:
        return "Open micrographs first."
    if not workspace.decisions.names_in_use:
        return "All micrographs are excluded; take one back (key E, or the right mouse button in the list)."
    return None


def particles(workspace: Workspace) -> int:
    """Number of labelled particles."""
    return sum(workspace.particles.values())


def _why_no_lengths(workspace: Workspace) -> str | None:
    if workspace.pixel_size() is None:
        return "Type the pixel size (Å/px): these files do not state it."
    stated = workspace.model is not None and workspace.model.knows_preprocessing
    if workspace.options.preprocess.diameter is None and not stated:
        return "Type the diameter of the particle (Å)."
    return None


def _why_no_diameter(workspace: Workspace) -> str | None:
    if workspace.pixel_size() is not None and workspace.options.preprocess.diameter is None:
        return "Type the diameter of the particle (Å)."
    return _why_no_lengths(workspace)


def _why_not_guess(workspace: Workspace) -> str | None:
    if is_guess(workspace.model):
        return "The picks are a guess already, here and on every micrograph that you show."
    if workspace.model is not None:
        return "There is a model already, which is better than a guess."
    return None


def _why_not_go_on(workspace: Workspace) -> str | None:
    if is_guess(workspace.model):
        return "Train starts from the model of the guess anyway."
    return None


def _why_no_template(workspace: Workspace) -> str | None:
    if particles(workspace) < LEAST_LABELS:
        return f"Label at least {LEAST_LABELS} particles first: the template is their average."
    return None


def _why_nothing_to_take(workspace: Workspace) -> str | None:
    if workspace.current is None or not len(workspace.picks(workspace.current)):
        return "There are no picks on this micrograph: suggest some, or lower the threshold."
    return None


def _why_all_picked(workspace: Workspace) -> str | None:
    if workspace.unpicked:
        return None
    return "All micrographs are picked with this model; the threshold still counts."


def _why_not_train(workspace: Workspace) -> str | None:
    if workspace.pixel_size() is None:
        return _why_no_lengths(workspace)
    if workspace.options.preprocess.diameter is None:
        return "Type the diameter of the particle (Å)."
    if particles(workspace) < LEAST_LABELS:
        return f"Click the centres of at least {LEAST_LABELS} particles first; {ENOUGH_LABELS} are better."
    return None


def _next_step(workspace: Workspace, running: str | None) -> tuple[str, str | None]:
    if not workspace.list.of:
        return "Open a folder of micrographs, or try File ▸ Open Sample ▸ Simulated micrographs.", "open"
    if (reason := _why_none(workspace)) is not None:
        return reason, None
    if running == "Training":
        return (
            "Watch heat map and picks improve; press Stop when they look right, to keep them.",
            None,
        )
    if running == "Guessing":
        return "Guessing … the first time takes some seconds more, to load what learns.", None
    if running:
        return f"{running} … Stop keeps what is done so far.", None
    if (reason := _why_no_lengths(workspace)) is not None:
        return reason, "pixel_size" if workspace.pixel_size() is None else "diameter"
    if workspace.current in workspace.suggested and _why_nothing_to_take(workspace) is None:
        return "Drag the threshold until the circles look right, then press Take picks as labels.", "take"
    if is_guess(workspace.model) and (step := _next_step_with_guess(workspace)) is not None:
        return step
    if workspace.model is not None and not is_guess(workspace.model):
        return _next_step_with_model(workspace)
    return _next_step_of_labelling(workspace)


def _former(workspace: Workspace) -> str:
    n = len(workspace.former)
    return "The picks of 1 micrograph" if n == 1 else f"The picks of {n} micrographs"


def _shows_guess(workspace: Workspace) -> bool:
    """Whether picks of a guess are drawn: that must be said where it is always in view."""
    return is_guess(workspace.model) and workspace.current not in workspace.suggested


def _next_step_with_guess(workspace: Workspace) -> tuple[str, str | None] | None:
    """What to do about a guess; None where there are labels to train on."""
    if (n := particles(workspace)) >= LEAST_LABELS:
        return None
    if workspace.saved_to is not None and not workspace.unsaved:
        return _next_step_with_model(workspace)
    good = "Pick all" if workspace.unpicked else "look through the micrographs, and save"
    return (
        f"These picks are a guess. Click particles that it missed ({n} of {ENOUGH_LABELS}), right-click "
        f"what is none; then Train. If it is good already: {good}."
    ), None


def _next_step_of_labelling(workspace: Workspace) -> tuple[str, str | None]:
    n = particles(workspace)
    if n < LEAST_LABELS:
        return (
            f"Click the centres of {ENOUGH_LABELS} or more particles in the picture ({n} so far), "
            "or press Pick now for a first guess."
        ), "guess"
    if n < ENOUGH_LABELS:
        more = ENOUGH_LABELS - n
        return f"Click {more} more particle{'s' * (more > 1)}, or press Train already.", None
    if len(workspace.particles) == 1 and len(workspace.list.of) > 1:
        return "Press Train; or label some on the next micrograph (key N) too, which is safer.", "train"
    return "Press Train.", "train"


def _next_step_with_model(workspace: Workspace) -> tuple[str, str | None]:
    if workspace.former and workspace.unpicked == len(workspace.former & workspace.decisions.names_in_use):
        return f"{_former(workspace)} keep the former distances: press Pick all to renew them.", "pick"
    if workspace.unpicked:
        return (
            "Drag the threshold until the circles look right, then press Pick all; "
            "or correct picks and train again."
        ), "pick"
    if workspace.saved_to is None or workspace.unsaved:
        return "Look through the micrographs (keys N and B), then save the picks.", "save"
    return f"Saved to {workspace.saved_to.name}. Correct picks and train again, or you are done.", None
