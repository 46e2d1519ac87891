"""Sources of inputs: samples, overlap, names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import FailedInput, FileRow, InputSource, open_inputs


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png", "c.png"):
        Image.new("L", (3, 2)).save(name)
    np.save("x.npy", np.zeros((4, 3)))
    return tmp_path


def test_a_sample_keeps_the_order_and_is_drawn_by_the_seed() -> None:
    source = open_inputs(np.arange(100.0).reshape(100, 1))
    some = source.sample(10, seed=3)
    chosen = sorted(np.random.default_rng(3).choice(100, 10, replace=False).tolist())
    assert some.names == tuple(f"inputs[{k}]" for k in chosen)
    assert source.sample(None, 0) is source
    assert source.sample(100, 0) is source


def test_rows_of_files_are_as_likely_as_files_with_one_input() -> None:
    """2 pictures, 4 rows and 2 rows: each is drawn with probability 3/8."""
    np.save("y.npy", np.zeros((2, 3)))
    source = open_inputs(["a.png", "x.npy", "b.png", "y.npy"])
    known = ["a.png", *(f"x.npy[{k}]" for k in range(4)), "b.png", "y.npy[0]", "y.npy[1]"]
    counts = dict.fromkeys(known, 0)
    for seed in range(800):
        some = source.sample(3, seed, lambda path: len(np.load(path)))
        names = [item.id if isinstance(item, FileRow) else str(item) for item in some.items]
        assert names == [name for name in known if name in names]
        for name in names:
            counts[name] += 1
    # Binomial: 300 +- 5 standard deviations of 13.7.
    assert sum(counts.values()) == 2400
    assert all(abs(count - 300) < 69 for count in counts.values())
    assert source.sample(8, 0, lambda path: len(np.load(path))) is source


def test_of_very_many_files_only_drawn_ones_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_ood.inputs.source.MAX_COUNTED", 5)
    opened: list[Path] = []
    source = InputSource(tuple(Path(f"{k}.npy") for k in range(100)))
    some = source.sample(4, 0, lambda path: opened.append(path) or 3)
    assert len(opened) == 4
    assert len(some.items) == 4
    assert {item.path for item in some.items if isinstance(item, FileRow)} <= set(opened)


def test_a_sample_keeps_what_is_missing() -> None:
    source = open_inputs(["a.png", "b.png", "gone.png"])
    assert len(source.sample(1, 0).items) == 1
    assert source.sample(1, 0).missing == source.missing


def test_shared_files_however_they_are_written(folder: Path) -> None:
    source = open_inputs(["a.png", "b.png", "x.npy"])
    assert source.shared_with(open_inputs(folder / "a.png")) == ("a.png",)
    assert source.shared_with(open_inputs("x.npy[1]")) == ("x.npy",)
    assert open_inputs(["x.npy[1]", "x.npy[2]"]).shared_with(open_inputs("x.npy[2]")) == ("x.npy[2]",)
    assert open_inputs(["x.npy[1]"]).shared_with(open_inputs("x.npy")) == ("x.npy[1]",)
    assert source.shared_with(open_inputs("c.png")) == ()
    assert source.shared_with(InputSource()) == ()


def test_shared_values_in_memory_by_content() -> None:
    rng = np.random.default_rng(0)
    inputs, reference = rng.random((6, 3)), rng.random((4, 3))
    reference[2] = inputs[5]
    found = open_inputs(inputs).shared_with(open_inputs(reference, name="reference"))
    assert found == ("inputs[5]",)
    assert open_inputs("a.png").shared_with(open_inputs(Image.open("a.png"))) == ()


def test_an_image_that_cannot_be_decoded_is_shared_with_none(folder: Path) -> None:
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 60), np.uint8)).save("broken.png")
    whole = (folder / "broken.png").read_bytes()
    (folder / "broken.png").write_bytes(whole[:1000])
    with Image.open("broken.png") as broken:
        assert open_inputs(broken).shared_with(open_inputs(Image.new("L", (3, 3)))) == ()


def test_joined_sources_hold_each_file_once() -> None:
    joined = InputSource.joined(
        map(open_inputs, (["a.png", "gone"], ["b.png", "a.png", "gone"], np.zeros((1, 3))))
    )
    assert joined.names == ("a.png", "b.png", "inputs[0]")
    assert [one.id for one in joined.missing] == ["gone"]


def test_names_and_paths_of_rows_are_their_file() -> None:
    source = open_inputs(["x.npy[1]", "x.npy[0]", "a.png"])
    assert source.items == (FileRow(Path("x.npy"), 1), FileRow(Path("x.npy"), 0), Path("a.png"))
    assert source.names == ("x.npy", "a.png")
    assert source.paths == (Path("x.npy"), Path("a.png"))


def test_missing_folders_are_refused_by_name() -> None:
    open_inputs("a.png").check_missing()
    with pytest.raises(UsageError) as error:
        open_inputs(["a.png", "nowhere", "gone*", "neither"]).check_missing()
    assert str(error.value) == (
        "nowhere, neither: no such file or folder; check the path; gone*: the pattern matches nothing; check the path"
    )


def test_many_missing_files_are_counted() -> None:
    with pytest.raises(UsageError, match=r"^0\.png, 1\.png, .*, 19\.png, and 5 more: no such file"):
        open_inputs([f"{at}.png" for at in range(25)]).check_missing()


def test_a_folder_that_cannot_be_listed_is_a_failed_input() -> None:
    failed = FailedInput("folder", "folder cannot be listed (Permission denied)")
    InputSource(missing=(failed,)).check_missing()


def test_only_archives_and_mappings_can_feed_several_inputs() -> None:
    np.savez("z.npz", x=np.zeros((2, 3)))
    assert open_inputs("z.npz").can_feed_several
    assert open_inputs("z.npz[1]").can_feed_several
    assert open_inputs({"x": np.zeros((2, 3))}).can_feed_several
    assert not open_inputs(["x.npy", "a.png"]).can_feed_several
    assert not open_inputs(np.zeros((2, 3))).can_feed_several


def test_given_counts_what_is_missing() -> None:
    assert open_inputs("nowhere").given
    assert open_inputs("a.png").given
    assert not open_inputs(None).given
