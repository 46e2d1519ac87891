"""Each wrong argument is named, with what would be right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_models

import onnx_ood
from onnx_ood import Model, Tensor, UsageError
from onnx_ood.runtime.arguments import (
    check_batch,
    check_feeds,
    check_nudges,
    find_input,
    find_site,
    fixed_batch_size,
)

Save = Callable[..., Path]


@pytest.fixture(scope="module")
def classifier(save: Save) -> Model:
    return onnx_ood.load(save(small_models.classifier()))


@pytest.fixture(scope="module")
def two_inputs(save: Save) -> Model:
    return onnx_ood.load(save(small_models.two_inputs()))


def site_of(text: str, save: Save) -> Tensor:
    return find_site(onnx_ood.load(save(small_models.build(text))), None)


class TestSite:
    def test_is_the_only_input_of_floats(self, classifier: Model, save: Save) -> None:
        assert find_site(classifier, None).name == "image"
        assert find_site(onnx_ood.load(save(small_models.with_if())), None).name == "x"

    def test_has_to_be_named_where_there_are_several(self, two_inputs: Model) -> None:
        assert find_site(two_inputs, "embedding").name == "embedding"
        with pytest.raises(
            UsageError,
            match=r"several floating-point inputs; choose one with site\. .*: embedding \(float32\)",
        ):
            find_site(two_inputs, None)

    @pytest.mark.parametrize("name", ["images", "mask", ""])
    def test_that_is_none_is_named_beside_those_that_are(self, name: str, two_inputs: Model) -> None:
        with pytest.raises(UsageError, match=f"'{name}' .*floating-point inputs: embedding, temp"):
            find_site(two_inputs, name)

    def test_is_missing_in_a_model_of_whole_numbers(self, save: Save) -> None:
        model = onnx_ood.load(
            save(small_models.build("g (int64[N] ids) => (float[N] y) { y = Cast <to = 1> (ids) }"))
        )
        with pytest.raises(
            UsageError,
            match=r"has no floating-point input to nudge; choose one with site\. Its inputs: ids \(int64\)",
        ):
            find_site(model, None)
        with pytest.raises(UsageError, match=r"'ids' holds int64.*floating-point inputs: none"):
            find_site(model, "ids")

    def test_is_missing_in_a_model_without_inputs(self, save: Save) -> None:
        model = onnx_ood.load(
            save(small_models.build("g () => (float[2] y) <float[2] w = {1, 2}> { y = Relu (w) }"))
        )
        with pytest.raises(UsageError, match="has no inputs: there is nothing to feed or nudge"):
            find_site(model, None)

    def test_in_bfloat16_is_more_than_numpy_holds(self, save: Save) -> None:
        with pytest.raises(UsageError, match=r"no floating-point input.*x \(bfloat16\)"):
            site_of("g (bfloat16[N] x) => (bfloat16[N] y) { y = Relu (x) }", save)

    @pytest.mark.parametrize(
        ("shape", "rows"), [("[N, 4]", None), ("[3, 4]", 3), ("[]", None), ("", None), ("[?, 4]", None)]
    )
    def test_may_have_its_batch_size_written_down(self, shape: str, rows: int | None, save: Save) -> None:
        site = site_of(f"g (float{shape} x) => (float{shape} y) {{ y = Relu (x) }}", save)
        assert fixed_batch_size(site) == rows


class TestBatch:
    def test_is_brought_into_the_models_dtype(self, classifier: Model) -> None:
        site = find_site(classifier, None)
        assert check_batch(np.ones((2, 3, 8, 8), np.uint8), site).dtype == np.float32
        batch = small_models.images(2)
        assert check_batch(batch, site) is batch

    @pytest.mark.parametrize("shape", [(3, 8, 8), (2, 3, 8, 9), (2, 1, 8, 8), (2, 3, 8, 8, 1), (5,)])
    def test_of_another_shape_is_refused(self, shape: tuple[int, ...], classifier: Model) -> None:
        with pytest.raises(
            UsageError, match=r"input 'image' takes \[N, 3, 8, 8\], but the batch is "
        ) as caught:
            check_batch(np.zeros(shape), find_site(classifier, None))
        assert str(caught.value).endswith(str(list(shape)))

    @pytest.mark.parametrize("batch", [np.zeros((0, 3, 8, 8)), 1.0, []])
    def test_that_is_empty_is_refused(self, batch: Any, classifier: Model) -> None:
        with pytest.raises(UsageError, match="the batch for input 'image' is empty"):
            check_batch(batch, find_site(classifier, None))

    @pytest.mark.parametrize("batch", [["cat.jpg"], [[1, 2], [3]], [None, {}]])
    def test_of_something_else_than_numbers_is_refused(self, batch: Any, classifier: Model) -> None:
        with pytest.raises(UsageError, match="the batch for input 'image' is not an array of numbers"):
            check_batch(batch, find_site(classifier, None))

    def test_of_unknown_shape_is_left_to_the_runtime(self, save: Save) -> None:
        site = site_of("g (float x) => (float y) { y = Relu (x) }", save)
        free = Tensor(**{field: getattr(site, field) for field in site.__slots__} | {"shape": None})
        assert check_batch(np.zeros((2, 7)), free).shape == (2, 7)
        assert check_batch(np.zeros(5), free).shape == (5,)


class TestNudges:
    batch = np.zeros((4, 3, 2), np.float32)

    def test_are_shared_or_one_set_for_each_input(self) -> None:
        shared = np.random.default_rng(0).standard_normal((5, 3, 2))
        spread = check_nudges(shared, self.batch.shape)
        assert spread.shape == (4, 5, 3, 2)
        assert all((row == shared).all() for row in spread)
        own = np.zeros((4, 5, 3, 2))
        assert check_nudges(own, self.batch.shape) is own

    @pytest.mark.parametrize(
        "shape",
        [
            (3, 2),
            (0, 3, 2),
            (4, 0, 3, 2),
            (5, 2, 3),
            (3, 5, 3, 2),
            (1, 5, 3, 2),
            (4, 5, 2, 3),
            (),
            (5, 3, 2, 1),
        ],
    )
    def test_of_another_shape_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(
            UsageError, match=r"nudges must be \[K, 3, 2\] or \[4, K, 3, 2\] with K ≥ 1, but are "
        ) as caught:
            check_nudges(np.zeros(shape), self.batch.shape)
        assert str(caught.value).endswith(str(list(shape)))

    @pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.complex128, object])
    def test_of_another_kind_are_refused(self, dtype: type) -> None:
        with pytest.raises(UsageError, match="nudges must be floating-point numbers, but are "):
            check_nudges(np.zeros((5, 3, 2), dtype), self.batch.shape)


class TestOthers:
    def check(self, model: Model, others: dict[str, Any], count: int = 3) -> dict[str, Any]:
        return check_feeds(others, model, find_site(model, "embedding"), count)

    def good(self) -> dict[str, Any]:
        return {"mask": np.arange(12).reshape(3, 4), "temperature": np.float32(2)}

    def test_with_a_batch_axis_go_along_with_the_inputs(self, two_inputs: Model) -> None:
        feeds = self.check(two_inputs, self.good())
        assert (feeds["mask"].axis, feeds["temperature"].axis) == (0, None)
        np.testing.assert_array_equal(
            feeds["mask"].at([2, 0, 0]), [[8, 9, 10, 11], [0, 1, 2, 3], [0, 1, 2, 3]]
        )
        assert feeds["temperature"].at([2, 0, 0]) == 2
        assert (feeds["mask"].sample_shape, feeds["temperature"].sample_shape) == ((4,), ())

    def test_that_are_missing_are_named(self, two_inputs: Model) -> None:
        with pytest.raises(UsageError, match=r"missing input 'mask' \(int64\); give its value with feeds"):
            self.check(two_inputs, {"temperature": 1.0})

    def test_that_are_unknown_are_named(self, two_inputs: Model, classifier: Model) -> None:
        with pytest.raises(
            UsageError,
            match="'masks' is not an input of the model other than 'embedding'; those are: mask, temperature",
        ):
            self.check(two_inputs, self.good() | {"masks": 1})
        with pytest.raises(
            UsageError, match="'image' is not an input of the model other than 'image'; those are: none"
        ):
            check_feeds({"image": 1}, classifier, find_site(classifier, None), 3)

    def test_with_another_number_of_rows_are_named(self, two_inputs: Model) -> None:
        with pytest.raises(UsageError, match="input 'mask' has 3 entries for a batch of 5"):
            self.check(two_inputs, self.good(), count=5)

    def test_are_brought_into_the_models_dtype(self, two_inputs: Model) -> None:
        feeds = self.check(two_inputs, {"mask": np.ones((3, 4), np.int8), "temperature": 3})
        assert (feeds["mask"].value.dtype, feeds["temperature"].value.dtype) == (np.int64, np.float32)

    @pytest.mark.parametrize("value", [np.full((3, 4), 0.5), np.full((3, 4), "a"), np.full((3, 4), np.nan)])
    def test_that_would_change_on_the_way_are_refused(self, value: np.ndarray, two_inputs: Model) -> None:
        with pytest.raises(
            UsageError,
            match=f"input 'mask' takes int64, which cannot represent the given values .{value.dtype}",
        ):
            self.check(two_inputs, self.good() | {"mask": value})

    def test_with_a_fixed_first_axis_belong_to_all_inputs(self, save: Save) -> None:
        model = onnx_ood.load(
            save(
                small_models.build(
                    "g (float[N, 4] x, float[2, 4] w, float[1] t) => (float[N] y) { y = Sum (x, t) }"
                )
            )
        )
        feeds = check_feeds({"w": np.ones((2, 4)), "t": [1.0]}, model, find_site(model, "x"), 3)
        assert feeds["w"].axis is None
        assert feeds["t"].axis is None

    def test_with_the_models_fixed_batch_size_have_a_row_for_each_input(self, save: Save) -> None:
        model = onnx_ood.load(
            save(small_models.build("g (float[2, 4] x, float[2, 1] t) => (float[2, 4] y) { y = Mul (x, t) }"))
        )
        assert check_feeds({"t": np.ones((5, 1))}, model, find_site(model, "x"), 5)["t"].axis == 0

    @pytest.mark.parametrize("shape", ["[2, N, 4]", "[2, ?, 4]", "[2, B, 4]"])
    def test_may_have_their_batch_axis_further_in(self, shape: str, save: Save) -> None:
        model = onnx_ood.load(
            save(
                small_models.build(
                    f"g (float[N, 4] x, float{shape} state) => (float[N, 4] y)"
                    "{ last = Gather <axis = 0> (state, one) y = Add (x, last) }",
                    {"one": np.array(1)},
                )
            )
        )
        state = small_models.normal(2, 3, 4)
        feed = check_feeds({"state": state}, model, find_site(model, "x"), 3)["state"]
        assert feed.axis == 1
        assert feed.sample_shape == (2, 4)
        np.testing.assert_array_equal(feed.at([2, 0]), state[:, [2, 0]])
        with pytest.raises(UsageError, match="'state' has 3 entries for a batch of 5"):
            check_feeds({"state": state}, model, find_site(model, "x"), 5)

    def test_without_an_axis_for_the_batch_are_fed_as_they_are(self, save: Save) -> None:
        model = onnx_ood.load(
            save(
                small_models.build(
                    "g (float[N, 4] x, float[2, 4] w, float[2, p, q] z) => (float[N, 4] y)"
                    "{ s = ReduceSum <keepdims = 0> (w) t = ReduceSum <keepdims = 0> (z)"
                    "  u = Add (s, t) y = Mul (x, u) }"
                )
            )
        )
        feeds = check_feeds({"w": np.ones((2, 4)), "z": np.ones((2, 3, 3))}, model, find_site(model, "x"), 3)
        assert feeds["w"].axis is None
        # Two axes of unknown size: neither is surely the batch.
        assert feeds["z"].axis is None


def test_a_batch_size_has_to_be_positive(classifier: Model) -> None:
    with pytest.raises(UsageError, match="batch_size=0 is too small; give at least 1"):
        onnx_ood.measure(
            classifier,
            small_models.images(1),
            probes="all",
            nudges=np.zeros((1, 3, 8, 8)),
            batch_size=0,
            provider="cpu",
        )


class TestTheInputThatABatchFeeds:
    @pytest.fixture
    def model(self, save: Save) -> Model:
        return onnx_ood.load(
            save(
                small_models.build(
                    "g (int64 t, float[N, 4] x, int64[N, 4] ids) => (float[N, 4] y)"
                    "{ f = Cast <to = 1> (ids) u = Cast <to = 1> (t) s = Sum (x, f, u) y = Relu (s) }"
                )
            )
        )

    def test_is_the_site_itself(self, model: Model) -> None:
        assert find_input(model, find_site(model, None)).name == "x"

    def test_is_else_the_first_that_has_an_axis_and_is_not_fed_otherwise(self, model: Model) -> None:
        site = find_site(model, "s")
        assert find_input(model, site).name == "x"
        assert find_input(model, site, ["x"]).name == "ids"
        assert find_input(model, site, ["x", "ids"]).name == "t"

    def test_has_to_exist(self, model: Model) -> None:
        with pytest.raises(UsageError, match="no input left that the batch could feed"):
            find_input(model, find_site(model, "s"), ["t", "x", "ids"])
