"""`onnx-ood demo`: the provider is passed on, and output options are those of all commands."""

from __future__ import annotations

import pytest
from command import run

import onnx_ood


def test_a_wrong_provider_is_refused_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_ood, "demo", lambda *_: pytest.fail("it ran"))
    done = run("demo", "--provider", "gpu")
    assert (done.returncode, done.stdout) == (64, "")
    assert "--provider" in done.stderr


@pytest.mark.parametrize("provider", ["auto", "cpu", "cuda"])
def test_the_provider_is_that_of_the_option(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def demo(chosen, progress):
        asked.append((chosen, progress))
        raise onnx_ood.ModelError("enough")

    monkeypatch.setattr(onnx_ood, "demo", demo)
    done = run("demo", "--provider", provider)
    assert (done.returncode, done.stderr) == (2, "onnx-ood: enough\n")
    assert [chosen for chosen, _ in asked] == [provider]
