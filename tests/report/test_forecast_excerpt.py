import numpy as np
import pytest

from synapsnet_pyg.models.forecasting import forecast_session


def test_the_excerpt_is_the_beginning_of_the_test_part(run, results):
    session, excerpt = results.session, results.excerpt
    test = forecast_session(run.model, session.split().test, run.targets)
    assert np.allclose(excerpt.forecast, test.forecast[:, : len(excerpt.seconds)], atol=1e-5)
    assert excerpt.seconds[0] == pytest.approx((540 + run.model.window) * session.bin_size)
    rows = list(excerpt.chosen.values())
    assert excerpt.bands.shape == (4, 3, len(excerpt.seconds))
    low, high = excerpt.bands[2:]
    inside = (excerpt.truth[rows] >= low - 1e-4) & (excerpt.truth[rows] <= high + 1e-4)
    assert inside.mean() > 0.8
    best, worst = excerpt.score[excerpt.chosen["best"]], excerpt.score[excerpt.chosen["worst"]]
    assert (best, worst) == (np.nanmax(excerpt.score), np.nanmin(excerpt.score))
