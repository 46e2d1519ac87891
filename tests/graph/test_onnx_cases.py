"""Every model that the onnx package generates or ships and onnxruntime runs can be watched everywhere."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
import onnx_cases
import pytest
from onnx_cases import Case
from running import run, same_bits

import onnx_ood

# Tensors that can't be watched, and where that is so: each case with a part of the reason that is given.
EXPECTED_REFUSALS = {
    "test_loop11": "operators of version 13 or newer, the model has 11",
    "test_loop13_seq": "is a sequence inside a Loop",
    "test_loop16_seq_none": "inside a Loop, which hands out only tensors",
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
ROUNDED_INSIDE = 2e-3


def check(case: Case, folder: Path, counts: Counter[str]) -> list[str]:
    """Everything that is wrong with one case; counts what there was."""
    counts["cases"] += 1
    try:
        plain = run(case.model, case.feeds)
    except Exception:
        return []  # The runtime doesn't run the model as it is.
    counts["ran"] += 1
    path = folder / "model.onnx"
    path.write_bytes(case.model.SerializeToString())
    model = onnx_ood.load(path)
    computed = [t for t in (*model.tensors, *model.inner_tensors) if not t.constant and not t.is_input]
    if not computed:
        counts["constant"] += 1
        return []
    result = onnx_ood.instrument(model, probes="all")
    counts["instrumented"] += 1
    counts["tensors"] += len(result.outputs)
    counts["inner"] += sum(tensor.name in result.outputs for tensor in model.inner_tensors)
    counts["models with inner tensors"] += bool(model.inner_tensors)
    counts["refused tensors"] += len(result.refused)
    counts["models with refusals"] += bool(result.refused)
    counts["untyped"] += bool(result.untyped)

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
    for name, value in plain.items():
        if not same_bits(value, watched[name]):
            counts["rounded outputs"] += 1
            if "fp16" not in case.name or np.abs(value - watched[name]).max() > ROUNDED_INSIDE:
                wrong.append(f"output {name} is not what it was")
    if passes_the_checker(case.model):
        if not result.untyped and not passes_the_checker(result.model):
            wrong.append("onnx.checker refuses it")
        counts["pass onnx.checker"] += not result.untyped
    return wrong


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
    counts: Counter[str] = Counter()
    wrong = {}
    for case in chain(onnx_cases.generated(), onnx_cases.shipped()):
        problems = check(case, tmp_path, counts)
        if problems:
            wrong[case.name] = problems
    with capsys.disabled():
        print("\n  onnx's own models: " + ", ".join(f"{number} {what}" for what, number in counts.items()))
    assert not wrong
    # A release of onnx or onnxruntime may bring more, not much fewer: else the test would test nothing.
    assert counts["ran"] > 1300
    assert counts["instrumented"] + counts["constant"] == counts["ran"]
    assert counts["models with inner tensors"] > 15
