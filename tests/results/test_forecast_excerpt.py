import torch
from helpers import make_session

from synapsnet_pyg.results.forecast_excerpt import active_neurons, breaks_between, conditions_of


def test_lines_are_interrupted_between_segments():
    session = make_session(N=2, T=30, segment=torch.tensor([[0, 10], [10, 20], [22, 30]]))
    bins = torch.tensor([7, 8, 9, 10, 11, 13, 19, 22, 23])
    assert breaks_between(session, bins) == [3, 5, 6, 7]


def test_neurons_that_hardly_change_have_nothing_to_forecast():
    rare = torch.zeros(200)
    rare[:3] = 1.0
    assert active_neurons(torch.stack([rare, torch.arange(200.0)])).tolist() == [False, True]


def test_a_trial_is_named_by_what_its_behaviours_are_in_units_of_the_recording():
    go = torch.tensor([0.0, 1, 1]).repeat_interleave(10)
    contrast = torch.tensor([0.25, 0.25, 1]).repeat_interleave(10)
    speed = torch.arange(30.0)
    segment = torch.tensor([[0, 10], [10, 20], [20, 30]])
    session = make_session(N=2, T=30, K=0, segment=segment)
    session.behaviour = torch.stack([go, contrast, speed, torch.ones(30)], 1)
    session.behaviour_name = ["go", "contrast", "speed", "always"]
    bins, breaks = torch.arange(30), [10, 20]
    expected = ["contrast 0.25", "go, contrast 0.25", "go, contrast 1"]
    assert conditions_of(session, bins, breaks) == expected
    assert conditions_of(session.standardise(), bins, breaks) == expected
    assert conditions_of(session, bins[:10], []) == [""]


def test_a_value_of_zero_has_no_sign():
    contrast = torch.tensor([-1e-9, 0.5]).repeat_interleave(10)[:, None]
    session = make_session(N=2, T=20, K=0, segment=torch.tensor([[0, 10], [10, 20]]))
    session.behaviour, session.behaviour_name = contrast, ["contrast"]
    assert conditions_of(session, torch.arange(20), [10]) == ["contrast 0", "contrast 0.5"]
