"""Adapted copies against all copies, which are measured apart and decided about by a plain rewriting of the rule."""

import json
from unittest import mock

import jsonschema
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from scipy.io import wavfile
from small_models import build, classifier, images, normal

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.score.adaptive import check_adaptive
from onnx_ood.audits.score.settings import ScoreSettings, Streaming
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import load, select
from onnx_ood.runtime import Prober

COPIES, SCALE = 16, 0.3
PROBES = ("a1", "a2", "a3")
TOLERANCE = "onnx_ood.detectors.calibration.early_stopping.TOLERANCE"


@pytest.fixture(scope="module")
def network(save):
    """Three layers in float64, so that no decision hangs on rounding."""
    return save(
        build(
            """
            network (double[N, 60] x) => (double[N, 3] y) {
                h1 = Gemm (x, w1)
                a1 = Relu (h1)
                h2 = Gemm (a1, w2)
                a2 = Tanh (h2)
                h3 = Gemm (a2, w3)
                a3 = Relu (h3)
                y = Gemm (a3, w4)
            }
            """,
            {
                "w1": normal(60, 300, seed=1, scale=0.15, dtype="float64"),
                "w2": normal(300, 300, seed=2, scale=0.03, dtype="float64"),
                "w3": normal(300, 300, seed=3, scale=0.1, dtype="float64"),
                "w4": normal(300, 3, seed=4, dtype="float64"),
            },
        )
    )


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A hundred and fifty rows of many sizes; four are unusable, two of them among the first."""
    generator = np.random.default_rng(0)
    values = generator.standard_normal((150, 60)) * np.exp(generator.normal(0.5, 1.2, (150, 1)))
    values[[3, 21, 40, 100], 2] = np.inf
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    np.save(path, values)
    return path


def run(network, rows, *, adaptive=True, batch_size=None, copies=COPIES, **streaming):
    settings = ScoreSettings(
        detectors=("deviation",),
        probes=PROBES,
        copies=copies,
        adaptive=adaptive,
        scale=SCALE,
        batch_size=batch_size,
        provider="cpu",
    )
    chosen = Streaming(**streaming) if streaming else None
    return onnx_ood.score(network, [str(rows)], settings, streaming=chosen)


def by_row(result):
    return {int(entry.id.rsplit("[")[-1][:-1]): entry for entry in result.inputs}


def everything(network, rows, copies=COPIES):
    """Drops of all usable rows at all copies, [N, K, P], with their numbers."""
    values = np.load(rows)
    usable = np.flatnonzero(np.isfinite(values).all(axis=1))
    noise = [
        np.random.default_rng(np.random.SeedSequence(0, spawn_key=(copy,))).standard_normal(60)
        for copy in range(copies)
    ]
    model = load(network)
    measured = Prober(model, select(model, PROBES), provider="cpu").measure(
        values[usable], (np.stack(noise) * SCALE).astype(np.float32)
    )
    return measured.cosine_drop(), usable.tolist()


def strangeness(logs, relative_errors, usual):
    middle, spread = usual
    z = (logs - middle) / np.sqrt(spread**2 + relative_errors**2)
    return np.sqrt((z**2).mean(axis=-1))


def usual_of(drops):
    middle = np.median(np.log(drops), axis=0)
    return middle, 1.4826 * np.median(np.abs(np.log(drops) - middle), axis=0)


def moved_by_copy(logs, relative_errors, usual, beyond):
    """For each copy, by how much the strangeness moves with the log drops: differences instead of derivatives."""
    step = 1e-5
    there, back = (strangeness(logs + sign * step * beyond, relative_errors, usual) for sign in (1, -1))
    return (there - back) / (2 * step)


def share(scores, low, high):
    """How much of the distribution lies between, linear between the scores."""
    places = (np.arange(len(scores)) + 0.5) / len(scores)
    ends = [
        0.0 if end < min(scores) else 1.0 if end > max(scores) else np.interp(end, np.sort(scores), places)
        for end in (low, high)
    ]
    return ends[1] - ends[0]


def decided_by_hand(drops):
    """What docs/score.md says, input by input: copies, clean runs, drops and standard errors of each."""
    count, every, _ = drops.shape
    rounds = sorted({max(4, -(-every // part)) for part in (1, 2, 4)})
    effects = np.mean([one / one.mean(axis=0) for one in drops[:32]], axis=0)
    copies, clean, means, errors = [], [], [], []

    def reduce(i, k):
        factor = effects.mean(axis=0) / effects[:k].mean(axis=0)
        found = drops[i, :k]
        return found.mean(axis=0) * factor, found.std(axis=0, ddof=1) / np.sqrt(k) * factor

    for i in range(count):
        k, runs = every, 1
        if i >= 32:
            before = 32 * 2 ** int(np.log2(i / 32))
            usual = usual_of(np.array(means[:before]))
            scores = [
                strangeness(np.log(mean), error / mean, usual)
                for mean, error in zip(means[:before], errors[:before], strict=True)
            ]
            k = rounds[0]
            while k < every:
                mean, error = reduce(i, k)
                own = drops[i, :k] / drops[i, :k].mean(axis=0)
                beyond = own - effects[:k] / effects[:k].mean(axis=0)
                moved = [moved_by_copy(np.log(mean), error / mean, usual, one) for one in beyond]
                score = strangeness(np.log(mean), error / mean, usual)
                wanted = next(
                    later
                    for later in rounds
                    if later >= k
                    and share(
                        scores,
                        score - (e := np.std(moved, ddof=1) * np.sqrt(1 / later - 1 / every)),
                        score + e,
                    )
                    <= 0.02
                )
                if wanted == k:
                    break
                k, runs = wanted, runs + 1
        mean, error = reduce(i, k)
        copies.append(k)
        clean.append(runs)
        means.append(mean)
        errors.append(error)
    return copies, clean, np.array(means), np.array(errors)


@pytest.mark.parametrize(("batch_size", "copies"), [(None, 16), (7, 16), (50, 9), (1, 16)])
def test_copies_drops_and_ranks_are_those_decided_by_hand(network, rows, batch_size, copies):
    """However inputs are put into batches."""
    drops, numbers = everything(network, rows, copies)
    wanted, clean, means, errors = decided_by_hand(drops)
    assert 30 < sum(k < copies for k in wanted) < 110
    result = run(network, rows, batch_size=batch_size, copies=copies)
    found = by_row(result)
    assert sorted(found) == numbers
    assert [found[i].copies for i in numbers] == wanted
    np.testing.assert_allclose([found[i].drop for i in numbers], means, rtol=1e-9)
    np.testing.assert_allclose([found[i].drop_error for i in numbers], errors, rtol=1e-9)
    expected = strangeness(np.log(means), errors / means, usual_of(means))
    np.testing.assert_allclose([found[i].deviation for i in numbers], expected, rtol=1e-9)
    assert [entry.id for entry in result.inputs] == [
        f"{rows}[{numbers[i]}]" for i in np.argsort(-expected, kind="stable")
    ]
    used = result.adaptive
    assert (used.copies, used.copies_fixed) == (sum(wanted), copies * len(numbers))
    assert (used.forwards, used.forwards_fixed) == (sum(wanted) + sum(clean), (copies + 1) * len(numbers))
    assert len(result.failed) == 4


def test_forwards_are_those_that_are_run(network, rows):
    """Counted where the model is run, without the four inputs that fail."""
    original, counted = Prober.measure, []

    def measure(self, batch, nudges, feeds=None):
        # The noise floor and the observer effect have nudges of their own for each input.
        if np.ndim(nudges) == 2:
            counted.append((np.isfinite(batch).all(axis=1).sum(), 1 + len(nudges)))
        return original(self, batch, nudges, feeds)

    with mock.patch.object(Prober, "measure", measure):
        result = run(network, rows)
    assert sum(inputs * runs for inputs, runs in counted) == result.adaptive.forwards
    # Those that go on do so together: there are at most as many measurements of a batch as ways through the rounds.
    assert len(counted) <= 4 * (150 // 32 + 3)


@pytest.fixture(params=["rows", "tokens", "recipe", "fixed", "several", "waves", "table"])
def source(request, tmp_path, save):
    """A model, forty inputs or more for it, and settings."""
    generator = np.random.default_rng(3)
    dense = build(
        "g (float[N, 5] x) => (float[N, 4] y) { h = MatMul (x, w)  a = Relu (h)  y = MatMul (a, v) }",
        {"w": normal(5, 16), "v": normal(16, 4)},
    )
    spread = np.exp(generator.normal(0, 0.7, (70, 1))).astype(np.float32)
    values = generator.normal(size=(70, 5)).astype(np.float32) * spread
    kind = request.param
    settings = {"probes": ("op:Relu", "outputs"), "copies": 12, "scale": 0.05, "provider": "cpu"}
    if kind == "tokens":
        texts = [text for kind in models.sentences().values() for text in kind[:14]]
        np.save(tmp_path / "in.npy", np.stack([models.encode(text[:40]) for text in texts]))
        return models.path("char_transformer"), tmp_path / "in.npy", {**settings, "probes": ("outputs",)}
    if kind == "fixed":
        pictures = images(70) * spread[:, :, np.newaxis, np.newaxis]
        np.save(tmp_path / "in.npy", pictures)
        return save(classifier(4)), tmp_path / "in.npy", settings
    if kind == "several":
        graph = """
            g (float[N, 5] x, float[N, 16] m) => (float[N, 4] y) {
                h = MatMul (x, w)  k = Mul (h, m)  a = Relu (k)  y = MatMul (a, v)
            }
            """
        mask = generator.random((70, 16)).astype(np.float32)
        np.savez(tmp_path / "in.npz", x=values, m=mask)
        several = save(build(graph, {"w": normal(5, 16), "v": normal(16, 4)}))
        return several, tmp_path / "in.npz", {**settings, "site": "x"}
    if kind == "waves":
        wavfile.write(tmp_path / "in.wav", 16_000, values.reshape(-1) / 10)
        return save(dense), tmp_path / "in.wav", settings
    if kind == "table":
        table = pa.table({f"c{i}": values[:, i] for i in range(5)})
        parquet.write_table(table, tmp_path / "in.parquet")
        return save(dense), tmp_path / "in.parquet", settings
    np.save(tmp_path / "in.npy", values)
    recipe = {**settings, "recipe": "lesswrong"} if kind == "recipe" else settings
    return save(dense), tmp_path / "in.npy", recipe


def score(source, **changes):
    model, inputs, settings = source
    return onnx_ood.score(model, [str(inputs)], ScoreSettings(**{**settings, **changes}))


def test_where_no_input_settles_the_numbers_are_those_of_all_copies(source):
    """To the last bit: the same inputs are run together, in more rounds."""
    with mock.patch(TOLERANCE, -1.0):
        adapted = score(source, adaptive=True)
    fixed = score(source)
    assert adapted.inputs == fixed.inputs
    assert adapted.probes == fixed.probes
    assert adapted.adaptive.copies == adapted.adaptive.copies_fixed == 12 * fixed.scored
    assert fixed.adaptive is None


def test_an_input_with_fewer_copies_has_the_first_of_them(source):
    """Beside a run with so many copies for all, drops differ by one factor a probe, and relative errors not at all."""
    with mock.patch(TOLERANCE, 0.15):
        adapted = score(source, adaptive=True)
    every, some = ({entry.id: entry for entry in score(source, copies=k).inputs} for k in (12, 4))
    fewer = [entry for entry in adapted.inputs if entry.copies == 4]
    assert 3 <= len(fewer) <= adapted.scored - 32
    # Rounding of other runs; the least nudges, of the recipe, turn least.
    close = 1e-2 if source[2].get("recipe") else 1e-3
    for entry in adapted.inputs:
        if entry.copies == 12:
            np.testing.assert_allclose(entry.drop, every[entry.id].drop, rtol=close)
    drops = np.array([entry.drop for entry in fewer])
    factors = drops / np.array([some[entry.id].drop for entry in fewer])
    np.testing.assert_allclose(factors, np.broadcast_to(factors[0], factors.shape), rtol=close)
    np.testing.assert_allclose(
        np.array([entry.drop_error for entry in fewer]) / drops,
        np.array([np.divide(some[entry.id].drop_error, some[entry.id].drop) for entry in fewer]),
        rtol=30 * close,
    )
    for entry in fewer:
        np.testing.assert_allclose(entry.flip_rate, some[entry.id].flip_rate, atol=1e-12)
        np.testing.assert_allclose(entry.distortion, some[entry.id].distortion, rtol=close)


class KilledError(Exception):
    """Stands for whatever ends a run."""


@pytest.mark.parametrize(
    ("batch_size", "after"), [(7, 2), (7, 4), (7, 9), (7, 15), (7, 25), (32, 2), (32, 5), (32, 9)]
)
def test_an_interrupted_run_is_taken_up_as_if_nothing_had_been(network, rows, tmp_path, after, batch_size):
    whole = run(network, rows, batch_size=batch_size, path=tmp_path / "whole.jsonl")
    original, calls = Prober.measure, iter(range(1000))

    def measure(self, *arguments):
        if next(calls) == after:
            raise KilledError
        return original(self, *arguments)

    with mock.patch.object(Prober, "measure", measure), pytest.raises(KilledError):
        run(network, rows, batch_size=batch_size, path=tmp_path / "s.jsonl")
    begun = (tmp_path / "s.jsonl").read_bytes()
    assert (tmp_path / "whole.jsonl").read_bytes().startswith(begun)
    resumed = run(network, rows, batch_size=batch_size, path=tmp_path / "s.jsonl", resume=True)
    assert resumed == whole
    assert (tmp_path / "s.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_a_file_that_breaks_off_anywhere_is_taken_up(network, rows, tmp_path):
    whole = run(network, rows, batch_size=7, path=tmp_path / "whole.jsonl")
    text = (tmp_path / "whole.jsonl").read_bytes()
    for size in [*range(3000, len(text), len(text) // 14), len(text)]:
        (tmp_path / "s.jsonl").write_bytes(text[:size])
        assert run(network, rows, batch_size=7, path=tmp_path / "s.jsonl", resume=True) == whole, size
        assert (tmp_path / "s.jsonl").read_bytes() == text, size


def test_what_is_known_of_long_runs_takes_no_more_memory(network, rows, tmp_path):
    """Of many inputs every second, then every fourth, ... is kept, and a resumed run keeps the same."""
    with mock.patch("onnx_ood.audits.score.adaptive._MAX_COMPARED", 40):
        whole = run(network, rows, batch_size=7, path=tmp_path / "whole.jsonl")
        text = (tmp_path / "whole.jsonl").read_bytes()
        (tmp_path / "s.jsonl").write_bytes(text[: len(text) * 4 // 5])
        assert run(network, rows, batch_size=7, path=tmp_path / "s.jsonl", resume=True) == whole
    assert (tmp_path / "s.jsonl").read_bytes() == text
    assert [entry.copies for entry in whole.inputs] != [
        entry.copies for entry in run(network, rows, batch_size=7).inputs
    ]


def test_the_stream_and_the_result_follow_the_published_schemas(network, rows, tmp_path, schema):
    result = run(network, rows, path=tmp_path / "s.jsonl")
    validator = jsonschema.Draft202012Validator(schema("score-stream"))
    records = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    for record in records:
        validator.validate(record)
    jsonschema.validate(json.loads(result.model_dump_json(by_alias=True)), schema("score"))
    sums = [np.array(record["copy_sums"]) for record in records if record["record"] == "calibration"]
    # Shares of the mean: over all copies they come to one for every input.
    np.testing.assert_allclose(sums[-1].mean(axis=0), 32, rtol=1e-12)
    scored = {record["id"]: record for record in records if record["record"] == "scored"}
    assert {entry.id: entry.copies for entry in result.inputs} == {
        name: record["copies"] for name, record in scored.items()
    }
    assert result.adaptive.forwards == sum(record["forwards"] for record in scored.values())
    assert result.nudges.adaptive


@pytest.mark.parametrize("settings", [{"copies": 2}, {"copies": 4}, {"recipe": "lesswrong"}])
def test_too_few_copies_to_save_any_are_a_mistake_before_anything_is_measured(
    network, rows, settings, monkeypatch
):
    monkeypatch.setattr("onnx_ood.audits.score.audit.fit_scorer", None)
    with pytest.raises(UsageError, match=r"saves nothing with .*; set more copies, such as 16") as caught:
        onnx_ood.score(network, [str(rows)], ScoreSettings(probes=PROBES, adaptive=True, **settings))
    assert "\n" not in str(caught.value)


def test_without_a_number_of_copies_there_are_16(network, rows):
    settings = ScoreSettings(probes=PROBES, adaptive=True)
    result = onnx_ood.score(network, [str(rows)], settings)
    assert result.nudges.copies == max(entry.copies for entry in result.inputs) == 16
    assert result == onnx_ood.score(network, [str(rows)], settings.replaced(copies=16)).model_copy(
        update={"settings": settings.stored}
    )


def test_resuming_with_fixed_copies_is_refused(network, rows, tmp_path):
    run(network, rows, path=tmp_path / "s.jsonl")
    with pytest.raises(UsageError, match="adaptive True, now False"):
        run(network, rows, adaptive=False, path=tmp_path / "s.jsonl", resume=True)


def test_inputs_that_are_all_alike_get_all_copies(network, tmp_path):
    np.save(tmp_path / "rows.npy", np.tile(np.arange(1.0, 61.0), (40, 1)))
    result = run(network, tmp_path / "rows.npy")
    assert {entry.copies for entry in result.inputs} == {COPIES}
    assert result.adaptive.forwards == result.adaptive.forwards_fixed == 40 * 17


def test_on_cuda_there_is_nothing_to_save():
    with pytest.raises(UsageError, match=r"leave it out, or use provider='cpu'"):
        check_adaptive(16, "cuda")
    check_adaptive(5, "cpu")
