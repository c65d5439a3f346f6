"""From an exception to one sentence for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class CallError(Exception):
    """The call was wrong: options that are impossible or do not go together; one sentence."""


def sentence_of(error: BaseException) -> str:
    """Say in one sentence what is wrong, without the machinery it came through."""
    from cyclopts import CycloptsError
    from pydantic import ValidationError

    from napari_topaz.events import JobError

    if isinstance(error, KeyboardInterrupt):
        return "Stopped."
    if isinstance(error, CycloptsError):
        cause = error.__cause__ or error.__context__
        return _of_settings(cause) if isinstance(cause, ValidationError) else _one_line(str(error))
    if isinstance(error, ValidationError):
        return _of_settings(error)
    if isinstance(error, CallError | JobError | ValueError | OSError):
        return _one_line(str(error)) or type(error).__name__
    return (
        f"Something unexpected happened ({type(error).__name__}: {_one_line(str(error))}); "
        f"run the same with --debug and report what it prints."
    )


def _of_settings(error: ValidationError) -> str:
    """Name the option that the settings refuse."""
    from napari_topaz.cli.help_texts import option_named

    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return _one_line(message)
    name = str(first["loc"][-1])
    field = option_named(name)
    if first["type"] == "string_pattern_mismatch" and field is not None:
        message = f"must be {field.description}"
    message = message.removeprefix("Input ").rstrip(".")
    return _one_line(f"--{name.replace('_', '-')} {message}, not {first['input']!r}.")


def _one_line(text: str) -> str:
    return " ".join(text.split())
