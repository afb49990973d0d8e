import numpy as np
import pytest
import torch
from helpers import close, make_session

from synapsnet_pyg.connectivity.lagged_correlation import LaggedCorrelation, correlate
from synapsnet_pyg.data.session import Session


def test_agrees_with_oracle(oracle):
    reference = oracle("linear.npz")
    session = Session(torch.from_numpy(reference["activity"]), bin_size=1)
    lags = [int(key.split("/")[1]) for key in reference if key.startswith("lagged_correlation/")]
    assert len(lags) > 1
    for lag in lags:
        assert close(correlate(session, lag), reference[f"lagged_correlation/{lag}"], 1e-10)


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_pairs_lie_within_segments(lag):
    session = make_session(N=3, T=60, segment=torch.tensor([[2, 20], [20, 22], [30, 57]]))
    for i in range(3):
        for j in range(3):
            a = session.activity.double().numpy()
            now = np.concatenate([a[i, start + lag : stop] for start, stop in session.segment.tolist()])
            before = np.concatenate([a[j, start : max(start, stop - lag)] for start, stop in session.segment.tolist()])
            expected = np.corrcoef(now, before)[0, 1]
            assert float(correlate(session, lag)[i, j]) == pytest.approx(expected, abs=1e-10)


def test_a_constant_neuron_correlates_with_none():
    activity = torch.randn(3, 100)
    activity[1] = 0.1
    correlation = LaggedCorrelation(lag=0).fit(Session(activity, bin_size=1)).connectivity_
    assert correlation[1].tolist() == correlation[:, 1].tolist() == [0, 0, 0]
    assert correlation.diagonal().tolist() == pytest.approx([1, 0, 1], abs=1e-6)


def test_refuses_lags_that_are_none():
    with pytest.raises(ValueError, match="use the transpose"):
        LaggedCorrelation(lag=-1)
    with pytest.raises(ValueError, match="more than 96 bins"):
        LaggedCorrelation(lag=96).fit(make_session(T=120).split().train)
