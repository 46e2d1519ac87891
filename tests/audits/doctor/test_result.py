"""Health of an installation."""

from __future__ import annotations

import pytest

from onnx_ood.audits.doctor.result import Check, DoctorResult


@pytest.mark.parametrize(
    ("states", "healthy"), [(["good"], True), (["good", "note"], True), (["note", "bad"], False), ([], True)]
)
def test_only_bad_checks_are_unhealthy(states: list[str], healthy: bool) -> None:
    checks = [Check(name="x", state=state, found="", remedy="") for state in states]
    assert DoctorResult(versions={}, python="", platform="", checks=checks).healthy is healthy
