"""Files of tensors (safetensors) as bytes, read whole.

A memory map, which the library's own ``safe_open`` makes, would end the process where the file is cut
while its tensors are looked at (a bus error), and mix two models where one is written over the other.
Source of the layout: the format's own description (8 bytes with the length of the header, the header as
JSON, the tensors).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from napari_topaz.files.errors import FileError, reading_failed, refuse_special
from napari_topaz.files.stored import changing

#: Bytes that hold the header's length; of the longest header, and of the largest file, that are read.
_LENGTH, _LONGEST_HEADER, _LARGEST = 8, 16 << 20, 4 << 30
#: What is said of another file.
NO_MODEL = (
    "is not a model file (safetensors) or is damaged; train a model with 'napari-topaz train' or choose "
    "another file"
)


def read_safetensors(path: Path) -> tuple[dict[str, str], bytes]:
    """Return the metadata of a file, and all of its bytes for ``safetensors.torch.load``.

    The tensors' places are for that to check; here the file is as long as its header says.

    Raises
    ------
    FileError
        Where it cannot be read, is no such file, is too large, or changes while it is read.
    """
    try:
        refuse_special(path)
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            metadata = _metadata(path, file, before.st_size)
            file.seek(0)
            data = file.read(before.st_size)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise reading_failed(path, error) from error
    except MemoryError as error:
        raise FileError(f"{path} does not fit into memory; close other programs.") from error
    if (after.st_size, after.st_mtime_ns) != (len(data), before.st_mtime_ns):
        raise changing(path)
    return metadata, data


def _metadata(path: Path, file: BinaryIO, size: int) -> dict[str, str]:
    """The metadata, where the header and the file's size agree: no more is read of another file."""
    length = int.from_bytes(file.read(_LENGTH), "little")
    try:
        if length > min(size, _LONGEST_HEADER):
            raise ValueError("the header is too long")
        header: dict[str, Any] = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        if size != _LENGTH + length + end or not isinstance(metadata, dict):
            raise ValueError("the file is not as long as it says")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise FileError(f"{path} {NO_MODEL}.") from error
    if size > _LARGEST:
        raise FileError(f"{path} has {size >> 30} GiB, more than any model of this program; give another.")
    return metadata
