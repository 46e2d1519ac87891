"""The option --feed."""

from __future__ import annotations

from collections.abc import Iterable

from onnx_ood.exceptions import UsageError


def read_feeds(texts: Iterable[str]) -> dict[str, str]:
    """Takes apart what a user says of other inputs of a model.

    Args:
        texts: NAME=VALUE, each.

    Returns:
        The values by name.

    Raises:
        UsageError: If one is no such pair, or a name comes twice.
    """
    feeds: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--feed {text}: is not NAME=VALUE, as in --feed sample_rate=16000")
        if name in feeds:
            raise UsageError(f"--feed {text}: {name} has a value already, {feeds[name]}")
        feeds[name] = value
    return feeds
