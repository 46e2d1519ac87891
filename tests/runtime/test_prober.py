"""Probers: any number of batches, probes that are left out, and where nodes run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import small_models
from measuring import Feeds, Save, assert_same, measure, ready

import onnx_ood
from onnx_ood import SelectorError
from onnx_ood.perturb import draw
from onnx_ood.runtime import Prober
from onnx_ood.runtime.session import OutOfMemoryError, Session


class TestShortMemory:
    def test_halves_the_batch_size(self, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
        path, batch = save(small_models.classifier()), small_models.images(20)
        nudges = draw("gaussian", batch.shape[1:], 2, seed=2) * 0.05
        whole, run, sizes = measure(path, batch, nudges), Session.run, []

        def short(self: Session, outputs: Sequence[str], feeds: Feeds) -> list[np.ndarray]:
            sizes.append(len(feeds["image"]))
            if sizes[-1] > 3:
                raise OutOfMemoryError("no memory")
            return run(self, outputs, feeds)

        monkeypatch.setattr(Session, "run", short)
        prober = ready(path, batch_size=16)
        assert_same(prober.measure(batch, nudges), whole, rtol=1e-5)
        assert prober.batch_size == 2
        assert {4, 8, 16} <= set(sizes)
        monkeypatch.setattr(Session, "run", lambda *_: (_ for _ in ()).throw(OutOfMemoryError("no memory")))
        with pytest.raises(OutOfMemoryError):
            prober.measure(batch, nudges)


class TestProber:
    def test_serves_any_number_of_batches(self, save: Save) -> None:
        path = save(small_models.classifier())
        prober = ready(path)
        nudges = draw("gaussian", (3, 8, 8), 2, seed=2) * 0.05
        for count in (1, 5, 33):
            batch = small_models.images(count, seed=count)
            assert_same(prober.measure(batch, nudges), measure(path, batch, nudges), rtol=1e-5)

    def test_takes_inputs_of_another_size_next_time(self, save: Save) -> None:
        model = small_models.build(
            "g (float[N, 1, h, w] x) => (y) { c = Conv (x, k) r = Relu (c) y = GlobalAveragePool (r) }",
            {"k": small_models.normal(2, 1, 3, 3)},
        )
        prober = ready(save(model))
        for side in (8, 11, 8):
            found = prober.measure(small_models.normal(3, 1, side, side), np.full((1, 1, side, side), 0.1))
            assert found.size.tolist() == [2 * (side - 2) ** 2] * 2 + [2]

    def test_names_what_cannot_be_measured(self, save: Save) -> None:
        model = onnx_ood.load(save(small_models.contrib()))
        prober = Prober(model, [tensor for tensor in model.tensors if not tensor.is_input], provider="cpu")
        assert list(prober.skipped) == ["codes"]
        assert prober.skipped["codes"].startswith("holds uint8 values; only floating-point tensors")
        assert prober.probes == ("h", "r", "back", "y")

    def test_needs_one_probe_that_can_be(self, save: Save) -> None:
        model = onnx_ood.load(save(small_models.contrib()))
        with pytest.raises(
            SelectorError, match="none of the selected tensors can be measured; 'codes' holds uint8"
        ):
            Prober(model, [model.by_name["codes"]], provider="cpu")
        with pytest.raises(SelectorError, match="no probes are selected"):
            Prober(onnx_ood.load(save(small_models.classifier())), [], provider="cpu")

    def test_measures_a_probe_that_is_named_twice_once(self, save: Save) -> None:
        model = onnx_ood.load(save(small_models.classifier()))
        assert Prober(model, [model.by_name["relu1"]] * 2, provider="cpu").probes == ("relu1",)

    def test_leaves_out_outputs_that_are_no_tensors(self, save: Save) -> None:
        found = measure(save(small_models.sequence()), small_models.normal(3, 4), np.full((1, 4), 0.1))
        assert set(found.outputs) == {"y"}

    def test_gives_outputs_of_whole_numbers(self, save: Save) -> None:
        found = measure(save(small_models.labels()), small_models.normal(3, 4), np.full((1, 4), 0.1))
        assert found.outputs["label"].dtype == np.int64
        np.testing.assert_array_equal(found.outputs["label"], found.outputs["scores"].argmax(1))

    def test_says_where_nodes_run(self, save: Save) -> None:
        prober = ready(save(small_models.classifier()))
        assert prober.provider == "cpu"
        assert set(prober.placement) == {"CPUExecutionProvider"}
        assert prober.placement["CPUExecutionProvider"] >= 4
