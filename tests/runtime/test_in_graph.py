"""Statistics that the model computes itself, against the host's: the way is the GPU's, and runs on any provider."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import small_models

import onnx_ood
from onnx_ood import ModelError
from onnx_ood.perturb import draw
from onnx_ood.runtime import Prober, in_graph, prober, session
from onnx_ood.runtime.in_graph import InGraph
from onnx_ood.runtime.session import OutOfMemoryError, Session

Save = Callable[..., Path]

CASES: dict[str, tuple[Callable[[], Any], np.ndarray, dict[str, np.ndarray]]] = {
    "classifier": (small_models.classifier, small_models.images(6), {}),
    "float16": (
        lambda: small_models.classifier(dtype="float16"),
        small_models.images(6, dtype="float16"),
        {},
    ),
    "residual": (small_models.residual, small_models.normal(6, 4), {}),
    "If": (small_models.with_if, small_models.normal(6, 4), {"switch": np.array(True)}),
    "two inputs": (
        small_models.two_inputs,
        small_models.normal(6, 4, 6),
        {"mask": np.tri(6, 4, 1, dtype=np.int64), "temperature": np.array(2, np.float32)},
    ),
    "contrib": (small_models.contrib, small_models.normal(6, 4), {}),
    "opset 11": (
        lambda: small_models.build(
            "g (float[N, 4] x) => (float[N, 4] y) { h = Sin (x) r = Relu (h) y = Neg (r) }", opset=11
        ),
        small_models.normal(6, 4),
        {},
    ),
    "float64": (
        lambda: small_models.build("g (double[N, 4] x) => (double[N, 4] y) { h = Sin (x) y = Relu (h) }"),
        small_models.normal(6, 4).astype(np.float64),
        {},
    ),
    # Two rows for each input.
    "rows": (
        lambda: small_models.build(
            "g (float[N, 4] x) => (float[M, 2] y) { h = Reshape (x, two) r = Relu (h) y = Neg (r) }",
            {"two": np.array([-1, 2])},
        ),
        small_models.normal(6, 4),
        {},
    ),
}


def probers(path: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> tuple[Prober, Prober]:
    """One that measures on the host and one that does in the graph; the latter is put to use by the caller."""
    model = onnx_ood.load(path)
    site = model.inputs[0].name
    made = [
        Prober(
            model, onnx_ood.select(model, "all", model.by_name[site]), site=site, provider="cpu", **settings
        )
        for _ in range(2)
    ]
    return made[0], made[1]


def in_graph_measure(
    target: Prober, monkeypatch: pytest.MonkeyPatch, *arguments: Any
) -> onnx_ood.Measurement:
    with monkeypatch.context() as patch:
        patch.setattr(prober, "_IN_GRAPH", {"cpu"})
        found = target.measure(*arguments)
    assert target._in_graph is not None
    return found


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_host(
    case: str, copies: int, shared: bool, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, batch, others = CASES[case]
    host, device = probers(save(make()), monkeypatch, exact=True)
    nudges = (draw("gaussian", batch.shape[1:], copies, seed=5) * 0.05).astype(batch.dtype)
    if not shared:
        nudges = np.stack([nudges * (1 + i) for i in range(len(batch))]).astype(batch.dtype)
    expected = host.measure(batch, nudges, others)
    found = in_graph_measure(device, monkeypatch, batch, nudges, others)
    assert found.probes == expected.probes
    np.testing.assert_array_equal(found.size, expected.size)
    if case == "float16":
        # The CPU computes chains of float16 operators in float32, in other places here than there: each of the 7
        # tensors, clean and nudged, may have been rounded once more, which moves ‖d‖ by as much.
        moved = np.abs(np.sqrt(found.dd) - np.sqrt(expected.dd))
        assert (moved <= 7 * 2 * 2.0**-11 * np.sqrt(expected.aa)).all()
        assert (expected.dd > 0).any()
        return
    # Sums of float32 products in another order.
    np.testing.assert_allclose(found.cosine_drop(), expected.cosine_drop(), rtol=1e-4, atol=1e-15)
    np.testing.assert_allclose(found.site_angle(), expected.site_angle(), rtol=1e-5)
    np.testing.assert_allclose(found.aa, expected.aa, rtol=1e-5)
    np.testing.assert_array_equal(found.flips, expected.flips)
    np.testing.assert_array_equal(found.active, expected.active)
    assert found.outputs.keys() == expected.outputs.keys()
    for name, values in expected.outputs.items():
        np.testing.assert_allclose(found.outputs[name], values, rtol=1e-5, atol=1e-6)


def test_more_copies_than_go_through_together(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_graph, "_RUN_SAMPLES", 4)
    batch = small_models.images(5)
    host, device = probers(save(small_models.classifier()), monkeypatch, exact=True)
    nudges = (draw("gaussian", batch.shape[1:], 7, seed=1) * 0.05).astype(np.float32)
    expected, found = host.measure(batch, nudges), in_graph_measure(device, monkeypatch, batch, nudges)
    assert device._in_graph is not None
    assert (device._in_graph.copies, device._in_graph.batch_size) == (3, 1)
    np.testing.assert_allclose(found.cosine_drop(), expected.cosine_drop(), rtol=1e-4)
    np.testing.assert_array_equal(found.flips, expected.flips)
    # Fewer copies later are no reason to build it again.
    before = device._in_graph
    in_graph_measure(device, monkeypatch, batch, nudges[:2])
    assert device._in_graph is before


def test_the_observer_effect_is_of_these_outputs(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = small_models.images(5)
    _, device = probers(save(small_models.classifier()), monkeypatch, exact=True)
    in_graph_measure(device, monkeypatch, batch, np.zeros((1, 3, 8, 8), np.float32))
    monkeypatch.setattr(prober, "_IN_GRAPH", {"cpu"})
    effect = device.observer_effect(batch)
    assert effect < 1e-6
    floor = device.noise_floor(batch)
    assert (floor > 0).all()
    assert (floor < 1e-11).all()


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: small_models.mixing("mean"), (4,)),
        (small_models.transposed, (6, 4)),
        (
            lambda: small_models.build(
                "time_first (float[seq_len, batch, 4] x) => (float[seq_len, batch, 4] y) { h = Sin (x) y = Relu (h) }"
            ),
            (6, 4),
        ),
        (lambda: small_models.classifier(rows=2), (3, 8, 8)),
    ],
)
def test_models_that_can_t_are_measured_on_the_host(
    make: Callable[[], Any], shape: tuple[int, ...], save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, nudges = small_models.normal(4, *shape), small_models.normal(2, *shape, seed=3) * 0.05
    host, device = probers(save(make()), monkeypatch)
    expected = host.measure(batch, nudges)
    monkeypatch.setattr(prober, "_IN_GRAPH", {"cpu"})
    found = device.measure(batch, nudges)
    assert device._in_graph is None
    np.testing.assert_array_equal(found.dd, expected.dd)


@pytest.mark.parametrize("shared", [True, False])
def test_shared_nudges_are_brought_to_the_device_once(
    shared: bool, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = small_models.images(9)
    host, device = probers(save(small_models.classifier()), monkeypatch, exact=True, batch_size=2)
    nudges = (draw("gaussian", batch.shape[1:], 2, seed=1) * 0.05).astype(np.float32)
    if not shared:
        nudges = np.stack([nudges * (1 + i) for i in range(len(batch))])
    bring, brought = Session.bring, []

    def noted(self: Session, array: np.ndarray) -> Any:
        brought.append(array)
        return bring(self, array)

    monkeypatch.setattr(Session, "bring", noted)
    # Other nudges in the same memory, as a caller may have them.
    for factor in (1, -3):
        nudges *= np.float32(factor)
        brought.clear()
        found = in_graph_measure(device, monkeypatch, batch, nudges)
        assert [array.shape for array in brought] == [(1, 2, 3, 8, 8)] * shared
        expected = host.measure(batch, nudges)
        np.testing.assert_allclose(found.cosine_drop(), expected.cosine_drop(), rtol=1e-4, atol=1e-15)


@pytest.mark.parametrize("opset", [8, 17])
def test_large_probes_are_compared_piece_by_piece(
    opset: int, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_models.build(
        "g (float[N, 700] x) => (float[N, 700] y) { h = Sin (x) r = Relu (h) y = Neg (r) }", opset=opset
    )
    # 64 rows of 4 bytes: pieces of 100 units.
    monkeypatch.setattr(in_graph, "_MAX_PIECE_BYTES", 100 * 4 * 64)
    batch = small_models.normal(6, 700)
    host, device = probers(save(model), monkeypatch, exact=True, batch_size=16)
    nudges = small_models.normal(3, 700, seed=3) * 0.01
    expected = host.measure(batch, nudges)
    found = in_graph_measure(device, monkeypatch, batch, nudges)
    assert device._in_graph is not None
    slices = [node for node in device._in_graph._pairs.proto.graph.node if node.op_type == "Slice"]
    # Products of the site, products and counts of each of three probes.
    assert len(slices) == 7 * (1 + 2 * 3)
    np.testing.assert_allclose(found.cosine_drop(), expected.cosine_drop(), rtol=1e-4)
    np.testing.assert_allclose(found.site_dd, expected.site_dd, rtol=1e-5)
    np.testing.assert_array_equal(found.flips, expected.flips)
    np.testing.assert_array_equal(found.active, expected.active)


def test_a_probe_is_compared_before_the_model_goes_on(
    save: Save, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else the activations of all probes would be held until the end."""
    body = " ".join(f"h{i} = Gemm (r{i - 1}, w) r{i} = Relu (h{i})" for i in range(1, 6))
    model = small_models.build(
        f"g (float[N, 16] r0) => (float[N, 16] r5) {{ {body} }}", {"w": small_models.normal(16, 16)}
    )
    options = onnxruntime.SessionOptions

    def profiled() -> Any:
        made = options()
        made.enable_profiling, made.profile_file_prefix = True, str(tmp_path / "run")
        return made

    _, device = probers(save(model), monkeypatch)
    monkeypatch.setattr(onnxruntime, "SessionOptions", profiled)
    in_graph_measure(device, monkeypatch, small_models.normal(1, 16), small_models.normal(2, 16, seed=3))
    assert device._in_graph is not None
    events = json.loads(Path(device._in_graph._session._session.end_profiling()).read_text())
    ran = [event["args"]["op_name"] for event in events if event["name"].endswith("_kernel_time")]
    layers = [i for i, op in enumerate(ran) if "Gemm" in op]
    compared = [i for i, op in enumerate(ran) if op == "Greater"]
    assert len(layers) == 5
    # Between any two layers something is compared.
    assert all(any(a < i < b for i in compared) for a, b in pairwise(layers))


class TestMemory:
    @pytest.mark.parametrize(
        ("free", "inputs"),
        [
            # One more input takes 100, and half of what is left is for runs: room for ten.
            ([2100, 2000], 10),
            # No more than is of use, 128 rows of 3.
            ([10**9 + 1, 10**9], 42),
            ([100, 50], 1),
            # What can't be told leaves the choice, 64 rows of 3.
            ([2000, 2000], 21),
            ([1900, 2000], 21),
            ([None, None], 21),
        ],
    )
    def test_decides_how_many_inputs_one_run_has(
        self, free: list[int | None], inputs: int, save: Save, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batch = small_models.images(50)
        host, device = probers(save(small_models.classifier()), monkeypatch, exact=True)
        nudges = (draw("gaussian", batch.shape[1:], 2, seed=1) * 0.05).astype(np.float32)
        left, sizes, run = iter(free), [], Session.run_bound

        def noted(self: Session, outputs: Any, feeds: Mapping[str, np.ndarray]) -> Any:
            sizes.append(len(feeds["image"]))
            return run(self, outputs, feeds)

        monkeypatch.setattr(in_graph, "free_memory", lambda: next(left))
        monkeypatch.setattr(Session, "run_bound", noted)
        # One input alone tells nothing.
        in_graph_measure(device, monkeypatch, batch[:1], nudges)
        found = in_graph_measure(device, monkeypatch, batch, nudges)
        assert sizes[:3] == [1, 1, 2]
        assert sizes[3:-1] == [inputs] * ((50 - 1) // inputs)
        assert device.batch_size == inputs
        np.testing.assert_allclose(found.cosine_drop(), host.measure(batch, nudges).cosine_drop(), rtol=1e-4)
        in_graph_measure(device, monkeypatch, batch, nudges)
        assert next(left, "all asked for") == "all asked for"

    def test_is_not_asked_for_where_the_user_says_how_many(
        self, save: Save, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, device = probers(save(small_models.classifier()), monkeypatch, batch_size=3)
        monkeypatch.setattr(in_graph, "free_memory", lambda: pytest.fail("was asked for"))
        in_graph_measure(device, monkeypatch, small_models.images(9), np.zeros((1, 3, 8, 8), np.float32))
        assert device.batch_size == 3

    def test_that_is_short_for_two_inputs_leaves_one(
        self, save: Save, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host, device = probers(save(small_models.classifier()), monkeypatch, exact=True)
        batch, nudges = small_models.images(4), small_models.images(2, seed=4) * 0.01
        run = Session.run_bound

        def short(self: Session, outputs: Any, feeds: Mapping[str, np.ndarray]) -> Any:
            if len(feeds["image"]) > 1:
                raise OutOfMemoryError("no memory")
            return run(self, outputs, feeds)

        monkeypatch.setattr(Session, "run_bound", short)
        found = in_graph_measure(device, monkeypatch, batch, nudges)
        assert device.batch_size == 1
        np.testing.assert_allclose(found.cosine_drop(), host.measure(batch, nudges).cosine_drop(), rtol=1e-4)

    @pytest.mark.gpu
    def test_of_a_gpu_halves_the_inputs_of_a_run(self, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
        """64 inputs and their copies take 1 GiB in the middle, and the runtime may have half of it."""
        weights = small_models.normal(32, 1)
        model = small_models.build(
            "g (float[N, 1, 65536] x) => (float[N, 32, 1] y) { h = MatMul (w, x) r = Relu (h) "
            "y = ReduceMean <axes = [2]> (r) }",
            {"w": weights},
        )
        monkeypatch.setitem(session._CUDA_OPTIONS, "gpu_mem_limit", str(2**29))
        batch, nudges = small_models.normal(64, 1, 65536), small_models.normal(1, 1, 65536, seed=3) * 0.1
        loaded = onnx_ood.load(save(model))
        device = Prober(loaded, onnx_ood.select(loaded, ["y"]), provider="cuda", batch_size=64)
        found = device.measure(batch, nudges)
        assert device.batch_size is not None
        assert device.batch_size < 64
        clean, nudged = (
            np.maximum(weights.astype(np.float64) * values, 0).mean(axis=2)
            for values in (batch.astype(np.float64), batch + nudges.astype(np.float64))
        )
        np.testing.assert_allclose(found.dd[:, 0, 0], np.sum((nudged - clean) ** 2, axis=1), rtol=1e-2)
        np.testing.assert_allclose(found.aa[:, 0, 0], np.sum(clean**2, axis=1), rtol=1e-3)

    def test_that_is_short_halves_the_inputs_of_a_run(
        self, save: Save, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batch = small_models.images(9)
        host, device = probers(save(small_models.classifier()), monkeypatch, exact=True)
        nudges = (draw("gaussian", batch.shape[1:], 2, seed=1) * 0.05).astype(np.float32)
        expected = host.measure(batch, nudges)
        run, sizes = Session.run_bound, []

        def short(self: Session, outputs: Any, feeds: Mapping[str, np.ndarray]) -> Any:
            sizes.append(len(feeds["image"]))
            if len(feeds["image"]) > 2:
                raise OutOfMemoryError("no memory")
            return run(self, outputs, feeds)

        monkeypatch.setattr(Session, "run_bound", short)
        monkeypatch.setattr(InGraph, "_fit", lambda *_: None)
        found = in_graph_measure(device, monkeypatch, batch, nudges)
        np.testing.assert_allclose(found.cosine_drop(), expected.cosine_drop(), rtol=1e-4)
        assert sizes == [9, 4, 2, 2, 2, 2, 1]
        in_graph_measure(device, monkeypatch, batch, nudges)
        assert max(sizes[7:]) == 2

    def test_that_is_too_little_for_one_input_is_an_error(
        self, save: Save, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def never(self: InGraph, *arguments: Any) -> Any:
            raise OutOfMemoryError("no memory at all")

        _, device = probers(save(small_models.classifier()), monkeypatch)
        monkeypatch.setattr(InGraph, "_measure_run", never)
        with pytest.raises(ModelError, match="no memory at all"):
            in_graph_measure(device, monkeypatch, small_models.images(4), np.zeros((1, 3, 8, 8), np.float32))

    @pytest.mark.parametrize(
        "text",
        [
            "Failed to allocate memory for requested buffer of size 411041792",
            "CUDA failure 2: out of memory ; GPU=0",
            "CUBLAS_STATUS_ALLOC_FAILED",
            "std::bad_alloc",
            "BFCArena: Available memory of 0 is smaller than requested bytes of 411041792",
        ],
    )
    def test_is_told_from_other_errors(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        made = Session(small_models.classifier(), Path("m.onnx"), "cpu")

        class Failing:
            def run(self, *_: Any) -> Any:
                raise RuntimeError(text)

        monkeypatch.setattr(made, "_session", Failing())
        with pytest.raises(OutOfMemoryError):
            made.run(["logits"], {})
        text = "something else"
        with pytest.raises(ModelError) as caught:
            made.run(["logits"], {})
        assert not isinstance(caught.value, OutOfMemoryError)
