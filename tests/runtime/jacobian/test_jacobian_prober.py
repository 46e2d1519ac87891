"""Jacobian norms by forward passes: against closed forms, and float64 differences of the reference evaluator."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import small_models
from jacobian_models import ONE_PERCENT, POINTS, ROUNDING, W, net, perceptron, reference_norms

import onnx_ood
from onnx_ood.runtime import JacobianProber, jacobian_norms


def jacobian_prober(path) -> JacobianProber:
    return JacobianProber(onnx_ood.load(path), provider="cpu")


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
