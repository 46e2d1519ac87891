"""Every model that the onnx package generates or ships and onnxruntime runs can be watched everywhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_cases
import pytest
from onnx_cases import Case
from running import run, same_bits

import onnx_ood
from onnx_ood.runtime.observer import difference

# Tensors that can't be watched, and where that is so: each case with a part of the reason that is given.
EXPECTED_REFUSALS = {
    "test_loop11": "operators of version 13 or newer, the model has 11",
    "test_loop13_seq": "is a sequence inside a Loop",
    "test_loop16_seq_none": "inside a Loop, which returns only tensors",
    "test_scan_sum": "Scan of operators older than version 9",
    **{
        f"test_sequence_map_{name}": "inside an operator SequenceMap"
        for name in (
            "identity_1_sequence",
            "identity_2_sequences",
            "identity_1_sequence_1_tensor",
            "add_2_sequences",
            "add_1_sequence_1_tensor",
            "extract_shapes",
        )
    },
    # The same as a Loop, as the standard defines the operator: it carries sequences.
    **{
        f"test_sequence_map_{name}_expanded": "is a sequence inside a Loop"
        for name in (
            "identity_1_sequence",
            "identity_2_sequences",
            "identity_1_sequence_1_tensor",
            "add_2_sequences",
            "add_1_sequence_1_tensor",
            "extract_shapes",
        )
    },
}
# On the CPU the runtime computes chains of float16 operators for which it has no kernel in float32 and rounds at
# the end, even without optimisations. A tensor that is kept inside such a chain is rounded there.
ROUNDED_INSIDE = {
    "test_attention_4d_fp16_expanded",
    "test_attention_4d_causal_fp16_expanded",
    "test_attention_4d_gqa_causal_nonpad_decode_fp16_expanded",
    "test_attention_4d_gqa_with_past_and_present_fp16_expanded",
    "test_flexattention_fp16_expanded_ver26",
}
# With optimisations the runtime multiplies a product of matrices and its scale in one step (MatMulScaleFusion), which
# it can't where the product is kept: then it is rounded in between.
SCALED_APART = {
    "test_attention_3d_softcap_expanded",
    "test_attention_3d_gqa_softcap_expanded",
    "test_attention_3d_diff_heads_sizes_softcap_expanded",
    "test_flexattention_scaled_expanded_ver26",
    "test_flexattention_score_mod_expanded_ver26",
    "test_flexattention_prob_mod_expanded_ver26",
    "test_flexattention_causal_mask_expanded_ver26",
    "test_flexattention_soft_cap_expanded_ver26",
    "test_flexattention_relative_positional_expanded_ver26",
}
# Why the runtime doesn't run a model as it is, by words of its message.
NOT_RUN = {
    "IR version": "newer IR version",
    "official support for domain": "newer operators",
    "Unrecognized attribute": "newer operators",
    "not a registered function/op": "unknown operators",
    "NOT_IMPLEMENTED": "no kernel",
    "bound to different types": "ill-typed",
    "locale": "locale not installed",
    "": "not supported",
}


@dataclass
class ResultWriter:
    """What there was, and how far outputs moved at most, in units of the bound."""

    counts: Counter[str] = field(default_factory=Counter)
    moved: list[str] = field(default_factory=list)
    furthest: float = 0.0


def check(case: Case, folder: Path, tally: ResultWriter) -> list[str]:
    """Everything that is wrong with one case; counts what there was."""
    counts = tally.counts
    counts["cases"] += 1
    try:
        plain = run(case.model, case.feeds)
    except Exception as error:
        reason = next(reason for words, reason in NOT_RUN.items() if words in str(error))
        counts[f"not run: {reason}"] += 1
        # What isn't the runtime's is a mistake of this test: what it feeds, say.
        return [] if "[ONNXRuntimeError]" in str(error) else [f"isn't run: {error}"]
    counts["ran"] += 1
    path = folder / "model.onnx"
    path.write_bytes(case.model.SerializeToString())
    model = onnx_ood.load(path)
    computed = [t for t in (*model.tensors, *model.nested_tensors) if not t.constant and not t.is_input]
    if not computed:
        counts["constant"] += 1
        return []
    result = onnx_ood.instrument(model, probes="all")
    counts["instrumented"] += 1
    counts["tensors"] += len(result.outputs)
    counts["inner"] += sum(tensor.name in result.outputs for tensor in model.nested_tensors)
    counts["models with inner tensors"] += bool(model.nested_tensors)
    counts["refused tensors"] += len(result.refused)
    counts["models with refusals"] += bool(result.refused)

    wrong = []
    if {t.name for t in computed} != set(result.outputs) | set(result.refused):
        wrong.append("a tensor is neither watched nor refused")
    expected = EXPECTED_REFUSALS.get(case.name)
    wrong += [
        f"{n} {reason}" for n, reason in result.refused.items() if not expected or expected not in reason
    ]
    if expected and not result.refused:
        wrong.append("is refused no more: take it off the list")
    watched = run(result.model, case.feeds)
    if list(watched)[: len(plain)] != list(plain):
        wrong.append("the model's own outputs are not the first")
    added = [value for value in result.model.graph.output if value.name not in plain]
    wrong += check_types(case, result, added, watched, counts)
    kept = [watched[value.name] for value in added]
    for name, value in plain.items():
        if not same_bits(value, watched[name]):
            counts["outputs moved without optimisations"] += 1
            if case.name not in ROUNDED_INSIDE or movement(value, watched[name], kept, tally) > 1:
                wrong.append(f"output {name} is not what it was")
    if any(tensor.name not in plain for tensor in computed):
        counts["with tensors between"] += 1
        wrong += check_optimised(case, result.model, kept, tally)
    return wrong


def check_types(
    case: Case,
    result: onnx_ood.Instrumented,
    added: list[onnx.ValueInfoProto],
    watched: dict[str, Any],
    counts: Counter[str],
) -> list[str]:
    """What is wrong with the types that are declared for added outputs, beside what the run gave."""
    counts["added outputs"] += len(added)
    wrong = [
        f"{value.name} is not of the type that is declared"
        for value in added
        if not is_of(watched[value.name], value.type)
    ]
    if result.untyped:
        wrong.append(f"of unknown type: {result.untyped}")
    optional = any(value.type.HasField("optional_type") for value in added)
    counts["models with optional outputs"] += optional
    if passes_the_checker(case.model):
        counts["pass onnx.checker"] += 1
        if not passes_the_checker(result.model):
            wrong.append("onnx.checker refuses it")
    return wrong


def check_optimised(case: Case, model: onnx.ModelProto, kept: list[Any], tally: ResultWriter) -> list[str]:
    """What is wrong with the outputs when the runtime optimises both models as it does by default."""
    plain, watched = run(case.model, case.feeds, optimised=True), run(model, case.feeds, optimised=True)
    moved = [name for name, value in plain.items() if not same_bits(value, watched[name])]
    tally.moved += [case.name] * bool(moved)
    wrong = []
    for name in moved:
        # A processor with other kernels may round elsewhere too; more than once is explained, by name.
        at_most_once = movement(plain[name], watched[name], [], tally) <= 1
        explained = case.name in ROUNDED_INSIDE | SCALED_APART
        if not at_most_once and not (explained and movement(plain[name], watched[name], kept, tally) <= 1):
            wrong.append(f"output {name} is not what it was, with optimisations")
    return wrong


def movement(plain: Any, watched: Any, kept: list[Any], tally: ResultWriter) -> float:
    """How far an output moved, in units of what roundings at the kept tensors may do to it.

    Each tensor that is kept may be rounded once more, or once differently, by a unit roundoff u of its type relative
    to its norm. Roundings of n tensors are as good as independent and add up to about √n·u (Higham and Mary, 2019),
    if no operator behind makes relative errors larger; where one does, the case has to be explained.
    """
    if not all(isinstance(value, np.ndarray) and value.dtype.kind == "f" for value in (plain, watched)):
        return float("inf")
    floats = [value.dtype for value in kept if isinstance(value, np.ndarray) and value.dtype.kind == "f"]
    roundoff = max(float(np.finfo(dtype).eps) / 2 for dtype in (plain.dtype, *floats))
    far = difference(plain, watched) / (max(1, len(floats)) ** 0.5 * roundoff)
    if kept:
        tally.furthest = max(tally.furthest, far)
    return far


def is_of(value: Any, kind: onnx.TypeProto) -> bool:
    """True if a value that the runtime gave is of a type, every size that the type tells included."""
    what = kind.WhichOneof("value")
    if what == "sequence_type":
        return isinstance(value, list) and all(is_of(each, kind.sequence_type.elem_type) for each in value)
    if what == "optional_type":
        return value is None or is_of(value, kind.optional_type.elem_type)
    if what == "map_type":
        return isinstance(value, dict) or (
            isinstance(value, list) and all(isinstance(v, dict) for v in value)
        )
    if not isinstance(value, np.ndarray):
        return False
    if value.dtype != onnx.helper.tensor_dtype_to_np_dtype(kind.tensor_type.elem_type):
        return False
    dims = kind.tensor_type.shape.dim
    # The tensors of a sequence may be of any rank.
    return not kind.tensor_type.HasField("shape") or (
        value.ndim == len(dims)
        and all(
            dim.dim_value == size
            for dim, size in zip(dims, value.shape, strict=True)
            if dim.HasField("dim_value")
        )
    )


def passes_the_checker(model: onnx.ModelProto) -> bool:
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception:
        return False
    return True


@pytest.mark.filterwarnings(
    "ignore"
)  # Of the reference's making: numpy dividing by zero, deprecated helpers.
def test_every_tensor_of_every_model_comes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally = ResultWriter()
    wrong = {}
    for case in chain(onnx_cases.generated(), onnx_cases.shipped()):
        problems = check(case, tmp_path, tally)
        if problems:
            wrong[case.name] = problems
    counts = tally.counts
    with capsys.disabled():
        print("\n  onnx's own models: " + ", ".join(f"{number} {what}" for what, number in counts.items()))
        print(
            f"  with optimisations {len(tally.moved)} of {counts['with tensors between']} move, all by at most "
            f"{tally.furthest:.2f} of the bound: {', '.join(tally.moved)}"
        )
    assert not wrong
    # A release of onnx or onnxruntime may bring more, not much fewer: else the test would test nothing.
    assert counts["ran"] > 1500
    assert counts["instrumented"] + counts["constant"] == counts["ran"]
    assert counts["models with inner tensors"] > 15
    assert counts["with tensors between"] > 300
