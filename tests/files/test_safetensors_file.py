"""Model files are read whole, as far as they are as long as they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from napari_topaz.files import FileError
from napari_topaz.files import safetensors_file as module
from napari_topaz.files.safetensors_file import read_safetensors

TENSORS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, np.int64)}
#: Cuts a model's file as soon as it is read; in a process of its own, which a memory map would end.
CUT_WHEN_READ = """
import os, sys
from napari_topaz.model import picker
put_together = picker._assembled
def cut(path, *more):
    os.truncate(path, 100)
    return put_together(path, *more)
picker._assembled = cut
print(len(picker.PickerModel.load(sys.argv[1]).tensors()))
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.safetensors"
    path.write_bytes(save(TENSORS, {"who": "me"}))
    return path


def test_metadata_and_tensors(file: Path) -> None:
    about, data = read_safetensors(file)
    assert about == {"who": "me"}
    assert data == file.read_bytes()
    np.testing.assert_array_equal(load(data)["a"], TENSORS["a"])


def with_header(header: object, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\0\0",
        (1 << 62).to_bytes(8, "little") + b"{}",
        with_header([1]),
        with_header({"a": [1]}),
        with_header({"a": {"data_offsets": [0, 8]}}, bytes(7)),
        with_header({"a": {"data_offsets": [0, 8]}}, bytes(9)),
        with_header({"__metadata__": 3}),
        with_header({"a": {"data_offsets": [0, float("inf")]}}),
        with_header({"a": {"data_offsets": [0, "8"]}}, bytes(8)),
        with_header({"a": {"data_offsets": [0, [8]]}}, bytes(8)),
    ],
)
def test_what_is_none_is_not_read_on(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with pytest.raises(FileError, match="is not a model file"):
        read_safetensors(file)


def test_too_large(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST", 100)
    with pytest.raises(FileError, match="more than any model"):
        read_safetensors(file)


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "written to"])
def test_what_changes_while_it_is_read_is_no_model(
    file: Path, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    read_header = module._metadata

    def changed_then(path: Path, *more: object) -> dict[str, str]:
        found = read_header(path, *more)  # type: ignore[arg-type]
        if cut:
            os.truncate(path, path.stat().st_size - 8)
        else:
            os.utime(path, ns=(0, 0))
        return found

    monkeypatch.setattr(module, "_metadata", changed_then)
    with pytest.raises(FileError, match="was written to while it was read"):
        read_safetensors(file)


def test_another_file_in_its_place_is_not_mixed_in(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As our own programs write: the one that was opened is read to its end."""
    read_header, before = module._metadata, file.read_bytes()

    def replaced_then(path: Path, *more: object) -> dict[str, str]:
        other = path.with_name("other")
        other.write_bytes(b"another")
        other.replace(path)
        return read_header(path, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_metadata", replaced_then)
    assert read_safetensors(file)[1] == before


@pytest.mark.slow
def test_a_model_that_is_cut_once_it_is_read(tmp_path: Path) -> None:
    from napari_topaz.model.general import WEIGHTS

    path = tmp_path / "m.safetensors"
    path.write_bytes(WEIGHTS.read_bytes())
    call = [sys.executable, "-c", CUT_WHEN_READ, str(path)]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, path.stat().st_size) == (0, 100), done.stderr
    assert int(done.stdout) > 5
