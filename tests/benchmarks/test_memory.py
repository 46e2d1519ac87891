"""The benchmark of memory compares processes, and reads what they print."""

import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def memory():
    sys.path.insert(0, str(SCRIPTS))
    import memory as module

    yield module
    sys.path.remove(str(SCRIPTS))


def test_ratios_are_to_plain_inference(memory, capsys):
    peaks = {"plain inference": memory.Peak(200.0, 1000.0), "audit": memory.Peak(250.0, 1050.0)}
    times = memory.compare(peaks)
    assert times["audit"] == {"host": 1.25, "device": 1.05}
    assert "1.25 times plain" in capsys.readouterr().out
    assert memory.compare({"plain inference": memory.Peak(2.0, None)})["plain inference"] == {
        "host": 1.0,
        "device": None,
    }


def test_the_peak_of_a_process_holds_what_it_had_and_freed(memory):
    before = memory.plain_inference.peak_of_process()
    held = np.ones(2**25)  # 256 MiB
    assert held.sum() == 2**25
    del held
    assert memory.plain_inference.peak_of_process() >= min(before + 200, 256)
