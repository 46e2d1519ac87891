"""What `score` says by detectors, against detectors that are fitted by hand on values that were read by hand."""

from __future__ import annotations

import json
import shutil

import jsonschema
import numpy as np
import onnx
import onnxruntime
import pytest
import small_models
from PIL import Image
from scipy.special import logsumexp
from scipy.stats import binom, false_discovery_control

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.score.settings import ScoreSettings, Streaming
from onnx_ood.detectors import Features, find_detector
from onnx_ood.evidence.collect import Collector
from onnx_ood.evidence.prepared_model import prepare_model
from onnx_ood.evidence.reader import FeatureReader
from onnx_ood.evidence.references import measure_references
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import load
from onnx_ood.inputs import open_inputs, read_card
from onnx_ood.perturb import list_corruptions

FASHION = models.path("fashion_cnn")
AUTO = ("activity", "peaks", "logits", "features")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Garments: 40 that are known to be good, 24 others, and 6 pictures of noise."""
    root = tmp_path_factory.mktemp("collections")
    images, _ = models.fashion_samples()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(images))
    kinds = {
        "good": images[order[:40]],
        "new": images[order[40:64]],
        "noise": rng.integers(0, 256, (6, 28, 28), np.uint8),
    }
    for name, pictures in kinds.items():
        (root / name).mkdir()
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(root / name / f"{i:02}.png")
    return root


@pytest.fixture(scope="module")
def judged(folders):
    """All new inputs, judged by auto with references."""
    return onnx_ood.score(
        FASHION, [str(folders / "new"), str(folders / "noise")], reference=[str(folders / "good")]
    )


def _tensors(folder):
    return np.stack(
        [np.asarray(Image.open(path), np.float32)[None] / 255 for path in sorted(folder.iterdir())]
    )


def _logits(batch):
    """The class scores, by a session of its own."""
    session = onnxruntime.InferenceSession(FASHION)
    (name,) = [value.name for value in onnx.load(FASHION).graph.output]
    return session.run([name], {"image": batch})[0].astype(np.float64)


def _by_id(result):
    return {entry.id: entry for entry in result.inputs}


def test_scores_are_those_of_the_formulas(folders):
    result = onnx_ood.score(FASHION, [str(folders / "new")], ScoreSettings(detectors=("energy", "max_logit")))
    logits = _logits(_tensors(folders / "new"))
    found = _by_id(result)
    for path, row in zip(sorted((folders / "new").iterdir()), logits, strict=True):
        expected = [-logsumexp(row), -row.max()]
        assert found[path.as_posix()].scores == pytest.approx(expected, rel=1e-5)
    ranked = [entry.scores[0] for entry in result.inputs]
    assert ranked == sorted(ranked, reverse=True)
    assert [entry.rank for entry in result.inputs] == list(range(1, 25))
    assert [one.name for one in result.detector_summary.detectors] == ["energy", "max_logit"]
    assert {entry.p_value for entry in result.inputs} == {None}
    assert result.flagged is None


def test_with_references_auto_is_fitted_to_them(folders, judged):
    model = load(FASHION)
    preprocessing = read_card(FASHION).preprocessing
    reader = FeatureReader(model, AUTO, preprocessing=preprocessing)
    sources = [open_inputs(folders / name) for name in ("good", "new")]
    collector = Collector(reader, prepare_model(model, sources[0]))
    good = measure_references(collector, sources[0], preprocessing, augment=True)
    new = collector.collect(sources[1])
    found = _by_id(judged)
    expected = find_detector("auto").fit(reader.info, good.features)(new.values)
    np.testing.assert_allclose([found[name].scores[0] for name in new.ids], expected, rtol=1e-6)
    assert judged.detector_summary.reference == "given"
    assert judged.detector_summary.references == 40


def test_p_values_are_ranks_among_the_references(folders):
    settings = ScoreSettings(detectors=("energy",), fpr=0.1)
    result = onnx_ood.score(
        FASHION,
        [str(folders / "new"), str(folders / "noise")],
        settings,
        reference=[str(folders / "good")],
    )
    known = -logsumexp(_logits(_tensors(folders / "good")), axis=1)
    found = _by_id(result)
    for folder in ("new", "noise"):
        energies = -logsumexp(_logits(_tensors(folders / folder)), axis=1)
        for path, energy in zip(sorted((folders / folder).iterdir()), energies, strict=True):
            entry = found[path.as_posix()]
            assert entry.p_value == pytest.approx((1 + np.sum(known >= energy)) / 41)
            assert entry.flagged == (entry.p_value <= 0.1)
    assert result.flagged == sum(entry.flagged for entry in result.inputs)
    assert result.detector_summary.smallest_p == pytest.approx(1 / 41)


@pytest.mark.parametrize("detector", ["auto", "energy", "mahalanobis", "feature_norm", "flip_rate"])
def test_flags_that_are_not_in_the_order_of_ranks_are_explained(folders, detector):
    result = onnx_ood.score(
        FASHION,
        [str(folders / "new"), str(folders / "noise")],
        ScoreSettings(detectors=(detector,), fpr=0.2),
        reference=[str(folders / "good")],
    )
    first_spared = min(entry.rank for entry in result.inputs if not entry.flagged)
    last_flagged = max((entry.rank for entry in result.inputs if entry.flagged), default=0)
    explained = [note for note in result.notes if "rank below" in note]
    assert len(explained) == (last_flagged > first_spared)
    # Energy learns nothing, and only high ones count: its flags can't but follow its ranks.
    assert not explained or detector != "energy"
    if explained and detector in ("feature_norm", "flip_rate"):
        assert "unusually low" in explained[0]


def test_noise_is_flagged_and_garments_are_not_more_often_than_said(judged):
    noise = [entry for entry in judged.inputs if "/noise/" in entry.id]
    garments = [entry for entry in judged.inputs if "/new/" in entry.id]
    assert all(entry.flagged for entry in noise)
    assert {entry.rank for entry in noise} == set(range(1, 7))
    # The share of one draw of references scatters: its variance adds to that of the inputs.
    assert sum(entry.flagged for entry in garments) <= binom.ppf(0.999, len(garments), 0.05) + 2


def test_an_input_s_score_does_not_depend_on_the_others(folders, judged):
    first = sorted((folders / "new").iterdir())[0]
    alone = onnx_ood.score(FASHION, [str(first)], reference=[str(folders / "good")])
    entry, among = alone.inputs[0], _by_id(judged)[first.as_posix()]
    assert entry.scores == pytest.approx(among.scores, rel=1e-6)
    assert entry.p_value == among.p_value
    # A rank needs no others, strangeness does.
    assert (entry.rank, entry.deviation) == (1, None)


def test_the_default_without_references_is_doubt_with_and_without_blanks(folders):
    result = onnx_ood.score(FASHION, [str(folders / "new")], bundled_reference=False)
    reader = FeatureReader(load(FASHION), AUTO, preprocessing=read_card(FASHION).preprocessing)
    greys = np.broadcast_to(np.linspace(0, 1, 11, dtype=np.float32)[:, None, None, None], (11, 1, 28, 28))
    blanks, new = reader.read(np.ascontiguousarray(greys)), reader.read(_tensors(folders / "new"))
    uncertainty = find_detector("uncertainty").fit(reader.info, None)
    less = [
        uncertainty(Features(logits=new.logits - z, features=new.features - h))
        for z, h in zip(blanks.logits, blanks.features, strict=True)
    ]
    expected = uncertainty(new) + np.max(less, axis=0)
    found = _by_id(result)
    for path, score in zip(sorted((folders / "new").iterdir()), expected, strict=True):
        assert found[path.as_posix()].scores == pytest.approx([score], rel=1e-5)
    assert (result.detector_summary.reference, result.detector_summary.references) == ("none", 0)
    notes = onnx_ood.score(FASHION, [str(folders / "new")]).notes
    assert any("takes grey pictures" in note for note in notes)


def test_bundled_photos_stand_for_references_of_models_of_colours(tmp_path):
    path = tmp_path / "colours.onnx"
    onnx.save(small_models.classifier(), path)
    photos = [str(photo) for photo in models.photos()[:3]]
    result = onnx_ood.score(path, photos)
    assert (result.detector_summary.reference, result.detector_summary.references) == ("bundled", 96)
    assert any("3 of the inputs have names of the bundled photos" in note for note in result.notes)
    without = onnx_ood.score(path, photos, ScoreSettings(bundled_reference=False))
    assert (without.detector_summary.reference, without.detector_summary.references) == ("none", 0)


def test_where_nothing_can_be_learnt_inputs_are_compared_with_each_other(tmp_path):
    rows = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    node = onnx.helper.make_node("Sin", ["x"], ["y"])
    info = [onnx.helper.make_tensor_value_info(name, 1, ["N", 4]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "waves", [info[0]], [info[1]])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "waves.onnx")
    result = onnx_ood.score(tmp_path / "waves.onnx", [str(tmp_path / "rows.npy")])
    assert result.detector_summary is None
    assert any("auto is not used" in note for note in result.notes)
    strangeness = [entry.deviation for entry in result.inputs]
    assert strangeness == sorted(strangeness, reverse=True)
    with pytest.raises(UsageError, match="detector auto does not apply"):
        onnx_ood.score(
            tmp_path / "waves.onnx",
            [str(tmp_path / "rows.npy")],
            reference=[str(tmp_path / "rows.npy")],
        )


def test_too_few_references_for_a_rate_flag_nothing(folders):
    paths = [str(path) for path in sorted((folders / "good").iterdir())[:12]]
    result = onnx_ood.score(
        FASHION, [str(folders / "noise")], ScoreSettings(detectors=("energy",)), reference=paths
    )
    assert result.detector_summary.smallest_p == pytest.approx(1 / 13)
    assert {entry.flagged for entry in result.inputs} == {None}
    assert all(entry.p_value >= 1 / 13 for entry in result.inputs)
    assert any("give more references" in note for note in result.notes)


def test_inputs_that_are_references_too_are_told(folders):
    good = str(folders / "good")
    settings = ScoreSettings(detectors=("energy",))
    result = onnx_ood.score(FASHION, [good], settings, reference=[good])
    assert any("40 inputs are among the references, too" in note for note in result.notes)
    apart = onnx_ood.score(FASHION, [str(folders / "new")], settings, reference=[good])
    assert not any("among the references" in note or "same values" in note for note in apart.notes)


def test_copies_of_references_under_other_names_are_noted(folders, tmp_path):
    good = sorted((folders / "good").iterdir())
    for number, path in enumerate(good[:3]):
        shutil.copy(path, tmp_path / f"copy{number}{path.suffix}")
    inputs = [str(tmp_path), str(good[0]), str(folders / "new")]
    result = onnx_ood.score(
        FASHION, inputs, ScoreSettings(detectors=("energy",)), reference=[str(folders / "good")]
    )
    assert any("3 inputs have the same values as references of other names" in note for note in result.notes)
    assert any(f"{good[0].name} is among the references, too" in note for note in result.notes)


@pytest.mark.parametrize(
    ("settings", "reference", "message"),
    [
        ({"detectors": ("nonsense",)}, False, "unknown detector 'nonsense'"),
        (
            {"detectors": ("knn",)},
            False,
            "detector knn requires references; give known-good inputs with reference",
        ),
        ({"detectors": ("deviation",)}, True, "leave out reference"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(folders, settings, reference, message):
    with pytest.raises(UsageError, match=message) as error:
        onnx_ood.score(
            FASHION,
            [str(folders / "new")],
            ScoreSettings(**settings),
            reference=[str(folders / "good")] if reference else None,
        )
    assert "\n" not in str(error.value)


def test_the_result_with_a_verdict_follows_its_schema(judged, schema):
    jsonschema.validate(json.loads(judged.model_dump_json(by_alias=True)), schema("score"))


def test_a_streamed_run_gives_the_same_and_is_gone_on_with_only_by_the_same_references(
    folders, judged, tmp_path
):
    inputs = [str(folders / "new"), str(folders / "noise")]
    stream = onnx_ood.Streaming(tmp_path / "run.jsonl")
    streamed = onnx_ood.score(FASHION, inputs, reference=[str(folders / "good")], streaming=stream)
    assert streamed == judged
    again = onnx_ood.Streaming(tmp_path / "run.jsonl", resume=True)
    assert onnx_ood.score(FASHION, inputs, reference=[str(folders / "good")], streaming=again) == judged
    with pytest.raises(UsageError, match="references 40 given"):
        onnx_ood.score(FASHION, inputs, reference=[str(folders / "new")], streaming=again)
    with pytest.raises(UsageError, match="detectors auto, now uncertainty"):
        onnx_ood.score(FASHION, inputs, ScoreSettings(detectors=("uncertainty",)), streaming=again)


def test_references_are_measured_once_if_there_is_a_cache(folders, judged, tmp_path, monkeypatch):
    inputs, reference = [str(folders / "new"), str(folders / "noise")], [str(folders / "good")]
    settings = ScoreSettings(cache=tmp_path)
    assert onnx_ood.score(FASHION, inputs, settings, reference=reference) == judged
    read = []
    measure = FeatureReader.read_all
    monkeypatch.setattr(
        FeatureReader, "read_all", lambda *arguments: (read.append(len(arguments[1])), measure(*arguments))[1]
    )
    assert onnx_ood.score(FASHION, inputs, settings, reference=reference) == judged
    # The inputs themselves, and nothing of the references.
    assert sum(read) == 30


def test_references_of_different_lengths_are_learned_from(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(12):
        np.save(tmp_path / f"{number:02}.npy", rng.integers(0, 60, (1, 20 + number)))
    np.save(tmp_path / "new.npy", rng.integers(0, 60, (1, 50)))
    result = onnx_ood.score(
        models.path("char_transformer"),
        tmp_path / "new.npy",
        reference=tmp_path / "[01]*.npy",
        provider="cpu",
    )
    assert result.scored == 1
    assert result.detector_summary.references == 12
    assert np.isfinite(result.inputs[0].scores).all()


def test_without_references_auto_states_its_limit_and_not_the_use_of_photos(save):
    text = """
        table (float[N, 4] x) => (float[N, 3] logits) {
            act = Relu (x)
            logits = Gemm <transB = 1> (act, w)
        }
    """
    model = save(small_models.build(text, {"w": small_models.normal(3, 4)}))
    rows = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    notes = onnx_ood.score(model, rows, provider="cpu").notes
    assert notes[0] == (
        "auto uses the model's uncertainty alone: it cannot notice inputs far from the training data; give reference."
    )
    assert not any("photos" in note for note in notes)
    named = onnx_ood.score(model, rows, detectors="energy", provider="cpu").notes
    assert not any("uncertainty alone" in note for note in named)


def test_scores_of_auto_are_explained_by_their_terms(judged):
    used = judged.detector_summary.detectors[0]
    assert [one.name for one in used.terms] == [
        "activity",
        "alteration",
        "channels",
        "altered_peaks",
        "neighbours",
        "uncertainty",
    ]
    names = [tensor.name for tensor in load(FASHION).tensors if tensor.activation]
    assert judged.detector_summary.layers == len(names)
    for entry in judged:
        values = np.array([one.value for one in entry.terms])
        np.testing.assert_allclose(4 * np.log(np.exp(values / 4).mean()), entry.scores[0], rtol=1e-9)
        for one in entry.terms[:5]:
            expected = "image" if one.layer_number == 0 else names[one.layer_number - 1]
            assert one.layer == expected
        assert (entry.terms[5].layer, entry.terms[5].layer_number) == (None, None)
    # Held out, a reference can be as unusual as a new input: not as in a fit to itself, where all are near.
    typical = np.median([entry.scores[0] for entry in judged if "noise" not in entry.id])
    assert typical < judged.detector_summary.largest_reference < judged[0].scores[0]
    row = next(judged.rows())
    assert row["score:auto:activity"] == judged[0].terms[0].value
    read = onnx_ood.ScoreResult.model_validate_json(judged.model_dump_json(by_alias=True))
    assert read.inputs == judged.inputs


def test_a_result_without_terms_is_read(judged):
    old = json.loads(judged.model_dump_json(by_alias=True))
    for entry in old["inputs"]:
        del entry["terms"]
    for one in old["detector_summary"]["detectors"]:
        del one["terms"], one["left_out"]
    read = onnx_ood.ScoreResult.model_validate(old)
    assert read[0].terms == ()
    assert read[0].scores == judged[0].scores


def test_flags_at_a_false_discovery_rate_are_decided_at_the_end_of_the_stream(folders, tmp_path):
    stream = tmp_path / "run.jsonl"
    result = onnx_ood.score(
        FASHION,
        [str(folders / "new"), str(folders / "noise")],
        ScoreSettings(detectors=("energy",), fdr=0.3, batch_size=4),
        reference=[str(folders / "good")],
        streaming=Streaming(stream),
    )
    summary = result.detector_summary
    values = np.array([entry.p_value for entry in result.inputs])
    rejected = false_discovery_control(values * (1 - 1e-9), method="bh") <= 0.3
    assert [entry.flagged for entry in result.inputs] == rejected.tolist()
    assert (summary.fpr, summary.fdr, result.flagged) == (None, 0.3, rejected.sum())
    assert summary.threshold == values[rejected].max(initial=0)
    header, *rows = map(json.loads, stream.read_text().splitlines())
    assert header["detector_summary"]["threshold"] is None
    assert {row["flagged"] for row in rows if row["record"] == "scored"} == {None}
    with onnx_ood.read_summary(stream) as read:
        assert (read.flagged, read.threshold) == (result.flagged, summary.threshold)
        assert {entry.id: entry.flagged for entry in read.everything()} == {
            entry.id: entry.flagged for entry in result.inputs
        }


def test_from_sixty_references_flags_and_ranks_agree(folders, tmp_path):
    images, _ = models.fashion_samples()
    order = np.random.default_rng(0).permutation(len(images))
    for i, picture in enumerate(images[order[64:134]]):
        Image.fromarray(picture).save(tmp_path / f"{i:02}.png")
    result = onnx_ood.score(
        FASHION, [str(folders / "new"), str(folders / "noise")], reference=[str(tmp_path)], fpr=0.1
    )
    summary = result.detector_summary
    assert (summary.calibration, summary.learned + summary.calibrating) == ("split", 70)
    values = [entry.p_value for entry in result.inputs]
    assert values == sorted(values)
    assert all(entry.flagged for entry in result.inputs if "/noise/" in entry.id)
    names = {path.as_posix() for path in tmp_path.iterdir()}
    assert {entry.nearest_reference for entry in result.inputs} <= names
    alterations = {term.name: term.alteration for term in result.inputs[0].terms}
    assert alterations["alteration"] in list_corruptions("pseudo_ood")
    assert alterations["activity"] is alterations["uncertainty"] is None


def test_a_reference_is_nearest_to_itself(folders):
    good = str(folders / "good")
    result = onnx_ood.score(FASHION, [good], reference=[good])
    assert all(entry.nearest_reference == entry.id for entry in result.inputs)


def test_without_references_most_inputs_of_the_run_serve_as_references(save):
    """Rows that leave all units inactive rank before the nine times as many others."""
    text = """
        table (float[N, 4] x) => (float[N, 3] logits) {
            act = Relu (x)
            logits = Gemm <transB = 1> (act, w)
        }
    """
    model = save(small_models.build(text, {"w": small_models.normal(3, 4)}))
    rng = np.random.default_rng(0)
    rows = rng.normal(3, 0.5, (40, 4)).astype(np.float32)
    rows[:4] *= -1
    result = onnx_ood.score(model, rows, provider="cpu")
    summary = result.detector_summary
    assert (summary.reference, summary.references, summary.fpr) == ("run", 20, None)
    assert result.notes[0].startswith(
        "Inputs are compared with the run itself: the most typical 20 of 40 inputs"
    )
    assert {entry.id for entry in result.inputs[:4]} == {f"inputs[{at}]" for at in range(4)}
    assert all(entry.p_value is None and entry.flagged is None for entry in result)
    again = onnx_ood.score(model, rows, provider="cpu", bundled_reference=False)
    assert again.detector_summary.reference == "none"
