"""Particle stacks: planted patterns come out where they should."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import starfile

from napari_topaz.events import JobError, MicrographDone, Warned
from napari_topaz.files import FileError, find_micrographs, read_header, read_micrograph, write_mrc
from napari_topaz.files.stacks import StackWriter
from napari_topaz.jobs import stack_boxes
from napari_topaz.jobs.montage import _mosaic, rank, samples
from napari_topaz.jobs.stack import choose, stack
from napari_topaz.micrograph import Micrograph, MicrographFile
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import StackSettings
from worlds import run

pytestmark = pytest.mark.slow

SHAPE = (90, 131)
PLANTED = Picks([[20, 30], [45.4, 99.6], [60.2, 50]], [1.0, 3.0, 2.0])
PLAIN = StackSettings(box_size=24, normalise=False)


def planted(seed: int = 0) -> np.ndarray:
    """Noise with a bright cross of three pixels, longer to the right, at every pick."""
    image = np.random.default_rng(seed).normal(100, 1, SHAPE).astype(np.float32)
    for y, x in np.round(PLANTED.yx).astype(int):
        image[y, x : x + 3] += 1000
    return image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k in range(3):
        write_mrc(tmp_path / "mics" / f"m_{k}.mrc", planted(k), 2.0)
    return tmp_path / "mics"


def picks_of(count: int = 3) -> dict[str, Picks]:
    return {f"m_{k}": PLANTED for k in range(count)}


def read_all(stars: Path) -> list[np.ndarray]:
    images = []
    for name in starfile.read(stars)["particles"].rlnImageName:
        number, path = name.split("@")
        images.append(np.array(read_micrograph(MicrographFile(Path(path), int(number) - 1)).pixels))
    return images


@pytest.mark.parametrize("size", [24, 25])
def test_planted_patterns_are_in_the_middle(folder, tmp_path, size) -> None:
    how = PLAIN.model_copy(update={"box_size": size})
    _, found = run(stack(find_micrographs([folder]), picks_of(), tmp_path / "out", how))
    assert (found.particles, found.micrographs, found.left_out) == (9, 3, 0)
    boxes = read_all(found.star)
    assert len(boxes) == 9
    for box in boxes:
        assert box.shape == (size, size)
        bright = np.argwhere(box > 500)
        c = size // 2
        np.testing.assert_array_equal(bright, [[c, c], [c, c + 1], [c, c + 2]])


def test_the_star_file_points_at_the_boxes_and_keeps_the_coordinates(folder, tmp_path) -> None:
    files = find_micrographs([folder])
    _, found = run(stack(files, picks_of(), tmp_path / "out", PLAIN))
    blocks = starfile.read(found.star)
    table, optics = blocks["particles"], blocks["optics"]
    out = tmp_path / "out"
    assert list(table.rlnImageName)[:4] == [
        *(f"00000{n}@{out}/m_0.mrcs" for n in (1, 2, 3)),
        f"000001@{out}/m_1.mrcs",
    ]
    assert list(table.rlnMicrographName) == [str(f.path) for f in files for _ in range(3)]
    np.testing.assert_allclose(table.rlnCoordinateX[:3], [30, 99.6, 50], rtol=1e-6)
    np.testing.assert_allclose(table.rlnCoordinateY[:3], [20, 45.4, 60.2], rtol=1e-6)
    assert list(table.rlnAutopickFigureOfMerit[:3]) == [1, 3, 2]
    row = optics.iloc[0] if hasattr(optics, "iloc") else optics
    assert (float(row["rlnImagePixelSize"]), int(row["rlnImageSize"])) == (2.0, 24)
    assert read_header(out / "m_1.mrcs").pixel_size == 2.0
    assert found.montage.read_bytes().startswith(b"\x89PNG")


def test_one_stack_for_all_counts_on(folder, tmp_path) -> None:
    _, found = run(stack(find_micrographs([folder]), picks_of(), tmp_path / "all.mrcs", PLAIN))
    assert found.stacks == [tmp_path / "all.mrcs"]
    assert read_header(found.stacks[0]).sections == 9
    names = starfile.read(tmp_path / "all.star")["particles"].rlnImageName
    assert names.iloc[-1] == f"000009@{tmp_path}/all.mrcs"
    in_folder = run(stack(find_micrographs([folder]), picks_of(), tmp_path / "out", PLAIN))[1]
    np.testing.assert_array_equal(read_all(found.star), read_all(in_folder.star))
    assert (tmp_path / "all_montage.png").is_file()


def test_inverted_contrast(folder, tmp_path) -> None:
    files = find_micrographs([folder])[:1]
    how = PLAIN.model_copy(update={"invert": True})
    plain = read_all(run(stack(files, picks_of(1), tmp_path / "a", PLAIN))[1].star)
    inverted = read_all(run(stack(files, picks_of(1), tmp_path / "b", how))[1].star)
    np.testing.assert_array_equal(np.negative(plain), inverted)


@pytest.mark.parametrize("downsample_to", [None, 12])
def test_the_background_is_normalised_after_downsampling(folder, tmp_path, downsample_to) -> None:
    how = StackSettings(box_size=24, downsample_to=downsample_to)
    _, found = run(stack(find_micrographs([folder]), picks_of(), tmp_path / "out", how))
    size = downsample_to or 24
    y, x = np.mgrid[:size, :size] - size // 2
    outside = np.hypot(y, x) > 0.375 * size
    for box in read_all(found.star):
        assert box.shape == (size, size)
        assert box[outside].mean() == pytest.approx(0, abs=1e-4)
        assert box[outside].std() == pytest.approx(1, abs=1e-4)
        assert np.unravel_index(box.argmax(), box.shape)[0] == size // 2
    assert read_header(found.stacks[0]).pixel_size == pytest.approx(2.0 * 24 / size)


def test_edge_policies(folder, tmp_path) -> None:
    near = {"m_0": Picks([[3, 60], [45, 60], [89, 130]], [1.0, 2.0, 3.0])}
    files = find_micrographs([folder])
    events, dropped = run(stack(files, near, tmp_path / "drop", PLAIN))
    assert (dropped.particles, dropped.left_out) == (1, 2)
    assert "2 of 3 picks are left out" in next(e.message for e in events if isinstance(e, Warned))
    assert list(starfile.read(dropped.star)["particles"].rlnCoordinateY) == [45]
    how = PLAIN.model_copy(update={"edge": "reflect"})
    _, kept = run(stack(files, near, tmp_path / "reflect", how))
    assert (kept.particles, kept.left_out) == (3, 0)
    box = read_all(kept.star)[0]
    np.testing.assert_array_equal(box[9], planted(0)[0, 48:72])
    np.testing.assert_array_equal(box[8], planted(0)[1, 48:72])


def test_a_broken_micrograph_is_reported_and_the_rest_goes_on(folder, tmp_path) -> None:
    (folder / "m_1.mrc").write_bytes(b"not an image")
    for output in (tmp_path / "out", tmp_path / "all.mrcs"):
        events, found = run(stack(find_micrographs([folder]), picks_of(), output, PLAIN))
        errors = [e for e in events if isinstance(e, MicrographDone) and e.error]
        assert [e.name for e in errors] == ["m_1"]
        assert "m_1.mrc" in str(errors[0].error)
        assert found.particles == 6
        table = starfile.read(found.star)["particles"]
        assert [Path(n).stem for n in table.rlnMicrographName] == ["m_0"] * 3 + ["m_2"] * 3


def test_a_box_larger_than_the_micrograph(folder, tmp_path) -> None:
    how = PLAIN.model_copy(update={"box_size": 92})
    with pytest.raises(JobError, match=r"92 px is larger than 'm_0' of 131 × 90 px.*--box-size"):
        run(stack(find_micrographs([folder]), picks_of(), tmp_path / "out", how))
    assert not (tmp_path / "out").exists()


def test_no_box_inside(folder, tmp_path) -> None:
    with pytest.raises(JobError, match=r"None of the 1 boxes of 24 px.*--edge reflect"):
        run(stack(find_micrographs([folder]), {"m_0": Picks([[2, 2]])}, tmp_path / "all.mrcs", PLAIN))
    assert not (tmp_path / "all.mrcs").exists()


def test_picks_of_another_binning_say_so(folder, tmp_path) -> None:
    far = {"m_0": PLANTED.rescaled(2.6)}
    with pytest.raises(JobError, match=r"outside its 131 × 90 px"):
        run(stack(find_micrographs([folder]), far, tmp_path / "out", PLAIN))


def test_no_picks_at_all(folder, tmp_path) -> None:
    rejected = {"m_0": PLANTED.as_kind(Kind.NOT_PARTICLE)}
    with pytest.raises(JobError, match="no picks"):
        run(stack(find_micrographs([folder]), rejected, tmp_path / "out", PLAIN))
    with pytest.raises(FileError, match="No picks belong"):
        run(stack(find_micrographs([folder]), {"z": PLANTED}, tmp_path / "out", PLAIN))


def test_a_micrograph_without_pixel_size(folder, tmp_path) -> None:
    sources = [Micrograph("m_0", planted())]
    with pytest.raises(JobError, match="pixel size of 'm_0'"):
        run(stack(sources, picks_of(1), tmp_path / "out", PLAIN))
    _, found = run(stack(sources, picks_of(1), tmp_path / "out", PLAIN, pixel_size=1.5))
    assert list(starfile.read(found.star)["particles"].rlnMicrographName) == ["m_0"] * 3
    assert read_header(found.stacks[0]).pixel_size == 1.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"box_size": None}, "--box-size"),
        ({"downsample_to": 48}, "cannot be downsampled to 48"),
        ({"background": 1.3, "box_size": 8}, "--background"),
    ],
)
def test_impossible_settings(folder, tmp_path, changes, message) -> None:
    how = StackSettings(**({"box_size": 24} | changes))
    if message == "--background":
        how = StackSettings(box_size=4, background=1.3)
    with pytest.raises(JobError, match=message):
        run(stack(find_micrographs([folder]), picks_of(), tmp_path / "out", how))


def test_originals_are_never_overwritten(tmp_path) -> None:
    write_mrc(tmp_path / "m_0.mrcs", planted(), 2.0)
    before = (tmp_path / "m_0.mrcs").read_bytes()
    for output in (tmp_path, tmp_path / "m_0.mrcs"):
        with pytest.raises(JobError, match="would be overwritten"):
            run(stack([MicrographFile(tmp_path / "m_0.mrcs")], picks_of(1), output, PLAIN))
    assert (tmp_path / "m_0.mrcs").read_bytes() == before


def test_an_output_that_cannot_be_written(folder, tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="choose another folder"):
        run(stack(find_micrographs([folder]), picks_of(), tmp_path / "file" / "out", PLAIN))


def test_stopping_keeps_what_is_done(folder, tmp_path) -> None:
    stop = threading.Event()
    job = stack(find_micrographs([folder]), picks_of(), tmp_path / "all.mrcs", PLAIN, stop=stop)
    for event in job:
        if isinstance(event, MicrographDone):
            stop.set()
            break
    _, found = run(job)
    assert found.particles == 3
    assert read_header(tmp_path / "all.mrcs").sections == 3


def test_the_best_are_chosen_over_all_micrographs() -> None:
    picks = {
        "a": Picks([[0, 0], [1, 1]], [5.0, 1.0]),
        "b": Picks([[2, 2]], [np.nan]),
        "c": Picks([[3, 3]], [3]),
    }
    best = choose(picks, 2)
    assert {name: one.yx[:, 0].tolist() for name, one in best.items()} == {"a": [0], "c": [3]}
    assert sum(map(len, choose(picks, None).values())) == 4


def test_the_montage_shows_each_particle_once() -> None:
    for count in (1, 2, 3, 50, 5000):
        parts = samples(count, True)
        shown = np.concatenate([indices for _, indices in parts])
        assert len(set(shown.tolist())) == len(shown)
        assert 0 in shown
        assert count - 1 in shown
    assert [name for name, _ in samples(9, False)] == ["first", "middle", "last"]


@pytest.mark.parametrize("count", [1, 2, 13, 48])
def test_tiles_lie_side_by_side(count) -> None:
    mosaic = _mosaic([np.full((5, 5), k + 1.0, np.float32) for k in range(count)])
    found, pixels = np.unique(mosaic[~np.isnan(mosaic)], return_counts=True)
    np.testing.assert_array_equal(found, np.arange(count) + 1)
    assert set(pixels) == {25}


def test_ranked_by_score(folder, tmp_path) -> None:
    job = stack(find_micrographs([folder])[:1], picks_of(1), tmp_path / "out", PLAIN)
    run(job)
    from napari_topaz.files import Optics, StackedPicks

    part = StackedPicks(tmp_path / "out" / "m_0.mrcs", 0, "m_0", PLANTED, Optics(2, 2, 24, 300, 2.7, 0.1))
    ranked = rank([part])
    assert ranked.scores.tolist() == [3, 2, 1]
    np.testing.assert_array_equal(ranked.read(0), read_all(tmp_path / "out" / "particles.star")[1])


@pytest.mark.parametrize("size", [24, 32])
def test_many_boxes_are_cut_as_few_are(folder, tmp_path, size) -> None:
    """Of three boxes windows of 24 px are read, but for 32 px all of the micrograph."""
    edges = PLAIN.model_copy(update={"box_size": size, "edge": "reflect"})
    files = find_micrographs([folder])
    in_memory = [read_micrograph(file) for file in files]
    found = [run(stack(s, picks_of(), tmp_path / f"{k}", edges))[1] for k, s in enumerate((files, in_memory))]
    np.testing.assert_array_equal(*(read_all(one.star) for one in found))


@pytest.mark.parametrize("output", ["out", "all.mrcs"])
def test_a_micrograph_that_is_cut_between_two_boxes_is_left_out_as_a_whole(
    folder, tmp_path, monkeypatch, output
) -> None:
    files = find_micrographs([folder])
    without = run(stack([files[0], files[2]], picks_of(), tmp_path / "without" / output, PLAIN))[1]
    seen: list[int] = []

    def cut_box(*how):
        seen.append(1)
        if len(seen) == 5:  # the second box of the second micrograph
            with files[1].path.open("r+b") as file:
                file.truncate(4000)
        return real(*how)

    real = stack_boxes.cut_box
    monkeypatch.setattr(stack_boxes, "cut_box", cut_box)
    events, found = run(stack(files, picks_of(), tmp_path / "with" / output, PLAIN))
    (failed,) = [e for e in events if isinstance(e, MicrographDone) and e.error]
    assert failed.name == "m_1"
    assert "m_1.mrc was written to while it was read" in failed.error
    assert (found.particles, found.micrographs) == (6, 2)
    assert not list((tmp_path / "with").rglob("*m_1*"))
    for stack_with, stack_without in zip(found.stacks, without.stacks, strict=True):
        assert stack_with.read_bytes() == stack_without.read_bytes()
    text = found.star.read_text().replace(str(tmp_path / "with"), str(tmp_path / "without"))
    assert text == without.star.read_text()


def test_an_output_that_cannot_be_written_ends_the_job(folder, tmp_path, monkeypatch) -> None:
    def add(self, box):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(StackWriter, "add", add)
    with pytest.raises(FileError, match=r"m_0\.mrcs cannot be written \(No space left"):
        run(stack(find_micrographs([folder]), picks_of(), tmp_path / "out", PLAIN))
    assert not list((tmp_path / "out").iterdir())
