"""Class names by index from a file of the user's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from onnx_ood._dialect import named
from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs.files import name_of, open_regular
from onnx_ood.inputs.preprocessing.published_settings import as_class_names

MAX_LABELS_BYTES = 1 << 24
"""A file of class names larger than 16 MiB is refused."""


def read_labels(path: Path) -> list[str]:
    """Read class names in the order of the model's outputs.

    A text file has one name per line; blank lines at the end are passed over, others kept. A .json file holds a list
    of names, an object from indices to names, or one of these under `id2label`, `label_names` or `names`.

    Args:
        path: The file, UTF-8.

    Raises:
        UsageError: If the file cannot be read or holds no names.
    """
    where = f"{named('labels', path)}"
    try:
        with open_regular(path, max_bytes=MAX_LABELS_BYTES) as file:
            text = file.read(MAX_LABELS_BYTES).decode("utf-8-sig").replace("\r\n", "\n")
    except InputError as error:
        raise UsageError(str(error)) from None
    except UnicodeDecodeError:
        raise UsageError(f"{name_of(path)}: is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"{name_of(path)}: cannot be read ({error.strerror})") from None
    if path.suffix.lower() == ".json":
        try:
            content: Any = json.loads(text)
        except (ValueError, RecursionError):
            raise UsageError(f"{name_of(path)}: is not JSON; give a list of class names") from None
        nested = content if isinstance(content, dict) else {}
        found = next((nested[key] for key in ("id2label", "label_names", "names") if key in nested), content)
        names = as_class_names(found)
        if names is None:
            raise UsageError(
                f"{where}: expected a JSON list of class names, or an object from indices to names"
            )
        return list(names)
    lines = text.rstrip("\n").split("\n")
    if lines == [""]:
        raise UsageError(f"{where}: holds no class names; write one per line")
    return lines
