"""Medians and percentiles of blocks against numpy's, to the last bit."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.metrics import quantiles
from onnx_ood.metrics.quantiles import Values

numbers = st.lists(
    st.floats(allow_nan=False, allow_infinity=False, width=64, min_value=-1e300, max_value=1e300)
    | st.sampled_from([0.0, -0.0, 1.0, 1.0 + 2**-52, 5e-324, -1.0]),
    min_size=1,
    max_size=40,
)


def in_blocks(values, cut):
    array = np.array(values, dtype=np.float64)
    return Values(len(array), lambda: [array[:cut], array[cut:]])


@pytest.fixture(params=[0, 1 << 17], ids=["counted", "sorted"])
def few(request):
    with mock.patch.object(quantiles, "_MAX_SORTED", request.param):
        yield


@pytest.mark.usefixtures("few")
@given(values=numbers, cut=st.integers(0, 40))
def test_they_are_numpy_s(values, cut):
    found = in_blocks(values, cut)
    assert found.order_statistics(range(len(values))) == sorted(values)
    assert found.median() == np.median(values)
    shares = [0.0, 0.05, 0.25, 0.5, 0.95, 1.0]
    assert found.quantiles(shares) == np.quantile(values, shares).tolist()


@pytest.mark.usefixtures("few")
def test_nan_makes_nan():
    found = in_blocks([1.0, np.nan, 3.0], 2)
    assert np.isnan(found.median())
    assert np.isnan(found.quantiles([0.1, 0.9])).all()


@pytest.mark.usefixtures("few")
def test_infinities_have_their_places():
    found = in_blocks([np.inf, 1.0, -np.inf], 1)
    assert found.order_statistics([0, 1, 2]) == [-np.inf, 1.0, np.inf]


def test_many_in_small_blocks():
    values = np.exp(np.random.default_rng(0).standard_normal(300_000) - 7)
    found = Values(len(values), lambda: np.array_split(values, 7)).map(np.log)
    logs = np.log(values)
    assert found.median() == np.median(logs)
    assert found.quantiles([0.05, 0.95]) == np.percentile(logs, [5, 95]).tolist()


def test_nan_can_be_left_out() -> None:
    numbers = np.array([3.0, np.nan, 1.0, np.nan, 7.0])
    known = Values.of(numbers).known()
    assert (known.count, known.median()) == (3, float(np.nanmedian(numbers)))
    assert Values.of(numbers[::2]).known().count == 3
