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


NUDGING = {
    "copies": 4, "probes": ("op:Relu",), "noise": "uniform", "space": "tensor", "scale": 0.1, "site": "x",
    "adaptive": True, "recipe": "lesswrong", "advise": True, "exact": True, "tf32": True,
}  # fmt: skip
OTHER = {
    "detectors": ("msp",), "bundled_reference": False, "fpr": 0.1, "fdr": 0.2, "cache": False, "limit": 3, "seed": 1,
    "preprocess": "unit", "batch_axis": "1", "answer": "y", "labels": "names.txt", "feeds": {"k": "1"},
    "provider": "cpu", "batch_size": 2,
}  # fmt: skip


def test_every_setting_either_asks_for_nudges_or_does_not() -> None:
    assert NUDGING.keys() | OTHER.keys() == set(ScoreSettings.model_fields)
    assert not NUDGING.keys() & OTHER.keys()


@pytest.mark.parametrize("name", [*NUDGING, *OTHER])
def test_inputs_are_nudged_if_a_setting_asks_for_it(name) -> None:
    settings = ScoreSettings(**{name: (NUDGING | OTHER)[name]})
    assert settings.nudged(ranked=True) == (name in NUDGING)
    # Settings of a stored result state all fields.
    stored = ScoreSettings.model_validate_json(settings.stored.model_dump_json())
    assert stored.nudged(ranked=True) == (name in NUDGING)
    assert settings.nudged(ranked=False)


def test_without_a_detector_inputs_are_compared_by_nudges() -> None:
    assert not ScoreSettings().nudged(ranked=True)
    assert ScoreSettings().nudged(ranked=False)
    none = ScoreSettings(copies=0, site="x")
    assert not none.nudged(ranked=True)
    with pytest.raises(UsageError, match=r"copies=0: no detector applies.*leave it out, or give reference"):
        none.nudged(ranked=False)


@pytest.mark.parametrize("name", sorted(NUDGING.keys() - {"copies", "site"}))
def test_what_needs_nudges_is_refused_without(name) -> None:
    with pytest.raises(UsageError, match=f"{name} needs nudged copies; leave out copies=0"):
        ScoreSettings(copies=0, **{name: NUDGING[name]})
    with pytest.raises(UsageError, match="deviation compares nudged copies; leave out copies=0"):
        ScoreSettings(copies=0, detectors="deviation")


def test_a_flag_keeps_one_rate() -> None:
    with pytest.raises(
        UsageError, match=r"fpr=0.1 and fdr=0.2: a flag keeps one of these rates; leave one out"
    ):
        ScoreSettings(fpr=0.1, fdr=0.2)
    for rate in (0, 1):
        with pytest.raises(UsageError, match="fdr"):
            ScoreSettings(fdr=rate)
