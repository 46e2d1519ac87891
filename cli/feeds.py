"""The option --feed."""

from __future__ import annotations

from collections.abc import Iterable

from onnx_ood.exceptions import UsageError


def read_feeds(texts: Iterable[str]) -> dict[str, str]:
    """Parse values of --feed.

    Args:
        texts: Texts NAME=VALUE.

    Returns:
        The values by name.

    Raises:
        UsageError: If a text has another form or a name is repeated.
    """
    feeds: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--feed {text}: not of the form NAME=VALUE, as in --feed sample_rate=16000")
        if name in feeds:
            raise UsageError(f"--feed {text}: {name} already has the value {feeds[name]}")
        feeds[name] = value
    return feeds
