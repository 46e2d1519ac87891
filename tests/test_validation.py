"""Messages of failed validations: the project's words for every kind of mistake, none of the library's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from onnx_ood._validation import reason_of_error


class Inner(BaseModel):
    size: int


@pytest.mark.parametrize(
    ("hint", "value", "reason"),
    [
        (int, "x", "expected a whole number"),
        (int, 1.5, "expected a whole number"),
        (int, None, "expected a whole number"),
        (Annotated[int, Field(strict=True)], "1", "expected a whole number"),
        (float, "x", "expected a number"),
        (Annotated[float, Field(allow_inf_nan=False)], float("nan"), "expected a finite number"),
        (bool, "perhaps", "expected true or false"),
        (bool, [], "expected true or false"),
        (str, 1, "expected text"),
        (Path, 1, "expected a path"),
        (tuple[int, ...], 1, "expected a list"),
        (list[int], 1, "expected a list"),
        (dict[str, int], 1, "expected a table"),
        (Inner, 1, "expected a table"),
        (Inner, {}, "missing"),
        (Literal["auto", "cpu"], "gpu", "expected 'auto' or 'cpu'"),
        (Annotated[int, Field(ge=1)], 0, "expected 1 or more"),
        (Annotated[int, Field(gt=1)], 0, "expected more than 1"),
        (Annotated[int, Field(le=1)], 2, "expected 1 or less"),
        (Annotated[int, Field(lt=1)], 2, "expected less than 1"),
        (Annotated[str, Field(min_length=1)], "", "expected 1 or more characters of text"),
        (Annotated[str, Field(pattern="^a+$")], "b", "expected text of the form ^a+$"),
        (Annotated[list[int], Field(min_length=2)], [1], "expected 2 or more items"),
        (Annotated[list[int], Field(max_length=2)], [1, 2, 3], "expected 2 or fewer items"),
    ],
)
def test_each_mistake_has_words(hint: Any, value: Any, reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(hint).validate_python(value)
    assert reason_of_error(caught.value.errors()[0]) == reason
