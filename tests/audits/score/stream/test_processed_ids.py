"""Ids that were dealt with, against Python's own multiset."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.audits.score.stream.processed_ids import ProcessedIds

names = st.lists(st.sampled_from(["a", "b", "a[0]", "a[1]", "ä/b c.png", "\udcff", "a" * 300]), max_size=20)


@given(ids=names, asked=names)
def test_each_id_is_taken_as_often_as_it_was_dealt_with(ids, asked):
    done, left = ProcessedIds(ids), Counter(ids)
    assert len(done) == len(ids)
    for name in asked:
        assert done.take(name) == (left[name] > 0)
        left[name] = max(0, left[name] - 1)
    assert done.left == left.total()


def test_many_ids_are_kept_apart():
    done = ProcessedIds(f"rows.npy[{i}]" for i in range(0, 20_000, 2))
    assert [done.take(f"rows.npy[{i}]") for i in range(20_000)] == [True, False] * 10_000
