"""Advice on a network of which it is known which layers tell nothing, or the same as another."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest
import small_models as small

import onnx_ood
from onnx_ood.exceptions import UsageError

UNITS = 64


@pytest.fixture(scope="module")
def network(save):
    """From inputs of one length: two layers that tell inputs apart, a copy of one of them, and four of no use."""
    sparse = np.zeros(UNITS, np.float32)
    sparse[: UNITS // 4] = 1
    return save(
        small.build(
            f"""
            layers (float[N, {UNITS}] x) => (float[N, {UNITS}] y) {{
                plain = Identity (x)
                mixed = Gemm (x, w1)
                good = Relu (mixed)
                doubled = Mul (good, two)
                masked = Mul (x, mask)
                other = Relu (masked)
                shifted = Sub (mixed, hundred)
                dead = Relu (shifted)
                nothing = Mul (x, zero)
                constant = Add (nothing, bias)
                fast = Mul (x, million)
                wild = Sin (fast)
                y = Sum (doubled, other, dead, constant, wild, plain)
            }}
            """,
            {
                # A few directions are magnified, so that it matters how an input lies to them.
                "w1": small.normal(UNITS, UNITS, seed=1) * np.geomspace(3, 0.01, UNITS, dtype=np.float32),
                "two": np.float32(2),
                "mask": sparse,
                "hundred": np.float32(100),
                "zero": np.float32(0),
                "bias": small.normal(UNITS, seed=2),
                "million": np.float32(1e6),
            },
        )
    )


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    inputs = small.normal(60, UNITS, seed=3)
    inputs *= 8 / np.linalg.norm(inputs, axis=1, keepdims=True)
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    np.save(path, inputs)
    return str(path)


PROBES = ("plain", "good", "doubled", "other", "dead", "constant", "wild")


@pytest.fixture(scope="module")
def result(network, rows):
    settings = onnx_ood.ScoreSettings(probes=PROBES, copies=16, advise=True, provider="cpu")
    return onnx_ood.score(network, [rows], settings)


def test_layers_without_use_are_left_out_and_said_why(result) -> None:
    found = {one.name: one for one in result.advice}
    assert set(found) == set(PROBES)
    advised = [one.name for one in result.advice if one.advised]
    assert advised == [one.name for one in result.advice[: len(advised)]]
    # A copy tells the same as what it is a copy of: which of them comes first is rounding.
    assert set(advised) in ({"good", "other"}, {"doubled", "other"})
    (left,) = {"good", "doubled"} - set(advised)
    (taken,) = {"good", "doubled"} - {left}
    assert found[left].most_similar == taken
    assert found[left].correlation > 0.9999
    assert "adds little" in found[left].reason
    assert "dead" in found["dead"].reason
    assert "noise floor for 100%" in found["constant"].reason
    assert "saturated" in found["wild"].reason
    assert "hardly more than copies" in found["plain"].reason


def test_figures_are_those_of_the_drops(result) -> None:
    """By numpy, from what the result says of each input."""
    names = [probe.name for probe in result.probes]
    drops = np.array([entry.drop for entry in result.inputs])
    errors = np.array([entry.drop_error for entry in result.inputs])
    floor = np.array([probe.noise_floor for probe in result.probes])
    for one in result.advice:
        at = names.index(one.name)
        raised = np.maximum(drops[:, at], floor[at])
        logs = np.log10(raised)
        assert one.under_floor == np.mean(drops[:, at] <= floor[at])
        assert one.saturated == np.mean(drops[:, at] >= 0.9)
        assert one.spread == pytest.approx(np.std(logs, ddof=1), abs=1e-12)
        if one.name in ("constant", "dead"):
            assert one.reliability == 0
        else:
            noise = np.mean((errors[:, at] / raised) ** 2) / np.var(np.log(raised), ddof=1)
            assert one.reliability == pytest.approx(max(0, 1 - noise), abs=1e-9)
        if one.most_similar is not None:
            like = np.log(
                np.maximum(drops[:, names.index(one.most_similar)], floor[names.index(one.most_similar)])
            )
            assert one.correlation == pytest.approx(abs(np.corrcoef(logs, like)[0, 1]), abs=1e-9)
    on = {one.name: one.active for one in result.advice}
    assert on["dead"] == 0
    assert on["plain"] == pytest.approx(0.5, abs=0.05)
    assert on["other"] == pytest.approx(0.125, abs=0.03)


def test_a_resumed_run_advises_the_same(network, rows, result, tmp_path, schema) -> None:
    settings = onnx_ood.ScoreSettings(probes=PROBES, copies=16, advise=True, provider="cpu")
    streaming = onnx_ood.Streaming(tmp_path / "run.jsonl", resume=True)
    onnx_ood.score(network, [rows], settings, streaming=streaming)
    again = onnx_ood.score(network, [rows], settings, streaming=streaming)
    assert again.advice == result.advice
    jsonschema.validate(json.loads(again.model_dump_json(by_alias=True)), schema("score"))


def test_what_cannot_be_advised(network, rows, tmp_path) -> None:
    with pytest.raises(UsageError, match="copies=2"):
        onnx_ood.score(network, [rows], onnx_ood.ScoreSettings(copies=1, advise=True))
    np.save(tmp_path / "few.npy", np.load(rows)[:5])
    few = onnx_ood.score(
        network, [str(tmp_path / "few.npy")], onnx_ood.ScoreSettings(advise=True, provider="cpu")
    )
    assert few.scored == 5
    assert few.advice is None
    assert any("Advice on probes takes at least 8 inputs" in note for note in few.notes)
    assert onnx_ood.score(network, [rows], onnx_ood.ScoreSettings(provider="cpu")).advice is None
