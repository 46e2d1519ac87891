"""What is asked of every real model, whoever wrote it: the same that is asked of onnx's own small ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from corrected import CORRECTED
from onnx import ModelProto, helper, numpy_helper
from onnx.checker import ValidationError
from onnx.reference import ReferenceEvaluator
from onnx.shape_inference import InferenceError
from running import everything_computed, run, same_bits, stream

import onnx_ood
from onnx_ood import Instrumented, Model
from onnx_ood.runtime.observer import difference, largest
from onnx_ood.runtime.threads import run_threads

Feeds = Mapping[str, Any]
Refusals = Mapping[str, str]

# What rounding once moves a number by, at most and relative to it; of the coarsest type that a model computes in.
COARSENESS = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24, "float64": 2.0**-53}
# Quantised to 8 bits, a tensor's largest value is 127 or 255 steps, and rounding moves by half a step.
QUANTISED = 2.0**-8


@dataclass(frozen=True)
class Figures:
    """What watching a model everywhere came to.

    Attributes:
        main: Tensors of the main graph that come back.
        inner: Tensors inside control flow and functions that come back.
        refused: Tensors that don't.
        untyped: Added outputs whose rank onnx can't infer.
        bit_equal: Whether the model's own outputs are the same to the bit without optimisations.
        moved: How far the outputs move with all optimisations, the largest relative distance of one output.
        bound: How far they may: the smallest of the outputs' bounds.
        beyond: Outputs that moved further than each of them may.
    """

    main: int
    inner: int
    refused: int
    untyped: int
    bit_equal: bool
    moved: float
    bound: float
    beyond: tuple[str, ...]

    def row(self, model: str, origin: str, licence: str) -> str:
        """A line of the table in docs/any-graph.md."""
        inner = f" + {self.inner}" if self.inner else ""
        equal = "yes" if self.bit_equal else "no"
        moved = f"{self.moved:.1e}" if self.moved else "0"
        return (
            f"| {model} | {origin} | {licence} | {self.main}{inner} | {self.refused} | {self.untyped} | {equal} "
            f"| {moved} (bound {self.bound:.0e}) |"
        )


def watch_everywhere(
    path: Path,
    feeds: Feeds,
    folder: Path,
    *,
    site: str | None = None,
    refusals: Refusals | None = None,
    unchecked: str | None = None,
) -> Figures:
    """Watches every tensor of a model and checks that nothing is missing, changed or malformed.

    Args:
        path: The model file.
        feeds: Inputs by name.
        folder: Where a file can be written.
        site: A tensor of floats near the input, for a model that takes none; see `allowances`.
        refusals: A part of the reason by name of each tensor that is refused, if there are any.
        unchecked: A part of what onnx.checker has against the model itself, if it does not pass.

    Returns:
        The figures, after everything that has to be exactly so has been asserted.
    """
    refusals = refusals or {}
    model = onnx_ood.load(path)
    computed = [t for t in (*model.tensors, *model.nested_tensors) if not t.constant and not t.is_input]
    watched = onnx_ood.instrument(model, probes="all")
    assert {t.name for t in computed} == set(watched.outputs) | set(watched.refused)
    assert set(watched.refused) == set(refusals)
    for name, reason in watched.refused.items():
        assert refusals[name] in reason

    beside = path.parent
    plain, values = (run(proto, feeds, folder=beside) for proto in (model.proto, watched.model))
    assert list(values)[: len(plain)] == list(plain), "the model's own outputs come first"
    assert set(watched.outputs.values()) <= set(values)
    fast, fast_watched = (
        run(proto, feeds, folder=beside, optimised=True) for proto in (model.proto, watched.model)
    )
    _check_the_saved_file(model, watched, folder, unchecked)
    allowed = allowances(model, watched, feeds, site)
    moved = {name: distance(fast[name], fast_watched[name]) for name in plain}
    return Figures(
        main=sum(tensor.name in watched.outputs for tensor in model.tensors),
        inner=sum(tensor.name in watched.outputs for tensor in model.nested_tensors),
        refused=len(watched.refused),
        untyped=len(watched.untyped),
        bit_equal=all(same_bits(plain[name], values[name]) for name in plain),
        moved=largest(moved.values()),
        bound=min(allowed[name] for name in plain),
        beyond=tuple(name for name in plain if moved[name] > allowed[name]),
    )


def _check_the_saved_file(model: Model, watched: Instrumented, folder: Path, unchecked: str | None) -> None:
    """A model that onnx.checker passes stays one, but for outputs of which not even the rank is known."""
    saved = folder / "watched.onnx"
    watched.save(saved)
    if unchecked is not None:
        with pytest.raises((ValidationError, InferenceError), match=unchecked):
            onnx.checker.check_model(model.path, full_check=True)
        return
    onnx.checker.check_model(model.path, full_check=True)
    proto = onnx.load(saved)
    for name in watched.untyped:
        # The one thing that the checker asks and the file can't say: any rank, so that the rest gets checked.
        value = next(value for value in proto.graph.output if value.name == name)
        assert not value.type.tensor_type.HasField("shape")
        proto.graph.output.remove(value)
    onnx.checker.check_model(proto, full_check=True)


def allowances(model: Model, watched: Instrumented, feeds: Feeds, site: str | None) -> dict[str, float]:
    """How far each output of the watched model may be from another way to round the same computation.

    Keeping a tensor, or computing in another order, rounds it once more. With n tensors of floats that is n roundings.
    What one of them does to an output is measured: by the movement of that output when the input's floats are rounded,
    by one unit in the last place, or those of the site where the model takes none. A rounding moves the tensor itself,
    even if it does not reach that far. So: n times the larger of the two.
    """
    tensors = [t for t in (*model.tensors, *model.nested_tensors) if t.name in watched.outputs]
    roundings = sum(tensor.dtype in COARSENESS or tensor.dtype is None for tensor in tensors)
    types = {tensor.dtype for tensor in (*model.tensors, *model.nested_tensors)}
    unit = max((COARSENESS[kind] for kind in types if kind in COARSENESS), default=COARSENESS["float32"])
    if any(tensor.op in {"QuantizeLinear", "DynamicQuantizeLinear"} for tensor in tensors):
        unit = QUANTISED
    beside = model.path.parent
    before = run(watched.model, feeds, folder=beside)
    if site is None or site in feeds:
        rounded = {name: _rounded_anew(value) for name, value in feeds.items()}
        after = run(watched.model, rounded, folder=beside)
    else:
        added = _rounded_anew(before[site]) - before[site]
        after = run(_with_added(watched.model, site), {**feeds, "added": added}, folder=beside)
    return {name: roundings * max(unit, distance(before[name], after[name])) for name in before}


def _rounded_anew(value: Any) -> Any:
    """Floats moved to the next above or below, by lot; anything else as it is."""
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return value
    up = np.random.default_rng(0).random(value.shape) < 0.5
    limit = np.where(up, np.inf, -np.inf).astype(value.dtype)
    return np.nextafter(value, limit)


def distance(one: Any, other: Any) -> float:
    """‖other − one‖ / ‖one‖ of arrays, or the share of elements that differ; the largest one of what is nested."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        return distance(np.array([*one.values()]), np.array([*(other[key] for key in one)]))
    if isinstance(one, list):
        assert len(one) == len(other)
        return largest(distance(a, b) for a, b in zip(one, other, strict=True))
    return difference(np.asarray(one), np.asarray(other))


def agree_with_the_reference(path: Path, feeds: Feeds, folder: Path, *, site: str | None = None) -> int:
    """Compares every watched value with onnx's own reference evaluator, which shares no code with either of us.

    Args:
        path: The model file.
        feeds: Inputs by name.
        folder: Where a file can be written.
        site: A tensor of floats near the input, for a model that takes none; see `allowances`.

    Returns:
        How many tensors were compared.
    """
    named = folder / "named.onnx"
    onnx.save(with_own_names(onnx.load(path)), named)
    model = onnx_ood.load(named)
    watched = onnx_ood.instrument(model, probes="all")
    values = run(watched.model, feeds)
    expected = everything_computed(model.proto, feeds, CORRECTED)
    allowed = allowances(model, watched, feeds, site)
    first = _first_results(model.proto.graph)
    compared, wrong = 0, {}
    for tensor in (*model.tensors, *model.nested_tensors):
        local = first.get(tensor.node)
        if tensor.name not in watched.outputs or tensor.name not in {local, f"{tensor.scope}/{local}"}:
            continue
        output = watched.outputs[tensor.name]
        here, there = stream(values[output]), stream(expected.get(tensor.node, []))
        compared += 1
        apart = difference(there.astype(here.dtype), here)
        assert np.isfinite(allowed[output]), f"rounding the input moves {tensor.name} from nothing"
        if apart > (allowed[output] if here.dtype.kind == "f" else 0):
            wrong[tensor.name] = (tensor.op, apart, allowed[output])
    assert not wrong, wrong
    return compared


def each_node_agrees_with_the_reference(path: Path, feeds: Feeds) -> int:
    """Compares what each node of the main graph gives for its watched inputs with what the reference gives for them.

    For a model in which one rounding more, in the sum of a hundred thousand numbers say, means too much further on for
    whole evaluations to be compared.

    Args:
        path: A model without control flow.
        feeds: Inputs by name.

    Returns:
        How many tensors were compared.
    """
    model = onnx_ood.load(path)
    # By name, so that constants come back as well: what a node reads has to be known.
    watched = onnx_ood.instrument(model, probes=[t.name for t in model.tensors if not t.is_input])
    assert all(name == output for name, output in watched.outputs.items())
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.proto.graph.initializer}
    values = {**stored, **feeds, **run(watched.model, feeds, folder=path.parent)}
    wrong = {}
    for node in model.proto.graph.node:
        read = {name: values[name] for name in node.input if name}
        alone = helper.make_model(
            helper.make_graph(
                [node],
                "one",
                [onnx.ValueInfoProto(name=name) for name in read],
                [onnx.ValueInfoProto(name=node.output[0])],
            ),
            opset_imports=model.proto.opset_import,
            ir_version=model.proto.ir_version,
        )
        expected = ReferenceEvaluator(alone, new_ops=list(CORRECTED)).run(None, read)[0]
        value = values[node.output[0]]
        # A node sums no more numbers than it reads, and the roundings of a sum grow with the root of their number.
        terms = max(array.size for array in read.values())
        allowed = np.sqrt(terms) * COARSENESS.get(value.dtype.name, 0)
        apart = difference(expected.astype(value.dtype), value)
        if apart > allowed:
            wrong[node.output[0]] = (node.op_type, apart, allowed)
    assert not wrong, wrong
    return len(model.proto.graph.node)


def with_own_names(model: ModelProto) -> ModelProto:
    """The model with a name of its own for every node at any depth."""
    for i, node in enumerate(_nodes(model.graph)):
        node.name = f"node{i}"
    return model


def _nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    return [found for node in graph.node for found in (node, *_inside(node))]


def _inside(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    graphs = [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs)]
    return [found for graph in graphs for found in _nodes(graph)]


def _first_results(graph: onnx.GraphProto) -> dict[str, str]:
    return {node.name: node.output[0] for node in _nodes(graph)}


def measured_like_numpy(
    path: Path,
    feeds: Feeds,
    *,
    batch: str,
    site: str,
    relative: float = 1e-3,
    probes: Sequence[str] | None = None,
) -> int:
    """Nudges a model, and compares what `measure` says with float64 arithmetic on the instrumented model's tensors.

    Without optimisations, one input at a time and with the same threads, so that both see the same activations to the
    bit.

    Args:
        path: The model file.
        feeds: Inputs by name.
        batch: The input that has a row for each input of the batch.
        site: What is nudged.
        relative: Size of the nudges over that of the site's values.
        probes: What to compare, or None for some of all that surely hold floats.

    Returns:
        How many probes were compared.
    """
    model = onnx_ood.load(path)
    watched = onnx_ood.instrument(model, probes="all")
    moved = watched.model if site == batch else _with_added(watched.model, site)
    probes = probes or _spread(_reached(model, site), 8)
    here = feeds[batch] if site == batch else run(watched.model, feeds, folder=path.parent)[site]

    def activations(feeds: Feeds, nudge: np.ndarray) -> dict[str, Any]:
        added = {batch: feeds[batch] + nudge} if site == batch else {"added": nudge}
        return run(moved, {**feeds, **added}, folder=path.parent, threads=run_threads("cpu"))

    scale = relative * float(np.sqrt(np.mean(here.astype(np.float64) ** 2)))
    nudges = (np.random.default_rng(1).normal(size=(2, *here.shape[1:])) * scale).astype(here.dtype)
    others = {name: value for name, value in feeds.items() if name != batch}
    measured = onnx_ood.measure(
        model, feeds[batch], probes=probes, nudges=nudges, site=site, feeds=others, provider="cpu", exact=True,
        batch_size=1, batch_axis=0,
    )  # fmt: skip
    assert set(measured.probes) == set(probes)
    count = len(feeds[batch])
    for i in range(count):
        alone = {name: _row(value, count, i) for name, value in feeds.items()}
        clean = activations(alone, np.zeros_like(nudges[0]))
        for k, nudge in enumerate(nudges):
            nudged = activations(alone, nudge)
            for p, probe in enumerate(measured.probes):
                a, b = (x[watched.outputs[probe]].ravel().astype(np.float64) for x in (clean, nudged))
                # Chunks of 4,096 products are summed up in float32: √4096 · 2⁻²⁴.
                np.testing.assert_allclose(measured.dd[i, k, p], ((b - a) ** 2).sum(), rtol=2.0**-18)
                np.testing.assert_array_equal(measured.flips[i, k, p], ((a > 0) != (b > 0)).sum())
                u, v = a / np.linalg.norm(a), b / np.linalg.norm(b)
                # Dividing by a norm rounds: units of float64 that stay in the difference of unit vectors.
                np.testing.assert_allclose(
                    measured.cosine_drop()[i, k, p], ((u - v) ** 2).sum() / 2, rtol=2.0**-17, atol=1e-20
                )
    assert (measured.dd > 0).any()
    return len(probes)


def _with_added(model: ModelProto, site: str) -> ModelProto:
    """The model with `site` replaced, for all who read it, by site + an added input: made here by hand."""
    edited = ModelProto()
    edited.CopyFrom(model)
    graph = edited.graph
    for node in _nodes(graph):
        for i, name in enumerate(node.input):
            if name == site:
                node.input[i] = "moved"
    at = next(i for i, node in enumerate(graph.node) if site in node.output)
    graph.node.insert(at + 1, helper.make_node("Add", [site, "added"], ["moved"]))
    graph.input.append(helper.make_tensor_value_info("added", onnx.TensorProto.FLOAT, None))
    return edited


def _row(value: Any, count: int, i: int) -> Any:
    """One input's share of what is fed: of the first axis that has as many entries as there are inputs."""
    axis = next((axis for axis, size in enumerate(np.shape(value)) if size == count), None)
    return value if axis is None else np.take(value, [i], axis=axis)


def _reached(model: Model, site: str) -> list[str]:
    """The tensors of floats of the main graph that depend on a site."""
    reached = {site}
    for node in model.proto.graph.node:
        inside = [name for inner in _inside(node) for name in inner.input]
        if reached.intersection([*node.input, *inside]):
            reached.update(node.output)
    return [t.name for t in model.tensors if t.name in reached - {site} and t.floating]


def _spread(names: list[str], count: int) -> list[str]:
    """Some of them, evenly, the last one included."""
    places = np.unique(np.linspace(0, len(names) - 1, count).round().astype(int))
    return [names[i] for i in places]
