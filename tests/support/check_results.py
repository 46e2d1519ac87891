"""Results of checks, with names that want to break every format."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from onnx_ood.audits.check.result import CheckedModelResult, CheckResult, GateResult
from onnx_ood.results.provenance import ModelFacts, environment

# In a zone east of Greenwich, where it is evening; there it is 12:30.
WHEN = datetime(2024, 2, 29, 18, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))
# A tensor's name is whatever the model's maker wrote.
NASTY = "a|b`<script>&\"']]>\n::error::x,y:100%\x1b[31m\x00_*"


def gate_result(outcome: str, title: str = "auroc of auto", model: str = "one", line: int = 7) -> GateResult:
    """A gate with an outcome."""
    measured = outcome in {"passed", "failed"}
    return GateResult(
        model=model,
        title=title,
        metric="auroc",
        target="auto",
        set=None,
        line=line,
        outcome=outcome,
        expected="at least 0.9",
        found=0.25 if measured else None,
        low=0.125 if measured else None,
        high=0.5 if measured else None,
        unit="",
        inputs=40 if measured else None,
        min_inputs=10,
        reason="" if outcome == "passed" else f"because of {NASTY}",
        advice="" if outcome in {"passed", "error"} else "look again",
        notes=(NASTY,),
    )


def check_result(*gates: GateResult, file: str = "some folder/onnx-ood.toml") -> CheckResult:
    """A check of gates."""
    outcomes = [gate.outcome for gate in gates]
    status = next((one for one in ("error", "failed", "not_evaluated") if one in outcomes), "passed")
    facts = ModelFacts(
        path=NASTY, sha256="0" * 64, size=1, parameters=1, opsets={"ai.onnx": 17}, producer="someone"
    )
    return CheckResult(
        status=status,
        file=file,
        baseline=None,
        environment=environment(),
        passed=outcomes.count("passed"),
        failed=outcomes.count("failed"),
        not_evaluated=outcomes.count("not_evaluated"),
        errors=outcomes.count("error"),
        models=tuple(
            CheckedModelResult(
                name=name,
                path=NASTY,
                model=None if name == "gone" else facts,
                external_data={} if name == "gone" else {NASTY: "1" * 64},
                settings={"seed": 0},
                provider="cpu",
                tf32=False,
                notes=(NASTY,),
            )
            for name in dict.fromkeys(gate.model for gate in gates)
        ),
        gates=gates,
        notes=(NASTY,),
    )


ALL = check_result(
    gate_result("failed", NASTY),
    gate_result("not_evaluated", model="two", line=12),
    gate_result("passed", "auroc of energy"),
    gate_result("passed", model="two"),
)
GOOD = check_result(gate_result("passed"))
BROKEN = check_result(
    gate_result("error", model="gone"),
    gate_result("error", "size", model="gone", line=9),
    gate_result("failed"),
    gate_result("not_evaluated", "size"),
)
