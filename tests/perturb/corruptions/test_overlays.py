"""Overlays: sizes, shares and colours of what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_pictures import Picture, generator, picture, pictures, seeds, sides
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, stats

from onnx_ood.perturb import find_corruption
from onnx_ood.perturb.corruptions import overlays
from onnx_ood.perturb.corruptions.overlays import scribble


@given(sides, sides, st.floats(0.05, 1), seeds)
def test_an_occlusion_is_one_rectangle_of_its_share(height: int, width: int, share: float, seed: int) -> None:
    image = np.full((height, width, 3), 2, np.float32)  # No colour that is drawn.
    covered = (overlays.occlusion(image, generator(seed), share) != 2).all(axis=-1)
    expected = max(1, round(share * height)), max(1, round(share * width))
    rows, columns = np.nonzero(covered)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == expected
    assert covered.sum() == expected[0] * expected[1]


@pytest.mark.parametrize("side", [8, 28, 224])
def test_words_are_of_one_colour_each_and_seen_at_any_size(side: int) -> None:
    image = np.zeros((side, side, 3), np.float32)
    written = overlays.text(image, generator(), 1)
    inked = written[written.max(axis=-1) > 0]
    assert 0.01 < len(inked) / side**2 < 0.9
    # Grey levels of one colour: all pixels lie on a line.
    assert np.linalg.matrix_rank(inked, tol=1e-4) == 1
    assert (overlays.text(image, generator(), 5) > 0).sum() > (written > 0).sum()


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 16), seeds)
def test_shuffling_moves_no_more_patches_than_it_may(
    rows: int, columns: int, patches: int, seed: int
) -> None:
    image = picture(4 * rows, 4 * columns)
    shuffled = overlays.patch_shuffle(image, generator(seed), patches)

    def cut(whole: Picture) -> list[bytes]:
        parts = whole.reshape(4, rows, 4, columns, 3).transpose(0, 2, 1, 3, 4).reshape(16, -1)
        return [part.tobytes() for part in parts]

    assert sorted(cut(shuffled)) == sorted(cut(image))
    assert sum(a != b for a, b in zip(cut(shuffled), cut(image), strict=True)) <= patches


patch_shuffle = find_corruption("patch_shuffle").at("demo")


@pytest.mark.parametrize("seed", range(8))
def test_scribbling_adds_up_to_three_connected_strokes_of_one_colour_each(seed: int) -> None:
    image = np.full((112, 160, 3), 2.0, np.float32)  # No colour that is drawn.
    scribbled = scribble(image, generator(seed), 3)
    covered = (scribbled != 2).all(axis=-1)
    assert ((scribbled == 2).all(axis=-1) | covered).all()
    colours, counts = np.unique(scribbled[covered], axis=0, return_counts=True)
    assert 1 <= len(colours) <= 3
    assert 0.03 < covered.mean() < 0.4
    assert counts.max() > 0.15 * 112 * 0.06 * 112
    _, parts = ndimage.label(covered, structure=np.ones((3, 3)))
    assert parts <= 3
    # Thick: something is left after eroding by less than half the width of 7 pixels.
    assert ndimage.binary_erosion(covered, iterations=2).any()
    assert not ndimage.binary_erosion(covered, iterations=16).any()


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6)).map(lambda sides: (4 * sides[0], 4 * sides[1], 3)), seeds
)
def test_shuffling_permutes_whole_patches(shape: tuple[int, int, int], seed: int) -> None:
    image = pictures(*shape)
    shuffled = patch_shuffle(image, generator(seed))

    def patches(pixels: Picture) -> list[bytes]:
        rows = [part for row in np.split(pixels, 4, axis=0) for part in np.split(row, 4, axis=1)]
        return sorted(np.ascontiguousarray(part).tobytes() for part in rows)

    assert patches(shuffled) == patches(image)


def test_shuffling_leaves_the_rest_of_uneven_sides_in_place() -> None:
    image = pictures(11, 14, 3)
    shuffled = patch_shuffle(image, generator())
    np.testing.assert_array_equal(shuffled[8:], image[8:])
    np.testing.assert_array_equal(shuffled[:, 12:], image[:, 12:])
    np.testing.assert_array_equal(np.sort(shuffled.ravel()), np.sort(image.ravel()))
    assert (shuffled[:8, :12] != image[:8, :12]).any()


def test_shuffling_reaches_every_place() -> None:
    """Each patch goes to each of the 16 places equally often, up to chance."""
    numbered = np.arange(16, dtype=np.float32).reshape(4, 4, 1) / 16
    drawn = patch_shuffle(np.repeat(numbered[None], 4000, axis=0), generator())
    first = np.argmin(drawn.reshape(4000, 16), axis=1)
    assert stats.chisquare(np.bincount(first, minlength=16)).pvalue > 1e-3


def test_shuffling_refuses_what_has_no_sixteen_patches() -> None:
    with pytest.raises(ValueError, match="at least 4 pixels"):
        patch_shuffle(pictures(3, 8, 1), generator())
