"""`onnx-ood doctor`."""

import json

import pytest
from command import run

import onnx_ood


def test_doctor_tells_what_runs():
    result = run("doctor")
    assert result.returncode == 0
    assert "sessions can be created" in result.stdout
    assert json.loads(run("doctor", "--json", "-").stdout)["schema"] == "onnx-ood/doctor/1"
    assert result.stderr == ""


@pytest.mark.parametrize(("healthy", "code"), [(True, 0), (False, 2)])
def test_a_machine_that_cannot_run_models_is_an_error(
    healthy: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = onnx_ood.doctor()
    monkeypatch.setattr(onnx_ood, "doctor", lambda: found)
    monkeypatch.setattr(type(found), "healthy", property(lambda _: healthy))
    assert run("doctor").returncode == code
