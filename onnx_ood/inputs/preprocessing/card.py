"""Model cards: a JSON file next to the model, with its origin and preprocessing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from onnx_ood._printable import shown
from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs.files import name_of, open_regular, quoted
from onnx_ood.inputs.preprocessing.presets import Chosen, guess, parse
from onnx_ood.inputs.preprocessing.published_settings import Published, read_published
from onnx_ood.inputs.preprocessing.spec import Preprocessing
from onnx_ood.inputs.schema_errors import first_error

MAX_CARD_BYTES = 1 << 20
"""No card, and no list of class names, is larger than 1 MiB."""

_Text = Annotated[str, Field(max_length=20_000)]


class Accuracy(BaseModel):
    """A measured accuracy.

    Attributes:
        value: From 0 to 1.
        set: What it was measured on.
        how: How, in words.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    value: Annotated[float, Field(ge=0, le=1)]
    set: _Text
    how: _Text = ""


class Card(BaseModel):
    """Contents of a model card. Only name and preprocessing are required; unknown keys are ignored.

    Attributes:
        format: Version of this format.
        name: The model's name.
        summary: What it does, in a sentence.
        origin: Where it comes from.
        licence: Under which terms.
        made_by: What made it (a script, a command).
        sha256: Of the model file, in hexadecimal.
        opset: ONNX operator set.
        parameters: How many numbers were learnt.
        accuracy: How good it is.
        classes: Name of a text file in the same folder with one class name a line.
        preprocessing: What its pictures go through; null for a model that takes no pictures.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1]
    name: _Text
    summary: _Text = ""
    origin: _Text = ""
    licence: _Text = ""
    made_by: _Text = ""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    opset: Annotated[int, Field(ge=1)] | None = None
    parameters: Annotated[int, Field(ge=0)] | None = None
    accuracy: Accuracy | None = None
    classes: _Text | None = None
    preprocessing: Preprocessing | None

    _path: Path = PrivateAttr(default=Path("card"))
    _source: str = PrivateAttr(default="")
    _names: tuple[str, ...] | None = PrivateAttr(default=None)

    @property
    def path(self) -> Path:
        """The file the card was read from."""
        return self._path

    @property
    def source(self) -> str:
        """Source of the preprocessing, for the user."""
        return self._source or f"card {name_of(self.path)}"

    def to_json(self) -> str:
        """Return the card as the text of a file."""
        content = self.model_dump(mode="json", exclude_none=True)
        return json.dumps({key: value for key, value in content.items() if value != ""}, indent=2) + "\n"

    def class_names(self) -> list[str] | None:
        """Return class names in the order of the model's outputs; None if neither card nor model has any.

        Blank lines at the end are passed over, others kept: a line is an index.

        Raises:
            UsageError: If it is not a plain name in the card's folder, or the file is missing, too large or
                no text.
        """
        if self.classes is None:
            return None if self._names is None else list(self._names)
        where = f"{name_of(self.path)}: classes"
        folder = self.path.parent
        # A card comes with a third party's model: it must not make us show other files of this machine.
        if self.classes in ("", ".", "..") or any(sign in self.classes for sign in "/\\:\0"):
            raise UsageError(
                f"{where}: {quoted(self.classes)} must be the name of a file in the card's folder"
            )
        path = folder / self.classes
        if path.resolve().parent != folder.resolve():
            raise UsageError(f"{where}: {quoted(self.classes)} is a link that leads out of the card's folder")
        return _read_text(path, f"{where}: ").rstrip("\n").split("\n")


def read_card(
    model_path: Path,
    metadata: Mapping[str, str] | None = None,
    input_shape: Sequence[int | str | None] | None = None,
) -> Card | None:
    """Read the card of a model: `<stem>.json` in the model's folder, or what else is published with it.

    Another program's JSON may share the name: one that is not an object with the keys `format` and
    `preprocessing`, or is larger than 1 MiB, is not a card. Without a card, preprocessing and class names come from the
    file's metadata or from configuration files next to it (`read_published`); with a card, only class names that it
    does not have.

    Args:
        model_path: The model file; it is not opened.
        metadata: Metadata in the file.
        input_shape: Shape of the model input that takes pictures, with its batch axis; None if there is none.

    Returns:
        The card, or None if nothing is published.

    Raises:
        UsageError: If the file is not JSON, or a card with a wrong key; the message names file and key.
    """
    card = _read_own(model_path)
    published = read_published(model_path, metadata or {}, input_shape)
    if card is None:
        if published == Published():
            return None
        card = Card(format=1, name=model_path.stem, preprocessing=published.preprocessing)
        card._source = published.source
    card._names = published.class_names
    return card


def _read_own(model_path: Path) -> Card | None:
    path = model_path.with_suffix(".json")
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError):
        size = 0  # opening it says what is wrong
    if size > MAX_CARD_BYTES:
        return None
    name = name_of(path)
    try:
        content: Any = json.loads(_read_text(path, ""))
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{name}: not JSON (line {error.lineno}: {error.msg}); "
            "correct it, or rename it if it is not a model card"
        ) from None
    except (RecursionError, ValueError):  # nested too deeply; a number of too many digits
        raise UsageError(f"{name}: JSON that cannot be read; rename it if it is not a model card") from None
    if not isinstance(content, dict) or not {"format", "preprocessing"} <= content.keys():
        return None
    try:
        card = Card.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{name}: {first_error(error, Card)}") from None
    card._path = path
    return card


def choose(
    input_shape: Sequence[int | str | None],
    *,
    text: str | None = None,
    card: Card | None = None,
    dtype: str | None = None,
) -> Chosen:
    """Choose the preprocessing: stated by the user, else by the card, else guessed.

    Args:
        input_shape: The model input's shape, with its batch axis.
        text: Specification given by the user, as `parse` takes it.
        card: The model's card.
        dtype: Element type of the model's input; None if unknown.

    Raises:
        UsageError: If none can be had, or it does not suit the model's input.
    """
    if text is not None:
        return Chosen(parse(text, input_shape), f"stated: {shown(text)}")
    if card is not None and card.preprocessing is not None:
        try:
            card.preprocessing.check_input(input_shape)
        except UsageError as error:
            raise UsageError(f"{name_of(card.path)}: {error}") from None
        return Chosen(card.preprocessing, card.source)
    return guess(input_shape, dtype)


def _read_text(path: Path, prefix: str) -> str:
    try:
        with open_regular(path, max_bytes=MAX_CARD_BYTES) as file:
            # A file may grow after its size was looked at.
            return file.read(MAX_CARD_BYTES).decode("utf-8-sig").replace("\r\n", "\n")
    except InputError as error:
        raise UsageError(f"{prefix}{error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{prefix}{name_of(path)}: is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"{prefix}{name_of(path)}: cannot be read ({error.strerror})") from None
