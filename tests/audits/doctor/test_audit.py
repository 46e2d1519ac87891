"""The doctor audit."""

import json
import re
from importlib import import_module

import jsonschema
import numpy
import onnx
import onnxruntime
import pytest

import onnx_ood
from onnx_ood import ModelError

# The package offers the function under the same name.
module = import_module("onnx_ood.audits.doctor.audit")


def test_versions_are_those_of_the_modules_that_run(schema):
    result = onnx_ood.doctor()
    assert result.versions["onnx"] == onnx.__version__
    assert result.versions["numpy"] == numpy.__version__
    assert onnxruntime.__version__ in {
        result.versions.get("onnxruntime"),
        result.versions.get("onnxruntime-gpu"),
    }
    assert [check.name for check in result.checks] == [
        "runtime",
        "cpu",
        "gpu",
        "cuda libraries",
        "cuda",
        "telemetry",
        "nodes",
    ]
    jsonschema.validate(json.loads(result.model_dump_json(by_alias=True)), schema("doctor"))


def test_two_runtimes_over_each_other_are_found_and_mended(monkeypatch):
    monkeypatch.setattr(module, "installed_runtimes", lambda: ("onnxruntime", "onnxruntime-gpu"))
    result = onnx_ood.doctor()
    check = result.checks[0]
    assert check.state == "bad"
    assert not result.healthy
    assert check.remedy.endswith(
        "uninstall -y onnxruntime onnxruntime-gpu && " + check.remedy.split(" && ")[1]
    )
    assert check.remedy.endswith("install onnxruntime-gpu")


def test_installed_runtimes_are_found_by_distribution(monkeypatch):
    class Distribution:
        def __init__(self, name):
            self.metadata = {"Name": name}

    named = [Distribution("ONNXRuntime_GPU"), Distribution("onnxruntime"), Distribution("onnx")]
    monkeypatch.setattr(module, "distributions", lambda: named)
    assert module.installed_runtimes() == ("onnxruntime", "onnxruntime-gpu")


@pytest.mark.parametrize(
    ("count", "state", "found"),
    [(None, "note", "no NVIDIA driver"), (0, "note", "no GPU"), (2, "good", "2 NVIDIA GPUs")],
)
def test_what_the_driver_shows_is_said(monkeypatch, count, state, found):
    monkeypatch.setattr(module, "gpu_count", lambda: count)
    check = onnx_ood.doctor().checks[2]
    assert check.state == state
    assert found in check.found


def test_a_missing_cuda_library_is_named_with_what_to_type(monkeypatch):
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(
        module, "missing_cuda_library", lambda: "a CUDA library cannot be loaded (libcublas.so.13)"
    )
    check = onnx_ood.doctor().checks[3]
    assert "libcublas.so.13" in check.found
    assert check.remedy.endswith("-m pip install 'onnxruntime-gpu[cuda,cudnn]'")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    check = onnx_ood.doctor().checks[3]
    assert "without CUDA" in check.found
    assert check.remedy.endswith("-m pip install onnxruntime-gpu")


def test_where_the_nodes_of_a_watched_model_run_is_said(monkeypatch):
    check = onnx_ood.doctor().checks[-1]
    where = "CPUExecutionProvider" if module.cuda_problem() else "CUDAExecutionProvider"
    assert check.state == "good"
    assert re.search(rf"\b\d+ nodes on {where}", check.found)
    monkeypatch.setattr(
        module.Prober, "fallback_nodes", ("__onnx_ood__/pairs/MatMul", "__onnx_ood__/pairs/Cast")
    )
    result = onnx_ood.doctor()
    assert not result.healthy
    assert "2 added nodes ran on the CPU" in result.checks[-1].found
    assert "__onnx_ood__/pairs/MatMul, __onnx_ood__/pairs/Cast" in result.checks[-1].found
    assert "bug" in result.checks[-1].remedy


def test_a_model_that_cannot_be_measured_is_said(monkeypatch):
    def fail(*_):
        raise ModelError("no such kernel")

    monkeypatch.setattr(module.Prober, "measure", fail)
    check = onnx_ood.doctor().checks[-1]
    assert check.state == "bad"
    assert "no such kernel" in check.found


@pytest.mark.parametrize(("value", "state"), [("1", "good"), ("true", "good"), ("0", "note"), ("", "note")])
def test_telemetry_that_the_user_allows_is_said(value, state, monkeypatch):
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", value)
    check = module._check_telemetry()
    assert (check.state, bool(check.remedy)) == (state, state == "note")
    assert f"ORT_DISABLE_TELEMETRY={value}" in check.found
