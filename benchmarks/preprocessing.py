"""Accuracy of the preprocessing search on models and photo sets with known answers.

    python benchmarks/preprocessing.py DATA [--limit 48]

DATA holds `cifar10/`, `fashion/`, `mnist/` and `imagenet/`, each with its models, its own pictures (`id.npz` or the
folder `id`) and `ood/*.npz`: uint8 pictures [N, H, W] or [N, H, W, 3]. In addition, there are models that
were made to expect something else, by nodes before their first: their right answer follows from what was added. Right
or wrong is the verdict on values (range, mean, deviation, order of channels); the verdict on resizing is shown too.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from PIL import Image

import onnx_ood
from onnx_ood import models

# In units of v / 255, in the order R, G, B.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SYMMETRIC = ((127 / 255,), (128 / 255,))
UNIT = ((0.0,), (1.0,))
BYTES = ((0.0,), (1 / 255,))
CAFFE = ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,))
CLASS_OF_HORSES = 7


@dataclass(frozen=True)
class Pair:
    """A model, photos, and the name of the right candidate."""

    model: Path
    photos: Path
    right: str
    own: bool = True  # False where the photos aren't of the kind that the model is made for.

    @property
    def name(self) -> str:
        """Model and photos."""
        return f"{self.model.stem} x {self.photos.name}"


def expecting(source: Path, folder: Path, name: str, old: tuple, new: tuple, *, bgr: bool = False) -> Path:
    """Make a model that expects other values and gives the same predictions.

    Args:
        source: The model; its first input is [N, C, H, W].
        folder: Where the new one goes.
        name: How it is called.
        old: (mean, deviation) that the source expects.
        new: What the new one expects.
        bgr: True to turn the order of channels round.
    """
    model = onnx.load(source)
    graph = model.graph
    tensor = graph.input[0].name
    for node in graph.node:
        node.input[:] = ["as_before" if name == tensor else name for name in node.input]
    (old_mean, old_std), (new_mean, new_std) = (
        [np.array(values).reshape(1, -1, 1, 1) for values in pair] for pair in (old, new)
    )
    constants = {
        "factor": (new_std / old_std).astype(np.float32),
        "offset": ((new_mean - old_mean) / old_std).astype(np.float32),
        "turned": np.array([2, 1, 0]),
    }
    graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in constants.items())
    nodes = [helper.make_node("Gather", [tensor, "turned"], ["rgb"], axis=1)] if bgr else []
    nodes += [
        helper.make_node("Mul", ["rgb" if bgr else tensor, "factor"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["as_before"]),
    ]
    before = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *before])
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    return path


def written(images: np.ndarray, folder: Path) -> Path:
    """Write pictures as PNG into a separate folder."""
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:04}.png")
    return folder


def pairs(data: Path, folder: Path) -> list[Pair]:
    """All pairs; what has to be written goes to a folder."""
    stored = {
        "cifar10": "cifar10/id.npz",
        "near_imagenet": "cifar10/ood/near_imagenet.npz",
        "textures": "cifar10/ood/textures.npz",
        "fashion": "fashion/id.npz",
        "digits": "fashion/ood/digits.npz",
        "mnist": "mnist/id.npz",
    }
    sets = {name: written(np.load(data / path)["images"], folder / name) for name, path in stored.items()}
    cifar = np.load(data / stored["cifar10"])
    sets["horses"] = written(cifar["images"][cifar["labels"] == CLASS_OF_HORSES], folder / "horses")
    garments, photos = written(models.fashion_samples()[0], folder / "garments"), models.photos()[0].parent
    own_photos = data / "imagenet" / "id"
    lite0_bn = data / "imagenet" / "efficientnet_lite0_bn.onnx"
    lite0 = data / "imagenet" / "efficientnet_lite0_folded.onnx"
    resnet20, resnet32 = (data / "cifar10" / f"{name}.onnx" for name in ("resnet20_folded", "resnet32_bn"))
    fashion_resnet = models.path("fashion_resnet")

    def made(source: Path, name: str, old: tuple, new: tuple, *, bgr: bool = False) -> Path:
        return expecting(source, folder, name, old, new, bgr=bgr)

    return [
        Pair(resnet20, sets["cifar10"], "ImageNet mean/std, RGB"),
        Pair(resnet32, sets["cifar10"], "ImageNet mean/std, RGB"),
        Pair(made(resnet20, "resnet20_bytes", IMAGENET, BYTES), sets["cifar10"], "0 to 255, RGB"),
        Pair(made(resnet20, "resnet20_unit_bgr", IMAGENET, UNIT, bgr=True), sets["cifar10"], "0 to 1, BGR"),
        Pair(
            made(resnet32, "resnet32_caffe", IMAGENET, CAFFE, bgr=True),
            sets["cifar10"],
            "0 to 255 - Caffe mean, BGR",
        ),
        Pair(models.path("fashion_cnn"), garments, "0 to 1"),
        Pair(fashion_resnet, garments, "0 to 1"),
        Pair(made(fashion_resnet, "fashion_resnet_symmetric", UNIT, SYMMETRIC), garments, "-1 to 1"),
        Pair(data / "fashion" / "fashion_cnn.onnx", sets["fashion"], "0 to 1"),
        Pair(data / "mnist" / "mnist_cnn.onnx", sets["mnist"], "0 to 1"),
        Pair(models.path("efficientnet_lite0"), photos, "-1 to 1, RGB"),
        Pair(lite0_bn, own_photos, "-1 to 1, RGB"),
        Pair(
            made(lite0, "lite0_caffe", SYMMETRIC, CAFFE, bgr=True),
            own_photos,
            "0 to 255 - Caffe mean, BGR",
        ),
        Pair(resnet20, sets["near_imagenet"], "ImageNet mean/std, RGB", own=False),
        Pair(resnet20, photos, "ImageNet mean/std, RGB", own=False),
        Pair(resnet32, photos, "ImageNet mean/std, RGB", own=False),
        Pair(resnet20, sets["textures"], "ImageNet mean/std, RGB", own=False),
        Pair(resnet20, sets["horses"], "ImageNet mean/std, RGB", own=False),
        Pair(models.path("fashion_cnn"), sets["digits"], "0 to 1", own=False),
    ]


def line(pair: Pair, result: onnx_ood.PreprocessResult) -> tuple[str, bool, bool]:
    """Write a row of the table; return whether the right answer is first, and a wrong one determined."""
    values, resize = result.questions
    first, second = values.candidates[:2]
    right = first.name == pair.right
    margin = f"{second.gap.value:.2f} ({second.gap.low:.2f} to {second.gap.high:.2f})"
    resize_verdict = resize.candidates[0].name if resize.verdict == "determined" else resize.verdict
    among = (
        ""
        if right
        else " right among first"
        if pair.right in {one.name for one in values.leading}
        else " RIGHT ONE LEFT OUT"
    )
    return (
        f"{pair.name:38} {pair.right:34} {first.name if not right else 'the same':34} {margin:24} "
        f"{values.verdict}{among}; resize: {resize_verdict}",
        right,
        not right and values.verdict == "determined",
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, default=onnx_ood.PreprocessSettings().limit)
    parser.add_argument("--provider", default="cpu")
    options = parser.parse_args()
    settings = onnx_ood.PreprocessSettings(limit=options.limit, provider=options.provider)
    print(f"{'model x photos':38} {'right':34} {'first':34} {'margin (99%)':24} verdict on values")
    counts = {True: [0, 0, 0, 0], False: [0, 0, 0, 0]}
    with tempfile.TemporaryDirectory() as folder:
        for pair in pairs(options.data, Path(folder)):
            result = onnx_ood.preprocess(pair.model, [str(pair.photos)], settings)
            text, right, wrong = line(pair, result)
            print(text, flush=True)
            determined = right and result.questions[0].verdict == "determined"
            counts[pair.own] = [
                a + b for a, b in zip(counts[pair.own], (1, right, determined, wrong), strict=True)
            ]
    for own, (count, right, determined, wrong) in counts.items():
        kind = "photos that the model is made for" if own else "other photos"
        print(
            f"{kind}: right one first {right} of {count}, determined {determined}, wrong one determined {wrong}"
        )


if __name__ == "__main__":
    main()
