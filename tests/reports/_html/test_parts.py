"""Parts of pages: markup, scales and thumbnails."""

import base64
import html
import math
import re
from io import BytesIO

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from page_parts import find, parsed
from PIL import Image

from onnx_ood.reports._html.histogram import histogram_figure
from onnx_ood.reports._html.markup import Markup, element, text
from onnx_ood.reports._html.provenance import preprocessing_words
from onnx_ood.reports._html.regions import outline
from onnx_ood.reports._html.scales import Scale, log_scale
from onnx_ood.reports._html.thumbnails import Missing, Thumbnail, make_thumbnails


@given(st.text())
@example("Screenshot at 3.45\u202fPM.png \u5199\u771f\u30001")
@example("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f4bb \u202e\u200f\x00")
def test_a_text_comes_back_from_a_page(value):
    # Without their joiners, names of some languages and emoji are others; macOS and Japanese have spaces of their own.
    kept = "\n\t\u200c\u200d\xa0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
    shown = "".join(c if c.isprintable() or c in kept else "\N{REPLACEMENT CHARACTER}" for c in value)
    tree = parsed(
        f"<!doctype html><html><head><title>t</title></head><body>{element('p', value, title=value)}</body></html>"
    )
    (paragraph,) = tree.iter("p")
    assert (paragraph.text or "") == shown
    assert paragraph.get("title") == shown
    assert html.unescape(text(value)) == shown


def test_elements_are_not_escaped_twice():
    inner = element("b", "1 < 2")
    assert element("p", inner, " & ", [None, "x"]) == "<p><b>1 &lt; 2</b> &amp; x</p>"
    assert isinstance(element("p", inner), Markup)
    assert element("input", type="checkbox", checked=True, hidden=False, x=1.5, aria_label='"') == (
        '<input type="checkbox" checked x="1.5" aria-label="&quot;">'
    )


@given(st.lists(st.floats(1e-12, 1e6), min_size=1))
def test_logarithmic_scales_hold_their_values_and_have_marks(values):
    scale = log_scale(values, 100, 0)
    assert scale.low <= min(values) * (1 + 1e-6)
    assert scale.high >= max(values) * (1 - 1e-6)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 12
    assert all(0 <= scale(tick) <= 100 for tick in ticks)


@pytest.mark.parametrize(("low", "high", "ticks"), [(0, 10, [0, 2, 4, 6, 8, 10]), (-3, 5, [-2, 0, 2, 4])])
def test_linear_scales_have_round_marks(low, high, ticks):
    assert Scale(low, high, 0, 1).ticks() == ticks


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


@given(arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_outlines_hold_their_cells_and_no_others(cells):
    """By a ray from the middle of each cell, which crosses upright sides as often as it goes in and out."""
    sides = []
    for loop in outline(cells).split("z")[:-1]:
        x, y = map(int, re.match(r"M(\d+) (\d+)", loop).groups())
        for way, length in re.findall(r"([hv])(-?\d+)", loop):
            if way == "v":
                sides.append((x, *sorted((y, y + int(length)))))
            x, y = (x + int(length), y) if way == "h" else (x, y + int(length))
        assert loop.startswith(f"M{x} {y}")
    for row, column in np.ndindex(cells.shape):
        crossed = sum(x <= column and low <= row < high for x, low, high in sides)
        assert crossed % 2 == cells[row, column]


def bars(scores):
    tree = parsed(
        "<!doctype html><html><head><title>t</title></head><body>"
        f"{histogram_figure('x', scores, [False] * len(scores), '')}</body></html>"
    )
    return [one.get("aria-label") for one in find(tree, "g", class_="point")]


@given(st.lists(st.floats(width=64), min_size=1, max_size=40))
def test_histograms_count_what_is_a_number(scores):
    counts = [int(re.search(r": (\d+) inputs?$", label)[1]) for label in bars(scores)]
    assert sum(counts) == sum(map(math.isfinite, scores))


def test_histograms_of_extremes():
    assert bars([math.nan, math.inf]) == []
    assert bars([1e300] * 3) == ["x 1.0e+300 to 1.0e+300: 3 inputs"]
    assert bars([-1.7e308, 1.7e308])[0].endswith(": 1 input")


def test_the_preprocessing_of_a_command_is_the_one_that_was_stated():
    assert preprocessing_words("L, mean 0 (stated: mean=0.5:0.4,std=(1))") == [
        "--preprocess",
        "mean=0.5:0.4,std=(1)",
    ]
    for other in (None, "", "RGB, mean 0 (card models/a (stated).json)", "L (guessed from input shape)"):
        assert preprocessing_words(other) == []
