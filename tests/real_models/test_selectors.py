"""Every selector `op:X` of every model at hand, at default settings and with all probes: no tracebacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from converted_trees import TREES, converted, need_converters
from every_selector import scored
from families import FAMILIES, garments
from packaged import all_packaged

from onnx_ood import models

pytestmark = pytest.mark.real

Count = Callable[[dict[str, int]], None]
PACKAGED = {model.name: model for model in all_packaged()}
BUNDLED = {
    "fashion_cnn": lambda: garments(2),
    "fashion_resnet": lambda: garments(2),
    "char_transformer": lambda: {"tokens": np.random.default_rng(0).integers(1, 40, (2, 12))},
    "efficientnet_lite0": lambda: {
        "image": np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)
    },
}


@pytest.fixture(autouse=True)
def _only_on_request(pytestconfig: pytest.Config) -> None:
    """Skip in the whole suite, whose time this would double."""
    if "real" not in pytestconfig.getoption("markexpr"):
        pytest.skip("run by `make test-real`")


@pytest.mark.parametrize("name", FAMILIES)
def test_of_kinds_that_people_run(name: str, tmp_path: Path, count_runs: Count) -> None:
    family = FAMILIES[name]
    outcomes = scored(family.make(tmp_path), family.feeds(), tmp_path)
    count_runs(outcomes)
    assert outcomes["measured"]


@pytest.mark.parametrize("name", TREES)
def test_of_converted_trees(name: str, tmp_path: Path, count_runs: Count) -> None:
    need_converters()
    made = converted(name, tmp_path)
    outcomes = scored(made.path, made.feeds, tmp_path)
    count_runs(outcomes)
    assert outcomes["measured"]


@pytest.mark.parametrize("name", BUNDLED)
def test_of_bundled_models(name: str, tmp_path: Path, count_runs: Count) -> None:
    outcomes = scored(models.path(name), BUNDLED[name](), tmp_path)
    count_runs(outcomes)
    assert outcomes["measured"]


@pytest.mark.parametrize("name", PACKAGED)
def test_of_packaged_models(name: str, tmp_path: Path, count_runs: Count) -> None:
    model = PACKAGED[name]
    outcomes = scored(model.path, model.feeds(), tmp_path, site=model.site)
    count_runs(outcomes)
    assert outcomes["measured"]
