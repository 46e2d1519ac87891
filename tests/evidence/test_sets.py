"""Sets of an audit: names, status, and synthetic ones that are left out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import small_models

import onnx_ood
from onnx_ood import models
from onnx_ood.evidence.collect import Collected, Collector
from onnx_ood.evidence.prepared_model import PreparedModel, prepare_model
from onnx_ood.evidence.sets import MeasuredSets, SetSources, check_sets, collect_sets, open_sets
from onnx_ood.exceptions import InputTypeError, NotEvaluatedError, UsageError
from onnx_ood.inputs import InputSource, open_inputs
from onnx_ood.perturb import list_corruptions, synthetic_ood

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)


class Sums:
    """Measures the sum of each input."""

    def read(self, batch: np.ndarray, others: object = None) -> np.ndarray:  # noqa: ARG002
        return batch.reshape(len(batch), -1).sum(axis=1, dtype=np.float64)

    def joined(self, parts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(parts) if parts else np.empty(0)

    def finite(self, found: np.ndarray) -> np.ndarray:
        return np.isfinite(found)

    def rows(self, found: np.ndarray, which: np.ndarray) -> np.ndarray:
        return found[which]


def prepared(
    save: Callable[..., object], sources: SetSources, preprocess: str | None = "unit"
) -> PreparedModel:
    return prepare_model(save(small_models.classifier()), sources.all, preprocess=preprocess)


def test_a_set_without_a_name_is_called_ood() -> None:
    assert dict(open_sets("a", None).ood) == {}
    assert list(open_sets("a", "b").ood) == ["ood"]
    assert list(open_sets("a", {"fog": "b", "rain": "c"}).ood) == ["fog", "rain"]


def test_nothing_to_compare_with_is_refused(save) -> None:
    pictures, arrays = open_sets(IMAGES, None), open_sets(small_models.images(3), None)
    check_sets(prepared(save, pictures), pictures, synthetic=True)
    with pytest.raises(UsageError, match="no out-of-distribution set to compare with"):
        check_sets(prepared(save, pictures), pictures, synthetic=False)
    with pytest.raises(UsageError, match="or give pictures"):
        check_sets(prepared(save, arrays, None), arrays, synthetic=True)


def measured(sizes: list[int]) -> MeasuredSets[np.ndarray]:
    usual, *sets = (Collected(list(map(str, range(n))), np.zeros(n), {}) for n in sizes)
    return MeasuredSets(usual, {f"s{i}": one for i, one in enumerate(sets)}, {}, ())


@pytest.mark.parametrize(
    ("sizes", "status"), [([10, 10], "measured"), ([9, 10], "not_evaluated"), ([20, 20, 9], "not_evaluated")]
)
def test_small_sets_are_not_evaluated(sizes: list[int], status: str) -> None:
    assert measured(sizes).status == status


def test_synthetic_sets_are_left_out_for_a_given_name_or_values_that_are_not_finite(save) -> None:
    class Nan(Sums):
        """NaN for pictures of one colour, as the set `constant` has them."""

        def read(self, batch: np.ndarray, others: object = None) -> np.ndarray:  # noqa: ARG002
            rows = batch.reshape(*batch.shape[:2], -1)
            return np.where(np.ptp(rows, axis=2).max(axis=1) == 0, np.nan, super().read(batch))

    sources = open_sets(IMAGES, {"scribble": IMAGES[:3]})
    model = prepared(save, sources)
    steps: dict[str, tuple[int, int | None]] = {}
    found = collect_sets(
        Collector(Nan(), model),
        model,
        sources,
        synthetic=True,
        progress=lambda phase, done, total: steps.update({phase: (done, total)}),
    )
    np.testing.assert_allclose(found.id.values, IMAGES.sum(axis=(1, 2, 3)) / 255, rtol=1e-5)
    assert steps == {
        "in-distribution inputs": (12, 12),
        "inputs of scribble": (3, 3),
        "synthetic sets": (0, None),
    }
    expected = {*list_corruptions("demo"), *synthetic_ood()} - {"scribble", "constant"}
    assert set(found.synthetic) == expected
    assert next(iter(found.ood)) == "scribble"
    assert any(note.startswith("The set scribble is the given one") for note in found.notes)
    assert any(note.startswith("The synthetic set constant is left out") for note in found.notes)


def test_sets_without_any_measured_input_are_an_error(save) -> None:
    sources = SetSources(open_inputs(IMAGES), {"empty": InputSource()})
    model = prepared(save, sources)
    with pytest.raises(NotEvaluatedError, match="no input of empty could be measured: there are none"):
        collect_sets(Collector(Sums(), model), model, sources, synthetic=False, progress=None)


@pytest.mark.parametrize("empty", [None, [], ()], ids=["none", "list", "tuple"])
def test_empty_sets_are_refused(empty: object) -> None:
    with pytest.raises(UsageError, match=r"^in-distribution inputs are empty; give at least one$"):
        open_sets(empty, IMAGES)
    with pytest.raises(UsageError, match=r"^inputs of far are empty; give at least one$"):
        open_sets(IMAGES, {"far": empty})


def test_no_synthetic_sets_are_made_of_arrays(save) -> None:
    sources = open_sets(small_models.images(3), {"far": small_models.images(2)})
    model = prepared(save, sources, None)
    found = collect_sets(Collector(Sums(), model), model, sources, synthetic=True, progress=None)
    assert found.synthetic == {}
    assert "Inputs are not pictures" in found.notes[-1]


ROWS = np.zeros((3, 4))


@pytest.mark.parametrize("name", [3, None, ("a", "b"), b"a"])
def test_a_set_is_named_by_a_str(name):
    with pytest.raises(InputTypeError, match=f"ood: found a set named .*{type(name).__name__}"):
        open_sets(ROWS, {"good": ROWS, name: ROWS})


@pytest.mark.parametrize("name", ["", " ", "\t"])
def test_a_set_has_a_name(name):
    with pytest.raises(UsageError, match="ood: found a set without a name"):
        open_sets(ROWS, {name: ROWS})


@pytest.mark.parametrize("audit", [onnx_ood.bench, onnx_ood.directions])
@pytest.mark.parametrize("name", [3, ""])
def test_audits_refuse_such_names(audit, name):
    with pytest.raises(UsageError, match="ood: found a set"):
        audit(models.path("fashion_cnn"), ROWS, {name: ROWS})
