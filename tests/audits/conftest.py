"""Small real inputs for audits."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onnx_ood import models

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.fixture(scope="session")
def garments(tmp_path_factory):
    """A folder of twelve garments as PNG files."""
    folder = tmp_path_factory.mktemp("garments")
    images, _ = models.fashion_samples()
    for i, image in enumerate(images[::17][:12]):
        Image.fromarray(np.asarray(image)).save(folder / f"garment-{i:02}.png")
    return folder


@pytest.fixture(scope="session")
def schema():
    """Reads a published schema by the name of its audit."""
    return lambda name: json.loads((SCHEMAS / f"{name}.json").read_text())
