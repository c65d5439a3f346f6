"""Where tensors live."""

from __future__ import annotations

import os

import torch

from napari_topaz.settings.running import DEVICE_VARIABLE


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name.

    "auto" is what the environment variable NAPARI_TOPAZ_DEVICE says, where it is set; else CUDA, or
    Apple's MPS, or the CPU.

    Raises
    ------
    ValueError
        Where this machine has no such device.
    """
    wanted = name
    if name == "auto":
        name = os.environ.get(DEVICE_VARIABLE) or "auto"
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(_no_device(name, wanted)) from error
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(device.type, False):
        raise ValueError(_no_device(name, wanted))
    return device


def _no_device(name: str, wanted: str) -> str:
    if wanted == name:
        return f"This machine has no device {name!r}; use --device auto or --device cpu."
    return (
        f"This machine has no device {name!r}, which the preferences (or the variable {DEVICE_VARIABLE}) ask "
        "for; choose another one there, or --device cpu."
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the device's memory is full."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    text = str(error).lower()  # "CUDA error: out of memory", "CUDNN_STATUS_ALLOC_FAILED", "can't allocate"
    return isinstance(error, RuntimeError) and any(
        sign in text for sign in ("out of memory", "alloc_failed", "allocate memory", "not enough memory")
    )
