"""The command line. Commands are imported when they are called: ``--version`` waits for nothing."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING

from napari_topaz import __version__

if TYPE_CHECKING:
    from cyclopts import App

#: Exit codes: the work is done; it failed or was stopped; the call was wrong.
DONE, FAILED, WRONG_CALL = 0, 1, 2

#: Commands in the order of the help, with the module of each.
COMMANDS = {
    "demo": "learning",
    "simulate": "learning",
    "preprocess": "images",
    "count": "priors",
    "cross-validate": "priors",
    "train": "learning",
    "pick": "images",
    "reference": "references",
    "heatmap": "images",
    "mask": "masks",
    "evaluate": "judging",
    "label": "labelling",
    "stack": "stacks",
    "convert": "tables",
    "info": "tables",
    "pretrain": "pretraining",
}


def build_app(*, lazy: bool = True) -> App:
    """Return the application.

    Parameters
    ----------
    lazy : bool
        Import commands when they are called; then the list of commands has no help.
    """
    from cyclopts import App

    from napari_topaz.cli.help_texts import UnitFormatter

    app = App(
        name="napari-topaz",
        help="Pick particles in cryo-EM micrographs: label a few, train, pick the rest.",
        help_epilogue="Micrographs are files, folders, globs or @list.txt. Exit codes: 0 done, 1 the work "
        "failed or was stopped, 2 the call was wrong.",
        help_formatter=UnitFormatter(),
        version=__version__,
        suppress_keyboard_interrupt=False,
        print_error=False,
        exit_on_error=False,
        result_action="return_value",
    )
    for position, (name, module) in enumerate(COMMANDS.items()):
        path = f"napari_topaz.cli.{module}"
        function = name.replace("-", "_")
        command = f"{path}:{function}" if lazy else getattr(import_module(path), function)
        app.command(command, name=name, sort_key=position)
    return app


def main(tokens: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    tokens : sequence of str, optional
        The command's words; those of the process where not given.

    Returns
    -------
    int
        The exit code: 0 done, 1 the work failed or was stopped, 2 the call was wrong.
    """
    tokens = list(sys.argv[1:] if tokens is None else tokens)
    if tokens == ["--version"]:  # scripts ask often, and nothing else is needed for it
        print(__version__)
        return DONE
    from cyclopts import CycloptsError

    from napari_topaz.cli.call_errors import CallError

    print_anything()
    try:
        return build_app(lazy=tokens[:1] not in ([], ["--help"], ["-h"]))(tokens) or DONE
    except (CycloptsError, CallError) as error:
        return refuse(error, WRONG_CALL, tokens)
    except (Exception, KeyboardInterrupt) as error:
        return refuse(error, FAILED, tokens)


def print_anything() -> None:
    """Let what a stream's encoding lacks (π and σ on many a Windows) be a question mark, not the end."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def refuse(error: BaseException, code: int, tokens: Sequence[str]) -> int:
    """Print one sentence (after the traceback, with --debug) and return the exit code."""
    from napari_topaz.cli.call_errors import sentence_of
    from napari_topaz.cli.meters import tell

    if "--debug" in tokens:
        traceback.print_exception(error)
    tell(f"Error: {sentence_of(error)}")
    return code
