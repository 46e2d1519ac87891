"""Models of several inputs, from .npz files and shared values to the score, against plain numpy in float64."""

import json

import jsonschema
import numpy as np
import pytest
from scipy.io import wavfile
from small_models import build, normal

import onnx_ood
from onnx_ood.audits.score.settings import ScoreSettings
from onnx_ood.exceptions import UsageError
from onnx_ood.runtime import Prober

COPIES, SEED, SCALE = 3, 7, 0.05
TABLE, TYPES, MIX = normal(11, 6, seed=1), normal(2, 6, seed=2), normal(6, 8, seed=3)
WAVE, BACK = normal(16, 4, seed=4, scale=0.3), normal(4, 3, seed=5)


def _tokens(inputs=("input_ids", "attention_mask", "token_type_ids"), rows="N"):
    """Vectors of tokens and of their types, averaged where the mask is 1. The mask's floats come first in the file."""
    declared = ", ".join(f"int64[{rows}, T] {name}" for name in inputs)
    return build(
        f"""
        tokens ({declared}) => (float[{rows}, 3] y) {{
            mask = Cast <to = 1> (attention_mask)
            wide = Unsqueeze (mask, last)
            words = Gather (table, input_ids)
            kinds = Gather (types, token_type_ids)
            vectors = Add (words, kinds)
            kept = Mul (vectors, wide)
            total = ReduceSum <keepdims = 0> (kept, middle)
            count = ReduceSum <keepdims = 0> (wide, middle)
            mean = Div (total, count)
            mixed = MatMul (mean, w)
            act = Relu (mixed)
            y = MatMul (act, out)
        }}
        """,
        {
            "table": TABLE,
            "types": TYPES,
            "w": MIX,
            "out": normal(8, 3, seed=6),
            "last": np.array([2]),
            "middle": np.array([1]),
        },
    )


def _speech():
    """A detector of speech: windows, a recurrent state whose batch lies on its second axis, a sample rate."""
    return build(
        """
        speech (float[N, 16] input, float[2, N, 4] state, int64 sr) => (float[N, 3] y) {
            h = Gemm (input, w1)
            rate = Cast <to = 1> (sr)
            gain = Div (rate, unit)
            louder = Mul (h, gain)
            before = Gather <axis = 0> (state, one)
            mixed = Add (louder, before)
            act = Tanh (mixed)
            y = Gemm (act, w2)
        }
        """,
        {"w1": WAVE, "w2": BACK, "unit": np.array(8000, np.float32), "one": np.array(1)},
    )


def _noise(shape):
    streams = (
        np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(copy,))) for copy in range(COPIES)
    )
    return [SCALE * stream.standard_normal(shape) for stream in streams]


def _drop(function, clean):
    """Mean over copies of 1 - cos between what a function makes of one input and of its nudged copies."""
    drops = []
    for noise in _noise(clean.shape):
        u, v = (a / np.linalg.norm(a) for a in (function(clean), function(clean + noise)))
        drops.append(((u - v) ** 2).sum() / 2)
    return np.mean(drops)


def _of_tokens(ids, mask, types):
    """The drop at `act` for the first floats behind the tokens, the words' vectors."""

    def act(words):
        mean = ((words + TYPES[types]) * mask[:, np.newaxis]).sum(axis=0) / mask.sum()
        return np.maximum(mean @ MIX.astype(np.float64), 0)

    return _drop(act, TABLE[ids].astype(np.float64))


def _of_speech(window, state, rate):
    def act(samples):
        return np.tanh(samples @ WAVE.astype(np.float64) * (rate / 8000) + state[1])

    return _drop(act, window.astype(np.float64))


def _sentences(count=10, length=5, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, length + 1, count)
    return {
        "input_ids": rng.integers(0, 11, (count, length)),
        "attention_mask": (np.arange(length) < lengths[:, np.newaxis]).astype(np.int64),
        "token_type_ids": rng.integers(0, 2, (count, length)),
    }


def _score(model, *paths, **changes):
    settings = ScoreSettings(probes=("act",), copies=COPIES, seed=SEED, scale=SCALE, **changes)
    return onnx_ood.score(model, [str(path) for path in paths], settings)


def _drops(result):
    return {entry.id: entry.drop[0] for entry in result.inputs}


def _check(result, expected):
    found = _drops(result)
    assert set(found) == set(expected)
    np.testing.assert_allclose([found[name] for name in expected], list(expected.values()), rtol=1e-4)


class TestTokens:
    def test_every_input_comes_from_the_file_row_by_row(self, tmp_path, save, schema):
        """Two files of different lengths, and one sentence without an axis of rows."""
        first, second = _sentences(), _sentences(4, 3, seed=1)
        np.savez(tmp_path / "a.npz", **first, labels=np.zeros(10))
        np.savez_compressed(tmp_path / "b.npz", **second)
        np.savez(tmp_path / "c.npz", **{name: rows[2].astype(np.int16) for name, rows in first.items()})
        result = _score(save(_tokens()), tmp_path)
        folder = tmp_path.as_posix()
        expected = {
            f"{folder}/a.npz[{i}]": _of_tokens(*row)
            for i, row in enumerate(zip(*first.values(), strict=True))
        }
        expected |= {
            f"{folder}/b.npz[{i}]": _of_tokens(*row)
            for i, row in enumerate(zip(*second.values(), strict=True))
        }
        expected[f"{folder}/c.npz"] = expected[f"{folder}/a.npz[2]"]
        _check(result, expected)
        assert result.site == "words"
        assert result.feeds == {"attention_mask": ".npz", "token_type_ids": ".npz"}
        assert "array 'labels' of .npz files was ignored: not an input of the model, or set by feeds" in (
            result.notes
        )
        jsonschema.validate(json.loads(result.model_dump_json(by_alias=True)), schema("score"))

    def test_shared_values_take_the_sizes_that_the_inputs_have(self, tmp_path, save):
        given = _sentences()
        np.save(tmp_path / "ids.npy", given["input_ids"])
        types = np.array([[0, 1, 1, 0, 1]])
        np.save(tmp_path / "types.npy", types)
        feeds = {"attention_mask": "ones", "token_type_ids": str(tmp_path / "types.npy")}
        result = _score(save(_tokens()), tmp_path / "ids.npy", feeds=feeds)
        name = (tmp_path / "ids.npy").as_posix()
        expected = {
            f"{name}[{i}]": _of_tokens(ids, np.ones(5), types[0]) for i, ids in enumerate(given["input_ids"])
        }
        _check(result, expected)
        assert result.feeds == feeds
        np.save(tmp_path / "types.npy", types[0])  # Without the batch axis it is the same.
        assert _drops(_score(save(_tokens()), tmp_path / "ids.npy", feeds=feeds)) == _drops(result)

    def test_a_shared_value_goes_before_the_file_s_and_leaves_the_rest_to_it(self, tmp_path, save):
        given = _sentences()
        np.savez(tmp_path / "x.npz", **given)
        result = _score(save(_tokens()), tmp_path / "x.npz", feeds={"attention_mask": "1"})
        name = (tmp_path / "x.npz").as_posix()
        expected = {
            f"{name}[{i}]": _of_tokens(ids, np.ones(5), types)
            for i, (ids, types) in enumerate(zip(given["input_ids"], given["token_type_ids"], strict=True))
        }
        _check(result, expected)
        assert result.feeds == {"token_type_ids": ".npz", "attention_mask": "1"}
        assert any("'attention_mask' of .npz files was ignored" in note for note in result.notes)

    def test_files_feed_the_first_input_without_a_shared_value(self, tmp_path, save):
        given = _sentences()
        np.save(tmp_path / "ids.npy", given["input_ids"])
        model = save(_tokens(("attention_mask", "token_type_ids", "input_ids")))
        result = _score(
            model, tmp_path / "ids.npy", feeds={"attention_mask": "ones", "token_type_ids": "zeros"}
        )
        assert result.site == "words"
        name = (tmp_path / "ids.npy").as_posix()
        zeros = np.zeros(5, np.int64)
        _check(
            result,
            {f"{name}[{i}]": _of_tokens(ids, np.ones(5), zeros) for i, ids in enumerate(given["input_ids"])},
        )

    def test_a_batch_size_of_the_model_s_own_is_kept(self, tmp_path, save):
        given = _sentences()
        np.savez(tmp_path / "x.npz", **given)
        result = _score(save(_tokens(rows=4)), tmp_path / "x.npz")
        name = (tmp_path / "x.npz").as_posix()
        rows = zip(*given.values(), strict=True)
        _check(result, {f"{name}[{i}]": _of_tokens(*row) for i, row in enumerate(rows)})
        assert result.run.batch_size == 4

    def test_the_noise_floor_and_the_observer_effect_are_measured_with_all_inputs(self, tmp_path, save):
        given = _sentences()
        np.savez(tmp_path / "x.npz", **given)
        path = save(_tokens())
        result = _score(path, tmp_path / "x.npz")
        ids, others = given.pop("input_ids")[:8], {name: rows[:8] for name, rows in given.items()}
        model = onnx_ood.load(path)
        prober = Prober(model, onnx_ood.select(model, "act"), site="words", provider=result.run.provider)
        assert result.probes[0].noise_floor == prober.noise_floor(ids, others)[0]
        assert result.run.observer_effect == prober.observer_effect(ids, others)

    @pytest.mark.parametrize("bad", [0, 3])
    def test_a_row_that_the_model_does_not_run_fails_alone(self, tmp_path, save, bad):
        given = _sentences()
        given["input_ids"][bad, 0] = 99
        np.savez(tmp_path / "x.npz", **given)
        result = _score(save(_tokens()), tmp_path / "x.npz")
        name = (tmp_path / "x.npz").as_posix()
        assert [failure.id for failure in result.failed] == [f"{name}[{bad}]"]
        rows = [row for i, row in enumerate(zip(*given.values(), strict=True)) if i != bad]
        names = [f"{name}[{i}]" for i in range(10) if i != bad]
        _check(result, {name: _of_tokens(*row) for name, row in zip(names, rows, strict=True)})

    def test_files_that_do_not_fit_fail_by_name(self, tmp_path, save):
        given = _sentences()
        np.savez(tmp_path / "good.npz", **given)
        np.savez(tmp_path / "lacks.npz", **{name: given[name] for name in ("input_ids", "attention_mask")})
        np.savez(tmp_path / "other.npz", tokens=given["input_ids"])
        np.savez(tmp_path / "short.npz", **{**given, "attention_mask": given["attention_mask"][:9]})
        np.savez(tmp_path / "flat.npz", **{**given, "attention_mask": np.ones((10, 5, 1), np.int64)})
        np.savez(tmp_path / "floats.npz", **{**given, "attention_mask": np.ones((10, 5))})
        np.savez(tmp_path / "object.npz", **{**given, "attention_mask": np.array([None])})
        np.save(tmp_path / "ids.npy", given["input_ids"])
        result = _score(save(_tokens()), tmp_path)
        assert len(result.inputs) == 10
        reasons = {
            failure.id.removeprefix(f"{tmp_path.as_posix()}/"): failure.reason for failure in result.failed
        }
        assert reasons == {
            "lacks.npz": "holds no array 'token_type_ids', which the model takes too; it holds: input_ids, "
            "attention_mask; add the missing arrays, or use feeds",
            "other.npz": "holds no array 'input_ids', which the model takes; it holds: tokens",
            "short.npz": "array 'attention_mask' has 9 rows, but 'input_ids' has 10",
            "flat.npz": "array 'attention_mask' has shape [10,5,1], but the model takes [N,T]",
            "floats.npz": "array 'attention_mask' holds float64, but the model takes int64; save it as int64",
            "object.npz": "array 'attention_mask' holds Python objects (pickled), which are never read; save numbers",
            "ids.npy": "holds no values of 'attention_mask', 'token_type_ids', which the model takes too; give an "
            ".npz with an array for each, or use feeds",
        }


class TestSpeech:
    @pytest.mark.parametrize(("batch_size", "rate"), [(None, 16000), (3, 8000)])
    def test_windows_of_a_waveform_with_a_state_of_zeros(self, tmp_path, save, batch_size, rate):
        samples = np.random.default_rng(0).uniform(-1, 1, 16 * 9).astype(np.float32)
        wavfile.write(tmp_path / "x.wav", 16_000, samples)
        feeds = {"state": "zeros", "sr": str(rate)}
        result = _score(save(_speech()), tmp_path / "x.wav", feeds=feeds, batch_size=batch_size)
        name = (tmp_path / "x.wav").as_posix()
        windows = samples.reshape(9, 16)
        _check(result, {f"{name}[{i}]": _of_speech(windows[i], np.zeros((2, 4)), rate) for i in range(9)})
        assert (result.site, result.feeds) == ("input", feeds)

    @pytest.mark.parametrize("shape", [(2, 1, 4), (2, 4)])
    def test_a_state_of_a_file_is_each_input_s(self, tmp_path, save, shape):
        windows, state = normal(9, 16, seed=8), normal(2, 4, seed=9)
        np.save(tmp_path / "x.npy", windows)
        np.save(tmp_path / "state.npy", state.reshape(shape))
        feeds = {"state": str(tmp_path / "state.npy"), "sr": "8e3"}
        result = _score(save(_speech()), tmp_path / "x.npy", feeds=feeds)
        name = (tmp_path / "x.npy").as_posix()
        _check(result, {f"{name}[{i}]": _of_speech(windows[i], state, 8000) for i in range(9)})

    def test_values_that_all_rows_of_a_file_share_keep_files_apart(self, tmp_path, save):
        """One state a row along the second axis; one rate a file, so that no run can take rows of both."""
        expected = {}
        for at, rate in enumerate((8000, 16000)):
            windows, states = normal(5, 16, seed=10 + at), normal(2, 5, 4, seed=20 + at)
            path = tmp_path / f"{at}.npz"
            np.savez(path, input=windows, state=states, sr=np.array(rate))
            for i in range(5):
                expected[f"{path.as_posix()}[{i}]"] = _of_speech(windows[i], states[:, i], rate)
        _check(_score(save(_speech()), tmp_path, site="input"), expected)

    def test_the_recipe_follows_the_norm_of_an_inner_site(self, tmp_path, save):
        np.save(tmp_path / "x.npy", normal(9, 16, seed=8))
        feeds = {"state": "zeros", "sr": "8000"}
        settings = ScoreSettings(probes=("y",), recipe="lesswrong", site="mixed", feeds=feeds)
        result = onnx_ood.score(save(_speech()), [str(tmp_path / "x.npy")], settings)
        assert len(result.inputs) == 9
        assert all(entry.drop[0] > 0 for entry in result.inputs)

    def test_only_what_the_site_has_an_influence_on_is_probed(self, tmp_path, save):
        """The state's own activation is not suggested where the waveform is nudged."""
        model = build(
            """
            g (float[N, 4] x, float[N, 4] z) => (float[N, 4] y) {
                own = Relu (z)
                act = Relu (x)
                y = Add (own, act)
            }
            """
        )
        np.save(tmp_path / "x.npy", normal(9, 4))
        settings = ScoreSettings(feeds={"z": "ones"})
        result = onnx_ood.score(save(model), [str(tmp_path / "x.npy")], settings)
        assert [probe.name for probe in result.probes] == ["act"]
        with pytest.raises(UsageError, match="'own' does not depend on the site 'x'"):
            onnx_ood.score(
                save(model), [str(tmp_path / "x.npy")], ScoreSettings(probes=("own",), feeds={"z": "ones"})
            )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {},
            r"has several inputs of floats \(input, state\); name the one to nudge \(site='input'\), or give the "
            r"others' values \(feeds\)",
        ),
        (
            {"site": "input"},
            r"also needs state \(float32 \[2, N, 4\]\), sr \(int64 \[\]\); give one value for all inputs with "
            r"feeds={'state': 'VALUE'} \(zeros, ones, a number or a .npy file\), or .npz files \(in Python also a "
            r"mapping\) with an array for each",
        ),
        (
            {"feeds": {"stat": "zeros"}},
            r"feeds={'stat': 'zeros'}: \S+ has no input 'stat'; it has: input, state, sr",
        ),
        ({"feeds": {"input": "0", "state": "0", "sr": "0"}}, "every input of .* has a feed"),
        ({"site": "state", "feeds": {"state": "zeros"}}, "'state' is nudged, so it takes the inputs"),
        (
            {"feeds": {"state": "zeros", "sr": "fast"}},
            r"feeds={'sr': 'fast'}: is none of: zeros, ones, a number or a .npy",
        ),
        (
            {"feeds": {"state": "zeros", "sr": "1.5"}},
            r"feeds={'sr': '1.5'}: is not a value of int64, the type of the input",
        ),
        ({"feeds": {"state": "zeros", "sr": "none.npy"}}, r"feeds={'sr': 'none.npy'}: no such file"),
    ],
)
def test_what_is_missing_or_wrong_is_said_with_the_way_out(tmp_path, save, changes, message):
    np.save(tmp_path / "x.npy", np.zeros((3, 16), np.float32))
    with pytest.raises(UsageError, match=message):
        _score(save(_speech()), tmp_path / "x.npy", **changes)


def test_a_size_that_nothing_tells_is_said_to_be_guessed(tmp_path, save):
    model = build(
        "g (float[N, 4] x, float[N, past] z) => (float[N, 4] y) { act = Add (x, z) y = Relu (act) }"
    )
    np.save(tmp_path / "x.npy", normal(9, 4))
    result = _score(save(model), tmp_path / "x.npy", feeds={"z": "1"})
    (note,) = [note for note in result.notes if "has open sizes" in note]
    assert note.startswith(
        "The model input z [N, past] has open sizes that the inputs do not determine; 1 was taken"
    )
