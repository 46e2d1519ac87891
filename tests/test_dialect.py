"""Names of settings as each kind of user knows them."""

from __future__ import annotations

import pytest

from onnx_ood._dialect import Dialect, dialect, flag, named, named_feed


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("python", ["batch_size", "batch_size=3", "site='x'", "exact=False", "probes", "feeds={'k': '1'}"]),
        ("cli", ["--batch-size", "--batch-size 3", "--site x", "--no-exact", "--probe", "--feed k=1"]),
        ("toml", ["batch-size", "batch-size = 3", 'site = "x"', "exact = false", "probes", 'feeds.k = "1"']),
    ],
)
def test_each_user_reads_their_own_spelling(kind: Dialect, names: list[str]) -> None:
    with dialect(kind):
        assert [
            named("batch_size"), named("batch_size", 3), named("site", "x"), named("exact", False), named("probes"),
            named_feed("k", "1"),
        ] == names  # fmt: skip


def test_the_spelling_ends_with_its_context() -> None:
    def fail() -> None:
        with dialect("cli"), dialect("toml"):
            raise KeyError(named("batch_size"))

    with pytest.raises(KeyError, match="batch-size"):
        fail()
    assert named("batch_size") == "batch_size"
    assert flag("reference") == "--reference"
