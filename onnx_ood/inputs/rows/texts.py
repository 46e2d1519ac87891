"""Lines of .txt files as tokens, for language models with a tokenizer.json next to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from onnx_ood.exceptions import InputError
from onnx_ood.inputs.files import name_of, open_regular, quoted, reason_of
from onnx_ood.inputs.rows.protocol import RowError, RowRequest
from onnx_ood.inputs.shapes import shape_text

SUFFIXES = frozenset({".txt"})

MAX_TEXT_BYTES = 1 << 26
"""A larger file is refused: it is read whole."""

MAX_TOKENIZER_BYTES = 1 << 27

Role = Literal["ids", "mask", "types", "positions"]

# Parts of the names of inputs by which exporters call them; what holds none of these takes the ids.
_ROLES: dict[Role, tuple[str, ...]] = {
    "mask": ("attention_mask", "input_mask", "mask"),
    "types": ("token_type", "segment"),
    "positions": ("position",),
}
_PADS = ("[PAD]", "<pad>", "<|endoftext|>")


def role_of(name: str) -> Role:
    """Return what a model input of tokens holds, by its name."""
    return next(
        (role for role, parts in _ROLES.items() if any(part in name.lower() for part in parts)), "ids"
    )


def find_tokenizer(model: Path) -> Path | None:
    """Return the tokenizer.json in a model's folder, or in the one above a folder `onnx`; None without."""
    folders = [model.parent, *([model.parent.parent] if model.parent.name == "onnx" else [])]
    return next((path for one in folders if (path := one / "tokenizer.json").is_file()), None)


class TextRows:
    """The lines of one file as values of one model input; made by `open_text`.

    Attributes:
        path: The file.
        wanted: The model input.
        dtype: Its type.
        row_shape: [tokens]; a guess if the model takes any number.
        row_bytes: Size of a row in memory.
        count: Number of lines.
        single: False.
        notes: Empty.
    """

    single = False
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, lines: Sequence[str], tokenizer: Any, wanted: RowRequest) -> None:
        self.path, self.wanted, self.dtype = path, wanted, wanted.dtype
        self.count = len(lines)
        size = wanted.shape[1]
        self.row_shape = (size if isinstance(size, int) and size > 0 else _USUAL_TOKENS,)
        self.row_bytes = self.row_shape[0] * wanted.dtype.itemsize
        self._lines, self._tokenizer, self._role = lines, tokenizer, role_of(wanted.name)

    def __len__(self) -> int:
        return self.count

    def close(self) -> None:
        """Do nothing: the file is read whole."""

    def rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Lines start, ..., stop - 1 as [stop - start, tokens]; they have to be equally long.

        Raises:
            RowError: If a line is empty, or its tokens do not fit the type.
        """
        return np.stack([self.row(at) for at in range(start, stop)])

    def row(self, index: int) -> npt.NDArray[Any]:
        """Return the values [tokens] for one line; raises as `rows`."""
        line = self._lines[index]
        if not line.strip():
            raise RowError(f"{name_of(self.path)}: is an empty line")
        try:
            encoded = self._tokenizer.encode(line)
            values = {
                "ids": encoded.ids,
                "mask": encoded.attention_mask,
                "types": encoded.type_ids,
                "positions": range(len(encoded.ids)),
            }[self._role]
            return np.array(list(values), np.int64).astype(self.dtype)
        # What tokenizers raises: its own Exception without a class.
        except Exception as error:
            raise RowError(
                f"{name_of(self.path)}: cannot be split into tokens ({reason_of(error)})"
            ) from None


_USUAL_TOKENS = 512


def open_text(
    path: Path, wanted: RowRequest, others: Sequence[RowRequest] = ()
) -> tuple[TextRows, list[TextRows]]:
    """Open a file of one text per line, for the inputs of a language model.

    Lines are split by the tokenizer as it is configured, special tokens included, without padding; if the model takes
    a fixed number of tokens, lines are padded and truncated to it.

    Args:
        path: The file, UTF-8.
        wanted: The model input fed by the rows.
        others: The model's other inputs, which are recognised by their names: mask, token types, positions or ids.

    Returns:
        The values for the input, and those for each of the others.

    Raises:
        InputError: If the file or the tokenizer cannot be read, or an input is none of tokens.
    """
    name = name_of(path)
    for one in (wanted, *others):
        if one.axis != 0 or len(one.shape) != 2 or one.dtype.kind not in "iu":
            raise InputError(
                f"{name}: is text, but the model's input {quoted(one.name)} takes {one.dtype.name} "
                f"{shape_text(one.shape)}, not integers [N,tokens]"
            )
    tokenizer = _tokenizer(name, wanted)
    with open_regular(path, max_bytes=MAX_TEXT_BYTES) as file:
        try:
            text = file.read(MAX_TEXT_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InputError(f"{name}: is not UTF-8 text; save it as such") from None
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if not text.strip():
        raise InputError(f"{name}: holds no text")
    return TextRows(path, lines, tokenizer, wanted), [TextRows(path, lines, tokenizer, one) for one in others]


def _tokenizer(name: str, wanted: RowRequest) -> Any:
    if wanted.tokenizer is None:
        raise InputError(f"{name}: is text, and there is no tokenizer.json next to the model")
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 - optional
    except ImportError:
        raise InputError(
            f"{name}: is text, and reading it needs tokenizers; install it with: pip install 'onnx_ood[text]'"
        ) from None
    where = name_of(wanted.tokenizer)
    with open_regular(wanted.tokenizer, max_bytes=MAX_TOKENIZER_BYTES) as file:
        content = file.read(MAX_TOKENIZER_BYTES)
    # What tokenizers raises on texts that it doesn't expect: its own Exception without a class.
    try:
        tokenizer = Tokenizer.from_str(content.decode("utf-8-sig"))
        padding = tokenizer.padding or {}
        tokenizer.no_padding()
        size = wanted.shape[1]
        if isinstance(size, int) and size > 0:
            found = [(tokenizer.token_to_id(token), token) for token in _PADS]
            pad, token = next(((pad, token) for pad, token in found if pad is not None), (0, _PADS[0]))
            tokenizer.enable_truncation(size)
            tokenizer.enable_padding(
                length=size, pad_id=padding.get("pad_id", pad), pad_token=padding.get("pad_token", token)
            )
    except Exception as error:
        raise InputError(f"{name}: {where} cannot be read as a tokenizer ({reason_of(error)})") from None
    return tokenizer
