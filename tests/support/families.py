"""Kinds of models that people run and that no package carries: made by onnxruntime's own tools, or node by node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import onnx
import onnxruntime
from exported_models import graph_network, regulator, synthesizer
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper, parser
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

from onnx_ood import models

Feeds = dict[str, Any]
MS = "com.microsoft"
BUNDLED = "bundled, written by onnxruntime"


@dataclass(frozen=True)
class Family:
    """A kind of model.

    Attributes:
        make: Writes the model into a folder and returns its path.
        feeds: Makes inputs by name, four rows each.
        site: The tensor that is nudged by default.
        probes: Number of default probes.
        origin: What the model was made with.
        refused: A part of the reason by name of each tensor that cannot be watched.
        unchecked: A part of what onnx.checker has against the model, which uses operators of onnxruntime's own.
    """

    make: Callable[[Path], Path]
    feeds: Callable[[], Feeds]
    site: str
    probes: int
    origin: str = "made by the test"
    refused: Mapping[str, str] = field(default_factory=dict)
    unchecked: str | None = None


def garments(count: int = 4) -> Feeds:
    """Garments of the bundled samples."""
    return {"image": models.fashion_samples()[0][:count, np.newaxis].astype(np.float32) / 255}


def optimised(source: Path, path: Path, level: str = "ORT_ENABLE_EXTENDED", **entries: str) -> Path:
    """Write a model as onnxruntime optimises it.

    Args:
        source: The model.
        path: The file to write.
        level: Name of the level.
        entries: Further entries of the session's configuration, dots written as two underscores.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(path)
    for key, value in entries.items():
        options.add_session_config_entry(key.replace("__", "."), value)
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    return path


class _Garments(CalibrationDataReader):
    def __init__(self) -> None:
        self.feeds = iter([garments(20)])

    def get_next(self) -> Feeds | None:
        return next(self.feeds, None)


def _quantised(folder: Path) -> Path:
    path = folder / "qoperator.onnx"
    quantize_static(
        str(models.path("fashion_resnet")), str(path), _Garments(), quant_format=QuantFormat.QOperator
    )
    return path


def ort_format(folder: Path) -> Path:
    """Write the bundled residual network in onnxruntime's own format."""
    return optimised(models.path("fashion_resnet"), folder / "resnet.ort", session__save_model_format="ORT")


def _drawing(name: str) -> np.random.Generator:
    """Random numbers that depend on no other tensor's."""
    return np.random.default_rng(crc32(name.encode()))


def _weight(name: str, *shape: int) -> TensorProto:
    values = _drawing(name).standard_normal(shape) / np.sqrt(shape[0])
    return numpy_helper.from_array(values.astype(np.float32), name)


def _written(
    folder: Path,
    name: str,
    nodes: list[NodeProto],
    inputs: dict[str, tuple[int, list[int | str]]],
    outputs: dict[str, tuple[int, list[int | str]]],
    weights: list[TensorProto],
) -> Path:
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(key, *kind) for key, kind in inputs.items()],
        [helper.make_tensor_value_info(key, *kind) for key, kind in outputs.items()],
        weights,
    )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid(MS, 1), helper.make_opsetid("ai.onnx.ml", 3)]
    path = folder / f"{name}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=domains, ir_version=8), path)
    return path


def _int4_decoder(folder: Path) -> Path:
    """Two blocks of an int4 language model: gated multilayer perceptrons of MatMulNBits between residuals."""
    width, inner, words = 32, 64, 50
    nodes, weights = [], [_weight("table", words, width), _weight("head", width, words)]

    def product(reads: str, name: str, k: int, n: int) -> None:
        weights.append(
            numpy_helper.from_array(
                _drawing(name).integers(0, 256, (n, k // 32, 16), np.uint8), f"{name}_codes"
            )
        )
        weights.append(
            numpy_helper.from_array(
                _drawing(f"{name}_scales").uniform(0.01, 0.05, n * (k // 32)).astype(np.float32),
                f"{name}_scales",
            )
        )
        reads_all = [reads, f"{name}_codes", f"{name}_scales"]
        nodes.append(
            helper.make_node("MatMulNBits", reads_all, [name], domain=MS, K=k, N=n, bits=4, block_size=32)
        )

    nodes.append(helper.make_node("Gather", ["table", "input_ids"], ["embedded"]))
    nodes.append(
        helper.make_node("SimplifiedLayerNormalization", ["embedded", "ones"], ["n0"], axis=-1, epsilon=1e-5)
    )
    weights.append(numpy_helper.from_array(np.ones(width, np.float32), "ones"))
    residual = "embedded"
    for i in range(2):
        product(f"n{i}", f"gate{i}", width, inner)
        product(f"n{i}", f"up{i}", width, inner)
        nodes.append(helper.make_node("QuickGelu", [f"gate{i}"], [f"act{i}"], domain=MS, alpha=1.0))
        nodes.append(helper.make_node("Mul", [f"act{i}", f"up{i}"], [f"gated{i}"]))
        product(f"gated{i}", f"down{i}", inner, width)
        nodes.append(
            helper.make_node(
                "SkipSimplifiedLayerNormalization",
                [residual, f"down{i}", "ones"],
                [f"n{i + 1}", "", "", f"r{i}"],
                domain=MS,
                epsilon=1e-5,
            )
        )
        residual = f"r{i}"
    nodes.append(helper.make_node("MatMul", ["n2", "head"], ["logits"]))
    return _written(
        folder,
        "int4_decoder",
        nodes,
        {"input_ids": (TensorProto.INT64, ["batch", "sequence"])},
        {"logits": (TensorProto.FLOAT, ["batch", "sequence", words])},
        weights,
    )


def _merged_decoder(folder: Path) -> Path:
    """A decoder with a key-value cache, whose two uses are branches of one If that hold operators of the runtime."""

    def branch(name: str, cached: bool) -> GraphProto:
        joined = [helper.make_node("Concat", ["past", "keys"], [f"{name}_all"], axis=1)] if cached else []
        nodes = [
            *joined,
            helper.make_node("BiasGelu", ["keys", "bias"], [f"{name}_act"], domain=MS),
            helper.make_node(
                "ReduceMean", [f"{name}_all" if cached else "keys"], [f"{name}_mean"], axes=[1], keepdims=1
            ),
            helper.make_node("Add", [f"{name}_act", f"{name}_mean"], [f"{name}_h"]),
            helper.make_node("Relu", [f"{name}_h"], [f"{name}_out"]),
            helper.make_node("Identity", [f"{name}_all" if cached else "keys"], [f"{name}_present"]),
        ]
        results = [
            helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None),
            helper.make_tensor_value_info(f"{name}_present", TensorProto.FLOAT, None),
        ]
        return helper.make_graph(nodes, name, [], results)

    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("MatMul", ["embedded", "key"], ["keys"]),
        helper.make_node(
            "If",
            ["use_cache_branch"],
            ["h", "present"],
            then_branch=branch("with_past", True),
            else_branch=branch("no_past", False),
        ),
        helper.make_node("MatMul", ["h", "head"], ["logits"]),
    ]
    return _written(
        folder,
        "merged_decoder",
        nodes,
        {
            "input_ids": (TensorProto.INT64, ["batch", "sequence"]),
            "past": (TensorProto.FLOAT, ["batch", "past", 16]),
            "use_cache_branch": (TensorProto.BOOL, [1]),
        },
        {
            "logits": (TensorProto.FLOAT, ["batch", "sequence", 20]),
            "present": (TensorProto.FLOAT, ["batch", "total", 16]),
        },
        [_weight("table", 20, 16), _weight("key", 16, 16), _weight("bias", 16), _weight("head", 16, 20)],
    )


def _forest(folder: Path) -> Path:
    """Two stumps as converters of XGBoost write them: operators of ai.onnx.ml alone, the label first."""
    tree = {
        "nodes_treeids": [0, 0, 0, 1, 1, 1],
        "nodes_nodeids": [0, 1, 2, 0, 1, 2],
        "nodes_featureids": [0, 0, 0, 2, 0, 0],
        "nodes_values": [0.0, 0.0, 0.0, 0.5, 0.0, 0.0],
        "nodes_modes": ["BRANCH_LT", "LEAF", "LEAF", "BRANCH_LT", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 0, 1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0, 2, 0, 0],
        "nodes_missing_value_tracks_true": [0] * 6,
        "class_treeids": [0, 0, 1, 1],
        "class_nodeids": [1, 2, 1, 2],
        "class_ids": [0, 1, 0, 1],
        "class_weights": [0.7, 0.4, 0.3, 0.9],
    }
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["features"],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        classlabels_int64s=[0, 1],
        post_transform="SOFTMAX",
        **tree,
    )
    path = _written(
        folder,
        "forest",
        [node],
        {"features": (TensorProto.FLOAT, ["batch", 4])},
        {"label": (TensorProto.INT64, ["batch"]), "probabilities": (TensorProto.FLOAT, ["batch", 2])},
        [],
    )
    model = onnx.load(path)
    del model.opset_import[:]
    model.opset_import.add(domain="ai.onnx.ml", version=3)
    onnx.save(model, path)
    return path


def _recurrent(folder: Path) -> Path:
    """A recurrent network that takes the time first, as torch.nn.LSTM does."""
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r"], ["hidden"], hidden_size=6),
        helper.make_node("Squeeze", ["hidden", "one"], ["steps"]),
        helper.make_node("MatMul", ["steps", "out"], ["h"]),
        helper.make_node("Relu", ["h"], ["act"]),
        helper.make_node("ReduceMean", ["act"], ["y"], axes=[0], keepdims=0),
    ]
    return _written(
        folder,
        "recurrent",
        nodes,
        {"x": (TensorProto.FLOAT, ["time", "batch", 5])},
        {"y": (TensorProto.FLOAT, ["batch", 3])},
        [
            _weight("w", 1, 24, 5),
            _weight("r", 1, 24, 6),
            _weight("out", 6, 3),
            numpy_helper.from_array(np.array([1], np.int64), "one"),
        ],
    )


def _nested_functions(folder: Path) -> Path:
    """What torch exports with modules as functions: calls within calls, and an operator of the runtime inside."""
    model = parser.parse_model(
        """
        <ir_version: 8, opset_import: ["" : 18, "com.microsoft" : 1, "net" : 1]>
        nested (float[N, 8] x) => (float[N, 8] y) { h = net.Block (x, w)  g = net.Block (h, w)  y = net.Head (g, w) }
        <domain: "net", opset_import: ["" : 18, "com.microsoft" : 1, "net" : 1]>
        Block (a, k) => (b) { m = net.Linear (a, k)  s = com.microsoft.QuickGelu (m)  b = Add (s, a) }
        <domain: "net", opset_import: ["" : 18]>
        Linear (a, k) => (b) { b = MatMul (a, k) }
        <domain: "net", opset_import: ["" : 18, "net" : 1]>
        Head (a, k) => (b) { r = Relu (a)  b = net.Linear (r, k) }
        """
    )
    model.graph.initializer.append(_weight("w", 8, 8))
    path = folder / "nested_functions.onnx"
    onnx.save(model, path)
    return path


def _saved(make: Callable[[], ModelProto]) -> Callable[[Path], Path]:
    def save(folder: Path) -> Path:
        path = folder / f"{make.__name__}.onnx"
        onnx.save(make(), path)
        return path

    return save


def sentences(noise: float = 0.0) -> Feeds:
    """Phonemes of four sentences, two of them padded, and how much noise and how slow."""
    return {
        "input": np.random.default_rng(5).integers(0, 20, (4, 6)),
        "input_lengths": np.array([6, 4, 5, 6]),
        "scales": np.array([noise, 2.5, 0.8], np.float32),
    }


def molecule() -> Feeds:
    """Nine nodes in a ring, with edges in both directions."""
    ring = np.arange(9)
    there = np.stack([ring, (ring + 1) % 9])
    nodes = np.random.default_rng(6).normal(size=(9, 6)).astype(np.float32)
    return {"x": nodes, "edge_index": np.concatenate([there, there[::-1]], axis=1)}


def _tokens(**further: Any) -> Callable[[], Feeds]:
    return lambda: {"input_ids": np.random.default_rng(1).integers(0, 20, (4, 6)), **further}


FAMILIES: dict[str, Family] = {
    "ORT-optimised residual network": Family(
        lambda folder: optimised(models.path("fashion_resnet"), folder / "extended.onnx"),
        garments,
        "image",
        9,
        BUNDLED,
    ),
    "ORT-optimised residual network, blocked": Family(
        lambda folder: optimised(models.path("fashion_resnet"), folder / "all.onnx", "ORT_ENABLE_ALL"),
        garments,
        "image",
        9,
        BUNDLED,
    ),
    "QOperator residual network": Family(_quantised, garments, "image", 1, BUNDLED),
    "int4 (MatMulNBits) decoder": Family(
        _int4_decoder, _tokens(), "embedded", 2, unchecked="No Op registered for SimplifiedLayerNormalization"
    ),
    "merged decoder with KV cache": Family(
        _merged_decoder,
        _tokens(past=np.ones((4, 3, 16), np.float32), use_cache_branch=np.array([True])),
        "past",
        5,
    ),
    "XGBoost, ai.onnx.ml alone": Family(
        _forest,
        lambda: {"features": np.random.default_rng(2).normal(size=(4, 4)).astype(np.float32)},
        "features",
        1,
    ),
    "time-first LSTM": Family(
        _recurrent, lambda: {"x": np.random.default_rng(3).normal(size=(7, 4, 5)).astype(np.float32)}, "x", 1
    ),
    "torch export with nested functions": Family(
        _nested_functions,
        lambda: {"x": np.random.default_rng(4).normal(size=(4, 8)).astype(np.float32)},
        "x",
        3,
        unchecked="Input 0 expected to have type but instead is null",
    ),
    "speech from text, random, length by durations (as VITS)": Family(
        _saved(synthesizer), sentences, "embedded", 3
    ),
    "speech from text, length by a Loop (as FastSpeech)": Family(
        _saved(regulator),
        lambda: {"tokens": np.random.default_rng(5).integers(0, 20, 6)},
        "encoded",
        3,
        refused=dict.fromkeys(("Loop_12/body/done", "Loop_12/body/collected"), "is a sequence inside a Loop"),
    ),
    "graph network": Family(_saved(graph_network), molecule, "x", 1),
}
