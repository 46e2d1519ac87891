"""`jacobian_norms` against closed forms."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import small_models
from hypothesis import given, settings
from hypothesis import strategies as st
from jacobian_models import ONE_PERCENT, POINTS, ROUNDING, W, net, softmax_jacobian

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import SelectorError, UsageError
from onnx_ood.runtime import JacobianProber, jacobian_norms


class TestClosedForms:
    def test_of_a_linear_model_it_is_the_norm_of_the_weights(self, save) -> None:
        found = jacobian_norms(net("y = Gemm (x, w)", save), POINTS, probe="y", directions=6)
        np.testing.assert_allclose(found.norm, np.linalg.norm(W), rtol=ROUNDING)
        np.testing.assert_array_equal(found.standard_error, 0)
        assert (found.directions, found.function, found.exact_fraction, found.note) == (6, "'y'", None, "")
        assert (found.disagreement < ROUNDING).all()

    @pytest.mark.parametrize(
        ("head", "of"),
        [
            ("y = Gemm (x, w)", "softmax of 'y'"),
            ("h = Gemm (x, w) y = LogSoftmax (h)", "softmax of 'y'"),
            ("h = Gemm (x, w) y = Softmax (h)", "'y'"),
        ],
    )
    def test_of_a_linear_classifier_it_is_that_of_its_softmax(self, head: str, of: str, save) -> None:
        found = jacobian_norms(net(head, save), POINTS, directions=6)
        expected = [np.linalg.norm(softmax_jacobian(x @ W, W.T)) for x in POINTS.astype(np.float64)]
        np.testing.assert_allclose(found.norm, expected, rtol=ROUNDING)
        assert found.function == of

    def test_of_nearly_certain_answers_it_is_not_lost_to_rounding(self, save) -> None:
        points = 6 * POINTS
        found = jacobian_norms(net("y = Gemm (x, w)", save), points, directions=6)
        expected = np.array([np.linalg.norm(softmax_jacobian(x @ W, W.T)) for x in points.astype(np.float64)])
        assert expected.min() < 1e-6
        np.testing.assert_allclose(found.norm, expected, rtol=ROUNDING)

    @pytest.mark.parametrize(
        "body",
        ["h = Gemm (x, w) y = Reshape (h, wide)", "h = Gemm (x, w) y = ReduceSum <keepdims = 1> (h, last)"],
    )
    def test_an_output_that_is_no_row_of_classes_is_taken_as_it_is(self, body: str, save) -> None:
        wide, last = np.array([-1, 2, 2], np.int64), np.array([1], np.int64)
        found = jacobian_norms(net(body, save, wide=wide, last=last), POINTS, directions=6)
        expected = np.linalg.norm(W if "Reshape" in body else W.sum(axis=1))
        np.testing.assert_allclose(found.norm, expected, rtol=ROUNDING)
        assert found.function == "'y'"

    def test_behind_a_site_inside_only_what_lies_behind_it_counts(self, save) -> None:
        proto = small_models.residual()
        weights = {w.name: onnx.numpy_helper.to_array(w).astype(np.float64) for w in proto.graph.initializer}
        batch = small_models.normal(4, 4, seed=82)
        found = jacobian_norms(save(proto), batch, probe="y", site="stem", directions=4)
        for x, norm in zip(batch @ weights["w1"], found.norm, strict=True):
            on = np.diag((x @ weights["w2"] > 0).astype(float))
            jacobian = np.eye(4) + weights["w2"] @ on @ weights["w3"]
            total = x + np.maximum(x @ weights["w2"], 0) @ weights["w3"]
            assert norm == pytest.approx(np.linalg.norm(jacobian[:, total > 0]), rel=ROUNDING)

    def test_other_inputs_are_fed_to_all_copies(self, save) -> None:
        # y = tanh(masked e @ w) averaged over positions, over the temperature: linear in small embeddings.
        small = 1e-3 * small_models.normal(2, 4, 6, seed=83)
        mask = np.array([[1, 1, 0, 1], [0, 0, 1, 0]])
        found = jacobian_norms(
            save(small_models.two_inputs()),
            small,
            probe="y",
            site="embedding",
            directions=24,
            feeds={"mask": mask, "temperature": 2.0},
        )
        w = small_models.normal(6, 6, seed=30, scale=0.5)
        np.testing.assert_allclose(
            found.norm, np.sqrt(mask.sum(axis=1)) * np.linalg.norm(w) / 8, rtol=ONE_PERCENT
        )

    @settings(max_examples=25)
    @given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
    def test_it_scales_with_the_weights_and_not_with_the_input(self, scale: float, seed: int, save) -> None:
        model = net("h = Gemm (x, w) y = Mul (h, scale)", save, scale=np.array(scale, np.float32))
        found = jacobian_norms(model, POINTS / scale, probe="y", directions=3, seed=seed)
        plain = jacobian_norms(net("y = Gemm (x, w)", save), POINTS, probe="y", directions=3, seed=seed)
        np.testing.assert_allclose(found.norm, scale * plain.norm, rtol=ROUNDING)
        np.testing.assert_allclose(found.standard_error, scale * plain.standard_error, rtol=0.01)


class TestWhatIsUnknown:
    def test_where_the_output_is_not_finite_the_norm_is_unknown(self, save) -> None:
        batch = np.array([[1, 4, 9, 16], [1, -4, 9, 16]], np.float32)
        found = jacobian_norms(save(small_models.roots()), batch, probe="y", directions=4)
        assert found.norm[0] == pytest.approx(np.linalg.norm(0.5 / np.sqrt(batch[0])), rel=ROUNDING)
        assert np.isnan([found.norm[1], found.standard_error[1], found.disagreement[1]]).all()

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_so_it_is_where_the_input_is_not(self, value: float, save) -> None:
        batch = POINTS.copy()
        batch[2, 3] = value
        found = jacobian_norms(net("y = Gemm (x, w)", save), batch, directions=3)
        np.testing.assert_array_equal(np.isnan(found.norm), np.arange(5) == 2)

    def test_a_constant_answer_has_norm_zero(self, save) -> None:
        model = net("h = Gemm (x, w) m = Min (h, low) y = Relu (m)", save, low=np.array(-1, np.float32))
        found = jacobian_norms(model, POINTS, directions=3)
        for field in (found.norm, found.standard_error, found.disagreement):
            np.testing.assert_array_equal(field, 0)


class TestMistakes:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"directions": 1}, "directions must be at least 2"),
            ({"seed": -1}, "seed must be 0 or larger"),
            ({"seed": -1, "directions": 6}, "seed must be 0 or larger"),
            ({"probe": "op:*"}, "selects 2 tensors"),
            ({"probe": "z"}, "matches no tensor"),
            ({"patterns": ["k"]}, "holds int64"),
        ],
    )
    def test_are_told_in_one_line(self, wrong: dict[str, object], message: str, save) -> None:
        model = net("y = Gemm (x, w) r = Relu (y) k = ArgMax (r)", save)
        with pytest.raises(UsageError, match=message) as caught:
            jacobian_norms(model, POINTS, **wrong)
        assert "\n" not in str(caught.value)

    def test_a_model_without_floats_wants_a_tensor(self, save) -> None:
        model = net("h = Gemm (x, w) y = ArgMax (h)", save)
        with pytest.raises(UsageError, match=r"no output has a Jacobian .*'y' holds int64"):
            jacobian_norms(model, POINTS)

    def test_the_check_of_a_large_input_is_refused(self) -> None:
        prober = JacobianProber(onnx_ood.load(models.path("efficientnet_lite0")))
        with pytest.raises(UsageError, match="150528 elements of 'image', and 1024 at most"):
            prober.check(np.zeros((1, 3, 224, 224), np.float32))

    def test_an_empty_tensor_has_no_jacobian(self, save) -> None:
        model = net("y = Gemm (x, w) none = Slice (y, zero, zero)", save, zero=np.array([0], np.int64))
        with pytest.raises(SelectorError, match="'none' is empty"):
            jacobian_norms(model, POINTS, probe="none")
