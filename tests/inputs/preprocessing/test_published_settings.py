"""What is published with a model, against the arithmetic that its libraries document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onnx_ood.inputs import Preprocessing, choose, parse, read_card
from onnx_ood.inputs.preprocessing.published_settings import as_class_names, read_published

SHAPE = ("N", 3, 224, 224)
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def published(
    folder: Path,
    config: Any = None,
    metadata: Any = None,
    name: str = "preprocessor_config.json",
    shape: Any = SHAPE,
) -> Preprocessing | None:
    if config is not None:
        (folder / name).write_text(json.dumps(config))
    return read_published(folder / "m.onnx", metadata or {}, shape).preprocessing


@pytest.mark.parametrize(
    ("config", "spec"),
    [
        # ViT, Swin, CLIP, ResNet and ConvNeXt, as transformers writes them.
        ({"do_resize": True, "size": 224, "resample": 2, "do_normalize": True, **HALF}, "symmetric"),
        ({"do_resize": True, "size": {"height": 224, "width": 224}, "resample": 3, "do_rescale": True,
          "rescale_factor": 1 / 255, "do_normalize": True, **IMAGENET}, "imagenet,stretch,bicubic"),
        ({"do_resize": True, "size": 224, "do_center_crop": True, "crop_size": 224, "resample": 3, **IMAGENET},
         "imagenet,bicubic,resize-to=224"),
        ({"do_resize": True, "size": {"shortest_edge": 256}, "do_center_crop": True,
          "crop_size": {"height": 224, "width": 224}, "resample": 2, **IMAGENET}, "imagenet,resize-to=256"),
        ({"do_resize": True, "size": {"shortest_edge": 224}, "crop_pct": 0.875, "resample": 3, **IMAGENET},
         "imagenet,bicubic,resize-to=256"),
        # Values stay 0 to 255.
        ({"size": {"height": 224, "width": 224}, "do_rescale": False, "do_normalize": False}, "bytes"),
        # MobileViT: BGR, 0 to 1.
        ({"size": {"height": 224, "width": 224}, "do_rescale": True, "do_flip_channel_order": True,
          "do_normalize": False}, "unit,BGR"),
        # v / 127.5 - 1.
        ({"size": {"height": 224, "width": 224}, "do_rescale": True, "rescale_factor": 1 / 127.5,
          "rescale_offset": True, "do_normalize": False}, "symmetric"),
    ],
)  # fmt: skip
def test_processors_of_transformers(tmp_path: Path, config: dict[str, Any], spec: str) -> None:
    found, want = published(tmp_path, config), parse(spec, SHAPE)
    assert found is not None
    pixels = np.random.default_rng(0).random(want.shape, np.float32)
    np.testing.assert_allclose(found.normalise(pixels), want.normalise(pixels), rtol=1e-5, atol=1e-5)
    geometry = {"channels", "layout", "size", "resize", "resize_to", "interpolation"}
    assert found.model_dump(include=geometry) == want.model_dump(include=geometry)


def test_configurations_of_timm(tmp_path: Path) -> None:
    config = {
        "architecture": "x", "label_names": ["tench", "goldfish"],
        "pretrained_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3, "crop_pct": 0.9, "interpolation": "bicubic",
                           "input_size": [3, 224, 224]},
    }  # fmt: skip
    found = published(tmp_path, config, name="config.json", shape=("N", 3, "h", "w"))
    # floor(224 / 0.9) = 248
    assert found == parse("symmetric,short-side,bicubic,resize-to=248", SHAPE)
    card = read_card(tmp_path / "m.onnx", {}, SHAPE)
    assert card is not None
    assert card.class_names() == ["tench", "goldfish"]
    chosen = choose(SHAPE, card=card)
    assert chosen.source == (tmp_path / "config.json").as_posix()
    assert not chosen.guessed
    metadata = {key: str(value) for key, value in config["pretrained_cfg"].items()}  # type: ignore[attr-defined]
    assert read_published(Path("m.onnx"), metadata, SHAPE).preprocessing == found


def test_metadata_of_ultralytics(tmp_path: Path) -> None:
    metadata = {
        "author": "Ultralytics", "description": "Ultralytics YOLO11n model", "task": "detect", "imgsz": "[64, 96]",
        "names": "{0: 'person', 1: \"driver's cab\", 2: 'car'}",
    }  # fmt: skip
    card = read_card(tmp_path / "m.onnx", metadata, ("N", 3, "h", "w"))
    assert card is not None
    assert card.class_names() == ["person", "driver's cab", "car"]
    found = card.preprocessing
    assert found is not None
    assert choose(("N", 3, "h", "w"), card=card).source == "metadata of Ultralytics in the file"
    pixels = found.pixels(Image.new("RGB", (30, 20), (255, 0, 0)))
    # 20 x 30 fits into 64 x 96 by 3.2: 64 x 96, no border; a square leaves 16 on both sides.
    np.testing.assert_array_equal(found.normalise(pixels)[0], np.ones((64, 96), np.float32))
    square = found.normalise(found.pixels(Image.new("RGB", (10, 10), (255, 0, 0))))
    np.testing.assert_array_equal(
        square[0, 5], [np.float32(114 / 255)] * 16 + [1] * 64 + [np.float32(114 / 255)] * 16
    )
    classify = read_published(
        tmp_path / "m.onnx", metadata | {"task": "classify", "imgsz": "[224, 224]"}, SHAPE
    )
    assert classify.preprocessing == parse("unit,short-side,resize-to=224", SHAPE)


def test_folders_of_optimum_have_their_files_one_above(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": 224, **HALF}))
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"1": "b", "0": "a"}}))
    found = read_published(tmp_path / "onnx" / "model.onnx", {}, SHAPE)
    assert found.preprocessing == parse("symmetric", SHAPE)
    assert found.class_names == ("a", "b")


@pytest.mark.parametrize(
    "config",
    [
        {}, [], 1, {"size": 224}, {"size": 224, "resample": 17, **HALF},
        {"size": {"height": 448, "width": 448}, "image_mean": 3, "image_std": None},
        {"size": {"shortest_edge": 100}, "do_center_crop": True, "crop_size": 224, **HALF},
        {"size": {"height": 256, "width": 256}, "do_center_crop": True, "crop_size": 224, **HALF},
        {"size": 224, "rescale_factor": 0, **HALF}, {"size": 224, "image_mean": [1e300] * 3, "image_std": [1e-300] * 3},
    ],
)  # fmt: skip
def test_what_cannot_be_expressed_is_passed_over(tmp_path: Path, config: Any) -> None:
    assert published(tmp_path, config) is None
    assert published(tmp_path, config, name="config.json") is None
    assert read_card(tmp_path / "m.onnx", {}, SHAPE) is None


def test_a_card_comes_first(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": 224, **HALF}))
    own = {"format": 1, "name": "m", "preprocessing": json.loads(parse("unit", SHAPE).model_dump_json())}
    (tmp_path / "m.json").write_text(json.dumps(own))
    card = read_card(tmp_path / "m.onnx", {"names": "['a', 'b']"}, SHAPE)
    assert card is not None
    assert card.preprocessing == parse("unit", SHAPE)
    assert card.source == f"card {(tmp_path / 'm.json').as_posix()}"
    assert card.class_names() == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{0: 'a', 1: 'b'}", ("a", "b")),
        ('["a", "b"]', ("a", "b")),
        ('{"0": "a", "1": "b"}', ("a", "b")),
        (r"['it\'s', 'b']", ("it's", "b")),
        ("{0: 'a', 2: 'b'}", None),
        ("__import__('os')", None),
        ("[" * 100_000, None),
        ("['a', 'b'", None),
        ('{"0": "LABEL_0", "1": "LABEL_1"}', None),
        (None, None),
        ([1, 2], None),
    ],
)  # fmt: skip
def test_class_names(text: Any, names: tuple[str, ...] | None) -> None:
    assert as_class_names(text) == names
