from dataclasses import replace

import numpy as np
import pytest

from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.report.forecast_figures import components_figure, fans_figure, raster_figure, traces_figure
from synapsnet_pyg.report.neuron_order import NeuronOrder, group_neurons


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


def test_traces_show_the_excerpt(results):
    session, excerpt = results.session, results.excerpt
    record = traces_figure(session, excerpt)
    rows = list(excerpt.chosen.values())
    by_name = {name: [trace.y for trace in record.plotly.data if trace.name == name] for name in ("true", "forecast")}
    assert np.allclose(by_name["true"], excerpt.truth[rows])
    assert np.allclose(by_name["forecast"], excerpt.forecast[rows])
    outline = np.array([trace.y for trace in record.plotly.data if trace.name == "95 % interval"])
    M = len(excerpt.seconds)
    assert np.allclose(outline[:, :M], excerpt.bands[3])
    assert np.allclose(outline[:, M : 2 * M][:, ::-1], excerpt.bands[2])
    assert np.isnan(outline[:, 2 * M :]).all()
    assert len(record.static.axes[0].collections) == 2 * len(rows)  # intervals of two levels
    assert excerpt.coverage in record.sentence
    legend = [text.get_text() for text in record.static.axes[0].get_legend().get_texts()]
    assert sorted(legend) == ["50 % interval", "95 % interval", "forecast one bin ahead", "true"]
    assert len(record.static.axes[0].lines) == 2 * len(rows) + 1  # with the bar of three deviations
    components = components_figure(excerpt)
    assert np.allclose([trace.y for trace in components.plotly.data[::2]], excerpt.true_components)


def test_intervals_end_where_a_trial_does(results):
    excerpt = replace(results.excerpt, breaks=[20])
    outline = traces_figure(results.session, excerpt).plotly.data[0]
    assert np.flatnonzero(np.isnan(outline.x)).tolist() == [40, 2 * len(excerpt.seconds) + 1]


def test_the_raster_is_in_the_order_of_the_neurons(results):
    order = group_neurons(results.session)
    record = raster_figure(results.session, results.excerpt, order)
    assert np.allclose(record.plotly.data[0].z, results.excerpt.truth[order.order])
    assert "ordered by area" in record.sentence


def test_neurons_without_groups_are_ordered_by_what_most_do(results):
    truth = results.excerpt.truth.copy()
    shared = np.sin(np.arange(truth.shape[1]))
    truth[:6] = np.outer([3, 1, 5, -2, -4, 2], shared)
    truth[6:] = 0
    record = raster_figure(
        results.session,
        replace(results.excerpt, truth=truth),
        NeuronOrder("", [""] * len(truth), np.arange(len(truth))),
    )
    assert record.plotly.data[0].z[:, 2] == pytest.approx(truth[[2, 0, 5, 1, *range(6, 11), 3, 4], 2], abs=1e-6)
    assert "ordered by their weight in the first principal component" in record.sentence


def test_fans_start_at_the_recorded_activity(results):
    fans = results.fans
    record = fans_figure(results.session, fans)
    for row in range(len(fans.truth)):
        recorded, ahead = record.plotly.data[2 * row : 2 * row + 2]
        at = dict(zip(recorded.x, recorded.y, strict=True))
        lines = np.array(ahead.y).reshape(len(fans.fans[0]), fans.horizon + 2)
        assert np.isnan(lines[:, -1]).all()  # one forecast ends before the next begins
        assert np.allclose(lines[:, 0], [at[second] for second in fans.fan_seconds[:, 0]])
    assert [text.get_text() for text in record.static.axes[0].get_yticklabels()][-1] == "population mean"
