"""Pipelines of scikit-learn that skl2onnx has converted: strings, tables, maps, and steps to compare with."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from checking import allowances, distance, measured_like_numpy, watch_everywhere
from running import run

import onnx_ood

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

pytestmark = pytest.mark.real

PLACES = np.array(["north", "south", "west"])


def flowers(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measurements in float32, where each was found (made up), and what it is."""
    from sklearn.datasets import load_iris

    rng = np.random.default_rng(0)
    numbers, kinds = load_iris(return_X_y=True)
    chosen = rng.permutation(len(numbers))[:count]
    return numbers[chosen].astype(np.float32), PLACES[rng.integers(0, 3, (count, 1))], kinds[chosen]


def table(numbers: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.concatenate([numbers.astype(object), places.astype(object)], axis=1)


def columns() -> Pipeline:
    """Numbers scaled and turned, strings one-hot, then a linear classifier."""
    from sklearn.compose import ColumnTransformer
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers, places, kinds = flowers(120)
    turned = Pipeline([("scale", StandardScaler()), ("turn", PCA(3))])
    steps = [("numbers", turned, [0, 1, 2, 3]), ("place", OneHotEncoder(), [4])]
    pipeline = Pipeline([("columns", ColumnTransformer(steps)), ("classes", LogisticRegression())])
    return pipeline.fit(table(numbers, places), kinds)


def trees() -> Pipeline:
    """Boosted trees, classes that are strings."""
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    numbers, _, kinds = flowers(120)
    boosted = GradientBoostingClassifier(n_estimators=10, random_state=0)
    return Pipeline([("scale", StandardScaler()), ("trees", boosted)]).fit(numbers, PLACES[kinds])


def converted(kind: str, folder: Path) -> tuple[Path, dict[str, Any], Pipeline]:
    """The model's file, inputs for it and the pipeline that it was made of."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    numbers, places, _ = flowers(7)
    inputs = [("numbers", FloatTensorType([None, 4]))]
    feeds: dict[str, Any] = {"numbers": numbers}
    if kind == "columns":
        inputs.append(("place", StringTensorType([None, 1])))
        feeds["place"] = places.astype(object)
    pipeline = columns() if kind == "columns" else trees()
    path = folder / f"{kind}.onnx"
    onnx.save(to_onnx(pipeline, initial_types=inputs), path)
    return path, feeds, pipeline


@pytest.fixture(autouse=True)
def installed() -> None:
    """Skips where the packages are not."""
    for package in ("sklearn", "skl2onnx"):
        pytest.importorskip(
            package,
            reason=f"{package} is not installed: `make test-real` installs it and runs this test",
            exc_type=ModuleNotFoundError,
        )


@pytest.mark.parametrize("kind", ["columns", "trees"])
def test_every_tensor_comes_back_and_nothing_moves(kind: str, tmp_path: Path, report) -> None:
    path, feeds, _ = converted(kind, tmp_path)
    figures = watch_everywhere(path, feeds, tmp_path)
    origin = f"skl2onnx {metadata.version('skl2onnx')}, scikit-learn {metadata.version('scikit-learn')}"
    report(f"pipeline ({kind})", origin, "Apache-2.0, BSD-3-Clause", figures)
    assert figures.bit_equal
    assert not figures.beyond


def test_what_comes_back_is_what_scikit_learn_computes(tmp_path: Path) -> None:
    path, feeds, pipeline = converted("columns", tmp_path)
    model = onnx_ood.load(path)
    watched = onnx_ood.instrument(model, probes="all")
    values, allowed = run(watched.model, feeds), allowances(model, watched, feeds, None)
    steps = pipeline["columns"].named_transformers_
    scaled = steps["numbers"]["scale"].transform(feeds["numbers"])
    everything = table(feeds["numbers"], feeds["place"])
    expected = {
        "Scaler": scaled,
        "MatMul": steps["numbers"]["turn"].transform(scaled),
        "Normalizer": pipeline.predict_proba(everything),
    }
    for operator, value in expected.items():
        (name,) = (tensor.name for tensor in model.tensors if tensor.op == operator)
        assert distance(value.astype(np.float32), values[name]) <= allowed[name]
    (name,) = (tensor.name for tensor in model.tensors if tensor.op == "OneHotEncoder")
    np.testing.assert_array_equal(values[name][:, 0], steps["place"].transform(feeds["place"]).toarray())
    np.testing.assert_array_equal(values["output_label"], pipeline.predict(everything))


def test_what_is_measured_is_what_numpy_says(tmp_path: Path) -> None:
    path, feeds, _ = converted("columns", tmp_path)
    # onnx doesn't know what type these operators give, so that the probes have to be named.
    wanted = {"Scaler", "Sub", "MatMul", "Normalizer"}
    probes = [tensor.name for tensor in onnx_ood.load(path).tensors if tensor.op in wanted]
    assert measured_like_numpy(path, feeds, batch="numbers", site="numbers", probes=probes) == len(wanted)
