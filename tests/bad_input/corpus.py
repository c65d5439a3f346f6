"""Files as they should not be: truncated, flipped, of absurd sizes, bombs, links, pickles.

``corpus()`` lists them; none lies in the repository, ``Case.make`` writes one into a folder.
"""

from __future__ import annotations

import bz2
import gzip
import os
import pickle
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bad_input.whole import KINDS, MICROGRAPHS, NAME, altered_card, whole, zipped

#: What the program may do with a file: read it, refuse it, or either (a flipped bit may mean nothing).
READ, REFUSED, EITHER = "read", "refused", "either"
FLIPS = 4
UNREADABLE = "not to be read"


@dataclass(frozen=True)
class Case:
    """One bad file.

    Attributes
    ----------
    kind : str
        Of the file, see :data:`bad_input.whole.KINDS`.
    damage : str
        What is wrong with it.
    expected : str
        READ, REFUSED or EITHER.
    data : bytes or callable
        Its contents; or what makes it at a path.
    name : str
        Stem of the file.
    bomb : bool
        Whether it is tried in a process of its own with little memory.
    """

    kind: str
    damage: str
    expected: str
    data: bytes | Callable[[Path], object]
    name: str = NAME
    bomb: bool = False

    def __str__(self) -> str:
        return f"{self.kind}-{self.damage}".replace(" ", "_")

    def make(self, folder: Path) -> Path:
        """Write it into a folder, and return its path."""
        path = folder / f"{self.name}{KINDS[self.kind][0]}"
        if callable(self.data):
            self.data(path)
        else:
            path.write_bytes(self.data)
        return path


def corpus() -> list[Case]:
    """All bad files; the same ones each time."""
    cases = [case for kind in KINDS for case in (*_damaged(kind), *_odd_places(kind), *_odd_names(kind))]
    return [*cases, *_micrographs(), *_tables(), *_models(), *_sessions(), *_lists(), *_bombs()]


def _damaged(kind: str) -> Iterator[Case]:
    """Damage that any file can have."""
    data = whole(kind)
    rng = random.Random(kind)
    yield (
        Case(kind, "empty", REFUSED, b"")
        if kind not in (*_NOTHING, *_OWN)
        else Case(kind, "empty", READ, b"")
    )
    for part in (0.25, 0.5, 0.75):
        yield Case(kind, f"cut at {part}", EITHER, data[: int(part * len(data))])
    yield Case(kind, "last byte lost", EITHER, data[:-1])
    for k in range(FLIPS):
        flipped = bytearray(data)
        for _ in range(1 + 3 * k):
            flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        yield Case(kind, f"bits flipped {k}", EITHER, bytes(flipped))
    binary = REFUSED if kind not in _OWN else READ
    yield Case(kind, "wrong magic", EITHER, b"\x00\xff\xfe\xfd" * 2 + data[8:])
    yield Case(kind, "random bytes", binary, rng.randbytes(4096))
    yield Case(kind, "zeros", binary if kind not in _NOTHING else EITHER, bytes(4096))
    yield Case(kind, "twice", EITHER, data + data)


#: An empty file of these holds nothing, which is no error.
_NOTHING = ("box", "box-centre", "imod")
#: What a damaged session holds is restored as far as it goes.
_OWN = ("session", "labels")


def _odd_places(kind: str) -> Iterator[Case]:
    # Of a session the viewer shows what it can, and says the rest.
    end = READ if kind in _OWN else REFUSED
    yield Case(kind, "folder", end, lambda path: path.mkdir())
    yield Case(kind, "dangling link", end, lambda path: path.symlink_to(path.parent / "nowhere"))
    yield Case(kind, "link to itself", end, lambda path: path.symlink_to(path))
    yield Case(kind, UNREADABLE, end, lambda path: (path.write_bytes(whole(kind)), path.chmod(0)))
    if kind in MICROGRAPHS or kind in ("star", "csv", "model"):
        yield Case(kind, "pipe", REFUSED, lambda path: os.mkfifo(path))


def _odd_names(kind: str) -> Iterator[Case]:
    if kind in (*_OWN, "relion"):
        return
    for what, name in (
        ("spaces", "a b  c"),
        ("unicode", "Größe-粒子-🔬"),
        ("newline", "a\nb"),
        ("quote", "a\"'#b"),
    ):
        # A name that a table cannot hold may be refused.
        yield Case(
            kind,
            f"name with {what}",
            READ if what == "spaces" and kind != "sav" else EITHER,
            whole(kind),
            name=name,
        )
    yield Case(kind, "name not unicode", EITHER, whole(kind), name=os.fsdecode(b"a\xff"))


def _mrc(**fields: object) -> bytes:
    from mrcfile.dtypes import HEADER_DTYPE

    data = bytearray(whole("mrc"))
    header = np.frombuffer(data, HEADER_DTYPE, 1)
    for name, value in fields.items():
        header[name] = value
    return bytes(data)


def _pixels(value: float) -> bytes:
    return whole("mrc")[:1024] + np.full((64, 48), value, "<f4").tobytes()


def _micrographs() -> Iterator[Case]:
    cell = np.array([(-72.0, -96.0, 1.0)], [("x", "f4"), ("y", "f4"), ("z", "f4")])
    nan = np.array([(np.nan, np.nan, np.nan)], cell.dtype)
    big = np.frombuffer(whole("mrc")[:224], ">i4").astype("<i4").tobytes() + whole("mrc")[224:]
    for damage, expected, data in (
        ("of no size", REFUSED, _mrc(nx=0)),
        ("of negative size", REFUSED, _mrc(ny=-64)),
        ("of absurd size", REFUSED, _mrc(nx=2**30, ny=2**30)),
        ("of large size", REFUSED, _mrc(nx=900_000, ny=900_000)),
        ("of many sections", REFUSED, _mrc(nz=1_000_000)),
        ("extended header beyond the end", REFUSED, _mrc(nsymbt=2**31 - 1)),
        ("negative extended header", READ, _mrc(nsymbt=-5)),
        ("Fourier transform", REFUSED, _mrc(mode=4)),
        ("unknown mode", REFUSED, _mrc(mode=77)),
        ("negative pixel size", READ, _mrc(cella=cell)),
        ("pixel size not a number", READ, _mrc(cella=nan)),
        ("wrong stamp", READ, _mrc(machst=(0x11, 0x11, 0, 0))),
        ("header of the other endianness", EITHER, big),
        ("pixels not numbers", EITHER, _pixels(np.nan)),
        ("pixels infinite", EITHER, _pixels(np.inf)),
        ("pixels all the same", EITHER, _pixels(7)),
        ("pixels enormous", EITHER, _pixels(3e38)),
        ("TIFF in place of MRC", REFUSED, whole("tiff")),
    ):
        yield Case("mrc", damage, expected, data)
    yield Case("tiff", "MRC in place of TIFF", REFUSED, whole("mrc"))
    yield Case("tiff", "page after the end", EITHER, b"II*\0\xff\xff\xff\x7f")
    yield Case("tiff", "page in a circle", REFUSED, b"II*\0\x08\0\0\0\0\0\x08\0\0\0")
    yield Case("png", "text", REFUSED, b"hello")


def _tables() -> Iterator[Case]:
    head = "data_particles\n\nloop_\n_rlnMicrographName #1\n_rlnCoordinateX #2\n_rlnCoordinateY #3\n"
    listed = "data_coordinate_files\nloop_\n_rlnMicrographName #1\n_rlnMicrographCoordinates #2\n"
    for damage, expected, text in (
        ("not a number", REFUSED, head + "a.mrc 1 two\n"),
        ("NaN", REFUSED, head + "a.mrc nan 1\n"),
        ("infinite", REFUSED, head + "a.mrc 1e400 1\n"),
        ("name that climbs", READ, head + "../../../etc/passwd.mrc 1 1\n"),
        ("name of two dots", REFUSED, head + "Movies/.. 1 1\n"),
        ("row too short", EITHER, head + "a.mrc 1\n"),
        ("list that climbs", REFUSED, listed + "a.mrc ../../../../../../etc/passwd\n"),
        ("list of itself", REFUSED, listed + f"a.mrc {NAME}.star\n"),
        ("no loop", REFUSED, "data_particles\n_rlnCoordinateX 1\n"),
        ("wide", REFUSED, "data_\nloop_\n" + "".join(f"_c{k}\n" for k in range(1000)) + "1 " * 1000),
    ):
        yield Case("star", damage, expected, text.encode())
    for kind, damage, expected, text in (
        ("csv", "NaN", REFUSED, "micrograph,x,y\na,nan,1\n"),
        ("csv", "name that climbs", EITHER, "micrograph,x,y\n../../a,1,1\n"),
        ("csv", "formula", EITHER, 'micrograph,x,y\n"=cmd|x",1,1\n'),
        ("csv", "many columns", REFUSED, "x," * 20_000 + "\n1,"),
        ("csv", "open quote", REFUSED, 'micrograph,x,y\n"a,1,1\n' + "b,1,1\n" * 100),
        ("csv", "another encoding", EITHER, "micrograph,x,y\nGröße,1,1\n".encode("utf-16").decode("latin-1")),
        ("topaz", "huge number", REFUSED, f"image_name\tx_coord\ty_coord\na\t{'9' * 400}\t1\n"),
        ("box", "three cells", REFUSED, "1 2 3\n"),
        ("box", "words", REFUSED, "one two three four\n"),
        ("imod", "mixed lines", REFUSED, "1 2 3\n1 2 3 4\n"),
        ("imod", "huge z", EITHER, "1 2 1e30\n"),
        ("eman-json", "deep", REFUSED, "[" * 100_000),
        ("eman-json", "no boxes", REFUSED, "{}"),
        ("eman-json", "long number", REFUSED, '{"boxes": [[' + "9" * 5000 + ", 1]]}"),
        ("eman-json", "boxes no list", REFUSED, '{"boxes": {"a": 1}}'),
        ("via", "shape no JSON", REFUSED, "filename,region_shape_attributes\na.png,{oops\n"),
        ("via", "polygon", REFUSED, 'filename,region_shape_attributes\na.png,"{""name"": ""polygon""}"\n'),
        ("cbox", "another block", REFUSED, "data_other\n\nloop_\n_CoordinateX #1\n1\n"),
    ):
        yield Case(kind, damage, expected, text.encode("utf-8", "surrogateescape"))
    yield Case("cs", "shape beyond the end", REFUSED, _npy("(1000000000000,)"))
    yield Case("cs", "negative shape", REFUSED, _npy("(-5,)"))
    yield Case("cs", "header that calls", REFUSED, _npy("(__import__('os').getpid(),)"))
    yield Case("cs", "array of objects", REFUSED, _objects())


def _npy(shape: str) -> bytes:
    fields = "[('location/center_x_frac', '<f4')]"
    head = f"{{'descr': {fields}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head


class Trap:
    """A pickle that leaves a file behind where it is loaded."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("trap-was-sprung",)


def _objects() -> bytes:
    from io import BytesIO

    file = BytesIO()
    np.save(file, np.array([Trap()], object), allow_pickle=True)
    return file.getvalue()


def _models() -> Iterator[Case]:
    trap = pickle.dumps(Trap())
    for kind in ("model", "sav"):
        yield Case(kind, "pickle", REFUSED, trap)
        yield Case(kind, "pickle in a zip", REFUSED, _archive(trap))
    yield Case("model", "header beyond the end", REFUSED, struct.pack("<Q", 2**62) + b"{}")
    yield Case("model", "header no JSON", REFUSED, struct.pack("<Q", 4) + b"oops")
    yield Case("model", "no card", REFUSED, struct.pack("<Q", 2) + b"{}")
    yield Case("model", "card of a newer version", REFUSED, altered_card(format_version=99))
    yield Case("model", "version no number", REFUSED, altered_card(format_version="one"))
    yield Case("model", "another network", REFUSED, altered_card(network={"architecture": "resnet16"}))
    yield Case("model", "unknown network", REFUSED, altered_card(network={"architecture": "nonsense"}))
    yield Case("model", "absurd width", REFUSED, altered_card(network={"width": 10**9}))
    yield Case(
        "model", "wide network", REFUSED, altered_card(network={"architecture": "conv127", "width": 1024})
    )
    yield Case("model", "negative diameter", REFUSED, altered_card(preprocess={"diameter": -5.0}))
    yield Case("sav", "text", REFUSED, b"not a model")


def _archive(data: bytes) -> bytes:
    import zipfile
    from io import BytesIO

    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


def _sessions() -> Iterator[Case]:
    for damage, text in (
        ("model that climbs", '{"format_version": 1, "model": "../../x.safetensors"}'),
        ("newer version", '{"format_version": 99}'),
        ("version no number", '{"format_version": [1]}'),
        ("settings no mapping", '{"settings": [1, 2], "states": 5, "current": {}}'),
        ("deep", '{"settings": ' + "[" * 100_000),
        ("long number", '{"format_version": ' + "9" * 5000 + "}"),
    ):
        yield Case("session", damage, READ, text.encode())
    yield Case("labels", "name that climbs", READ, b"micrograph,x,y,score,kind\n../../a,1,1,,particle\n")
    yield Case("labels", "NaN", READ, b"micrograph,x,y,score,kind\na,nan,1,,particle\n")
    yield Case("labels", "long field", READ, b'micrograph,x,y,score,kind\n"' + b"a" * 300_000)


def _lists() -> Iterator[Case]:
    yield Case("list", "of nothing", REFUSED, b"# nothing\n")
    yield Case("list", "of itself", REFUSED, f"@{NAME}.txt\n".encode())
    yield Case("list", "of what is missing", REFUSED, b"gone.mrc\n")
    yield Case("list", "section 0", REFUSED, b"000000@other.mrc\n")
    yield Case("list", "section beyond", EITHER, b"99999999999999999999@other.mrc\n")
    yield Case("relion", "name that climbs", REFUSED, b"data_\nloop_\n_rlnMicrographName #1\n../..\n")
    yield Case("relion", "missing micrograph", REFUSED, b"data_\nloop_\n_rlnMicrographName #1\ngone.mrc\n")


def _bombs() -> Iterator[Case]:
    """Small files that claim to be, or become, very large ones."""
    header = _mrc(nx=1_000_000, ny=1_000_000)[:1024]

    def stream(compress: Callable[[bytes], bytes]) -> Callable[[Path], object]:
        # Compressed streams may follow one another.
        return lambda path: path.write_bytes(compress(header) + compress(bytes(1 << 26)) * 64)

    yield Case("mrc.gz", "bomb", REFUSED, stream(gzip.compress), bomb=True)
    yield Case("mrc.bz2", "bomb", REFUSED, stream(bz2.compress), bomb=True)
    yield Case(
        "sav", "bomb", REFUSED, lambda p: p.write_bytes(zipped("archive/data.pkl", 3 << 29)), bomb=True
    )
    yield Case("tiff", "bomb", REFUSED, _tiff_bomb, bomb=True)
    yield Case("png", "bomb", REFUSED, _png_bomb, bomb=True)
    yield Case("cs", "bomb", REFUSED, _npy("(4000000000,)"), bomb=True)
    for kind in ("mrc", "csv", "star", "eman-json", "cs", "list", "model", "session", "labels"):
        expected = READ if kind in _OWN else REFUSED
        yield Case(kind, "endless", expected, lambda path: path.symlink_to("/dev/zero"), bomb=True)


def _tiff_bomb(path: Path) -> None:
    import tifffile

    strip = np.zeros((1024, 1024), np.uint8)
    tifffile.imwrite(path, strip, compression="zlib")
    data = path.read_bytes()
    # Width and height (tags 256 and 257, type 3 or 4) become 200 000.
    with tifffile.TiffFile(path) as tiff:
        offsets = [tiff.pages.first.tags[tag].offset for tag in (256, 257, 278)]
    changed = bytearray(data)
    for offset in offsets:
        changed[offset + 2 : offset + 4] = struct.pack("<H", 4)
        changed[offset + 8 : offset + 12] = struct.pack("<I", 200_000)
    path.write_bytes(bytes(changed))


def _png_bomb(path: Path) -> None:
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    packed = zlib.compress(bytes(1 << 24))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )
