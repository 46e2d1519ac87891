"""Small real models and photographs that the package ships, each with its origin and licence.

`README.md` beside this file describes them to people, `<name>.json` beside each model to programs.
"""

from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnx_ood.exceptions import UsageError

__all__ = ["fashion_samples", "names", "path", "photos"]


def names() -> list[str]:
    """List the bundled models' names, sorted."""
    return sorted(file.stem for file in _folder().glob("*.onnx"))


def path(name: str) -> Path:
    """Return the path of a bundled model; its card is beside it, with the suffix `.json`.

    Args:
        name: One of `names()`.

    Raises:
        UsageError: No bundled model has this name.
    """
    known = names()
    if name not in known:
        raise UsageError(f"there is no bundled model {name!r}; the bundled models are {', '.join(known)}")
    return _folder() / f"{name}.onnx"


def photos() -> list[Path]:
    """List the sample photographs (JPEG), sorted; `CREDITS.md` beside them names authors and licences."""
    return sorted((_folder() / "photos").glob("*.jpg"))


def fashion_samples() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Load garments from Fashion-MNIST's test split, twenty of each class.

    Returns:
        Images, uint8 `[200, 28, 28]`, and their classes, uint8 `[200]`, an index into `fashion_classes.txt`.
    """
    with np.load(_folder() / "fashion_samples.npz") as samples:
        return samples["images"], samples["labels"]


def _folder() -> Path:
    """Return the folder of the data; onnxruntime reads files, so the package can't be run from a zip."""
    return Path(str(files(__name__)))
