"""The selector grammar, line by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import small_models
from hypothesis import given
from hypothesis import strategies as st

import onnx_ood
from onnx_ood import Model, SelectorError, Tensor
from onnx_ood.graph import measurable, why_not_measurable

Save = Callable[..., Path]
RELUS = 7


@pytest.fixture(scope="module")
def classifier(save: Save) -> Model:
    return onnx_ood.load(save(small_models.classifier()))


@pytest.fixture(scope="module")
def chain(save: Save) -> Model:
    """Seven Relus with a Neg before each, named like an exporter names them."""
    lines, last = [], "x"
    for i in range(RELUS):
        lines.append(f'"/b{i}/neg" = Neg ("{last}") "/b{i}/relu" = Relu ("/b{i}/neg")')
        last = f"/b{i}/relu"
    text = f'g (float[N] "x") => (float[N] "{last}") {{ {" ".join(lines)} }}'
    return onnx_ood.load(save(quoted(text)))


def quoted(text: str) -> small_models.ModelProto:
    """The text format has no names with slashes, so they are put in afterwards."""
    names = sorted(set(text.split('"')[1::2]), key=len, reverse=True)
    plain = {name: f"name{i}" for i, name in enumerate(names)}
    for name, short in plain.items():
        text = text.replace(f'"{name}"', short)
    model = small_models.build(text)
    full = {short: name for name, short in plain.items()}
    for node in model.graph.node:
        node.input[:] = [full.get(name, name) for name in node.input]
        node.output[:] = [full.get(name, name) for name in node.output]
    for value in (*model.graph.input, *model.graph.output):
        value.name = full.get(value.name, value.name)
    return model


def names(tensors: tuple[Tensor, ...]) -> list[str]:
    return [tensor.name for tensor in tensors]


def select(model: Model, selectors: str | list[str]) -> list[str]:
    return names(onnx_ood.select(model, selectors))


def test_an_exact_name(classifier: Model) -> None:
    assert select(classifier, "conv2") == ["conv2"]


def test_a_glob_crosses_slashes(chain: Model) -> None:
    assert select(chain, "/b3/*") == ["/b3/neg", "/b3/relu"]
    assert select(chain, "*relu") == [f"/b{i}/relu" for i in range(RELUS)]
    assert select(chain, "/b[12]/neg") == ["/b1/neg", "/b2/neg"]
    assert select(chain, "/b?/neg") == [f"/b{i}/neg" for i in range(RELUS)]


def test_a_glob_minds_case(classifier: Model) -> None:
    with pytest.raises(SelectorError):
        select(classifier, "CONV*")


def test_an_operator(classifier: Model) -> None:
    assert select(classifier, "op:Conv") == ["conv1", "conv2"]


def test_an_operator_by_glob(classifier: Model) -> None:
    assert select(classifier, "op:*e*") == ["relu1", "relu2", "pooled", "flat", "logits"]


def test_an_operator_by_number(chain: Model) -> None:
    assert select(chain, "op:Relu[-3]") == ["/b4/relu"]
    assert select(chain, "op:Relu[0]") == ["/b0/relu"]


def test_every_so_many(chain: Model) -> None:
    assert select(chain, "op:Relu[::4]") == ["/b0/relu", "/b4/relu"]


def test_outputs(classifier: Model) -> None:
    assert select(classifier, "outputs") == ["logits"]


def test_outputs_leave_out_what_cannot_be_measured(save: Save) -> None:
    assert select(onnx_ood.load(save(small_models.labels())), "outputs") == ["scores"]


def test_all(classifier: Model) -> None:
    assert select(classifier, "all") == ["conv1", "relu1", "conv2", "relu2", "pooled", "flat", "logits"]


def test_several_give_each_tensor_once_in_execution_order(classifier: Model) -> None:
    assert select(classifier, ["outputs", "op:Relu", "relu1"]) == ["relu1", "relu2", "logits"]


def test_reversed_slices_come_back_in_execution_order(chain: Model) -> None:
    assert select(chain, "op:Relu[::-3]") == ["/b0/relu", "/b3/relu", "/b6/relu"]


bounds = st.none() | st.integers(-10, 10)


@given(start=bounds, stop=bounds, step=st.none() | st.integers(-4, 4).filter(bool), colons=st.booleans())
def test_slices_are_those_of_lists(
    chain: Model, start: int | None, stop: int | None, step: int | None, colons: bool
) -> None:
    written = ["" if bound is None else str(bound) for bound in (start, stop, step)]
    text = ":".join(written if step is not None or colons else written[:2])
    expected = sorted(range(RELUS)[start:stop:step])
    if expected:
        assert select(chain, f"op:Relu[{text}]") == [f"/b{i}/relu" for i in expected]
    else:
        with pytest.raises(SelectorError, match="matches no tensor"):
            select(chain, f"op:Relu[{text}]")


@given(index=st.integers(-10, 10))
def test_numbers_are_those_of_lists(chain: Model, index: int) -> None:
    if -RELUS <= index < RELUS:
        assert select(chain, f"op:Relu[{index}]") == [f"/b{range(RELUS)[index]}/relu"]
    else:
        with pytest.raises(SelectorError, match=r"out of range: the model has 7 of op:Relu"):
            select(chain, f"op:Relu[{index}]")


@pytest.mark.parametrize("name", ["all", "outputs", "op:Relu", "op:Relu[0]", "a*", "a[b]"])
def test_an_exact_name_wins_over_every_other_reading(name: str, save: Save) -> None:
    model = onnx_ood.load(
        save(quoted(f'g (float[N] "x") => (float[N] "y") {{ "{name}" = Relu ("x") "y" = Relu ("{name}") }}'))
    )
    assert select(model, name) == [name]


class TestErrors:
    def test_nothing_selected(self, classifier: Model) -> None:
        with pytest.raises(
            SelectorError, match="no probe given; use a tensor name, a glob, op:TYPE, outputs or all"
        ):
            select(classifier, [])

    @pytest.mark.parametrize(
        ("selector", "near"),
        [
            ("conv3", "conv1"),
            ("relu", "relu1"),
            ("op:relu", "op:Relu"),
            ("op:Convolution", "op:Conv"),
            ("*ooled/x", "pooled"),
        ],
    )
    def test_the_nearest_names_are_listed(self, selector: str, near: str, classifier: Model) -> None:
        with pytest.raises(SelectorError) as caught:
            select(classifier, selector)
        message = str(caught.value)
        assert message.startswith(f"selector {selector!r} matches no tensor of model.onnx; nearest: ")
        assert near in message.partition("nearest: ")[2].split(", ")

    def test_a_part_of_a_name_is_near_too(self, chain: Model) -> None:
        with pytest.raises(SelectorError, match="/b5/neg"):
            select(chain, "b5")

    def test_something_is_listed_where_nothing_is_near(self, classifier: Model) -> None:
        with pytest.raises(SelectorError, match=r"nearest: conv1, relu1, conv2$"):
            select(classifier, "zzzzzzzzzz")
        with pytest.raises(SelectorError, match="nearest: op:Conv, op:Flatten, op:Gemm"):
            select(classifier, "op:zzzzzzzzzz")

    @pytest.mark.parametrize("selector", ["op:", "op:[0]", "op:Relu[", "op:Relu[0][1]", "op:Relu[0]x"])
    def test_a_malformed_selector(self, selector: str, classifier: Model) -> None:
        with pytest.raises(SelectorError, match="is malformed: write op:TYPE, op:TYPE"):
            select(classifier, selector)

    @pytest.mark.parametrize("at", ["", "a", "1.5", "::0", "1:2:3:4", " 1", "--1", "1,2"])
    def test_malformed_brackets(self, at: str, classifier: Model) -> None:
        with pytest.raises(SelectorError, match="put an index or start:stop:step in the brackets"):
            select(classifier, f"op:Relu[{at}]")

    def test_an_input(self, classifier: Model) -> None:
        with pytest.raises(
            SelectorError, match="'image' is an input of the model, which can be a site but not a probe"
        ):
            select(classifier, "image")

    def test_a_tensor_of_integers(self, save: Save) -> None:
        model = onnx_ood.load(save(small_models.labels()))
        with pytest.raises(SelectorError, match="'label' holds int64 values; only floating-point"):
            select(model, "label")

    def test_a_constant(self, save: Save) -> None:
        model = onnx_ood.load(
            save(
                small_models.build(
                    "g (float[2] x) => (float[2] y) { c = Constant <value = float[2] {1, 2}> () y = Add (x, c) }"
                )
            )
        )
        with pytest.raises(SelectorError, match="'c' does not depend on any input"):
            select(model, "c")

    def test_a_model_with_nothing_to_measure(self, save: Save) -> None:
        model = onnx_ood.load(save(small_models.build("g (int64[N] x) => (int64[N] y) { y = Abs (x) }")))
        with pytest.raises(SelectorError, match="the model has no tensor that can be measured"):
            select(model, "all")


def test_what_can_be_measured_is_floats(save: Save) -> None:
    model = onnx_ood.load(save(small_models.contrib()))
    assert names(measurable(model)) == ["h", "r", "back", "y"]
    model = onnx_ood.load(save(small_models.sequence()))
    assert names(measurable(model)) == ["y"]
    assert why_not_measurable(model, model.by_name["y"]) is None
    assert "sequence" in (why_not_measurable(model, model.by_name["parts"]) or "")
