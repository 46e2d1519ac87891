"""Terminal report of the doctor: the answer, and problems before the rest."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from onnx_ood.audits.doctor.result import Check, DoctorResult
from onnx_ood.reports.doctor.terminal import print_doctor
from onnx_ood.reports.report_options import ReportOptions


def shown(*states: tuple[str, str], verbose: bool = False) -> list[str]:
    out = StringIO()
    checks = tuple(
        Check(name=name, state=state, found=f"found {name}", remedy="" if state == "good" else f"mend {name}")  # type: ignore[arg-type]
        for name, state in states
    )
    result = DoctorResult(
        versions={"onnx_ood": "1.2", "numpy": "3.4"}, python="3.12", platform="Linux", checks=checks
    )
    print_doctor(Console(width=80, file=out, markup=False), result, ReportOptions(verbose=verbose))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_the_first_line_says_where_audits_run() -> None:
    assert shown(("cpu", "good"), ("cuda", "note"))[0] == "Audits can run here, on the CPU"
    assert shown(("cpu", "good"), ("cuda", "good"))[0] == "Audits can run here, on CUDA"


def test_problems_come_first_with_their_remedies() -> None:
    lines = shown(("gpu", "note"), ("cpu", "bad"))
    assert lines[0] == "1 problem: cpu"
    order = [line.split()[-1] for line in lines if "found" in line or "mend" in line]
    assert order == ["cpu", "cpu", "gpu", "gpu"]
    assert lines[-1].startswith("onnx_ood 1.2 · python 3.12 · Linux")
    assert not any("numpy" in line for line in lines)
    assert any("numpy 3.4" in line for line in shown(("cpu", "good"), verbose=True))
