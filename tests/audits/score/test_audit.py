"""The score audit against computations that do not use the package."""

import json
import shutil
import threading

import jsonschema
import numpy as np
import onnx
import onnxruntime
import pytest
import small_models
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from PIL import Image

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.score.settings import ScoreSettings
from onnx_ood.evidence.reader import FeatureReader
from onnx_ood.exceptions import ModelError, SelectorError, UsageError
from onnx_ood.inputs import read_card
from onnx_ood.runtime import Prober, prober
from onnx_ood.runtime.providers import Resolved

FASHION = ["fashion_cnn", "fashion_resnet"]
COMPARED = ScoreSettings(detectors=("deviation",))


def _tensors(folder):
    paths = sorted(folder.iterdir())
    return np.stack([np.asarray(Image.open(path), dtype=np.float32)[np.newaxis] / 255 for path in paths])


def _marked(name, tensor):
    model = onnx.load(models.path(name))
    if tensor not in {value.name for value in model.graph.output}:
        model.graph.output.append(onnx.ValueInfoProto(name=tensor))
    return model


def _conv_outputs(name):
    return [node.output[0] for node in onnx.load(models.path(name)).graph.node if node.op_type == "Conv"]


def _stream(seed, copy):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(copy,)))


def _angle(a, b):
    """Angle in radians in float64 by atan2 of difference and sum of the unit vectors."""
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    u, v = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return 2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))


@pytest.mark.parametrize("name", FASHION)
def test_drops_and_errors_are_those_of_a_hand_made_computation(name, garments):
    probe = _conv_outputs(name)[2]
    result = onnx_ood.score(
        models.path(name), [str(garments)], ScoreSettings(probes=(probe,), copies=3, seed=5)
    )

    session = onnxruntime.InferenceSession(_marked(name, probe).SerializeToString())
    batch = _tensors(garments)
    noise = [_stream(5, copy).standard_normal(batch.shape[1:]) * 0.02 for copy in range(3)]
    clean = session.run([probe], {"image": batch})[0]
    drops = np.array(
        [
            [1 - np.cos(_angle(a, b)) for a, b in zip(clean, nudged, strict=True)]
            for nudged in (session.run([probe], {"image": (batch + n).astype(np.float32)})[0] for n in noise)
        ]
    )
    by_name = {entry.id.rsplit("/", 1)[-1]: entry for entry in result.inputs}
    for i, path in enumerate(sorted(garments.iterdir())):
        entry = by_name[path.name]
        assert entry.drop[0] == pytest.approx(drops[:, i].mean(), rel=1e-4)
        assert entry.drop_error[0] == pytest.approx(drops[:, i].std(ddof=1) / np.sqrt(3), rel=1e-3)
    assert result.probes[0].drop_median == pytest.approx(np.median(drops.mean(axis=0)), rel=1e-4)


def _in_float64(model):
    """The same network with float64 weights, for the reference evaluator."""
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name)
            )
    for node in model.graph.node:
        for attribute in node.attribute:
            if (
                attribute.type == onnx.AttributeProto.TENSOR
                and attribute.t.data_type == onnx.TensorProto.FLOAT
            ):
                attribute.t.CopyFrom(
                    numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(np.float64))
                )
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == onnx.TensorProto.FLOAT:
                attribute.i = onnx.TensorProto.DOUBLE
    for value in [*model.graph.input, *model.graph.output]:
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    del model.graph.value_info[:]
    return model


@pytest.mark.parametrize("name", [*FASHION, "efficientnet_lite0"])
def test_the_lesswrong_recipe_agrees_with_float64_to_one_percent(name, garments):
    """The whole published formula in float64, the network included, by onnx's reference evaluator."""
    if name in FASHION:
        paths = sorted(garments.iterdir())[:3]
        tensors = _tensors(garments)
    else:
        paths = models.photos()[:2]
        preprocessing = read_card(models.path(name)).preprocessing
        tensors = np.stack([preprocessing.tensor(path) for path in paths])
    settings = ScoreSettings(detectors=("deviation",), recipe="lesswrong", copies=2, seed=1)
    result = onnx_ood.score(models.path(name), [str(path) for path in paths], settings)
    probe = _conv_outputs(name)[-3]
    assert [entry.name for entry in result.probes] == [probe]

    network = ReferenceEvaluator(_in_float64(_marked(name, probe)))
    for entry, x in zip(result.inputs, tensors.astype(np.float64), strict=False):
        before = network.run([probe], {"image": x[np.newaxis]})[0]
        ratios = []
        for copy in range(2):
            noise = _stream(1, copy).standard_normal(x.shape)
            moved = x + noise * (np.linalg.norm(x) * 1e-5)
            moved *= np.linalg.norm(x) / np.linalg.norm(moved)
            after = network.run([probe], {"image": moved[np.newaxis]})[0]
            assert before.dtype == after.dtype == np.float64
            ratios.append(np.degrees(_angle(before, after)) / np.degrees(_angle(x, moved)))
        assert entry.distortion[0] == pytest.approx(np.mean(ratios), rel=0.01)


def test_the_result_follows_its_published_schema(garments, schema):
    result = onnx_ood.score(models.path("fashion_cnn"), [str(garments)])
    jsonschema.validate(json.loads(result.model_dump_json(by_alias=True)), schema("score"))


def test_the_strangest_come_first_and_ranks_are_complete(garments):
    result = onnx_ood.score(models.path("fashion_cnn"), [str(garments)], COMPARED)
    scores = [entry.deviation for entry in result.inputs]
    assert scores == sorted(scores, reverse=True)
    assert [entry.rank for entry in result.inputs] == list(range(1, 13))
    assert {entry.id for entry in result.inputs} == {path.as_posix() for path in garments.iterdir()}


def test_an_input_unlike_the_others_is_found(garments, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)).save(
        tmp_path / "noise.png"
    )
    result = onnx_ood.score(models.path("fashion_cnn"), [str(garments), str(tmp_path)], copies=4)
    assert result.inputs[0].id.endswith("noise.png")
    assert result.inputs[0].rotation == "less"


def test_few_inputs_are_listed_and_not_ranked(garments):
    paths = [path.as_posix() for path in sorted(garments.iterdir())[:7]]
    result = onnx_ood.score(models.path("fashion_cnn"), paths, COMPARED)
    assert [entry.id for entry in result.inputs] == paths
    assert {entry.rank for entry in result.inputs} == {None}
    assert any("without a rank" in note for note in result.notes)
    # A detector needs no other inputs.
    judged = onnx_ood.score(models.path("fashion_cnn"), paths, copies=4)
    assert [entry.rank for entry in judged.inputs] == list(range(1, 8))
    assert {entry.deviation for entry in judged.inputs} == {None}
    assert any("have no deviation" in note for note in judged.notes)


def test_the_same_settings_give_the_same_bytes(garments):
    first, second = (
        onnx_ood.score(models.path("fashion_cnn"), [str(garments)]).model_dump_json() for _ in range(2)
    )
    assert first == second


def test_an_input_s_numbers_do_not_depend_on_its_neighbours(garments):
    everything = onnx_ood.score(models.path("fashion_cnn"), [str(garments)], copies=4)
    one = sorted(garments.iterdir())[4].as_posix()
    alone = onnx_ood.score(models.path("fashion_cnn"), [one], copies=4).inputs[0]
    beside = next(entry for entry in everything.inputs if entry.id == one)
    assert alone.drop == pytest.approx(beside.drop, rel=1e-5)
    assert alone.published_score == pytest.approx(beside.published_score, rel=1e-3)


def test_predictions_are_the_model_s_own(garments):
    result = onnx_ood.score(models.path("fashion_cnn"), [str(garments)])
    session = onnxruntime.InferenceSession(models.path("fashion_cnn"))
    logits = session.run(None, {"image": _tensors(garments)})[0].astype(np.float64)
    labels = models.path("fashion_cnn").with_name("fashion_classes.txt").read_text().splitlines()
    by_name = {entry.id: entry.prediction for entry in result.inputs}
    for path, row in zip(sorted(garments.iterdir()), logits, strict=True):
        found = by_name[path.as_posix()]
        assert found.label == labels[row.argmax()]
        assert found.probability == pytest.approx(np.exp(row.max()) / np.exp(row).sum(), rel=1e-4)


def test_bad_inputs_fail_by_name_and_the_others_are_scored(garments, tmp_path):
    (tmp_path / "broken.png").write_bytes(sorted(garments.iterdir())[0].read_bytes()[:100])
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "notes.txt").write_text("ignored")
    inputs = [str(garments), str(tmp_path)]
    with pytest.raises(UsageError, match=r"missing\.png: no such file or folder; check the path"):
        onnx_ood.score(models.path("fashion_cnn"), [*inputs, str(tmp_path / "missing.png")])
    result = onnx_ood.score(models.path("fashion_cnn"), inputs)
    assert result.status == "scored"
    assert len(result.inputs) == 12
    assert {failure.id.rsplit("/", 1)[-1] for failure in result.failed} == {
        "broken.png",
        "text.jpg",
    }
    assert [path.rsplit("/", 1)[-1] for path in result.ignored] == ["notes.txt"]


def test_too_little_evaluated_is_said(garments, tmp_path):
    for i in range(13):
        (tmp_path / f"{i}.png").write_text("nothing")
    result = onnx_ood.score(models.path("fashion_cnn"), [str(garments), str(tmp_path)])
    assert result.status == "not_evaluated"
    assert len(result.inputs) == 12


def test_arrays_are_nudged_in_tensor_space_where_nobody_says_how_they_were_made(tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32))
    graph = onnx.parser.parse_graph("g (float[N,5] x) => (float[N,5] y) { y = Relu(x) }")
    onnx.save(
        onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)]),
        tmp_path / "m.onnx",
    )
    result = onnx_ood.score(tmp_path / "m.onnx", [str(tmp_path / "rows.npy")])
    assert result.nudges.space == "tensor"
    assert result.preprocessing is None
    with pytest.raises(UsageError, match="set it with preprocess"):
        onnx_ood.score(tmp_path / "m.onnx", [str(tmp_path / "rows.npy")], ScoreSettings(space="pixel"))


def test_below_the_noise_floor_is_said(garments):
    loud = onnx_ood.score(models.path("fashion_cnn"), [str(garments)])
    quiet = onnx_ood.score(models.path("fashion_cnn"), [str(garments)], ScoreSettings(scale=1e-9))
    assert all(probe.above_floor == 1 for probe in loud.probes)
    assert all(probe.above_floor < 0.5 for probe in quiet.probes)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"probes": ("op:Relux",)}, SelectorError, "op:Relu"),
        ({"site": "imag"}, UsageError, "image"),
        ({"preprocess": "imagnet"}, UsageError, "imagenet"),
        ({"batch_size": 0}, UsageError, "batch_size"),
    ],
)
def test_settings_that_do_not_fit_the_model_are_named(garments, change, error, words):
    with pytest.raises(error, match=words):
        onnx_ood.score(models.path("fashion_cnn"), [str(garments)], ScoreSettings(**change))


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize(("copies", "fails"), [(4, (Prober, "measure")), (0, (FeatureReader, "read_all"))])
def test_no_thread_reads_on_behind_an_error(kind, copies, fails, garments, monkeypatch):
    def fail(*_):
        raise kind

    monkeypatch.setattr(*fails, fail)
    with pytest.raises(kind) as caught:
        onnx_ood.score(models.path("fashion_cnn"), [str(garments)] * 50, copies=copies, batch_size=2)
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(("onnx-ood-decode", "onnx-ood-batches"))]
    assert caught.traceback  # still holds every frame


def test_a_missing_model_is_named():
    with pytest.raises(ModelError, match=r"nowhere\.onnx: no such file"):
        onnx_ood.score("nowhere.onnx", np.zeros((1, 1, 28, 28)))


def test_the_observer_effect_is_reported_and_exact_takes_it_away(garments):
    watched = onnx_ood.score(models.path("fashion_cnn"), [str(garments)], ScoreSettings(probes=("op:Conv",)))
    assert 0 < watched.run.observer_effect < 1e-5
    exact = onnx_ood.score(
        models.path("fashion_cnn"), [str(garments)], ScoreSettings(probes=("op:Conv",), exact=True)
    )
    assert (exact.run.observer_effect, exact.run.exact) == (0, True)
    for one, other in zip(watched.inputs, exact.inputs, strict=True):
        assert one.drop == pytest.approx(other.drop, rel=1e-3)


@pytest.fixture
def token_model(tmp_path):
    """Ids → vectors → two layers; `side` does not depend on the vectors."""
    graph = """
        g (int64[N, T] ids) => (float[N, T, 5] logits) {
            vectors = Gather (table, ids)
            numbers = Cast <to = 1> (ids)
            side = Relu (numbers)
            mixed = MatMul (vectors, w1)
            hidden = Relu (mixed)
            logits = MatMul (hidden, w2)
        }
    """
    weights = {"table": (11, 6), "w1": (6, 6), "w2": (6, 5)}
    model = small_models.build(
        graph, {name: small_models.normal(*shape, seed=i) for i, (name, shape) in enumerate(weights.items())}
    )
    onnx.save(model, tmp_path / "tokens.onnx")
    np.save(tmp_path / "ids.npy", np.random.default_rng(0).integers(0, 11, size=(10, 4)))
    return tmp_path / "tokens.onnx", str(tmp_path / "ids.npy")


def test_a_model_of_tokens_is_nudged_at_its_first_floats(token_model):
    model, ids = token_model
    result = onnx_ood.score(model, [ids])
    assert result.site == "vectors"
    assert any("nudged at vectors" in note for note in result.notes)
    assert result.nudges.space == "tensor"
    assert [probe.name for probe in result.probes] == ["hidden"]
    assert len(result.inputs) == 10


def test_the_site_can_be_named(token_model):
    model, ids = token_model
    result = onnx_ood.score(
        model, [ids], ScoreSettings(site="mixed", probes=("all",), scale=0.1, copies=2, seed=3)
    )
    assert result.site == "mixed"
    assert [probe.name for probe in result.probes] == ["hidden", "logits"]
    table, w1, w2 = (small_models.normal(*shape, seed=i) for i, shape in enumerate([(11, 6), (6, 6), (6, 5)]))
    mixed = table[np.load(ids)].astype(np.float64) @ w1
    for entry in result.inputs:
        x = mixed[int(entry.id.rsplit("[", 1)[1][:-1])]
        drops = []
        for copy in range(2):
            moved = np.maximum(x + 0.1 * _stream(3, copy).standard_normal(x.shape), 0) @ w2
            drops.append(1 - np.cos(_angle(np.maximum(x, 0) @ w2, moved)))
        assert entry.drop[1] == pytest.approx(np.mean(drops), rel=1e-4)


def test_pixel_space_is_refused_inside_a_model(token_model):
    model, ids = token_model
    with pytest.raises(UsageError, match="space='tensor'"):
        onnx_ood.score(model, [ids], ScoreSettings(space="pixel"))


def test_a_probe_before_the_site_is_refused(token_model):
    model, ids = token_model
    with pytest.raises(SelectorError, match="'side' does not depend on the site 'vectors'"):
        onnx_ood.score(model, [ids], ScoreSettings(probes=("side",)))


def test_tf32_that_the_provider_lacks_is_said(garments, monkeypatch):
    monkeypatch.setattr(prober, "resolve", lambda _: Resolved("cpu", "there is no GPU"))
    result = onnx_ood.score(models.path("fashion_cnn"), [str(garments)], ScoreSettings(tf32=True, copies=1))
    assert not result.run.tf32
    assert any("TF32 was requested" in note for note in result.notes)


def test_added_nodes_on_another_provider_are_reported_as_a_bug(garments, monkeypatch):
    settings = ScoreSettings(provider="cpu", copies=1)
    assert onnx_ood.score(models.path("fashion_cnn"), [str(garments)], settings).run.fallback_nodes == ()
    monkeypatch.setattr(Prober, "fallback_nodes", ("__onnx_ood__/pairs/Greater",))
    result = onnx_ood.score(models.path("fashion_cnn"), [str(garments)], settings)
    assert result.run.fallback_nodes == ("__onnx_ood__/pairs/Greater",)
    (note,) = (note for note in result.notes if "bug" in note)
    assert "1 added node ran on the CPU" in note
    assert "__onnx_ood__/pairs/Greater" in note


def test_a_bad_file_of_classes_is_found_before_anything_is_measured(tmp_path, monkeypatch):
    shutil.copy(models.path("fashion_cnn"), tmp_path / "model.onnx")
    card = json.loads(models.path("fashion_cnn").with_suffix(".json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**card, "classes": "missing.txt"}))
    images, _ = models.fashion_samples()

    def measured(*_, **__):
        raise AssertionError("references were measured")

    monkeypatch.setattr("onnx_ood.audits.score.audit.fit_scorer", measured)
    with pytest.raises(UsageError, match=r"classes.*missing\.txt"):
        onnx_ood.score(tmp_path / "model.onnx", images[:8], reference=images[8:30])


def _saved(folder, model):
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def _found_rows():
    """A row for each positive value: their number depends on the data."""
    return small_models.build(
        """
        found (float[N, 8] x) => (float[] y) {
            h = MatMul (x, w)
            r1 = Relu (h)
            wanted = Greater (h, zero)
            at = NonZero (wanted)
            rows = Transpose (at)
            picked = GatherND (h, rows)
            column = Unsqueeze (picked, one)
            wide = MatMul (column, v)
            r2 = Relu (wide)
            y = ReduceMax <axes = [0], keepdims = 1> (r2)
        }
        """,
        {
            "w": small_models.normal(8, 16, seed=1),
            "v": small_models.normal(1, 4, seed=2),
            "zero": np.array(0, np.float32),
            "one": np.array([1]),
        },
    )


def test_inputs_are_compared_with_the_copies_of_their_own_size(tmp_path):
    path, batch = _saved(tmp_path, _found_rows()), small_models.normal(30, 8, seed=4)
    result = onnx_ood.score(path, batch, probes=("r1", "r2"), copies=4, scale=0.05, detectors="deviation")
    noise = np.stack([_stream(0, k).standard_normal(8) for k in range(4)]) * 0.05
    weights = small_models.normal(8, 16, seed=1)
    clean = (batch @ weights > 0).sum(axis=1)
    copies = ((batch[:, np.newaxis] + noise.astype(np.float32)) @ weights > 0).sum(axis=2)
    differ = (copies != clean[:, np.newaxis]).sum(axis=1)
    assert 0 < differ.sum() < 120
    assert len(set(clean.tolist())) > 1
    assert [probe.not_comparable for probe in result.probes] == [0, differ.sum()]
    assert (result.status, result.scored, result.failed) == ("scored", 30, ())
    assert any(f"{differ.sum()} of 120 pairs" in note and "probe r2" in note for note in result.notes)
    drops = {one.id: one.drop for one in result.inputs}
    for i, count in enumerate(differ):
        assert drops[f"inputs[{i}]"][0] > 0
        assert (drops[f"inputs[{i}]"][1] is None) == (count == 4)
    result.to_html(tmp_path / "page.html")
    result.to_json(tmp_path / "result.json")
    assert onnx_ood.read_result(tmp_path / "result.json") == result
    (tmp_path / "streamed.jsonl").unlink(missing_ok=True)
    streamed = onnx_ood.score(
        path,
        batch,
        probes=("r1", "r2"),
        copies=4,
        scale=0.05,
        detectors="deviation",
        streaming=onnx_ood.Streaming(tmp_path / "streamed.jsonl"),
    )
    assert streamed.inputs == result.inputs
    adaptive = onnx_ood.score(
        path, small_models.normal(80, 8, seed=4), probes=("r1", "r2"), copies=16, adaptive=True, scale=0.05,
        detectors="deviation",
    )  # fmt: skip
    assert adaptive.scored == 80


def test_a_random_model_is_said_to_be_one(tmp_path):
    model = small_models.build(
        """
        noisy (float[N, 8] x) => (float[N, 3] y) {
            h = MatMul (x, w)
            r1 = Relu (h)
            e = RandomNormalLike <scale = 0.5> (r1)
            s = Add (r1, e)
            r2 = Relu (s)
            y = MatMul (r2, v)
        }
        """,
        {"w": small_models.normal(8, 16, seed=1), "v": small_models.normal(16, 3, seed=2)},
    )
    path, batch = _saved(tmp_path, model), small_models.normal(12, 8, seed=4)
    for size in (None, 1):
        result = onnx_ood.score(
            path, batch, probes=("r1", "r2"), detectors="deviation", scale=1e-3, batch_size=size
        )
        assert result.run.random_operators == ("RandomNormalLike",)
        assert (result.run.batching_note, result.run.observer_effect) == ("", None)
        assert any("different outputs for the same input (RandomNormalLike)" in note for note in result.notes)
        # Drops between two runs of each input, as numpy draws them 1,000 times: they hide the drops of nudges.
        rng = np.random.default_rng(0)
        first = np.maximum(batch @ small_models.normal(8, 16, seed=1), 0)
        one, other = (np.maximum(first + rng.normal(0, 0.5, (1000, *first.shape)), 0) for _ in range(2))
        drops = 1 - (one * other).sum(2) / np.linalg.norm(one, axis=2) / np.linalg.norm(other, axis=2)
        assert drops.min() < result.probes[1].noise_floor < drops.max()
        assert result.probes[0].noise_floor < 1e-9
        text = repr(result)
        assert "use a larger --scale" not in text
        assert "--exact" not in text
    again = onnx_ood.score(path, batch, probes=("r1", "r2"), detectors="deviation", scale=1e-3)
    assert any("differ from run to run" in note for note in onnx_ood.diff(result, again).notes)
    calm = onnx_ood.score(_saved(tmp_path, small_models.residual()), small_models.normal(12, 4))
    assert calm.run.random_operators == ()
    assert not any("differ from run to run" in note for note in calm.notes)


@pytest.mark.parametrize(("axis", "count"), [(None, 1), ("1", 1), (0, 20)])
def test_a_recording_with_time_first_is_one_input(tmp_path, axis, count):
    model = small_models.build(
        """
        steps (float[seq_len, batch, 5] x) => (float[batch, 3] y) {
            h = MatMul (x, w)
            r = Relu (h)
            y = ReduceMean <axes = [0], keepdims = 0> (r)
        }
        """,
        {"w": small_models.normal(5, 3, seed=1)},
    )
    path, recording = _saved(tmp_path, model), small_models.normal(20, 1, 5, seed=4)
    np.save(tmp_path / "x.npy", recording)
    result = onnx_ood.score(path, tmp_path / "x.npy", batch_axis=axis, detectors="deviation")
    assert result.scored == count
    if count == 1:
        expected = np.maximum(recording[:, 0] @ small_models.normal(5, 3, seed=1), 0).mean(axis=0)
        (one,) = result.inputs
        assert one.prediction.index == expected.argmax()
        np.testing.assert_allclose(one.prediction.value, expected.max(), rtol=1e-5)
        assert any("batch axis of the model input x is axis 1" in note for note in result.notes)
        # Arrays in memory: one for each input, or with the batch axis first.
        for given in ([recording], recording.transpose(1, 0, 2)):
            in_memory = onnx_ood.score(path, given, batch_axis=axis, detectors="deviation")
            assert in_memory.inputs[0].prediction == one.prediction
        with pytest.raises(
            UsageError, match="axis 0 of an array counts the inputs, but the model has them on axis 1"
        ):
            onnx_ood.score(path, recording, batch_axis=axis, detectors="deviation")


@pytest.mark.parametrize("last", [False, True])
def test_pictures_go_to_models_without_a_batch_axis(tmp_path, last):
    dims, turn = ("32, 32, 3", "Transpose <perm = [2, 0, 1]>") if last else ("3, height, width", "Identity")
    model = small_models.build(
        f"""
        one (float[{dims}] x) => (float[1, 4] y) {{
            t = {turn} (x)
            wide = Unsqueeze (t, zero)
            c = Conv (wide, w)
            r = Relu (c)
            p = GlobalAveragePool (r)
            f = Flatten (p)
            y = MatMul (f, v)
        }}
        """,
        {
            "zero": np.array([0]),
            "w": small_models.normal(8, 3, 3, 3, seed=1, scale=0.4),
            "v": small_models.normal(8, 4, seed=2),
        },
    )
    path = _saved(tmp_path, model)
    pictures = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
    result = onnx_ood.score(path, pictures, preprocess="unit,size=32", bundled_reference=False)
    assert result.scored == 9
    assert any("no batch axis" in note and "one at a time" in note for note in result.notes)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for one in result.inputs:
        picture = pictures[int(one.id[7:-1])].astype(np.float32) / 255
        (expected,) = session.run(None, {"x": picture if last else picture.transpose(2, 0, 1)})
        np.testing.assert_allclose(one.prediction.value, expected.max(), rtol=1e-4)
