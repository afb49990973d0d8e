import numpy as np
import pytest
import torch
from helpers import make_session
from sklearn.covariance import ledoit_wolf

from synapsnet_pyg.connectivity.partial_correlation import PartialCorrelation, shrunk_covariance
from synapsnet_pyg.data.session import Session


@pytest.mark.parametrize("T", [9, 300])
def test_shrinkage_is_scikit_learns(T):
    session = make_session(N=6, T=T, segment=torch.tensor([[0, 4], [5, T]]))
    session.activity[1] += 2 * session.activity[0] + 3
    bins = torch.cat([session.activity[:, :4], session.activity[:, 5:]], dim=1)
    expected, _ = ledoit_wolf(bins.double().numpy().T)
    assert shrunk_covariance(session).numpy() == pytest.approx(expected, abs=1e-10)


def test_is_the_correlation_of_what_the_others_leave():
    mixing = torch.randn(4, 4)
    session = Session(mixing @ torch.randn(4, 20_000), bin_size=1).standardise()
    a = session.split().train.activity.double().numpy()
    partial = PartialCorrelation().fit(session.split().train).connectivity_
    for i, j in ((0, 1), (2, 0), (3, 2)):
        others = a[[k for k in range(4) if k not in (i, j)]]
        left = [a[k] - np.linalg.lstsq(others.T, a[k], rcond=None)[0] @ others for k in (i, j)]
        assert float(partial[i, j]) == pytest.approx(np.corrcoef(left)[0, 1], abs=0.01)


def test_constant_neurons_belong_to_none():
    activity = torch.randn(3, 100)
    activity[1] = 0.1
    partial = PartialCorrelation().fit(Session(activity, bin_size=1)).connectivity_
    assert partial[1].tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    assert partial[:, 1].tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    silent = PartialCorrelation().fit(Session(torch.zeros(2, 50), bin_size=1)).connectivity_
    assert silent.tolist() == [[1, 0], [0, 1]]
