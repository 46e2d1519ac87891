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


def test_what_is_chosen_is_never_computed_from_sizes_nor_a_single_number(save) -> None:
    """Scales of resizing and of dynamic quantisation come first in many exports."""
    text = """
        g (uint8[N, 3, 8, 8] img) => (float[N, 3, 8, 8] y) {
            s = Shape (img)
            sf = Cast <to = 1> (s)
            f = Cast <to = 1> (img)
            codes, scale, zero = DynamicQuantizeLinear (f)
            h = Mul (f, scale)
            m = ReduceMax <keepdims = 0> (sf)
            g = Div (h, m)
            y = Relu (g)
        }
    """
    site, _ = choose_site(model(save, text), None, {})
    assert site.name == "f"
    text = """
        g (uint8[N, 4] k) => (float[N, 4] y) {
            largest = ReduceMax <keepdims = 0> (k)
            top = Cast <to = 11> (largest)
            k64 = Cast <to = 11> (k)
            h = Mul (k64, top)
            f = Cast <to = 1> (h)
            y = Relu (f)
        }
    """
    assert choose_site(model(save, text), None, {})[0].name == "k64"


def test_settings_beside_data_are_no_sites(save) -> None:
    speech = """
        g (int64[N, T] ids, int64[N] lengths, float[3] scales) => (float[N, T, 3] y) {
            e = Gather (table, ids)
            h = Mul (e, scales)
            y = Relu (h)
        }
    """
    one = model(save, speech, table=small_models.normal(9, 3))
    site, (note,) = choose_site(one, None, {})
    assert site.name == "e"
    assert "no free input of floats but settings (scales)" in note
    assert choose_site(one, "scales", {})[0].name == "scales"
    diffusion = "g (float[N, 4] sample, float[1] time) => (float[N, 4] y) { y = Mul (sample, time) }"
    assert choose_site(model(save, diffusion), None, {})[0].name == "sample"
    # Without other data, a vector is the data.
    vector = "g (float[4] x) => (float[4] y) { y = Relu (x) }"
    assert choose_site(model(save, vector), None, {})[0].name == "x"


def test_what_is_chosen_is_not_refused(save) -> None:
    """Nor a tensor of a loop, nor one that numpy cannot hold."""
    text = """
        g (int64[N, 4] k) => (float[N, 4] y) {
            b = Cast <to = 16> (k)
            f = Cast <to = 1> (b)
            y = Relu (f)
        }
    """
    assert choose_site(model(save, text), None, {})[0].name == "f"
