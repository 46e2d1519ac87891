"""The published experiment on text measures what it says, on a few sentences."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

import onnx_ood
from onnx_ood import models
from onnx_ood.perturb import draw

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "published_text.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[SCRIPT.stem] = module  # Dataclasses look their module up there.
    spec.loader.exec_module(module)
    yield module
    del sys.modules[SCRIPT.stem]


@pytest.fixture(scope="module")
def prober(script):
    return script.make_prober()


@pytest.fixture(scope="module")
def reference(script):
    """onnx's own evaluator on a graph whose embeddings were given an addend by hand."""
    model = onnx.load(models.path("char_transformer"))
    for node in model.graph.node:
        node.input[:] = ["moved" if name == script.SITE else name for name in node.input]
    at = next(i for i, node in enumerate(model.graph.node) if script.SITE in node.output)
    model.graph.node.insert(at + 1, onnx.helper.make_node("Add", [script.SITE, "added"], ["moved"]))
    model.graph.input.append(onnx.helper.make_tensor_value_info("added", onnx.TensorProto.FLOAT, None))
    watched = ["moved", *script.PROBES.values()]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in watched)
    evaluator = ReferenceEvaluator(model)

    def run(tokens, added):
        found = evaluator.run(watched, {"tokens": tokens[np.newaxis], "added": added.astype(np.float32)})
        return [values.astype(np.float64).ravel() for values in found]

    return run


def angle(a, b):
    """From b's parts across a and along it, which loses nothing where both are nearly parallel."""
    across = b - a * (a @ b) / (a @ a)
    return np.arctan2(np.linalg.norm(across), a @ b / np.linalg.norm(a))


def test_the_ratio_is_that_of_onnx_own_evaluator(script, prober, reference):
    sets = script.sets_of_sentences(2)
    sentences = [
        sets[name][index] for name, index in (("in_distribution", 0), ("in_distribution", 1), ("random", 0))
    ]
    measured = script.measure(prober, sentences, 3, 5)
    noise = 0.01 * draw("gaussian", (128, 128), 3, 5)
    for sentence, ratio, site_angle in zip(sentences, measured.ratio, measured.site_angle, strict=True):
        tokens = models.encode("\n" + sentence)
        clean = reference(tokens, np.zeros((len(tokens), 128)))
        angles = np.array(
            [
                [angle(a, b) for a, b in zip(clean, reference(tokens, nudge[: len(tokens)]), strict=True)]
                for nudge in noise
            ]
        )
        np.testing.assert_allclose(ratio, (angles[:, 1:] / angles[:, :1]).mean(axis=0), rtol=1e-4)
        np.testing.assert_allclose(site_angle, np.degrees(angles[:, 0]).mean(), rtol=1e-4)


def test_a_sentences_figures_do_not_depend_on_what_else_is_measured(script, prober):
    sentences = [sentence for texts in script.sets_of_sentences(2).values() for sentence in texts]
    together = script.measure(prober, sentences, 2, 0)
    for index in (0, len(sentences) - 1):
        alone = script.measure(prober, sentences[index : index + 1], 2, 0)
        np.testing.assert_allclose(alone.ratio[0], together.ratio[index], rtol=1e-5)
        np.testing.assert_allclose(alone.drop_error[0], together.drop_error[index], rtol=1e-4)


def test_the_direction_is_what_the_documentation_says(script, prober):
    """The two sets that lie farthest from ordinary sentences, one on either side."""
    sets = script.sets_of_sentences(12)
    ordinary, random, unknown = (
        script.measure(prober, sets[name], 8, 0).ratio[:, -1]
        for name in ("in_distribution", "random", "foreign_script")
    )
    assert script.as_published(ordinary, random).high < 0.3
    assert script.as_published(ordinary, unknown).low > 0.7


def test_score_measures_the_same_ratio(script, prober, tmp_path):
    sentences = script.sets_of_sentences(3)["in_distribution"]
    for index, sentence in enumerate(sentences):
        np.save(tmp_path / f"{index}.npy", models.encode("\n" + sentence))
    settings = onnx_ood.ScoreSettings(scale=0.01, copies=3, probes=("outputs",), provider="cpu")
    scored = onnx_ood.score(models.path("char_transformer"), [str(tmp_path)], settings)
    found = [entry.distortion[0] for entry in sorted(scored.inputs, key=lambda entry: entry.id)]
    np.testing.assert_allclose(found, script.measure(prober, sentences, 3, 0).ratio[:, -1], rtol=1e-5)


def test_a_foreign_script_is_lengths_of_words_to_the_model_and_nothing_else(script):
    sets = script.sets_of_sentences(40)
    for ordinary, foreign, solid in zip(
        sets["in_distribution"], sets["foreign_script"], sets["script_without_spaces"], strict=True
    ):
        known = models.encode(foreign)
        letters = np.array([character.isalpha() for character in ordinary])
        np.testing.assert_array_equal(known, np.where(letters, 0, models.encode(ordinary)))
        np.testing.assert_array_equal(models.encode(solid), np.zeros(len(ordinary)))
    # Real ones fare alike: what is no letter of the vocabulary's is one token.
    for letters in ("Съешьещёэтихмягкихбулок", "Ξεσκεπάζωτηνψυχοφθόρα", "日本語の文章", "عربي"):
        assert not models.encode(letters).any()


def test_all_sets_but_the_other_languages_are_as_long_as_the_ordinary_one(script):
    sets = script.sets_of_sentences(40)
    for name in set(sets) - {"foreign"}:
        assert list(map(len, sets[name])) == list(map(len, sets["in_distribution"]))


def test_smaller_ratios_are_strange_as_published(script):
    area = script.as_published(np.array([0.5, 0.6, 0.7]), np.array([0.1, 0.55]))
    assert area.value == pytest.approx(5 / 6)


@pytest.mark.parametrize("factor", [0.2, 5.0])
def test_two_sided_is_strange_in_either_direction(script, factor):
    def measured(drop):
        return script.Measured(drop, drop, drop * 1e-3, drop[:, 0])

    drops = np.exp(np.random.default_rng(0).normal(0, 0.1, (20, 6)))
    area = script.two_sided(measured(drops), measured(drops * factor), np.full(6, 1e-12))
    assert area.value == 1
    few = measured(drops[:8])
    assert script.two_sided(few, measured(drops), np.full(6, 1e-12)) is None


def test_the_command_prints_and_writes_every_set(script, tmp_path, capsys):
    path = tmp_path / "result.json"
    script.main(["--draws", "2", "--sentences", "2", "--json", str(path)])
    printed = capsys.readouterr().out
    result = json.loads(path.read_text("utf-8"))
    sets = script.sets_of_sentences(2)
    for kind in ("whole_sentences", "cut_to_one_length"):
        assert list(result[kind]) == list(sets)
        for name, found in result[kind].items():
            assert set(found["ratio"]) == set(found["as_published"]) == set(script.PROBES)
            assert found["sentences"] == 2
            assert name.replace("_", " ") in printed
    assert len({found["characters"] for found in result["cut_to_one_length"].values()}) == 1
    assert result["whole_sentences"]["in_distribution"]["as_published"]["logits"]["value"] == 0.5
    assert f"{result['whole_sentences']['random']['ratio']['logits']:.3f} ±" in printed
