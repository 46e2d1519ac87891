"""The benchmark of scaling fits what it measures, and its figures are of the runs that it names."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import linregress

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def scaling():
    sys.path.insert(0, str(SCRIPTS))  # It imports another script from there.
    import scaling as module

    yield module
    sys.path.remove(str(SCRIPTS))


def test_the_line_is_scipy_s(scaling):
    generator = np.random.default_rng(0)
    times = {x: 1 + 0.3 * x + float(generator.normal(0, 0.2)) for x in (1, 2, 4, 8)}
    expected = linregress([*times], [*times.values()])
    line = scaling.fit(times)
    assert (line.start, line.slope) == pytest.approx((expected.intercept, expected.slope))
    assert line.r2 == pytest.approx(expected.rvalue**2)


def test_a_run_is_a_process_of_its_own_that_tells_its_peak(scaling, tmp_path):
    scaling.save_network(tmp_path / "layers.onnx")
    cost = scaling.cost(tmp_path, count=20, copies=1, probes=2)
    # No process that has loaded the runtime is smaller, nor is a network of 200 kB larger.
    assert 40 < cost.peak_mib < 1000
    assert 0 < cost.seconds < 60
    assert len((tmp_path / "stream.jsonl").read_text().splitlines()) == 22


def test_what_cannot_run_ends_the_benchmark(scaling, tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        scaling.cost(tmp_path, count=5, copies=1, probes=1)
