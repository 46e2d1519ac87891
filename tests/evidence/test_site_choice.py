"""Choice of the nudged tensor, for models whose inputs are known."""

from __future__ import annotations

import numpy as np
import pytest
import small_models

import onnx_ood
from onnx_ood.evidence.site_choice import choose_site
from onnx_ood.exceptions import UsageError

TOKENS = """
    tokens (int64[N, 4] ids) => (float[N, 3] y) {
        e = Gather (table, ids)
        m = ReduceMean <axes = [1], keepdims = 0> (e)
        y = Relu (m)
    }
"""


def model(save, text: str, **weights: np.ndarray) -> onnx_ood.Model:
    return onnx_ood.load(save(small_models.build(text, weights)))


def test_the_only_input_of_floats_is_nudged(save) -> None:
    one = model(
        save, "g (int64[N, 2] k, float[N, 2] x) => (float[N, 2] y) { f = Cast <to = 1> (k) y = Add (f, x) }"
    )
    site, note = choose_site(one, None, {})
    assert (site.name, note) == ("x", ())
    assert choose_site(one, "f", {})[0].name == "f"


def test_of_several_inputs_one_is_named_or_the_others_are_fed(save) -> None:
    two = model(save, "g (float[N, 2] a, float[N, 2] b) => (float[N, 2] y) { y = Add (a, b) }")
    with pytest.raises(UsageError, match=r"several inputs of floats \(a, b\); name the one"):
        choose_site(two, None, {})
    assert choose_site(two, None, {"a": "zeros"})[0].name == "b"
    assert choose_site(two, "a", {})[0].name == "a"
    with pytest.raises(UsageError, match="no input 'c'"):
        choose_site(two, None, {"c": "1"})


def test_without_floats_the_first_inside_is_nudged_and_noted(save) -> None:
    site, (note,) = choose_site(model(save, TOKENS, table=small_models.normal(9, 3)), None, {})
    assert site.name == "e"
    assert note == "The model takes no floats; it was nudged at e, the first inner tensor of floats."


def test_a_tensor_that_no_input_reaches_is_no_site(save) -> None:
    text = """
        g (int64[N, 2] k, float[N, 2] x) => (float[N, 2] y) {
            only_x = Neg (x)
            f = Cast <to = 1> (k)
            h = Add (f, only_x)
            y = Relu (h)
        }
    """
    site, (note,) = choose_site(model(save, text), None, {"x": "zeros"})
    assert site.name == "f"
    assert "has no free input of floats" in note
