import pandas as pd
import pytest
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.metrics import correlation
from synapsnet_pyg.models.forecasting import SessionForecast
from synapsnet_pyg.runs.ceiling import score_ceiling
from synapsnet_pyg.runs.neuron_scores import neuron_scores, own_units

N, M = 4, 90


def counted() -> Session:
    random = torch.Generator().manual_seed(0)
    counts = torch.poisson(torch.full((N, M), 3.0), generator=random)
    counts[1] = 2.0
    return Session(
        counts, bin_size=0.5, name="a", area=["V1", "LM", "V1", ""], mse=torch.arange(N).float()
    ).standardise()


def test_rows_hold_every_score_of_a_neuron():
    session = counted()
    bins = torch.arange(M)
    random = torch.Generator().manual_seed(1)
    forecasts = {
        name: SessionForecast(bins, session.activity, session.activity + size * torch.randn(N, M, generator=random))
        for name, size in (("ours", 1.0), ("copy", 2.0))
    }
    ceiling = score_ceiling(own_units(session, session.activity), bins, session.segment)
    table = pd.DataFrame(neuron_scores(session, forecasts, ceiling, "copy"))
    assert table["neuron_id"].tolist() == session.neuron_id
    assert table["scored"].tolist() == [True, False, True, True]
    assert table["constant"].tolist() == [False, True, False, False]
    ours, copy = (correlation(f.truth, f.forecast) for f in forecasts.values())
    for row in (0, 2, 3):
        assert table["correlation"][row] == pytest.approx(float(ours[row]))
        assert table["gain"][row] == pytest.approx(float(ours[row] - copy[row]))
    assert table.loc[1, ["correlation", "mse", "correlation_copy", "gain", "ceiling"]].isna().all()
    assert table["rate_hz"][1] == pytest.approx(4.0)
    assert table["area"].tolist() == ["V1", "LM", "V1", ""]
    assert table["mse"][0] < 2  # the score, not the field of the same name
    assert "gain" not in neuron_scores(session, {"ours": forecasts["ours"]}, ceiling, None)


def test_activity_returns_to_its_own_units():
    session = counted()
    assert torch.allclose(own_units(session, session.activity)[1], torch.full((M,), 2.0))
