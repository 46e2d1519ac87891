"""Jacobian norms by forward passes: against closed forms, and float64 differences of the reference evaluator."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import small_models
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import SelectorError, UsageError
from onnx_ood.runtime import JacobianProber, jacobian_norms

W = small_models.normal(6, 4, seed=80)
POINTS = small_models.normal(5, 6, seed=81)
# What is promised of the differences; in the models here they do far better.
ONE_PERCENT = 0.01
# float32 in and out, no bend: what rounding leaves.
ROUNDING = 1e-3


def net(body: str, save, shape: str = "N, 6", **weights: np.ndarray) -> onnx_ood.Model:
    """A model of one input `x` and one output `y`, whose weights are w, 6×4, and others."""
    text = f"net (float[{shape}] x) => (y) {{ {body} }}"
    return onnx_ood.load(save(small_models.build(text, {"w": W, **weights})))


def jacobian_prober(path) -> JacobianProber:
    return JacobianProber(onnx_ood.load(path), provider="cpu")


def perceptron(kind: str) -> ModelProto:
    """Two layers with bends between them, in `float` or `double`."""
    dtype = {"float": "float32", "double": "float64"}[kind]
    return small_models.build(
        f"perceptron ({kind}[N, 6] x) => ({kind}[N, 4] y) {{ h = Gemm (x, v) r = Relu (h) y = Gemm (r, u) }}",
        {
            "v": small_models.normal(6, 20, seed=88, dtype=dtype),
            "u": small_models.normal(20, 4, seed=89, dtype=dtype),
        },
    )


def softmax_jacobian(logits: np.ndarray, jacobian: np.ndarray) -> np.ndarray:
    p = np.exp(logits - logits.max())
    p /= p.sum()
    return (np.diag(p) - np.outer(p, p)) @ jacobian


def reference_norms(proto: ModelProto, batch: np.ndarray, *, softmax: bool) -> np.ndarray:
    """‖J‖_F of each input by float64 differences of a float64 model, in steps that rarely meet a bend."""
    evaluator = ReferenceEvaluator(proto)
    step = 1e-6

    def outputs(x: np.ndarray) -> np.ndarray:
        return evaluator.run(None, {proto.graph.input[0].name: x})[0].reshape(len(x), -1)

    found = []
    for x in batch.astype(np.float64):
        units = np.eye(x.size).reshape(-1, *x.shape) * step
        jacobian = ((outputs(x + units) - outputs(x - units)) / (2 * step)).T
        if softmax:
            jacobian = softmax_jacobian(outputs(x[np.newaxis])[0], jacobian)
        found.append(np.linalg.norm(jacobian))
    return np.array(found)


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


class TestNetworksWithBends:
    def test_all_directions_agree_with_float64_differences_of_the_reference(self, save) -> None:
        batch = small_models.images(6)
        found = jacobian_norms(save(small_models.classifier()), batch, directions=192)
        expected = reference_norms(small_models.classifier(dtype="float64"), batch, softmax=True)
        np.testing.assert_allclose(found.norm, expected, rtol=ONE_PERCENT)
        assert found.function == "softmax of 'logits'"

    def test_so_does_a_probe_inside(self, save) -> None:
        batch = small_models.images(3)
        found = jacobian_norms(save(small_models.classifier()), batch, probe="relu2", directions=192)
        cut = small_models.classifier(dtype="float64")
        del cut.graph.output[:]
        cut.graph.output.append(onnx.ValueInfoProto(name="relu2"))
        np.testing.assert_allclose(found.norm, reference_norms(cut, batch, softmax=False), rtol=ONE_PERCENT)
        assert found.function == "'relu2'"

    def test_few_directions_agree_with_all_within_their_standard_errors(self, save) -> None:
        prober = JacobianProber(onnx_ood.load(save(small_models.classifier())))
        check = prober.check(small_models.images(40), directions=32)
        # 97% at least are within three; of 40, fewer than 36 are in one of 300 tries.
        assert (np.abs(check.in_standard_errors) <= 3).sum() >= 36
        assert np.median(np.abs(check.deviation)) < 0.2
        assert check.estimate.directions == 32
        assert check.exact.directions == 192

    def test_seeds_are_without_bias_on_average(self, save) -> None:
        prober = JacobianProber(onnx_ood.load(save(small_models.classifier())), provider="cpu")
        batch = small_models.images(1)
        exact = prober.measure(batch, 192).norm[0] ** 2
        squares = [prober.measure(batch, 4, seed).norm[0] ** 2 for seed in range(60)]
        assert abs(np.mean(squares) - exact) < 4 * np.std(squares) / np.sqrt(60) + ONE_PERCENT * exact

    def test_double_precision_takes_smaller_steps_and_agrees_better(self, save) -> None:
        proto, batch = perceptron("double"), small_models.normal(4, 6, seed=86)
        found = jacobian_norms(save(proto), batch, directions=6)
        np.testing.assert_allclose(found.norm, reference_norms(proto, batch, softmax=True), rtol=1e-6)
        single = jacobian_norms(save(perceptron("float")), batch, directions=6)
        assert (found.step < single.step).all()
        assert (found.disagreement < single.disagreement).all()

    def test_half_precision_says_so_and_is_as_good_as_it_says(self, save) -> None:
        batch = small_models.images(6, dtype="float16")
        found = jacobian_norms(save(small_models.classifier(dtype="float16")), batch, directions=192)
        single = jacobian_norms(save(small_models.classifier()), batch, directions=192)
        assert "half precision" in found.note
        assert (found.step > single.step).all()
        assert (np.abs(found.norm / single.norm - 1) <= found.disagreement).all()


class TestExactShare:
    def test_counts_differences_within_one_region(self, save) -> None:
        model = net("h = Gemm (x, w) r = Relu (h) y = Neg (r)", save)
        on_a_bend = np.zeros((1, 6), np.float32)
        found = jacobian_norms(model, np.concatenate([POINTS, on_a_bend]), patterns=["r"], directions=6)
        assert found.exact_fraction is not None
        np.testing.assert_array_equal(found.exact_fraction, [1] * 5 + [0])

    def test_the_tensor_itself_may_be_a_code(self, save) -> None:
        model = net("h = Gemm (x, w) y = Relu (h)", save)
        found = jacobian_norms(model, POINTS, probe="y", patterns=["op:Relu"], directions=6)
        np.testing.assert_array_equal(found.exact_fraction, 1)
        np.testing.assert_allclose(
            found.norm, [np.linalg.norm(W[:, x @ W > 0]) for x in POINTS], rtol=ROUNDING
        )

    def test_is_never_smaller_for_a_linear_model_at_any_step(self, save) -> None:
        model = net("h = Gemm (x, w) s = Sigmoid (h) y = Neg (s)", save)
        # A sigmoid is never off, so nothing can switch.
        found = jacobian_norms(model, POINTS, patterns=["s"], directions=3)
        np.testing.assert_array_equal(found.exact_fraction, 1)


class TestRuns:
    @pytest.mark.parametrize("batch_size", [1, 3, None])
    def test_the_company_of_an_input_changes_nothing(self, batch_size: int | None, save) -> None:
        # In double precision, so that rounding, which is another for another number of rows, is no excuse.
        path, batch = save(perceptron("double")), small_models.normal(7, 6, seed=87)
        found = jacobian_norms(path, batch, directions=5, batch_size=batch_size)
        for i in (0, 6):
            alone = jacobian_norms(path, batch[i : i + 1], directions=5)
            np.testing.assert_allclose(found.norm[i], alone.norm[0], rtol=1e-5)
            np.testing.assert_allclose(found.standard_error[i], alone.standard_error[0], rtol=1e-4)

    def test_a_fixed_batch_is_filled_up(self, save) -> None:
        batch = small_models.images(6)
        fixed = jacobian_norms(save(small_models.classifier(rows=4)), batch, directions=192)
        free = jacobian_norms(save(small_models.classifier()), batch, directions=192)
        np.testing.assert_allclose(fixed.norm, free.norm, rtol=ONE_PERCENT)

    @pytest.mark.parametrize("operator", ["mean", "before"])
    def test_inputs_that_would_mix_are_run_one_at_a_time(self, operator: str, save) -> None:
        prober = JacobianProber(onnx_ood.load(save(small_models.mixing(operator))))
        batch = small_models.normal(3, 4, seed=84)
        found = prober.measure(batch, 4)
        for i in range(3):
            alone = prober.measure(batch[i : i + 1], 4)
            np.testing.assert_allclose(found.norm[i], alone.norm[0], rtol=1e-6)
        assert "one input at a time" in prober.prober.batching_note

    def test_inputs_may_lie_along_another_axis(self, save) -> None:
        path, batch = save(small_models.transposed()), small_models.normal(3, 6, 4, seed=85)
        found = jacobian_norms(path, batch, probe="inner", directions=24)
        w = small_models.normal(4, 4, seed=61)
        expected = [np.sqrt(sum(np.sum(w[:, x @ w > 0] ** 2) for x in one)) for one in batch]
        np.testing.assert_allclose(found.norm, expected, rtol=ONE_PERCENT)

    def test_steps_are_told_in_units_of_the_input(self, save) -> None:
        model = net("y = Gemm (x, w)", save)
        for scale in (1.0, 1024.0):
            found = jacobian_norms(model, scale * POINTS, probe="y", directions=2)
            relative = found.step / np.linalg.norm(scale * POINTS, axis=1)
            assert ((relative > 2.0**-19) & (relative < 2.0**-7)).all()

    def test_each_input_may_have_a_step_of_its_own(self, save) -> None:
        """Of a cube the central difference is 3x² + h²."""
        path = save(
            small_models.build(
                "cube (double[N, 1] x) => (double[N, 1] y) { s = Mul (x, x) y = Mul (s, x) }", {}
            )
        )
        batch, steps = np.array([[1.0], [2.0], [3.0]]), np.array([0.5, 0.1, 0.2])
        found = jacobian_prober(path).measure(batch, 2, step=steps)
        np.testing.assert_allclose(found.norm, 3 * batch[:, 0] ** 2 + steps**2)
        np.testing.assert_array_equal(found.step, steps)
        assert np.isnan(found.disagreement).all()
        same = jacobian_prober(path).measure(batch, 2, step=0.1)
        np.testing.assert_allclose(same.norm, 3 * batch[:, 0] ** 2 + 0.01)

    @pytest.mark.parametrize("kind", ["float", "double"])
    def test_the_usual_step_will_do_as_a_rule(self, kind: str, save) -> None:
        proto = perceptron(kind)
        dtype = "float32" if kind == "float" else "float64"
        batch = small_models.normal(30, 6, seed=90, dtype=dtype)
        prober = jacobian_prober(save(proto))
        found = prober.measure(batch, 6, step=prober.default_step(batch))
        expected = reference_norms(perceptron("double"), batch.astype(np.float64), softmax=True)
        assert np.median(np.abs(found.norm / expected - 1)) < ONE_PERCENT
        # It grows with the input, and one of zeros has one.
        np.testing.assert_allclose(prober.default_step(8 * batch), 8 * prober.default_step(batch))
        assert (prober.default_step(0 * batch) > 0).all()

    def test_an_input_of_zeros_has_a_norm_too(self, save) -> None:
        found = jacobian_norms(
            net("y = Gemm (x, w)", save), np.zeros((1, 6), np.float32), probe="y", directions=6
        )
        assert found.norm[0] == pytest.approx(np.linalg.norm(W), rel=ROUNDING)


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
