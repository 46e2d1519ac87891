"""Thumbnails against the arrays that they show."""

import base64
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from onnx_ood.reports._html.thumbnails import Missing, Thumbnail, make_thumbnails


def drawn(shown):
    assert isinstance(shown, Thumbnail)
    return np.asarray(
        Image.open(BytesIO(base64.b64decode(shown.uri.partition(",")[2]))).convert("L"), dtype=float
    )


@pytest.mark.parametrize(
    ("shape", "height", "width"),
    [((12, 1, 28, 30), 28, 30), ((12, 28, 30), 28, 30), ((12, 3, 40, 20), 40, 20), ((12, 40, 20, 3), 40, 20)],
)
def test_rows_of_an_array_are_drawn_from_their_least_to_their_largest_value(tmp_path, shape, height, width):
    ramp = np.linspace(-3, 7, height)[:, None] * np.ones(width)
    channels_last = len(shape) == 4 and shape[-1] == 3
    rows = np.broadcast_to(ramp[..., None] if channels_last else ramp, shape).astype(np.float32)
    np.save(tmp_path / "x.npy", rows)
    (shown,) = make_thumbnails([f"{tmp_path}/x.npy[7]"], "image", 100_000)
    pixels = drawn(shown)
    assert shown.made
    assert pixels.shape == (height, width)
    assert np.abs(pixels - np.linspace(0, 255, height)[:, None]).max() < 25


def test_arrays_of_one_input_are_drawn_too(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(28, dtype=np.float32)[None])
    assert drawn(make_thumbnails([f"{tmp_path}/x.npy"], "image", 100_000)[0]).shape == (28, 28)
    np.savez(tmp_path / "x.npz", image=np.zeros((2, 1, 16, 16), np.float32), other=np.zeros((2, 5)))
    assert drawn(make_thumbnails([f"{tmp_path}/x.npz[1]"], "image", 100_000)[0]).shape == (16, 16)


def test_what_is_no_picture_says_what_it_is(tmp_path):
    np.save(tmp_path / "tokens.npy", np.zeros((3, 128), np.int64))
    np.save(tmp_path / "nan.npy", np.full((1, 28, 28), np.nan))
    ids = ["tokens.npy[0]", "tokens.npy[9]", "nan.npy[0]", "speech.wav[2]", "gone.png", "gone.npy[1]"]
    shown = make_thumbnails([f"{tmp_path}/{name}" for name in ids], "x", 100_000)
    assert all(isinstance(one, Missing) for one in shown)
    assert [one.reason for one in shown] == [
        "not a picture", "can't be read any more", "not a picture", "not a picture", "can't be read any more",
        "can't be read any more",
    ]  # fmt: skip
    assert "128" in shown[0].detail
    assert ".wav" in shown[3].detail


def test_thumbnails_keep_to_their_budget(tmp_path):
    rng = np.random.default_rng(0)
    names = [str(tmp_path / f"{i}.png") for i in range(40)]
    for name in names:
        Image.fromarray(rng.integers(0, 256, (150, 200, 3), dtype=np.uint8)).save(name)
    sizes = []
    for budget in (4_000_000, 200_000, 12_000):
        shown = make_thumbnails(names, "x", budget)
        pictures = [one for one in shown if isinstance(one, Thumbnail)]
        assert sum(len(one.uri) for one in pictures) <= budget
        assert len({(one.width, one.height) for one in pictures}) == 1
        sizes.append((len(pictures), pictures[0].width))
    assert sizes[0] == (40, 200)
    assert sizes[1][0] == 40
    assert sizes[1][1] < 200
    few = [isinstance(one, Thumbnail) for one in shown]
    kept = sum(few) // 2
    assert 0 < kept < 20
    assert few == [True] * kept + [False] * (40 - 2 * kept) + [True] * kept


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_rows_of_tables_show_their_first_values(tmp_path, suffix):
    names = [f"feature {k}" for k in range(10)]
    names[2] = "a very long name of a column"
    frame = pd.DataFrame(np.arange(50).reshape(5, 10) / 4, columns=names)
    path = tmp_path / f"x.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="," if suffix == "csv" else "\t")
    third, first, gone = make_thumbnails([f"{path}[2]", f"{path}[0]", f"{path}[7]"], "x", 100_000)
    for shown, row in ((third, 2), (first, 0)):
        assert isinstance(shown, Missing)
        *lines, more = shown.values
        assert more == "and 2 more"
        found = [line.rpartition(": ") for line in lines]
        assert [float(value) for _, _, value in found] == frame.iloc[row, :8].tolist()
        assert [name for name, _, _ in found][:2] == ["feature 0", "feature 1"]
        assert len(found[2][0]) <= 14
        assert "10 values" in shown.detail
    assert (gone.reason, gone.values) == ("can't be read any more", ())


def test_vectors_show_their_first_values_and_hostile_names_are_escaped(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(12, dtype=np.float32).reshape(4, 3))
    (shown,) = make_thumbnails([f"{tmp_path}/x.npy[1]"], "x", 100_000)
    assert [line.split(": ")[0] for line in shown.values] == ["[0]", "[1]", "[2]"]
    assert [float(line.split(": ")[1]) for line in shown.values] == [3, 4, 5]
    (tmp_path / "x.csv").write_text("a\x1b[2J,b\n1,text\n")
    (shown,) = make_thumbnails([f"{tmp_path}/x.csv[0]"], "x", 100_000)
    assert "\x1b" not in "".join(shown.values)
    assert shown.values[1] == "b: text"
