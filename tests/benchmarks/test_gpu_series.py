"""The series goes on where a step fails or takes too long, and writes what it has."""

import json
import sys
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def series():
    sys.path.insert(0, str(SCRIPTS))
    import gpu_series as module

    yield module
    sys.path.remove(str(SCRIPTS))


def step(series, text, limit=60):
    words = ("-c", text, "{provider}", "{json}")
    return series.Step(words, words, limit)


def test_all_steps_together_fit_into_nine_minutes(series):
    assert sum(step.limit for step in series.STEPS.values()) <= 9 * 60
    for step in series.STEPS.values():
        assert all(Path(word).exists() for word in step.words if word.endswith(".py"))


def test_a_step_that_fails_does_not_stop_the_others(series, tmp_path, monkeypatch):
    monkeypatch.setattr(
        series,
        "STEPS",
        {
            "broken": step(series, "print('before'); raise SystemExit(3)"),
            "whole": step(
                series,
                "import json, sys; json.dump(dict(on=sys.argv[1]), open(sys.argv[2], 'w'))",
            ),
        },
    )
    file = tmp_path / "series.json"
    with pytest.raises(SystemExit, match="failed: broken"):
        series.main(["--provider", "cpu", "--only", "broken", "whole", "--json", str(file)])
    steps = json.loads(file.read_text())["steps"]
    assert (steps["broken"]["status"], steps["broken"]["output"]) == (3, "before\n")
    assert steps["broken"]["result"] is None
    assert (steps["whole"]["status"], steps["whole"]["result"]) == (0, {"on": "cpu"})


def test_a_step_out_of_time_is_ended_with_what_it_started(series, tmp_path):
    child = "import time; time.sleep(4); open('left', 'w').close()"
    text = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); "
        "print('started', flush=True); time.sleep(60)"
    )
    found = series.run(step(series, text, limit=2), "cpu", tmp_path, tiny=False)
    assert found["status"] == "out of time"
    assert found["output"] == "started\n"
    time.sleep(4)
    assert not (tmp_path / "left").exists()
