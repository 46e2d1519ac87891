"""Waveforms and tables, from the file to the score, against plain numpy."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from scipy.io import wavfile
from small_models import build, normal

import onnx_ood
from onnx_ood.audits.score.settings import ScoreSettings

COPIES, SEED, SCALE = 3, 7, 0.05


def _dense(features, *, channels=False):
    """Two layers on [N, features], or on [N, 1, features] without its middle axis."""
    axes = f"N, 1, {features}" if channels else f"N, {features}"
    return build(
        f"""
        dense (float[{axes}] x) => (float[N, 3] y) {{
            flat = Flatten (x)
            hidden = Gemm (flat, w1)
            act = Relu (hidden)
            y = Gemm (act, w2)
        }}
        """,
        {"w1": normal(features, 8, seed=1, scale=0.3), "w2": normal(8, 3, seed=2)},
    )


def _expected(rows, shape):
    """Mean over copies of 1 - cos between the hidden layer of each row and of its nudged copies, in float64."""
    weights = normal(rows.shape[1], 8, seed=1, scale=0.3).astype(np.float64)
    clean = np.maximum(rows.astype(np.float64) @ weights, 0)
    drops = []
    for copy in range(COPIES):
        stream = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(copy,)))
        nudged = np.maximum((rows + SCALE * stream.standard_normal(shape).reshape(-1)) @ weights, 0)
        u, v = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (clean, nudged))
        drops.append(((u - v) ** 2).sum(axis=1) / 2)
    return np.mean(drops, axis=0)


def _score(model, *paths):
    settings = ScoreSettings(probes=("act",), copies=COPIES, seed=SEED, scale=SCALE)
    return onnx_ood.score(model, [str(path) for path in paths], settings)


def _drops(result):
    return {entry.id: entry.drop[0] for entry in result.inputs}


@pytest.mark.parametrize("channels", [False, True])
def test_windows_of_waveforms(tmp_path, save, channels):
    rng = np.random.default_rng(0)
    mono, stereo = rng.uniform(-1, 1, 16 * 9 + 5), rng.integers(-(2**15), 2**15, (16 * 3, 2), np.int16)
    wavfile.write(tmp_path / "mono.wav", 16_000, mono.astype(np.float32))
    wavfile.write(tmp_path / "stereo.wav", 44_100, stereo)
    (tmp_path / "broken.wav").write_bytes((tmp_path / "mono.wav").read_bytes()[:-1])
    result = _score(save(_dense(16, channels=channels)), tmp_path)

    one, two = (f"{(tmp_path / name).as_posix()}" for name in ("mono.wav", "stereo.wav"))
    rows = np.concatenate([mono[: 16 * 9].reshape(9, 16), (stereo.mean(axis=1) / 2**15).reshape(3, 16)])
    names = [*(f"{one}[{k}]" for k in range(9)), *(f"{two}[{k}]" for k in range(3))]
    found = _drops(result)
    assert set(found) == set(names)
    shape = (1, 16) if channels else (16,)
    np.testing.assert_allclose([found[name] for name in names], _expected(rows, shape), rtol=1e-4)
    assert {failed.id.removeprefix(tmp_path.as_posix()) for failed in result.failed} == {
        "/mono.wav[9]",
        "/broken.wav",
    }
    assert {
        "waveforms are not resampled: 16,000 samples a second were met",
        "waveforms are not resampled: 44,100 samples a second were met",
        "stereo waveforms were averaged to one channel",
    } <= set(result.notes)
    assert result.preprocessing is None
    assert result.status == "scored"


def test_rows_of_a_table(tmp_path, save):
    rng = np.random.default_rng(0)
    floats, whole, flags = rng.standard_normal(30), rng.integers(-9, 9, 30), rng.random(30) > 0.5
    path = tmp_path / "patients.parquet"
    nulled = pa.array(whole, mask=np.arange(30) == 4)
    parquet.write_table(pa.table({"f": floats, "w": nulled, "b": flags}), path, row_group_size=7)
    result = _score(save(_dense(3)), path)

    found = _drops(result)
    kept = [k for k in range(30) if k != 4]
    assert set(found) == {f"{path.as_posix()}[{k}]" for k in kept}
    expected = _expected(np.stack([floats, whole, flags], axis=1)[kept], (3,))
    got = [found[f"{path.as_posix()}[{k}]"] for k in kept]
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    assert [(failed.id, failed.reason) for failed in result.failed] == [
        (f"{path.as_posix()}[4]", "column 'w' is empty (null)")
    ]
    assert result.preprocessing is None
