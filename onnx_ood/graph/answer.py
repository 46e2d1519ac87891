"""The answer of a classifier: its output of class scores or labels, and the tensor with the scores."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from onnx import NodeProto

from onnx_ood._dialect import named
from onnx_ood.exceptions import UsageError
from onnx_ood.graph.catalogue.model import Model, once_per_model
from onnx_ood.graph.catalogue.nodes import CONTRIB_DOMAIN, attribute_values, producers, reads
from onnx_ood.graph.catalogue.stored import StoredValues
from onnx_ood.graph.catalogue.tensors import Shape, Tensor, format_shape
from onnx_ood.graph.heads import (
    QUANTIZED_DTYPES,
    RESHAPING_OPS,
    ROUNDING_OPS,
    LinearLayer,
    axes_of,
    find_linear_layer,
    keeps_order,
    quantization_step,
)
from onnx_ood.graph.select import why_not_measurable

ScoresKind = Literal["unknown", "logits", "log_probabilities", "distribution", "independent"]
"""Values of class scores: a distribution sums to 1, independent probabilities (sigmoids) do not."""

# Classifiers of ai.onnx.ml: labels first, scores second.
_CLASSIFIER_OPS = frozenset({"LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier"})
# Operators between scores and an output that keep values and their order, up to dtype, shape and rounding.
_PASSING_OPS = RESHAPING_OPS | ROUNDING_OPS | {"Dropout"}
# Of labels, further ones name the classes.
_LABEL_OPS = RESHAPING_OPS | {"ArrayFeatureExtractor", "Gather", "LabelEncoder"}
# Operators that keep the shape of their first input, and those of one row per input whatever it is.
_SAME_SHAPE_OPS = frozenset(
    {
        "Add",
        "Cast",
        "Clip",
        "DequantizeLinear",
        "Div",
        "Dropout",
        "Exp",
        "Identity",
        "Log",
        "LogSoftmax",
        "MatMul",
    }
    | {"Mul", "QuantizeLinear", "Relu", "Sigmoid", "Softmax", "Sub"}
)
_ROW_OPS = frozenset({"Gemm", "GlobalAveragePool", "QGemm", "QLinearGlobalAveragePool"})
# Operators of other domains may have the name of a standard one and another meaning.
_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", CONTRIB_DOMAIN})
# Names of outputs of a linear layer that hold something else than class scores. A false match hides class scores, which
# `--answer` names again.
_NO_SCORES = re.compile(r"embed|feature|hidden|pooler|bbox|boxes|coord|landmark", re.IGNORECASE)
_PROBABILITIES = frozenset({"distribution", "independent"})
_HALF = 0.5
_LISTED = 4


@dataclass(frozen=True)
class ClassScores:
    """Tensor with the scores of a classifier.

    Attributes:
        name: The tensor to read: logits, the input of a final Softmax included, or else probabilities.
        probabilities: True if it holds probabilities.
        step: Scale and zero point if it holds integers; None for floats.
    """

    name: str
    probabilities: bool
    step: tuple[float, float] | None = None


@dataclass(frozen=True)
class Answer:
    """Output of a model that is its answer.

    Attributes:
        output: Output with one row of class scores per input; None if only labels can be read.
        label: Output with one label per input, an integer or a string; None without one.
        kind: Values of the scores.
        scores: Tensor of class scores; None if the model's operators do not show that the output holds any.
        classes: Labels of the classes in the order of the scores, as the model holds them; empty if unknown.
        logits: Tensor with the logits in the order of the scores, which a linear layer may compute; None if unknown. It
            is not always one that can be read.
        step: Scale and zero point of an output of quantized scores; None for floats.
    """

    output: str | None
    label: str | None = None
    kind: ScoresKind = "unknown"
    scores: ClassScores | None = None
    classes: tuple[str | int, ...] = ()
    logits: str | None = None
    step: tuple[float, float] | None = None


@once_per_model
def find_answer(model: Model, name: str | None = None) -> Answer | None:
    """Find the answer among all outputs of a model.

    Outputs are compared by the operators that compute them: a softmax in any form, a sigmoid, an ArgMax or a classifier
    of `ai.onnx.ml` comes before a linear layer, and an output that another one is computed from is left out. Without
    any of these, a single row of numbers is the answer.

    Args:
        model: The model.
        name: Output that is the answer; None to find it.

    Returns:
        The answer; None if no output, or more than one, can be it (`why_no_answer`).

    Raises:
        UsageError: If the named output does not exist or has no row per input.

    Examples:
        >>> from onnx_ood import load, models
        >>> find_answer(load(models.path("fashion_cnn"))).scores
        ClassScores(name='logits', probabilities=False, step=None)
    """
    found = _Search(model).find(name)
    return None if isinstance(found, str) else found


def why_no_answer(model: Model) -> str | None:
    """Return why no output is the answer of a model; None if one is."""
    found = _Search(model).find(None)
    return found if isinstance(found, str) else None


def why_no_scores(model: Model, name: str | None = None) -> str | None:
    """Return why a model has no class scores; None if it has.

    Args:
        model: The model.
        name: Output that is the answer; None to find it.
    """
    found = _Search(model).find(name)
    if isinstance(found, str) or found.scores is not None:
        return found if isinstance(found, str) else None
    output = found.output or found.label
    return f"output {output!r} is computed by neither a softmax nor a linear layer of one row per input"


def gives_probabilities(model: Model, name: str) -> bool:
    """Return True if a tensor holds probabilities.

    Args:
        model: The model.
        name: A tensor of the main graph.

    Returns:
        True for the result of a softmax, a Sigmoid or a classifier of `ai.onnx.ml`, also cast, reshaped, quantized or
        transposed. Operators inside a branch or function are not recognized.
    """
    return _Search(model).end(name, axes=False).kind in {"distribution", "independent"}


def row_size(shape: Sequence[int]) -> int | None:
    """Count the numbers of a row per input.

    Args:
        shape: Shape of one input's values.

    Returns:
        The only size that is not 1, or 1; None for values on several axes.

    >>> row_size((1, 10)), row_size((1, 1)), row_size((3, 4))
    (10, 1, None)
    """
    sizes = [size for size in shape if size != 1]
    return None if len(sizes) > 1 else (sizes[0] if sizes else 1)


@dataclass(frozen=True)
class _End:
    """Operators that a tensor ends in.

    Attributes:
        kind: Values of the tensor.
        logits: Tensor with the logits in the same order; empty without one.
        linear: The same, or the input of a sigmoid: a tensor that a linear layer may compute.
        source: Tensor that identifies the scores, whatever form they are returned in.
        node: Classifier of ai.onnx.ml, or None.
    """

    kind: ScoresKind
    logits: str
    source: str
    node: NodeProto | None = None
    linear: str = ""


@dataclass
class _Candidate:
    """Outputs that return the same scores."""

    output: str | None = None
    label: str | None = None
    inner: str | None = None
    end: _End | None = None
    rank: int = 0
    classes: tuple[str | int, ...] = ()


class _Search:
    """Search of one model."""

    def __init__(self, model: Model) -> None:
        self._model = model
        nodes = model.proto.graph.node
        self._producer = producers(nodes)
        self._known = producers(node for node in nodes if node.domain in _DOMAINS)
        self._stored = StoredValues(model)
        self._linear: dict[str, LinearLayer | None] = {}

    def find(self, name: str | None) -> Answer | str:
        """Find the answer, or explain why there is none."""
        model = self._model
        names = list(dict.fromkeys(model.outputs))
        if name is not None and name not in names:
            listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
            raise UsageError(
                f"{named('answer', name)} is not an output of {model.path}; its outputs: {listed or 'none'}"
            )
        candidates = self._candidates(names)
        if name is not None:
            for candidate in candidates:
                if name in {candidate.output, candidate.label}:
                    return self._answer(candidate, by_user=True)
            self._refuse(name)
            return Answer(name) if self._is_float(name) else Answer(None, name)
        if candidates:
            best = max(candidate.rank for candidate in candidates)
            candidates = self._last([one for one in candidates if one.rank == best])
            if len(candidates) == 1:
                return self._answer(candidates[0], by_user=False)
            several = [one.output or one.label or "" for one in candidates]
        else:
            several = [
                one for one in names if self._may_be_row(one) and (self._is_float(one) or len(names) == 1)
            ]
            if len(several) == 1:
                return Answer(several[0]) if self._is_float(several[0]) else Answer(None, several[0])
        if several:
            return f"several outputs may be the answer ({', '.join(map(repr, several[:_LISTED]))}); name the answer"
        if not names:
            return "the model has no outputs"
        shapes = ", ".join(f"{one!r} {format_shape(self._shape(one))}" for one in names[:_LISTED])
        return f"no output is one row of class scores or a label for each input: {shapes}"

    def end(self, name: str, *, axes: bool = True) -> _End:
        """Describe the operators that a tensor ends in.

        Args:
            name: The tensor.
            axes: True to require that a softmax is taken over the classes.
        """
        at, node, moved = self._passed(name, {*_PASSING_OPS, "Transpose"})
        if node is None:
            return _End("unknown", "", at)
        if node.op_type in _CLASSIFIER_OPS and len(node.output) > 1 and at == node.output[1]:
            return _End(*self._classifier(node), at, node)
        powers = self._normalized_powers(node, axes=axes)
        if powers is not None:
            return _End(
                "distribution", "" if moved else powers, self._source(powers), linear="" if moved else powers
            )
        if node.op_type == "Normalizer":
            inner = self.end(node.input[0], axes=axes)
            return _End("distribution", "", inner.source, inner.node)
        if node.op_type == "Clip":
            inner = self.end(node.input[0], axes=axes)
            return (
                inner if inner.kind in _PROBABILITIES and self._clips_to_1(node) else _End("unknown", "", at)
            )
        logits = self._sigmoid(at, node)
        if logits is not None:
            return _End("independent", "", self._source(logits), linear="" if moved else logits)
        found = self._softmax(node, axes=axes)
        if found is None:
            return _End("unknown", "", at)
        logits, log = found
        kind: ScoresKind = "log_probabilities" if log else "distribution"
        return _End(kind, "" if moved else logits, self._source(logits), linear="" if moved else logits)

    def _candidates(self, names: Sequence[str]) -> list[_Candidate]:
        found: dict[str, _Candidate] = {}
        for name in names:
            label = self._label(name)
            if label is not None:
                source, classes = label
                candidate = found.setdefault(source, _Candidate())
                candidate.label = candidate.label or name
                candidate.classes = candidate.classes or classes
                candidate.rank = 2
                continue
            scores = self._map(name) or name
            if not self._may_be_row(scores):
                continue
            ranked = self._sorted(scores)
            if ranked is not None:
                end = self._scores_end(ranked)
                candidate = found.setdefault(end.source, _Candidate())
                candidate.rank = 2
                candidate.inner, candidate.end = candidate.inner or ranked, candidate.end or end
                continue
            end = self.end(scores)
            rank = 2
            if end.kind == "unknown":
                if self._head(scores) is None or _NO_SCORES.search(name):
                    continue
                end, rank = _End("logits", scores, self._source(scores), linear=scores), 1
            candidate = found.setdefault(end.source, _Candidate())
            candidate.rank = max(candidate.rank, rank)
            if candidate.output is None:
                candidate.end = end
            candidate.output = candidate.output or name
            if scores != name:
                # The runtime sorts the classes of a map.
                candidate.classes = tuple(sorted(_class_names(self._producer[name]), key=_sort_key))
            elif end.node is not None and not candidate.classes:
                candidate.classes = _class_names(end.node)
        return [one for one in found.values() if one.output or one.label or one.inner]

    def _answer(self, candidate: _Candidate, *, by_user: bool) -> Answer:
        end = candidate.end
        if end is None and candidate.label is not None:
            end = self._behind_label(candidate.label)
        return Answer(
            candidate.output,
            candidate.label,
            end.kind if end else "unknown",
            self._scores(candidate, end, by_user=by_user) if end else None,
            candidate.classes,
            (end.linear or None) if end else None,
            self._step(candidate.output),
        )

    def _scores(self, candidate: _Candidate, end: _End, *, by_user: bool) -> ClassScores | None:
        """Choose the tensor to read: logits if the runtime can return them, else the output."""
        output = candidate.output
        row = candidate.inner or output
        name = (
            (self._map(row) or self._floats(row)) if row else (end.source if end.node is not None else None)
        )
        readable = name is not None and self._readable(name, by_user=by_user)
        # A softmax keeps the shape of its input, which the file may not tell.
        if end.logits and self._readable(end.logits, by_user=by_user or readable):
            return ClassScores(end.logits, probabilities=False)
        step = self._quantized_logits(end.logits)
        if step is not None:
            return ClassScores(end.logits, probabilities=False, step=step)
        if end.kind == "unknown" or name is None or not readable:
            return None
        return ClassScores(name, probabilities=end.kind in _PROBABILITIES)

    def _floats(self, name: str) -> str:
        """Return the floats that an output of quantized scores is rounded from; the output itself if it has none."""
        node = self._known.get(name)
        quantized = node is not None and node.op_type == "QuantizeLinear"
        return node.input[0] if node is not None and quantized else name

    def _step(self, output: str | None) -> tuple[float, float] | None:
        """Return scale and zero point of an output of quantized scores."""
        node = self._passed(output, RESHAPING_OPS)[1] if output and not self._is_float(output) else None
        if node is None or node.op_type != "QuantizeLinear":
            return None
        return quantization_step(self._stored, node.input[1:3])

    def _quantized_logits(self, logits: str) -> tuple[float, float] | None:
        """Return scale and zero point of logits of integers that onnxruntime's quantized softmax reads."""
        tensor = self._model.by_name.get(logits)
        if tensor is None or tensor.dtype not in QUANTIZED_DTYPES or not _may_hold_row(tensor.shape):
            return None
        for node in self._model.proto.graph.node:
            if node.op_type == "QLinearSoftmax" and node.input[0] == logits:
                return quantization_step(self._stored, node.input[1:3])
        return None

    def _readable(self, name: str, *, by_user: bool) -> bool:
        """Return whether a tensor is a row of two or more floats per input, as far as the file tells."""
        tensor = self._model.by_name.get(name)
        if tensor is None or why_not_measurable(self._model, tensor) is not None:
            return False
        if tensor.shape is None:
            # A named answer is checked when it is read.
            return by_user or self._is_row(name)
        return len([size for size in tensor.shape[1:] if size != 1]) == 1

    def _is_row(self, name: str) -> bool:
        """Return whether the operators that compute a tensor of unknown shape leave one row per input."""
        for _ in range(len(self._producer)):
            node = self._known.get(name)
            if node is None or not node.input or node.op_type in _ROW_OPS:
                return node is not None and bool(node.input)
            if node.op_type == "Flatten":
                return bool(attribute_values(node).get("axis", 1) == 1)
            if node.op_type == "Reshape":
                shape = self._stored.value(node.input[1])
                return shape is not None and shape.size == 2
            if node.op_type not in _SAME_SHAPE_OPS:
                return False
            name = node.input[0]
            if self._stored.value(name) is not None and len(node.input) > 1:
                name = node.input[1]
        return False

    def _may_be_row(self, name: str) -> bool:
        """Return whether a tensor may be a row of two or more floats, or a label, for each input."""
        tensor = self._model.by_name.get(name)
        if tensor is None or tensor.constant or tensor.is_input:
            return False
        shape = tensor.shape
        if tensor.dtype in QUANTIZED_DTYPES:
            return self._step(name) is not None and _may_hold_row(shape)
        if tensor.dtype in {"string", "int32", "int64"}:
            return shape is not None and len(shape) >= 1 and not [size for size in shape[1:] if size != 1]
        if tensor.dtype is not None and not tensor.floating:
            return False
        return _may_hold_row(shape)

    def _refuse(self, name: str) -> None:
        """Refuse a named answer without a row per input."""
        if not self._may_be_row(name):
            shape = format_shape(self._shape(name))
            raise UsageError(
                f"{named('answer', name)} has shape {shape}, not one row of class scores or a label for each input; "
                "name another output"
            )

    def _is_float(self, name: str) -> bool:
        tensor = self._model.by_name[name]
        return tensor.dtype is None or tensor.floating

    def _shape(self, name: str) -> Shape:
        tensor: Tensor | None = self._model.by_name.get(name)
        return None if tensor is None else tensor.shape

    def _head(self, name: str) -> LinearLayer | None:
        if name not in self._linear:
            self._linear[name] = find_linear_layer(self._model, name)
        return self._linear[name]

    def _map(self, name: str) -> str | None:
        """Return the scores in a list of maps, as scikit-learn's converter writes them."""
        node = self._producer.get(name)
        return node.input[0] if node is not None and node.op_type == "ZipMap" else None

    def _passed(self, name: str, skipped: set[str] | frozenset[str]) -> tuple[str, NodeProto | None, bool]:
        """Follow a tensor back through operators; returns where it comes from, and whether axes were permuted."""
        node, moved = self._known.get(name), False
        # Bounded, because a damaged file may hold a cycle.
        for _ in range(len(self._producer)):
            if node is None or not node.input:
                break
            same = node.op_type == "Transpose" and keeps_order(self._model, node)
            if not same and node.op_type not in skipped and not self._is_times_one(node):
                break
            moved |= node.op_type == "Transpose" and not same
            name = node.input[0]
            node = self._known.get(name)
        return name, node, moved

    def _is_times_one(self, node: NodeProto) -> bool:
        """Return whether a node multiplies by one, as LightGBM's converter names an output."""
        if node.op_type != "Mul" or len(node.input) != 2:
            return False
        factor = self._stored.value(node.input[1])
        return factor is not None and factor.size == 1 and bool((factor == 1).all())

    def _source(self, name: str) -> str:
        return self._passed(name, _PASSING_OPS)[0]

    def _node(self, name: str) -> NodeProto | None:
        return self._passed(name, _PASSING_OPS)[1]

    def _last(self, candidates: list[_Candidate]) -> list[_Candidate]:
        """Leave out scores that others are computed from, such as embeddings."""
        if len(candidates) < 2:
            return candidates
        names = {id(one): one.end.source if one.end else one.label or "" for one in candidates}
        before: set[str] = set()
        for one in candidates:
            before |= self._ancestors(names[id(one)])
        return [one for one in candidates if names[id(one)] not in before] or candidates

    def _ancestors(self, name: str) -> set[str]:
        found: set[str] = set()
        waiting = [name]
        while waiting:
            node = self._producer.get(waiting.pop())
            for read in reads(node) if node is not None else ():
                if read not in found:
                    found.add(read)
                    waiting.append(read)
        return found

    def _classifier(self, node: NodeProto) -> tuple[ScoresKind, str]:
        transform = attribute_values(node).get("post_transform", b"NONE")
        if transform == b"NONE" and node.op_type == "LinearClassifier":
            return "logits", node.output[1]
        return ("independent" if transform in {b"LOGISTIC", b"PROBIT"} else "distribution"), ""

    def _label(self, name: str) -> tuple[str, tuple[str | int, ...]] | None:
        """Return the source of the scores that a label is the largest of, and the names of the classes."""
        tensor = self._model.by_name.get(name)
        if tensor is None or tensor.floating or not self._may_be_row(name):
            return None
        node, at, classes = self._behind(name)
        if node is None:
            return None
        if node.op_type == "ArgMax" or (at == self._best_index(node)):
            return self._scores_end(node.input[0]).source, classes
        if node.op_type in _CLASSIFIER_OPS and at == node.output[0]:
            scores = node.output[1] if len(node.output) > 1 else at
            return scores, classes or _class_names(node)
        return None

    def _behind(self, label: str) -> tuple[NodeProto | None, str, tuple[str | int, ...]]:
        """Return what computes the index of a label, under which name, and the names of the classes."""
        classes: tuple[str | int, ...] = ()
        at, node = label, self._producer.get(label)
        for _ in range(len(self._producer)):
            if node is None or node.op_type not in _LABEL_OPS or not node.input:
                break
            index = 0
            if node.op_type == "LabelEncoder":
                attributes = attribute_values(node)
                names = attributes.get("values_strings", ()) if _counts_from_0(attributes) else ()
                classes = tuple(map(_text, names))
            elif node.op_type in {"ArrayFeatureExtractor", "Gather"}:
                values, index = self._stored.value(node.input[0]), 1
                if values is None:
                    return None, at, ()
                classes = tuple(_text(one) for one in values.reshape(-1).tolist())
            at = node.input[index]
            node = self._producer.get(at)
        return node, at, classes

    def _behind_label(self, label: str) -> _End | None:
        """Describe the scores that a label is the largest of, if no output returns them."""
        node, _, _ = self._behind(label)
        if node is None:
            return None
        if node.op_type in _CLASSIFIER_OPS and len(node.output) > 1 and node.output[1]:
            return self.end(node.output[1])
        if node.op_type not in {"ArgMax", "TopK"}:
            return None
        return self._scores_end(node.input[0])

    def _scores_end(self, name: str) -> _End:
        """Describe scores that a label or sorted scores are taken from."""
        end = self.end(name)
        if end.kind == "unknown" and self._head(name) is not None:
            return _End("logits", name, end.source, linear=name)
        return end

    def _sorted(self, name: str) -> str | None:
        """Return the scores of which a tensor holds the largest, sorted."""
        at, node = self._passed(name, _PASSING_OPS)[:2]
        return node.input[0] if node is not None and node.op_type == "TopK" and at == node.output[0] else None

    def _best_index(self, node: NodeProto) -> str | None:
        """Return the tensor with the index of the largest score, from a TopK of one."""
        if node.op_type != "TopK" or len(node.input) < 2 or len(node.output) < 2:
            return None
        count = self._stored.value(node.input[1])
        largest = attribute_values(node).get("largest", 1)
        return node.output[1] if largest and count is not None and count.tolist() in (1, [1]) else None

    def _clips_to_1(self, node: NodeProto) -> bool:
        """Return whether a Clip keeps probabilities in [0, 1]."""
        attributes = attribute_values(node)
        bounds: list[Any] = [attributes.get("min", 0.0), attributes.get("max", 1.0)]
        for at, given in enumerate(node.input[1:3]):
            if given:
                bounds[at] = self._stored.value(given)
        if any(bound is None or np.size(bound) != 1 for bound in bounds):
            return False
        low, high = (float(np.asarray(bound).reshape(())) for bound in bounds)
        return low < _HALF < high

    def _normalized_powers(self, node: NodeProto, *, axes: bool) -> str | None:
        """Recognise powers over the sum of their absolute values; returns the logits."""
        attributes = attribute_values(node)
        if node.op_type == "LpNormalization":
            shape = self._shape(node.input[0])
            axis = attributes.get("axis", -1)
            over = {axis % len(shape) if shape else axis}
            if attributes.get("p", 2) != 1 or (axes and not self._over_classes(node.input[0], over)):
                return None
        elif node.op_type != "Normalizer" or attributes.get("norm", b"MAX") != b"L1":
            return None
        before = self._node(node.input[0])
        return self._unshifted(before.input[0]) if before is not None and before.op_type == "Exp" else None

    def _sigmoid(self, name: str, node: NodeProto) -> str | None:
        """Recognise a sigmoid in any form; returns its input."""
        if node.op_type in {"QLinearSigmoid", "Sigmoid"}:
            return node.input[0]
        factor, shift, base = self._affine(name)
        inner = self._known.get(base)
        if inner is None:
            return None
        if (factor, shift) == (_HALF, _HALF) and inner.op_type == "Tanh":
            scale, offset, logits = self._affine(inner.input[0])
            return logits if (scale, offset) == (_HALF, 0) else None
        if (factor, shift) != (1, 0) or inner.op_type not in {"Div", "Reciprocal"}:
            return None
        *_, top, below = ("", *inner.input)
        factor, shift, base = self._affine(below)
        power = self._known.get(base)
        if (factor, shift) != (1, 1) or power is None or power.op_type != "Exp":
            return None
        value = np.ones(1) if inner.op_type == "Reciprocal" else self._stored.value(top)
        if value is None:
            # The powers over one plus the powers.
            return power.input[0] if self._source(top) == base else None
        if value.size != 1 or value.reshape(()) != 1:
            return None
        factor, shift, logits = self._affine(power.input[0])
        return logits if (factor, shift) == (-1, 0) else None

    def _affine(self, name: str) -> tuple[float, float, str]:
        """Follow a tensor back through sums and products with numbers: it is factor · base + shift."""
        factor, shift = 1.0, 0.0
        for _ in range(len(self._producer)):
            name = self._source(name)
            node = self._known.get(name)
            if node is None:
                break
            if node.op_type == "Neg":
                factor, name = -factor, node.input[0]
                continue
            if node.op_type not in {"Add", "Div", "Mul", "Sub"}:
                break
            found = [self._number(one) for one in node.input]
            if node.op_type == "Div":
                if found[1] is None or found[1] == 0:
                    break
                factor, name = factor / found[1], node.input[0]
                continue
            at = next((at for at in (1, 0) if found[at] is not None), None)
            number = None if at is None else found[at]
            if at is None or number is None:
                break
            if node.op_type == "Mul":
                factor = factor * number
            else:
                sign = -1 if node.op_type == "Sub" else 1
                shift += factor * number * (sign if at else 1)
                factor *= sign if at == 0 else 1
            name = node.input[1 - at]
        return factor, shift, name

    def _number(self, name: str) -> float | None:
        value = self._stored.value(name)
        return float(value.reshape(())) if value is not None and value.size == 1 else None

    def _softmax(self, node: NodeProto, *, axes: bool) -> tuple[str, bool] | None:
        """Recognise a softmax or its logarithm in any form.

        Returns:
            Its logits, and True for the logarithm; None for other operators.
        """
        kind = node.op_type
        if kind in {"LogSoftmax", "QLinearSoftmax", "Softmax"}:
            if axes and not self._over_classes(node.input[0], self._softmax_axes(node)):
                return None
            return node.input[0], kind == "LogSoftmax"
        if kind in {"Exp", "Log"}:
            before = self._node(node.input[0])
            inner = None if before is None else self._softmax(before, axes=axes)
            return (inner[0], kind == "Log") if inner and inner[1] == (kind == "Exp") else None
        if kind == "Div":
            return self._share(node.input[0], node.input[1], axes=axes)
        if kind == "Mul":
            for term, other in (node.input, node.input[::-1]):
                inverse = self._node(other)
                if inverse is not None and inverse.op_type == "Reciprocal":
                    return self._share(term, inverse.input[0], axes=axes)
        if kind == "Sub":
            return self._log_share(node.input[0], node.input[1], axes=axes)
        return None

    def _share(self, power: str, total: str, *, axes: bool) -> tuple[str, bool] | None:
        """Recognise exp(z) / Σ exp(z)."""
        top, node = self._passed(power, _PASSING_OPS)[:2]
        below = self._node(total)
        if (
            node is None
            or below is None
            or node.op_type != "Exp"
            or below.op_type not in {"ReduceL1", "ReduceSum"}
        ):
            return None
        if self._source(below.input[0]) != top or not self._reduces(below, node.output[0], axes=axes):
            return None
        return self._unshifted(node.input[0]), False

    def _log_share(self, logits: str, total: str, *, axes: bool) -> tuple[str, bool] | None:
        """Recognise z − log Σ exp(z)."""
        below = self._node(total)
        if below is None:
            return None
        if below.op_type in {"Log", "ReduceLogSum"}:
            summed = below if below.op_type == "ReduceLogSum" else self._node(below.input[0])
            if summed is None or summed.op_type not in {"ReduceL1", "ReduceLogSum", "ReduceSum"}:
                return None
            power = self._node(summed.input[0])
            if power is None or power.op_type != "Exp":
                return None
            read = power.input[0]
        elif below.op_type == "ReduceLogSumExp":
            summed, read = below, below.input[0]
        else:
            return None
        if self._source(read) != self._source(logits) or not self._reduces(summed, read, axes=axes):
            return None
        return self._unshifted(logits), True

    def _unshifted(self, name: str) -> str:
        """Return the logits before their largest is subtracted."""
        node = self._node(name)
        if node is None or node.op_type != "Sub":
            return name
        below = self._node(node.input[1])
        if below is None or below.op_type != "ReduceMax":
            return name
        return node.input[0] if self._source(below.input[0]) == self._source(node.input[0]) else name

    def _reduces(self, node: NodeProto, reduced: str, *, axes: bool) -> bool:
        """Return whether a reduction is over the classes."""
        if not axes:
            return True
        given = axes_of(node, self._stored)
        if given is None:
            return False
        shape = self._shape(reduced)
        return self._over_classes(reduced, {axis % len(shape) if shape else axis for axis in given})

    def _softmax_axes(self, node: NodeProto) -> set[int]:
        shape = self._shape(node.input[0])
        attributes = attribute_values(node)
        # onnxruntime's quantized softmax states the version of the standard it follows.
        before_13 = attributes.get("opset", self._model.opsets.get("ai.onnx", 1)) < 13
        axis = attributes.get("axis", 1 if before_13 else -1)
        if shape is None:
            return {axis}
        axis %= max(len(shape), 1)
        return set(range(axis, len(shape))) if before_13 else {axis}

    def _over_classes(self, name: str, axes: set[int]) -> bool:
        """Return whether axes are those of the classes, as far as the file tells."""
        shape = self._shape(name)
        if shape is None:
            return 0 not in axes
        if len(shape) == 1:
            return True
        classes = {axis for axis, size in enumerate(shape) if axis and size != 1}
        return bool(classes) and classes <= axes and 0 not in axes


def _may_hold_row(shape: Shape) -> bool:
    """Return whether a shape may be that of a row of two or more numbers per input."""
    if shape is None or len(shape) == 1:
        return shape is None or (isinstance(shape[0], int) and shape[0] > 1)
    large = [size for size in shape[1:] if isinstance(size, int) and size > 1]
    return len(shape) > 1 and len(large) <= 1 and any(size != 1 for size in shape[1:])


def _counts_from_0(attributes: dict[str, Any]) -> bool:
    keys = list(attributes.get("keys_int64s", ()))
    return keys == list(range(len(keys)))


def _class_names(node: NodeProto) -> tuple[str | int, ...]:
    attributes = attribute_values(node)
    for name in ("classlabels_strings", "classlabels_int64s", "classlabels_ints"):
        if attributes.get(name):
            return tuple(_text(one) for one in attributes[name])
    return ()


def _sort_key(name: str | int) -> tuple[str, int]:
    return (name, 0) if isinstance(name, str) else ("", name)


def _text(value: Any) -> str | int:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else int(np.asarray(value))
