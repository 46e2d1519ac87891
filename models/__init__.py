"""Small real models, photographs and sentences that the package ships, each with its origin and licence.

`README.md` describes them for readers, the card `<name>.json` of each model for programs.
"""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnx_ood.exceptions import UsageError

__all__ = ["encode", "fashion_samples", "names", "path", "photos", "sentences"]


def names() -> list[str]:
    """List the bundled models' names, sorted."""
    return sorted(file.stem for file in _folder().glob("*.onnx"))


def path(name: str) -> Path:
    """Return the path of a bundled model; its card has the same name with the suffix `.json`.

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
    """List the sample photographs (JPEG), sorted; `CREDITS.md` in their folder names authors and licences."""
    return sorted((_folder() / "photos").glob("*.jpg"))


def fashion_samples() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Load garments from Fashion-MNIST's test split, twenty of each class.

    Returns:
        Images, uint8 `[200, 28, 28]`, and their classes, uint8 `[200]`, an index into `fashion_classes.txt`.
    """
    with np.load(_folder() / "fashion_samples.npz") as samples:
        return samples["images"], samples["labels"]


def encode(text: str) -> NDArray[np.int64]:
    r"""Turn a text into tokens of `char_transformer`, one for each character.

    The model was trained on one sentence a line, so a sentence's first character is predicted from a newline
    before it: `encode("\n" + sentence)`. It takes at most 128 tokens.

    Args:
        text: Any text. A character that is not in the vocabulary (a digit, an accented letter) becomes token 0,
            `<unknown>`.

    Returns:
        The tokens, int64 `[characters]`; each is a line's index in `char_transformer_vocabulary.txt`.
    """
    tokens = _tokens()
    return np.array([tokens.get(character, 0) for character in text], np.int64)


def sentences() -> dict[str, list[str]]:
    """Load sentences to try `char_transformer` on, forty of each kind, all of them in its vocabulary.

    Returns:
        `in_distribution`: sentences of books that were held out of training. `words_shuffled` and
        `characters_shuffled`: the same ones shuffled. `foreign`: sentences in other languages, without accents
        and transliterated. `random`: characters drawn uniformly from the vocabulary, as long as the first ones.
    """
    content: dict[str, list[str]] = json.loads((_folder() / "sentences.json").read_text("utf-8"))
    return content


@cache
def _tokens() -> dict[str, int]:
    """Map each character to its token; the vocabulary names those that a line of text can't hold or show."""
    lines = (_folder() / "char_transformer_vocabulary.txt").read_text("utf-8").splitlines()
    named = {"<newline>": "\n", "<space>": " "}
    return {named.get(line, line): index for index, line in enumerate(lines) if line != "<unknown>"}


def _folder() -> Path:
    """Return the folder of the data; onnxruntime reads files, so the package can't be run from a zip."""
    return Path(str(files(__name__)))
