"""The batch axis: by name, by trial or as given; measurements against onnxruntime run one input at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import small_models
from measuring import Save, measure, ready
from onnx import ModelProto

import onnx_ood
from onnx_ood.graph import FedInput, find_units
from onnx_ood.runtime import ChannelReader, PatternReader, find_fed_input


def lstm(dims: str, result: str = "[S, B, 3]") -> ModelProto:
    """A recurrent network, time first; gives a value for each step."""
    return small_models.build(
        f"""
        lstm (float[{dims}] x) => (float{result} y) {{
            steps = LSTM <hidden_size = 6> (x, w, r, b)
            plain = Squeeze (steps, one)
            mixed = MatMul (plain, out)
            y = Relu (mixed)
        }}
        """,
        {
            "w": small_models.normal(1, 24, 5, seed=1, scale=0.4),
            "r": small_models.normal(1, 24, 6, seed=2, scale=0.4),
            "b": small_models.normal(1, 48, seed=3, scale=0.4),
            "one": np.array([1]),
            "out": small_models.normal(6, 3, seed=4),
        },
    )


def unbatched(dims: str, picture: bool = True) -> ModelProto:
    """A network of pictures that takes one picture, [3, H, W] or [H, W, 3]."""
    turn = "t = Identity (x)" if picture else "t = Transpose <perm = [2, 0, 1]> (x)"
    return small_models.build(
        f"""
        unbatched (float[{dims}] x) => (float[1, 4] y) {{
            {turn}
            wide = Unsqueeze (t, zero)
            c = Conv (wide, w)
            r = Relu (c)
            pooled = GlobalAveragePool (r)
            flat = Flatten (pooled)
            y = MatMul (flat, out)
        }}
        """,
        {
            "zero": np.array([0]),
            "w": small_models.normal(8, 3, 3, 3, seed=1, scale=0.4),
            "out": small_models.normal(8, 4, seed=2),
        },
    )


def mlp(dims: str) -> ModelProto:
    """A linear layer and a ReLU, to whatever axes there are."""
    return small_models.build(
        f"mlp (float[{dims}] x) => (float[] y) {{ h = MatMul (x, w) y = Relu (h) }}",
        {"w": small_models.normal(8, 6, seed=1)},
    )


def pooled(dims: str) -> ModelProto:
    """A value for a whole sequence or set, [N, features]."""
    return small_models.build(
        f"pooled (float[{dims}] x) => (float[6] y)"
        "{ h = MatMul (x, w) r = Relu (h) m = ReduceMean <axes = [0], keepdims = 0> (r) q = Relu (m) y = Neg (q) }",
        {"w": small_models.normal(8, 6, seed=1)},
    )


def attention(dims: str) -> ModelProto:
    """Every step sees all steps of its own sequence, time first; the output has no known size."""
    return small_models.build(
        f"""
        attention (float[{dims}] x) => (float[] y) {{
            batched = Transpose <perm = [1, 0, 2]> (x)
            keys = Transpose <perm = [0, 2, 1]> (batched)
            scores = MatMul (batched, keys)
            weights = Softmax <axis = -1> (scores)
            mixed = MatMul (weights, batched)
            h = MatMul (mixed, w)
            r = Relu (h)
            y = Transpose <perm = [1, 0, 2]> (r)
        }}
        """,
        {"w": small_models.normal(5, 3, seed=1)},
    )


def graph_network() -> ModelProto:
    """Nodes take the mean of their neighbours' features."""
    return small_models.build(
        """
        graph (float[N, 8] x, int64[2, E] edge_index) => (float[] y) {
            from_node = Gather <axis = 0> (edge_index, zero)
            sent = Gather <axis = 0> (x, from_node)
            total = ReduceSum <keepdims = 1> (sent, first)
            h = MatMul (total, w)
            y = Relu (h)
        }
        """,
        {"zero": np.array(0), "first": np.array([0]), "w": small_models.normal(8, 6, seed=1)},
    )


def found(path: Path, choice: str | int | None = None) -> FedInput:
    model = onnx_ood.load(path)
    return find_fed_input(model, model.inputs[0], choice)


@pytest.mark.parametrize(
    ("model", "axis", "shape", "reason"),
    [
        (lstm("seq_len, batch, 5"), 1, ("batch", "seq_len", 5), "axis 1 is called 'batch'"),
        (lstm("T, batch_size, 5"), 1, ("batch_size", "T", 5), "axis 1 is called 'batch_size'"),
        (lstm("T, N, 5"), 1, ("N", "T", 5), "axis 1 is called 'N'"),
        (lstm("length, 1, 5"), 1, (1, "length", 5), "axis 1 has the size 1"),
        # Exporters' own symbols say nothing; in trial runs a step depends on those before it.
        (lstm("s0, s1, 5", "[s0, s1, 3]"), 1, ("s1", "s0", 5), "in trial runs"),
        (lstm("s0, s1, 5", "[s1, 3]"), 1, ("s1", "s0", 5), "begins the model's outputs"),
        (attention("s0, s1, 5"), 1, ("s1", "s0", 5), "in trial runs"),
        (mlp("s0, s1, 8"), 0, ("s0", "s1", 8), ""),
        (mlp("batch, 8"), 0, ("batch", 8), ""),
        (mlp("s0, 8"), 0, ("s0", 8), ""),
        (mlp("1, 8"), 0, (1, 8), ""),
        (mlp("4, 8"), 0, (4, 8), ""),
        (mlp("8"), None, (1, 8), "fixed size 8"),
        (pooled("num_nodes, 8"), None, (1, "num_nodes", 8), "axis 0 is called 'num_nodes'"),
        (pooled("seq_len, 8"), None, (1, "seq_len", 8), "axis 0 is called 'seq_len'"),
        (pooled("7, 8"), None, (1, 7, 8), "axis 0, of fixed size 7, depend on each other"),
        (unbatched("3, height, width"), None, (1, 3, "height", "width"), "depend on each other"),
        (unbatched("3, 16, 16"), None, (1, 3, 16, 16), "depend on each other"),
        (unbatched("16, 16, 3", picture=False), None, (1, 16, 16, 3), "depend on each other"),
        (graph_network(), 0, ("N", 8), ""),
        (small_models.classifier("N"), 0, ("N", 3, 8, 8), ""),
        (small_models.classifier(3), 0, (3, 3, 8, 8), ""),
        (small_models.transposed(4), 0, (4, 6, 4), ""),
        (small_models.mixing("mean"), 0, ("N", 4), ""),
    ],
)
def test_is_found_by_name_or_by_trial_runs(
    model: ModelProto, axis: int | None, shape: tuple[object, ...], reason: str, save: Save
) -> None:
    fed = found(save(model))
    assert (fed.batch_axis, fed.shape) == (axis, shape)
    assert reason in fed.reason
    assert bool(fed.reason) == bool(fed.note) == fed.moved == (axis != 0)
    assert found(save(model), fed.choice).shape == shape


def test_the_edges_of_a_graph_leave_no_batch_axis(save: Save) -> None:
    model = graph_network()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "s0"
    fed = found(save(model))
    assert fed.batch_axis is None
    assert "edges of a graph" in fed.note


@pytest.mark.parametrize(("choice", "axis"), [(1, 1), ("1", 1), ("none", None), (0, 0)])
def test_may_be_given(choice: str | int, axis: int | None, save: Save) -> None:
    fed = found(save(lstm("a, b, 5")), choice)
    assert fed.batch_axis == axis
    assert fed.choice == ("none" if axis is None else str(axis))


@pytest.mark.parametrize("choice", ["3", "first", "-1", 7])
def test_that_is_not_there_is_refused(choice: str | int, save: Save) -> None:
    with pytest.raises(onnx_ood.UsageError, match=r"batch_axis=.*'x' is \[a, b, 5\]; choose an axis from 0"):
        found(save(lstm("a, b, 5")), choice)


def alone(path: Path, tensor: str, fed: list[np.ndarray]) -> list[np.ndarray]:
    """Values of a tensor, each input in a run of its own, as the model takes it."""
    model = onnx.load(path)
    if tensor not in [value.name for value in model.graph.output]:
        model.graph.output.append(onnx.ValueInfoProto(name=tensor))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [session.run([tensor], {"x": one})[0].astype(np.float64) for one in fed]


@pytest.mark.parametrize("size", [None, 1, 2])
@pytest.mark.parametrize(
    ("model", "probe", "axis", "sample"),
    [
        (lstm("seq_len, batch, 5"), "y", 1, (7, 5)),
        (lstm("seq_len, batch, 5"), "steps", 1, (7, 5)),
        (unbatched("3, height, width"), "r", None, (3, 9, 9)),
        (unbatched("9, 9, 3", picture=False), "y", None, (9, 9, 3)),
        (mlp("8"), "y", None, (8,)),
        (pooled("seq_len, 8"), "y", None, (5, 8)),
    ],
)
def test_measurements_are_those_of_inputs_run_alone(
    model: ModelProto, probe: str, axis: int | None, sample: tuple[int, ...], size: int | None, save: Save
) -> None:
    path, batch = save(model), small_models.normal(5, *sample)
    nudges = small_models.normal(2, *sample, seed=5, scale=0.1)
    made = measure(path, batch, nudges, probes=probe, batch_size=size)

    def arranged(values: np.ndarray) -> list[np.ndarray]:
        return [one if axis is None else np.expand_dims(one, axis) for one in values]

    clean = alone(path, probe, arranged(batch))
    for k, nudge in enumerate(nudges):
        copies = alone(path, probe, arranged(batch + nudge))
        for i, (a, b) in enumerate(zip(clean, copies, strict=True)):
            np.testing.assert_allclose(made.aa[i, k, 0], (a**2).sum(), rtol=1e-5)
            np.testing.assert_allclose(made.dd[i, k, 0], ((b - a) ** 2).sum(), rtol=1e-3, atol=1e-10)
            assert made.flips[i, k, 0] == ((a > 0) != (b > 0)).sum()
    for i, output in enumerate(alone(path, "y", arranged(batch))):
        np.testing.assert_allclose(made.outputs["y"][i].ravel(), output.ravel(), rtol=1e-4, atol=1e-6)
    assert onnx_ood.observer_effect(path, batch, probes=probe, provider="cpu") < 1e-5


def test_a_recording_is_one_input_however_long(save: Save) -> None:
    prober = ready(save(lstm("seq_len, batch, 5")), "y")
    for length in (20, 1, 7):
        made = prober.measure(small_models.normal(1, length, 5), np.full((1, length, 5), 0.1))
        assert made.aa.shape == (1, 1, 1)
        assert prober.site_shape(small_models.normal(1, length, 5)) == (length, 5)


def test_inner_sites_work_too(save: Save) -> None:
    path, batch = save(lstm("seq_len, batch, 5")), small_models.normal(3, 7, 5)
    nudges = small_models.normal(2, 7, 6, seed=6, scale=0.1)
    made = measure(path, batch, nudges, probes="y", site="plain")
    weights = small_models.normal(6, 3, seed=4).astype(np.float64)
    for i, plain in enumerate(alone(path, "plain", [one[:, np.newaxis] for one in batch])):
        for k, nudge in enumerate(nudges):
            a, b = (np.maximum(values @ weights, 0) for values in (plain[:, 0], plain[:, 0] + nudge))
            np.testing.assert_allclose(made.dd[i, k, 0], ((b - a) ** 2).sum(), rtol=1e-4)


def test_an_axis_given_by_hand_reads_the_model_in_another_way(save: Save) -> None:
    """With the time as batch axis, every step is an input, whose values are those of a sequence of one step."""
    path, batch = save(lstm("seq_len, batch, 5")), small_models.normal(4, 3, 5)
    made = measure(path, batch, np.full((1, 3, 5), 0.1), probes="y", batch_axis=0)
    for i, output in enumerate(alone(path, "y", [one[np.newaxis] for one in batch])):
        np.testing.assert_allclose(made.aa[i, 0, 0], (output**2).sum(), rtol=1e-5)


def test_channels_and_patterns_are_those_of_inputs_run_alone(save: Save) -> None:
    path, batch = save(lstm("seq_len, batch, 5")), small_models.normal(4, 7, 5)
    model = onnx_ood.load(path)
    outputs = np.stack([one[:, 0] for one in alone(path, "y", [one[:, np.newaxis] for one in batch])])
    channels = ChannelReader(model, ["y"], values=["y"], provider="cpu").read(batch)
    np.testing.assert_allclose(channels.statistics["y"].mean, outputs.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(channels.values["y"], outputs, rtol=1e-4, atol=1e-6)
    reader = PatternReader(model, find_units(model).sites, provider="cpu")
    reader.read(batch)
    assert sum(reader.units()) == outputs[0].size


def test_rows_that_a_model_without_batch_axis_finds_share_their_channels(save: Save) -> None:
    """Regions of a detector: [regions, C, H, W], and another number of regions for each picture."""
    path = save(
        small_models.build(
            """
            regions (float[3, H, W] x) => (float[] y) {
                best = ReduceMax <axes = [0, 2], keepdims = 0> (x)
                wanted = Greater (best, limit)
                flat = Unsqueeze (x, zero)
                rows = Tile (flat, many)
                kept = Compress <axis = 0> (rows, wanted)
                c = Conv (kept, w)
                r = Relu (c)
                y = ReduceMean <axes = [2, 3], keepdims = 0> (r)
            }
            """,
            {
                "limit": np.array(1.0, np.float32),
                "zero": np.array([0]),
                "many": np.array([5, 1, 1, 1]),
                "w": small_models.normal(4, 3, 3, 3, seed=1, scale=0.4),
            },
        )
    )
    batch = small_models.normal(6, 3, 5, 5, scale=0.7, seed=3)
    rows = alone(path, "r", list(batch))
    assert len({len(one) for one in rows}) > 1
    assert all(len(one) for one in rows)
    found = ChannelReader(onnx_ood.load(path), ["r"], provider="cpu").read(batch).statistics["r"]
    np.testing.assert_allclose(found.mean, [one.mean(axis=(0, 2, 3)) for one in rows], rtol=1e-5)
