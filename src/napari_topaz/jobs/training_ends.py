"""Why a training cannot go on."""

from __future__ import annotations


def why_ended(error: Exception) -> str:
    """One sentence for what a user can do something about; everything else is raised again."""
    from napari_topaz.model.devices import is_out_of_memory

    if isinstance(error, FloatingPointError):
        return f"Training diverged ({str(error).rstrip('.')}); take a smaller learning rate."
    if is_out_of_memory(error):
        return "The device's memory is full; take device cpu, a smaller width or fewer labelled micrographs."
    raise error
