import torch
from helpers import make_session

from synapsnet_pyg.data.shares import ShareSampler, owners
from synapsnet_pyg.data.windows import EpochSampler, every_window


def windows(*bins):
    return [every_window(make_session(T=T, name=str(T)), window=5) for T in bins]


def test_one_process_has_every_batch():
    batches = EpochSampler(windows(30, 21), batch_size=4)
    batches.set_epoch(3)
    for share, (group, rows) in zip(ShareSampler(batches), batches, strict=True):
        assert (share.group, share.weight) == (group, 1.0)
        assert torch.equal(share.rows, rows)


def test_processes_divide_every_batch():
    batches = EpochSampler(windows(30, 21), batch_size=4)
    shares = [list(ShareSampler(batches, rank, 3)) for rank in range(3)]
    for (group, rows), parts in zip(batches, zip(*shares, strict=True), strict=True):
        assert {part.group for part in parts} == {group}
        assert torch.equal(torch.cat([part.rows for part in parts if part.weight]), rows)
        assert sum(part.weight for part in parts) == 1
        assert all(part.weight == len(part.rows) / len(rows) for part in parts if part.weight)


def test_a_batch_smaller_than_the_processes_leaves_some_without_weight():
    batches = EpochSampler(windows(6), batch_size=4)  # one window
    first, second = (next(iter(ShareSampler(batches, rank, 2))) for rank in range(2))
    assert (first.weight, second.weight) == (1.0, 0.0)
    assert len(second.rows) == 1


def test_a_process_without_batches_takes_steps_of_no_weight():
    samplers = [EpochSampler(windows(T), batch_size=4) for T in (30, 21)]  # 7 and 4 batches
    lengths = [len(sampler) for sampler in samplers]
    shares = [list(ShareSampler(sampler, rank, 2, lengths=lengths)) for rank, sampler in enumerate(samplers)]
    assert [len(share) for share in shares] == [7, 7]
    assert [len(ShareSampler(samplers[1], 1, 2, lengths=lengths))] == [7]
    assert [(one.weight, other.weight) for one, other in zip(*shares, strict=True)] == [(0.5, 0.5)] * 4 + [(1, 0)] * 3
    used = torch.cat([share.rows for share in shares[1] if share.weight])
    assert sorted(used.tolist()) == list(range(16))


def test_the_largest_sessions_go_to_different_processes():
    owner = owners({"a": 10, "b": 90, "c": 80, "d": 20, "e": 5}, size=2)
    assert owner == {"a": 1, "b": 0, "c": 1, "d": 1, "e": 0} or owner["b"] != owner["c"]
    assert list(owner) == list("abcde")
    assert set(owners({"a": 1}, size=4).values()) == {0}
