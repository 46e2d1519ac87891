"""Models that other people wrote and ship in packages can be watched everywhere, and nudged."""

from __future__ import annotations

from pathlib import Path

import pytest
from checking import agree_with_the_reference, measured_like_numpy, watch_everywhere
from packaged import Packaged, all_packaged

pytestmark = [
    pytest.mark.real,
    pytest.mark.parametrize("model", [pytest.param(model, id=model.name) for model in all_packaged()]),
]


def test_every_tensor_comes_back_and_nothing_moves(model: Packaged, tmp_path: Path, report) -> None:
    figures = watch_everywhere(model.path, model.feeds(), tmp_path, site=model.site)
    report(model.name, model.origin, model.licence, figures)
    assert figures.bit_equal
    assert figures.moved <= figures.bound


# The reference computes both sides of a sigmoid everywhere, and one of them overflows.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_comes_back_is_what_the_reference_computes(model: Packaged, tmp_path: Path) -> None:
    assert agree_with_the_reference(model.path, model.feeds(), tmp_path, site=model.site) > 10


def test_what_is_measured_is_what_numpy_says(model: Packaged) -> None:
    assert measured_like_numpy(model.path, model.feeds(), batch=model.batch, site=model.site) > 0
