"""Ensembles of trees as their converters write them: random forest, XGBoost and LightGBM, with and without ZipMap."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto

PACKAGES = ("sklearn", "skl2onnx", "onnxmltools", "xgboost", "lightgbm")


@dataclass(frozen=True)
class Converted:
    """A converted ensemble.

    Attributes:
        path: Its file.
        feeds: Inputs by name.
        labels: The library's own labels for these inputs.
        probabilities: The library's own probabilities.
        origin: Packages and versions.
        licence: Of the packages.
    """

    path: Path
    feeds: dict[str, Any]
    labels: np.ndarray
    probabilities: np.ndarray
    origin: str
    licence: str


def need_converters() -> None:
    """Skip the test if a package is not installed."""
    for package in PACKAGES:
        pytest.importorskip(
            package,
            reason=f"{package} is not installed: `make test-real` installs it and runs this test",
            exc_type=ModuleNotFoundError,
        )


def flowers() -> tuple[np.ndarray, np.ndarray]:
    """Measurements of 150 flowers in float32, shuffled, and their species."""
    from sklearn.datasets import load_iris

    numbers, species = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(numbers))
    return numbers[order].astype(np.float32), species[order]


def _forest(numbers: np.ndarray, species: np.ndarray, zipmap: bool) -> tuple[Any, ModelProto]:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import RandomForestClassifier

    grown = RandomForestClassifier(n_estimators=10, random_state=0).fit(numbers, species)
    types = [("features", FloatTensorType([None, 4]))]
    return grown, to_onnx(grown, initial_types=types, options={"zipmap": zipmap})


def _xgboost(numbers: np.ndarray, species: np.ndarray, zipmap: bool) -> tuple[Any, ModelProto]:
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    from xgboost import XGBClassifier

    assert not zipmap
    grown = XGBClassifier(n_estimators=10, max_depth=3, random_state=0, n_jobs=1).fit(numbers, species)
    return grown, convert_xgboost(grown, initial_types=[("features", FloatTensorType([None, 4]))])


def _lightgbm(numbers: np.ndarray, species: np.ndarray, zipmap: bool) -> tuple[Any, ModelProto]:
    from lightgbm import LGBMClassifier
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    grown = LGBMClassifier(n_estimators=10, random_state=0, n_jobs=1, verbose=-1).fit(numbers, species)
    types = [("features", FloatTensorType([None, 4]))]
    return grown, convert_lightgbm(grown, initial_types=types, zipmap=zipmap)


Make = Callable[[np.ndarray, np.ndarray, bool], tuple[Any, ModelProto]]
_MAKERS: dict[str, tuple[Make, bool, tuple[str, ...], str]] = {
    "random forest": (_forest, False, ("skl2onnx", "scikit-learn"), "Apache-2.0, BSD-3-Clause"),
    "random forest, ZipMap": (_forest, True, ("skl2onnx", "scikit-learn"), "Apache-2.0, BSD-3-Clause"),
    "XGBoost": (_xgboost, False, ("onnxmltools", "xgboost-cpu"), "Apache-2.0"),
    "LightGBM": (_lightgbm, False, ("onnxmltools", "lightgbm"), "Apache-2.0, MIT"),
    "LightGBM, ZipMap": (_lightgbm, True, ("onnxmltools", "lightgbm"), "Apache-2.0, MIT"),
}
TREES = tuple(_MAKERS)


def converted(name: str, folder: Path, count: int = 40) -> Converted:
    """Grow trees on flowers and convert them.

    Args:
        name: One of `TREES`.
        folder: A folder for the file.
        count: How many flowers to predict.
    """
    make, zipmap, packages, licence = _MAKERS[name]
    numbers, species = flowers()
    with _quiet():
        grown, proto = make(numbers, species, zipmap)
        fed = numbers[:count]
        labels, probabilities = grown.predict(fed), grown.predict_proba(fed)
    path = folder / f"{name.replace(', ', '_').replace(' ', '_')}.onnx"
    onnx.save(proto, path)
    origin = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    return Converted(path, {"features": fed}, labels, probabilities, origin, licence)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
