import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.forecasting import forecast_ahead
from synapsnet_pyg.report.forecast_fans import forecast_fans
from synapsnet_pyg.results.forecast_excerpt import forecast_excerpt


def fans_of(run, horizon, **options):
    return forecast_fans(run, "demo", forecast_excerpt(run, "demo"), horizon, **options)


def test_fans_are_the_forecasts_from_the_recorded_bins(fit_in_memory):
    session = make_session(T=400).standardise()
    run = fit_in_memory("var1", session)
    excerpt, fans = forecast_excerpt(run, "demo"), fans_of(run, 4)
    test = session.split().test
    assert fans.horizon == 4
    assert fans.seconds == pytest.approx((360 + np.arange(40)) * session.bin_size)
    newest = np.arange(0, 36, 2)  # of the 40 bins of the test part
    assert fans.fan_seconds[:, 0] == pytest.approx((360 + newest) * session.bin_size)
    window = windows_of(test, 1)[0].gather(torch.from_numpy(newest))
    expected = forecast_ahead(run.model, window, 4)
    best = fans.chosen["best"]
    assert (best, fans.chosen["median"]) == (excerpt.chosen["best"], excerpt.chosen["median"])
    assert fans.fans[0, :, 1:] == pytest.approx(expected[:, best].numpy(), abs=1e-6)
    assert fans.fans[0, :, 0] == pytest.approx(test.activity[best, newest].numpy())
    mean = test.activity.mean(0)
    assert fans.truth[-1] == pytest.approx((mean / mean.std()).numpy(), abs=1e-5)
    assert fans.fans[-1, :, 4] == pytest.approx((expected.mean(1)[:, 3] / mean.std()).numpy(), abs=1e-5)


def test_trials_have_fans_of_their_own(fit_in_memory):
    starts = torch.arange(0, 400, 10)
    session = make_session(T=400, segment=torch.stack([starts, starts + 9], 1)).standardise()
    fans = fans_of(fit_in_memory("var1", session), 3)
    place = np.round(fans.fan_seconds / session.bin_size).astype(int) % 10
    assert (np.diff(place, axis=1) == 1).all()
    assert set(place[:, 0]) == {0, 1, 2, 3, 4, 5}
    assert len(fans.breaks) == 3
