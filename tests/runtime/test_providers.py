"""Where models run, and that nothing is printed while that is found out."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import small_models

import onnx_ood
from onnx_ood import ModelError, ProviderError, UsageError
from onnx_ood.perturb import draw
from onnx_ood.runtime import Prober, providers
from onnx_ood.runtime.session import Session

Save = Callable[..., Path]

needs_no_gpu = pytest.mark.skipif(
    providers.cuda_problem() is None, reason="for machines on which CUDA can't run"
)


@pytest.fixture
def without_cache() -> None:
    providers.cuda_problem.cache_clear()


def test_the_cpu_can_always_be_asked_for() -> None:
    assert providers.resolve("cpu") == providers.Resolved("cpu", "")


@pytest.mark.parametrize("choice", ["gpu", "CUDA", "", "tensorrt"])
def test_an_unknown_provider_is_named(choice: str) -> None:
    with pytest.raises(UsageError, match=f"unknown provider '{choice}'; choose auto, cuda or cpu"):
        providers.resolve(choice)


@needs_no_gpu
def test_auto_falls_back_to_the_cpu_and_says_why(without_cache: None) -> None:
    resolved = providers.resolve("auto")
    assert resolved.provider == "cpu"
    assert resolved.reason == providers.cuda_problem()
    assert resolved.reason


@needs_no_gpu
def test_cuda_is_refused_where_it_cannot_run() -> None:
    with pytest.raises(ProviderError, match=r"CUDA cannot run here: .*; use provider='cpu'"):
        providers.resolve("cuda")


@pytest.mark.parametrize(
    ("available", "gpus", "works", "library", "problem"),
    [
        (["CPUExecutionProvider"], 1, True, None, "this onnxruntime is built without CUDA"),
        (["CUDAExecutionProvider"], None, True, None, "no NVIDIA driver is installed"),
        (["CUDAExecutionProvider"], 0, True, None, "the NVIDIA driver shows no GPU"),
        (
            ["CUDAExecutionProvider"],
            1,
            False,
            "a CUDA library cannot be loaded (libx)",
            r"cannot be loaded \(libx\)",
        ),
        (["CUDAExecutionProvider"], 1, False, None, "could not create a session on CUDA"),
        (["CUDAExecutionProvider"], 1, True, None, None),
    ],
)
def test_problems_are_looked_for_from_the_outside_in(
    available: list[str],
    gpus: int | None,
    works: bool,
    library: str | None,
    problem: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(providers.onnxruntime, "get_available_providers", lambda: available)
    for name, answer in {
        "gpu_count": gpus,
        "preload_cuda": None,
        "session_works": works,
        "missing_cuda_library": library,
    }.items():
        monkeypatch.setattr(providers, name, lambda *_, answer=answer: answer)
    found = providers.cuda_problem.__wrapped__()
    if problem is None:
        assert found is None
    else:
        with pytest.raises(AssertionError, match=problem):
            raise AssertionError(found)


@pytest.mark.parametrize("choice", ["auto", "cpu"])
def test_nothing_is_printed(
    choice: str, save: Save, capfd: pytest.CaptureFixture[str], without_cache: None
) -> None:
    """Not by C++ either, which doesn't know sys.stderr."""
    onnx_ood.measure(
        save(small_models.contrib()),
        small_models.normal(2, 4),
        probes="all",
        nudges=np.ones((1, 4)),
        provider=choice,
    )
    with pytest.raises(onnx_ood.ModelError):
        onnx_ood.measure(
            save(small_models.build("g (float[N] x) => (float[N] y) { y = NoSuchOperator (x) }")),
            [1.0],
            probes="y",
            nudges=[[0.1]],
            provider=choice,
        )
    assert capfd.readouterr() == ("", "")


@pytest.mark.gpu
def test_cuda_gives_what_the_cpu_gives(save: Save) -> None:
    path, batch = save(small_models.classifier()), small_models.images(9)
    nudges = draw("gaussian", batch.shape[1:], 2, seed=2) * 0.05
    found = {
        choice: onnx_ood.measure(path, batch, probes="all", nudges=nudges, provider=choice)
        for choice in ("cuda", "cpu")
    }
    assert found["cuda"].provider == "cuda"
    np.testing.assert_allclose(found["cuda"].cosine_drop(), found["cpu"].cosine_drop(), rtol=1e-3)
    np.testing.assert_allclose(found["cuda"].flip_rate(), found["cpu"].flip_rate(), atol=0.01)
    np.testing.assert_allclose(
        found["cuda"].outputs["logits"], found["cpu"].outputs["logits"], rtol=1e-3, atol=1e-4
    )


@pytest.mark.gpu
def test_statistics_are_computed_where_the_model_is(save: Save) -> None:
    model = onnx_ood.load(save(small_models.classifier()))
    prober = Prober(model, onnx_ood.select(model, "all"), provider="cuda")
    prober.measure(small_models.images(9), np.full((3, 3, 8, 8), 0.1, np.float32))
    assert prober._in_graph is not None
    assert prober._in_graph._session.fallback_nodes == ()
    assert prober.placement["CUDAExecutionProvider"] > len(model.proto.graph.node)


@pytest.mark.gpu
def test_a_working_gpu_is_what_auto_takes() -> None:
    assert providers.resolve("auto") == providers.Resolved("cuda", "")


def test_standard_output_and_the_log_level_stay_those_of_the_program(capfd, monkeypatch, tmp_path):
    levels = []
    monkeypatch.setattr(onnxruntime, "set_default_logger_severity", levels.append)
    before, seen, done = sys.stdout, set(), threading.Event()

    def watch():
        while not done.wait(0.0002):
            seen.add(id(sys.stdout))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(20):
            assert providers.session_works("cpu")
            assert not providers.session_works("cuda") or providers.cuda_problem() is None
        providers.preload_cuda.__wrapped__()
        (tmp_path / "bad.onnx").write_bytes(b"")
        with pytest.raises(ModelError):
            Session(onnx.ModelProto(), tmp_path / "bad.onnx", "cpu")
    finally:
        done.set()
        watcher.join()
    assert seen == {id(before)}
    assert levels == []
    assert capfd.readouterr().out == ""
