import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.windows import (
    EpochSampler,
    batches,
    contexts,
    every_window,
    mean_over_windows,
    spread,
    windows_of,
)


def brute_force_targets(segment, window, first=None):
    return [t for a, b in segment for t in range(a + (first or window), b)]


@pytest.mark.parametrize("targets", [1, 4, 7])
@pytest.mark.parametrize("first", [None, 5])
def test_every_possible_bin_is_a_target_and_no_border_is_crossed(targets, first):
    segment = [[0, 23], [25, 29], [30, 36], [36, 60], [64, 75]]
    session = make_session(T=80, segment=torch.tensor(segment))
    seen = set()
    for windows in windows_of(session, 3, targets, first):
        bins = windows.target_bins(torch.arange(len(windows)))
        for start, row in zip(windows.start.tolist(), bins.tolist(), strict=True):
            assert any(a <= start and row[-1] < b for a, b in segment)
            assert row == list(range(start + 3, start + 3 + windows.targets))
            seen.update(row)
    assert sorted(seen) == brute_force_targets(segment, 3, first)


def test_one_target_makes_the_overlapping_windows_of_the_paper():
    session = make_session(T=20)
    (windows,) = windows_of(session, 5)
    assert windows.start.tolist() == list(range(15))
    window = windows.gather(torch.tensor([4, 0]))
    assert torch.equal(window.activity[0], session.activity[:, 4:9])
    assert torch.equal(window.behaviour[0], session.behaviour[4:9])
    assert torch.equal(window.target[:, :, 0].t(), session.activity[:, [9, 5]])
    assert window.session == "demo"


def test_targets_follow_the_last_positions():
    session = make_session(T=50)
    (windows,) = windows_of(session, 4, 6)
    window = windows.gather(torch.arange(len(windows)))
    assert window.activity.shape == (len(windows), 5, 9)
    assert window.behaviour.shape == (len(windows), 9, 2)
    assert torch.equal(window.activity[..., -5:], window.target[..., :-1])


def test_short_segments_get_fewer_targets():
    session = make_session(T=40, segment=torch.tensor([[0, 20], [20, 25], [25, 40]]))
    shapes = {windows.targets: len(windows) for windows in windows_of(session, 3, 8)}
    assert shapes == {8: 5, 2: 1}
    assert windows_of(session, 20) == []


def test_windows_share_the_recording():
    session = make_session(T=40)
    (windows,) = windows_of(session, 3, 2)
    storage = session.activity.untyped_storage().data_ptr()
    assert windows._activity.untyped_storage().data_ptr() == storage
    assert windows._target.untyped_storage().data_ptr() == storage


def test_refuses_nonsense():
    with pytest.raises(ValueError, match="window, targets and horizon >= 1"):
        windows_of(make_session(), 0)
    with pytest.raises(ValueError, match="first >= window"):
        windows_of(make_session(), 5, first=4)


def test_sampler_gives_every_window_once_in_batches_of_one_session():
    windows = windows_of(make_session(T=40), 3) + windows_of(make_session(N=4, T=33), 3)
    sampler = EpochSampler(windows, batch_size=8)
    drawn = list(sampler)
    assert len(drawn) == len(sampler) == 5 + 4
    for w, one in enumerate(windows):
        assert sorted(torch.cat([which for v, which in drawn if v == w]).tolist()) == list(range(len(one)))


def test_sampler_depends_on_seed_and_epoch_alone():
    windows = windows_of(make_session(T=40), 3)

    def order(seed, epoch):
        sampler = EpochSampler(windows, batch_size=8, seed=seed)
        list(sampler)  # an earlier pass leaves no trace
        sampler.set_epoch(epoch)
        return torch.cat([which for _, which in sampler]).tolist()

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4)
    assert order(0, 3) != order(1, 3)


@pytest.mark.parametrize(("bins", "most"), [(20, 8), (8000 + 5, 4096), (12, 100), (9, 1)])
def test_spread_windows_are_never_more_than_asked_for_and_even(bins, most):
    windows = every_window(make_session(N=2, T=bins, K=0), 5)
    shown = list(spread(windows, most, batch_size=3))
    count = sum(len(window.activity) for window in shown)
    assert 0 < count <= min(most, len(windows))
    step = -(-len(windows) // most)
    assert count == -(-len(windows) // step)
    assert torch.equal(shown[0].activity[0], windows.gather(torch.tensor([0])).activity[0])


def test_batches_are_all_windows_in_order():
    windows = every_window(make_session(T=23), 5)
    whole = windows.gather(torch.arange(len(windows)))
    assert torch.equal(torch.cat([window.activity for window in batches(windows, 4)]), whole.activity)


def test_a_session_without_a_window_is_refused():
    with pytest.raises(ValueError, match="a segment of more than 30 bins"):
        every_window(make_session(T=30), 30)


@pytest.mark.parametrize("targets", [1, 3])
def test_the_future_begins_at_each_target_and_stays_in_the_segment(targets):
    segment = [[0, 19], [21, 27], [27, 44]]
    session = make_session(T=50, segment=torch.tensor(segment))
    seen = set()
    for windows in windows_of(session, 4, targets, horizon=5):
        which = torch.arange(len(windows))
        window, bins = windows.gather(which), windows.target_bins(which)
        assert window.ahead.shape == (len(windows), 5, windows.targets, 5)
        assert torch.equal(window.ahead[..., 0], window.target)
        for b, row in enumerate(bins.tolist()):
            for p, bin in enumerate(row):
                assert torch.equal(window.future[b, :, p], session.activity[:, bin : bin + 5])
        seen.update(bins.flatten().tolist())
    assert sorted(seen) == [t for a, b in segment for t in range(a + 4, b - 4)]


def test_contexts_end_at_each_position():
    session = make_session(T=40)
    window = windows_of(session, 6, 4)[0].gather(torch.arange(3))
    seen = contexts(window, 3)
    for p in range(4):
        assert torch.equal(seen[:, :, p], window.activity[..., 3 + p : 6 + p])
    with pytest.raises(ValueError, match="at least 7 past bins"):
        contexts(window, 7)


@pytest.mark.parametrize("neurons", [1, 70, 256, 511, 515, 1003])
def test_the_mean_over_windows_is_that_of_one_matrix(neurons):
    parts = [torch.randn(size, neurons) for size in (32, 32, 7)]
    assert mean_over_windows(parts).equal(torch.cat(parts).mean(0))
