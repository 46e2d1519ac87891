"""Settings of score."""

from __future__ import annotations

import pytest

from onnx_ood.audits.score.settings import ScoreSettings
from onnx_ood.exceptions import UsageError


@pytest.mark.parametrize(
    "change",
    [
        {"noise": "pink"},
        {"space": "fourier"},
        {"recipe": "x"},
        {"scale": 0.0},
        {"scale": float("nan")},
        {"copies": -1},
        {"seed": -1},
    ],
)
def test_settings_out_of_range_are_refused(change):
    (name,) = change
    with pytest.raises(UsageError, match=name):
        ScoreSettings(**change)


def test_tf32_is_refused_on_the_cpu_and_off_unless_asked_for():
    with pytest.raises(UsageError, match="leave out tf32=True"):
        ScoreSettings(provider="cpu", tf32=True)
    assert not ScoreSettings().tf32


def test_settings_that_contradict_are_refused():
    with pytest.raises(UsageError, match="name it alone"):
        ScoreSettings(detectors=("auto", "deviation"))
    with pytest.raises(UsageError, match="fpr"):
        ScoreSettings(fpr=1)
