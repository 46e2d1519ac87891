"""The plane audit against closed forms, plain runs of the same model, and boundaries found in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import small_models
from plane_models import CORNERS, HEAD, B, W, at, basis, flat, grid_points, points_of, saved

import onnx_ood
from onnx_ood import load, models
from onnx_ood.audits.plane.result import PlaneResult
from onnx_ood.exceptions import ModelError, UsageError
from onnx_ood.piecewise import boundaries, read_program
from onnx_ood.runtime import jacobian_norms


def clipped(normal: np.ndarray, offset: float, result: PlaneResult) -> float:
    """Length of the line normal · p + offset = 0 inside the window, by Liang and Barsky's way."""
    grid = result.grid
    low = np.array([grid.x, grid.y])
    high = low + grid.step * (np.array([grid.columns, grid.rows]) - 1)
    foot, along = -offset * normal / (normal @ normal), np.array([-normal[1], normal[0]])
    along /= np.linalg.norm(along)
    ends = np.sort(np.stack([(low - foot) / along, (high - foot) / along]), axis=0)
    return max(0.0, ends[1].min() - ends[0].max())


@pytest.mark.parametrize(
    ("function", "thresholds"),
    [
        ("h = Relu (g)", [0.0]),
        ("h = LeakyRelu <alpha = 0.1> (g)", [0.0]),
        ("zero = Constant <value_float = 0.0> () six = Constant <value_float = 0.5> () h = Clip (g, zero, six)",
         [0.0, 0.5]),
        ("h = ThresholdedRelu <alpha = 0.3> (g)", [0.3]),
        ("h = HardSigmoid <alpha = 0.5, beta = 0.4> (g)", [-0.8, 1.2]),
        ("h = Sigmoid (g)", [0.0]),
    ],
)  # fmt: skip
def test_boundaries_of_the_first_layer_are_its_lines(
    function: str, thresholds: list[float], save, tmp_path: Path
) -> None:
    settings = onnx_ood.PlaneSettings(resolution=41, directions=0)
    result = onnx_ood.plane(flat(save, function), [saved(tmp_path, CORNERS)], settings)
    np.testing.assert_allclose(result.probe.thresholds, thresholds, rtol=1e-6)
    directions = basis(CORNERS)
    expected = {}
    for unit in range(12):
        # W · (origin + directions · p) + B − threshold
        normal = directions.reshape(2, 2) @ W[:, unit].astype(np.float64)
        for threshold in thresholds:
            offset = CORNERS[0] @ W[:, unit] + B[unit] - threshold
            expected[unit, threshold] = normal, offset, clipped(normal, offset, result)
    for line in result.probe.lines:
        off = [
            np.abs(points_of(line) @ normal + offset).max() / np.linalg.norm(normal)
            for (unit, _), (normal, offset, _) in expected.items()
            if unit == line.index
        ]
        assert min(off) < 2e-3 * result.grid.step
        assert len(line.x) == 2  # Straight: all other points are left out.
    for unit in range(12):
        length = sum(length for (of, _), (_, _, length) in expected.items() if of == unit)
        found = sum(
            np.linalg.norm(np.diff(points_of(one), axis=0)) for one in result.probe.lines if one.index == unit
        )
        assert found == pytest.approx(length, abs=1e-2 * result.grid.step)
    switching = {unit for (unit, _), (_, _, length) in expected.items() if length > result.grid.step}
    assert 5 < len(switching) <= result.probe.switching <= 12
    proxy = "proxy" in " ".join(result.notes)
    assert proxy == ("Sigmoid (g)" in function and "Hard" not in function) == (result.probe.exact == "sign")


def test_norms_on_the_plane_are_those_of_the_softmax(save, tmp_path: Path) -> None:
    """With both directions of a plane that is all of input space, against the closed form in float64."""
    result = onnx_ood.plane(
        flat(save), [saved(tmp_path, CORNERS)], onnx_ood.PlaneSettings(resolution=40, directions=2)
    )
    assert result.jacobian is not None
    points = grid_points(result, CORNERS, result.jacobian.grid).reshape(-1, 2)
    w, head = W.astype(np.float64), HEAD.astype(np.float64)
    before = points @ w + B
    logits = np.maximum(before, 0) @ head
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    inner = np.einsum("iu,mu,uk->mik", w, (before > 0).astype(float), head)
    jacobian = inner * p[:, np.newaxis] - p[:, np.newaxis] * (inner @ p[..., np.newaxis])
    expected = np.linalg.norm(jacobian, axis=(1, 2))
    found = np.array(result.jacobian.norms).ravel()
    # Where a bend is within a step, a difference sees both sides.
    near = (np.abs(before) / np.linalg.norm(w, axis=0)).min(axis=1) < 2 * result.jacobian.step
    assert near.mean() < 0.1
    np.testing.assert_allclose(found[~near], expected[~near], rtol=0.01)
    assert result.jacobian.error == 0
    assert max(result.jacobian.grid.rows, result.jacobian.grid.columns) == 10


@pytest.fixture(scope="module")
def garments(tmp_path_factory) -> tuple[np.ndarray, str]:
    """Three garments, and a file with them among others."""
    images, _ = models.fashion_samples()
    file = tmp_path_factory.mktemp("plane") / "x.npy"
    inputs = (images[:100, np.newaxis] / 255).astype(np.float32)
    np.save(file, inputs)
    return inputs[[60, 20, 0]], str(file)


@pytest.fixture(scope="module")
def slice_of_cnn(garments) -> PlaneResult:
    _, file = garments
    settings = onnx_ood.PlaneSettings(resolution=100, extent=0.1, units=600, directions=2)
    rows = [f"{file}[{row}]" for row in (60, 20, 0)]
    return onnx_ood.plane(models.path("fashion_cnn"), rows, settings)


def test_answers_are_those_of_plain_runs(slice_of_cnn: PlaneResult, garments) -> None:
    corners, file = garments
    result = slice_of_cnn
    assert [point.id for point in result.points] == [f"{file}[{row}]" for row in (60, 20, 0)]
    for point, corner in zip(result.points, corners, strict=True):
        np.testing.assert_allclose(at(result, corners, np.array([point.x, point.y])), corner, atol=1e-9)
    session = onnxruntime.InferenceSession(models.path("fashion_cnn"), providers=["CPUExecutionProvider"])
    points = grid_points(result, corners)
    logits = session.run(["logits"], {"image": points.reshape(-1, 1, 28, 28).astype(np.float32)})[0]
    expected = logits.argmax(axis=1)
    assert result.classes is not None
    found = np.array(result.classes.answers)
    assert found.shape == points.shape[:2]
    assert (found.ravel() != expected).mean() < 1e-3
    shares = {one.index: one.share for one in result.classes.found}
    assert shares == {int(i): float((found == i).mean()) for i in np.unique(found)}
    # Where classes meet, both have the largest output.
    for line in result.classes.lines:
        at_line = at(result, corners, points_of(line)).reshape(-1, 1, 28, 28)
        scores = session.run(["logits"], {"image": at_line.astype(np.float32)})[0]
        gap = scores[:, line.index] - np.delete(scores, line.index, axis=1).max(axis=1)
        spread = np.abs(np.diff(np.sort(logits, axis=1)[:, -2:])).mean()
        assert np.median(np.abs(gap)) < 0.02 * spread


def test_a_step_for_all_points_does_as_well_as_one_for_each(slice_of_cnn: PlaneResult, garments) -> None:
    corners, _ = garments
    jacobian = slice_of_cnn.jacobian
    assert jacobian is not None
    points = grid_points(slice_of_cnn, corners, jacobian.grid)[::4, ::4].reshape(-1, 1, 28, 28)
    own = jacobian_norms(models.path("fashion_cnn"), points.astype(np.float32), directions=2)
    found = np.array(jacobian.norms)[::4, ::4].ravel()
    assert len(found) > 20
    off = np.abs(found / own.norm - 1)
    # Of two directions; more even out.
    assert np.median(off) < 0.01
    assert np.quantile(off, 0.9) < 0.03


def test_boundaries_are_those_found_in_float64_along_a_segment(slice_of_cnn: PlaneResult, garments) -> None:
    """Where drawn lines cross a segment, against all boundaries on it, unit by unit."""
    corners, _ = garments
    result = slice_of_cnn
    assert (result.probe.looked_at, result.probe.units) == (600, 3136)
    model = load(models.path("fashion_cnn"))
    program = read_program(model, "image", (1, 1, 28, 28))
    site = program.sites.index(result.probe.name)
    step = result.grid.step
    ends = np.array([[2.3, 0.9], [3.9, 1.7]])
    exact = boundaries(program, *at(result, corners, ends))
    length = np.linalg.norm(ends[1] - ends[0])
    sampled = {line.index for line in result.probe.lines}
    expected: dict[int, list[float]] = {unit: [] for unit in sampled}
    for place, unit in zip(exact.at[exact.site == site], exact.unit[exact.site == site], strict=True):
        if int(unit) in sampled:
            expected[int(unit)].append(place * length)
    found: dict[int, list[float]] = {unit: [] for unit in sampled}
    for line in result.probe.lines:
        found[line.index] += [share * length for share in crossings(points_of(line), *ends)]
    off = [
        min((abs(place - other) for other in expected[unit]), default=np.inf)
        for unit, places in found.items()
        for place in places
    ]
    assert len(off) > 60
    assert np.median(off) < 0.1 * step
    assert (np.array(off) < 0.5 * step).mean() > 0.95
    # Two boundaries of a unit within a cell are not seen.
    assert len(off) == pytest.approx(sum(map(len, expected.values())), rel=0.1)


def crossings(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> list[float]:
    """Shares of the way from start to end at which a polyline crosses it."""
    pieces, (dx, dy), (x, y) = points[:-1] - points[1:], end - start, (points[:-1] - start).T
    determinants = dx * pieces[:, 1] - dy * pieces[:, 0]
    apart = np.abs(determinants) > 1e-14
    # Cramer's rule; pieces that are parallel to the way are left out.
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (x * pieces[:, 1] - y * pieces[:, 0]) / determinants
        along = (dx * y - dy * x) / determinants
    found: list[float] = share[apart & (share >= 0) & (share < 1) & (along >= 0) & (along < 1)].tolist()
    return found


def test_a_model_without_units_or_classes(save, tmp_path: Path) -> None:
    path = save(small_models.build("linear (float[N, 2] x) => (y) { y = Gemm (x, w) }", {"w": W}))
    with pytest.raises(ModelError, match="no activation functions"):
        onnx_ood.plane(path, [saved(tmp_path, CORNERS)])
    path = save(
        small_models.build("one (float[N, 2] x) => (y) { g = Gemm (x, w) y = Relu (g) }", {"w": W[:, :1]})
    )
    result = onnx_ood.plane(path, [saved(tmp_path, CORNERS)], onnx_ood.PlaneSettings(resolution=8))
    assert result.classes is None
    assert [point.prediction for point in result.points] == [None] * 3


@pytest.mark.parametrize(
    ("rows", "arguments", "message"),
    [
        (CORNERS[[0, 1]], ["x.npy"], "these are 2; name three files, or rows of a file"),
        (CORNERS[[0, 1, 2, 0]], ["x.npy"], "these are 4"),
        (CORNERS, ["x.npy[0]", "x.npy[1]"], "these are 2"),
        (CORNERS, ["x.npy[0]", "x.npy[1]", "x.npy[7]"], r"x\.npy\[7\]: there is no such row"),
        (CORNERS, ["x.npy", "y.npy"], "y.npy: no such file"),
        (CORNERS[[0, 1, 1]], ["x.npy"], r"x\.npy\[1\] and x\.npy\[2\] are equal"),
        (CORNERS[[0, 1, 1]] + [[0], [0], [np.nan]], ["x.npy"], r"x\.npy\[2\]: holds NaN"),
        (np.outer([1, 2, 3.5], [1, 2]), ["x.npy"], "are on one line"),
        (np.zeros((3, 5)), ["x.npy"], "x.npy"),
    ],
)
def test_what_is_no_plane_is_refused(
    rows: np.ndarray, arguments: list[str], message: str, save, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", rows.astype(np.float32))
    with pytest.raises(UsageError, match=message):
        onnx_ood.plane(flat(save), arguments, onnx_ood.PlaneSettings(resolution=8))


def two_inputs(save) -> Path:
    """The flat network after scaling by one input and adding another."""
    text = """
        two (float[N, 2] x, float k, float[N, 2] z) => (float[N, 3] y) {
            m = Mul (x, k)
            a = Add (m, z)
            g = Gemm (a, w, b)
            h = Relu (g)
            y = Gemm (h, v)
        }
    """
    return save(small_models.build(text, {"w": W, "b": B, "v": HEAD}), "two.onnx")


def test_other_inputs_are_fed_one_value(save, tmp_path: Path) -> None:
    """With k = 2 and z = 0 the network is the flat one with its weights doubled."""
    doubled = small_models.build(
        "d (float[N, 2] x) => (float[N, 3] y) { g = Gemm (x, w, b) h = Relu (g) y = Gemm (h, v) }",
        {"w": 2 * W, "b": B, "v": HEAD},
    )
    inputs = saved(tmp_path, CORNERS)
    settings = onnx_ood.PlaneSettings(resolution=20, directions=4)
    plain = onnx_ood.plane(save(doubled, "doubled.onnx"), inputs, settings)
    fed = onnx_ood.plane(
        two_inputs(save), inputs, settings=settings, site="x", feeds={"k": "2", "z": "zeros"}
    )
    in_memory = onnx_ood.plane(save(doubled, "doubled.onnx"), CORNERS, settings)
    assert in_memory.probe == plain.probe
    assert in_memory.classes == plain.classes
    assert (fed.site, fed.feeds) == ("x", {"k": "2", "z": "zeros"})
    assert fed.classes.answers == plain.classes.answers
    np.testing.assert_allclose(fed.jacobian.norms, plain.jacobian.norms, rtol=1e-3)
    assert [line.index for line in fed.probe.lines] == [line.index for line in plain.probe.lines]
    for one, other in zip(fed.probe.lines, plain.probe.lines, strict=True):
        np.testing.assert_allclose(points_of(one), points_of(other), atol=2e-3)
    # The two inputs of floats are added, so a plane in either shows the same with k = 1.
    x, z = (
        onnx_ood.plane(
            two_inputs(save), inputs, settings=settings, site=site, feeds={"k": "1", other: "zeros"}
        )
        for site, other in (("x", "z"), ("z", "x"))
    )
    assert x.classes.answers == z.classes.answers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "several inputs of floats"),
        ({"site": "x"}, "also needs k, z, and points between inputs need one value for all"),
        ({"site": "g", "feeds": {"k": "1", "z": "zeros"}}, "'g' is inside the model"),
        ({"feeds": {"q": "1"}}, "no input 'q'"),
    ],
)
def test_inputs_without_a_value_are_refused(
    options: dict[str, object], message: str, save, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        onnx_ood.plane(two_inputs(save), saved(tmp_path, CORNERS), resolution=8, **options)


def test_a_limit_takes_three_of_many_inputs(save, tmp_path: Path) -> None:
    points = small_models.normal(9, 2, seed=8)
    for i, point in enumerate(points):
        np.save(tmp_path / f"{i}.npy", point)

    def corners(seed: int) -> list[str]:
        found = onnx_ood.plane(
            flat(save), str(tmp_path), onnx_ood.PlaneSettings(limit=3, seed=seed, resolution=8, directions=0)
        )
        return [Path(one.id).name for one in found.points]

    assert corners(0) == sorted(set(corners(0)))
    assert len({tuple(corners(seed)) for seed in range(4)}) > 1
    rows = saved(tmp_path, points, "rows.npy")
    settings = onnx_ood.PlaneSettings(limit=3, resolution=8, directions=0)
    chosen = np.sort(np.random.default_rng(0).choice(9, 3, replace=False))
    assert [one.id for one in onnx_ood.plane(flat(save), rows, settings).points] == [
        f"{rows}[{i}]" for i in chosen
    ]
    with pytest.raises(UsageError, match="needs three inputs, but these are 2"):
        onnx_ood.plane(flat(save), rows, onnx_ood.PlaneSettings(limit=2))
