import numpy as np
import pytest
from helpers import told

from synapsnet_pyg.intake.behaviours import OnFrames, Series
from synapsnet_pyg.intake.binning import advanced, bin_recording
from synapsnet_pyg.intake.neuron_table import NeuronTable
from synapsnet_pyg.intake.recording import Recording, Selection, Traces
from synapsnet_pyg.intake.spikes import Spikes

RANDOM = np.random.default_rng(5)
TRAINS = [np.sort(RANDOM.uniform(0, 20, 60 + 7 * i)) for i in range(4)]
GROUP = ["good", "noise", "mua", "good"]


def spiking(trains=TRAINS, **parts):
    table = NeuronTable(len(trains), columns={"group": GROUP[: len(trains)]})
    return Recording("a", Spikes.from_trains(trains), table, **parts)


def traced(values, **parts):
    clock = {key: parts.pop(key) for key in ("times", "bin_size", "counts", "border", "rate") if key in parts}
    return Recording("a", Traces(np.asarray(values, dtype=float), **clock), NeuronTable(len(values)), **parts)


def binned(recording, **selection):
    return told(lambda: bin_recording(recording, Selection(**selection)))


def counts(trains, start, stop, size):
    edges = start + size * np.arange(round((stop - start) / size) + 1)
    return np.stack([np.histogram(train, edges[:-1].tolist() + [edges[-1] - 1e-12])[0] for train in trains])


def test_spikes_from_start_to_stop():
    result, messages = binned(spiking(), start=2, stop=17, bin_size=0.5)
    np.testing.assert_array_equal(result.activity, counts(TRAINS, 2, 17, 0.5))
    assert (result.segment.tolist(), result.bin_size, messages) == ([[0, 30]], 0.5, [])


def test_the_bin_size_of_the_paper_is_taken_and_told():
    result, _ = binned(spiking())
    assert result.bin_size == 1 / 30
    assert any("--bin-size" in note for note in result.notes)


def test_neurons_are_chosen_by_fields_and_rate_and_it_is_noted():
    result, _ = binned(spiking(), where="group!=noise", min_rate=3.2, bin_size=0.5, start=0, stop=20)
    assert result.activity.shape == (2, 40)
    assert result.neurons.columns["group"].tolist() == ["mua", "good"]
    assert "2 of 4 neurons kept: 1 left out by group!=noise (1 noise); 1 below 3.2 Hz" in result.notes
    assert "bins begin at 0 s of the recording's clock" in result.notes


def test_what_was_not_observed_is_not_silence():
    observed = [[(0.0, 8.0), (12.0, 20.0)]] * 3 + [[(0.0, 8.0), (14.0, 20.0)]]
    result, _ = binned(spiking(observed_by=observed), bin_size=0.5)
    assert result.segment.tolist() == [[0, 16], [16, 28]]
    both = np.concatenate([counts(TRAINS, 0, 8, 0.5), counts(TRAINS, 14, 20, 0.5)], axis=1)
    np.testing.assert_array_equal(result.activity, both)
    assert any("2 stretches were observed, 14.0 s" in note for note in result.notes)


def test_a_neuron_that_was_hardly_observed_goes_out():
    observed = [[(0.0, 20.0)]] * 3 + [[(0.0, 2.0)]]
    result, messages = binned(spiking(observed_by=observed), bin_size=0.5)
    assert result.activity.shape == (3, 40)
    assert "1 of 4 neurons were observed in less than half" in messages[0]


def test_excluded_time_ends_segments():
    result, _ = binned(spiking(excluded=[(5.0, 6.0), (5.5, 7.0), (90, 91)]), bin_size=0.5, start=0, stop=20)
    assert result.segment.tolist() == [[0, 10], [10, 36]]
    assert any("2.0 s in 1 intervals are left out" in note for note in result.notes)


def test_intervals_become_segments_and_those_outside_are_told():
    result, messages = binned(spiking(intervals=[(1.0, 3.0), (4, 5), (18, 40.0), (50, 60)]), bin_size=0.5)
    assert result.segment[:2].tolist() == [[0, 4], [4, 6]]
    assert 4 <= result.segment[2, 1] - result.segment[2, 0] <= 8
    assert any("1 of 4 intervals lie outside" in message for message in messages)
    assert any("1 of 4 intervals reach beyond" in message for message in messages)


@pytest.mark.parametrize(
    ("recording", "selection", "wanted"),
    [
        (spiking(intervals=[(1000.0, 3000.0), (4000, 5000)]), {}, "all 2 lie outside.*milliseconds"),
        (spiking(excluded=[(-1, 99.0)]), {}, "none of .* is left"),
        (spiking([[], []]), {}, "Expected spikes in the spike times .there are none"),
        (spiking(), {"start": 100.0, "stop": 200.0}, "all 282 lie outside the chosen time; are both in seconds"),
        (spiking(), {"rebin": 2}, "no rebin beside spike times"),
        (spiking(), {"min_rate": 1e3}, "all 4 are slower"),
        (spiking([np.arange(40), np.arange(40)]), {}, "--sampling-rate"),
        (Recording("a", Spikes.from_trains([]), NeuronTable(0)), {}, "Expected neurons in 'a'"),
        (spiking(behaviours=[OnFrames("speed", np.zeros(3))]), {}, "clock of behaviour 'speed'.*--behaviour-times"),
        (traced(np.ones((2, 9))), {}, "no clock.*--frame-rate"),
        (traced(np.full((2, 9), np.nan), bin_size=0.1), {}, "every frame is missing"),
        (traced([[1, np.nan, 2], [np.nan, 1, 2]], bin_size=0.1), {}, "--fill-nan"),
        (traced(np.ones((2, 9)), times=np.arange(8)), {}, "a time for each of the 9 frames"),
        (traced(RANDOM.normal(size=(2, 9)), times=np.arange(9) * 0.1), {"bin_size": 0.25}, "whole frames of 0.1 s"),
    ],
)
def test_says_what_is_wrong(recording, selection, wanted):
    with pytest.raises(ValueError, match=wanted):
        binned(recording, **selection)


def test_a_spike_far_off_can_be_cut_away():
    trains = [*TRAINS[:3], np.append(TRAINS[3], 1.7e9)]
    with pytest.raises(ValueError, match="--stop 20"):
        binned(spiking(trains), bin_size=0.5)
    assert binned(spiking(trains), bin_size=0.5, start=0, stop=20)[0].activity.shape == (4, 40)
    result, messages = binned(spiking(trains), bin_size=0.5, start=0, stop=500)
    assert result.activity.shape == (4, 39)  # to the last spike: what follows was not observed
    assert "the chosen 0 to 500 s is left out" in messages[0]


def test_memory_is_checked_before_it_is_taken(monkeypatch):
    monkeypatch.setattr("synapsnet_pyg.files.memory.free_memory", lambda: 1000.0)
    with pytest.raises(ValueError, match=r"4 neurons in .* bins of 0\.5 s to fit into memory"):
        binned(spiking(), bin_size=0.5)


def test_frames_are_joined_within_segments():
    values = RANDOM.normal(size=(3, 23))
    times = np.concatenate([np.arange(10) * 0.1, 5 + np.arange(13) * 0.1])
    result, messages = binned(traced(values, times=times), rebin=3)
    assert result.segment.tolist() == [[0, 3], [3, 7]]
    assert result.bin_size == pytest.approx(0.3)
    expected = np.concatenate([values[:, :9].reshape(3, 3, 3), values[:, 10:22].reshape(3, 4, 3)], axis=1).mean(-1)
    np.testing.assert_allclose(result.activity, expected, rtol=1e-6)
    assert "1 gaps" in messages[0]
    summed, _ = binned(traced(values, times=times), rebin=3, rebin_by="sum")
    np.testing.assert_allclose(summed.activity, 3 * expected, rtol=1e-5)
    by_size, _ = binned(traced(values, times=times), bin_size=0.3)
    np.testing.assert_array_equal(by_size.activity, result.activity)


def test_counts_are_added_up():
    values = RANDOM.poisson(2, (2, 8))
    np.testing.assert_array_equal(
        binned(traced(values, bin_size=0.1, counts=True), rebin=4)[0].activity, values.reshape(2, 2, 4).sum(-1)
    )


def test_nan_frames_end_a_segment_and_nan_neurons_go_out():
    values = RANDOM.normal(size=(4, 300))
    values[:, 100:110] = np.nan
    values[2, 7] = np.nan
    result, messages = binned(traced(values, bin_size=1 / 30))
    assert result.segment.tolist() == [[0, 100], [100, 290]]
    assert result.activity.shape == (3, 290)
    assert "10 frames hold NaN in every neuron" in messages[0]
    assert "1 of 4 neurons (rows 2) hold NaN" in messages[1]
    filled, _ = binned(traced(values, bin_size=1 / 30), fill_nan=0.01)
    assert filled.activity.shape == (4, 290)
    assert filled.activity[2, 7] == pytest.approx(values[2, [6, 8]].mean())


def test_a_closed_shutter_is_not_observed_but_silence_of_events_is():
    values = RANDOM.normal(size=(4, 60))
    values[:, 20:30] = values[:, 20:21]
    result, messages = binned(traced(values, bin_size=0.1))
    assert result.segment.tolist() == [[0, 20], [20, 50]]
    assert "10 frames repeat" in messages[0]
    values[:, 20:30] = 0
    assert binned(traced(values, bin_size=0.1))[0].segment.tolist() == [[0, 20], [20, 50]]
    events = np.where(RANDOM.random((4, 60)) < 0.3, RANDOM.random((4, 60)), 0)
    events[:, 20:30] = 0
    assert binned(traced(events, bin_size=0.1))[0].segment.tolist() == [[0, 60]]


def test_trials_are_segments_and_intervals_cut_frames():
    values = RANDOM.normal(size=(2, 30))
    result, _ = binned(traced(values, bin_size=0.1, border=np.array([[0, 10], [10, 20], [20, 30]])))
    assert result.segment.tolist() == [[0, 10], [10, 20], [20, 30]]
    cut, _ = binned(
        traced(values, times=np.arange(30) * 0.1, intervals=[(0.5, 1.0), (2.0, 2.5)], excluded=[(2.2, 2.3)])
    )
    np.testing.assert_allclose(cut.activity, values[:, [*range(5, 10), 20, 21, *range(23, 25)]], rtol=1e-6)
    assert cut.segment.tolist() == [[0, 5], [5, 7], [7, 9]]


def test_behaviours_come_along():
    clock = np.arange(0, 3, 0.02)
    on_frames = RANDOM.normal(size=(30, 2))
    series, frame = Series("speed", np.sin(clock), clock), OnFrames("hand", on_frames)
    result, _ = binned(
        traced(RANDOM.normal(size=(2, 30)), times=np.arange(30) * 0.1, behaviours=[series, frame]), rebin=2, advance=1
    )
    assert result.behaviour_name == ["speed", "hand 0", "hand 1"]
    centres = np.arange(30).reshape(-1, 2).mean(1) * 0.1
    expected = np.interp(centres, clock, np.sin(clock))
    np.testing.assert_allclose(result.behaviour[:-1, 0], expected[1:], atol=1e-6)
    assert result.behaviour[-1, 0] == result.behaviour[-2, 0]
    np.testing.assert_allclose(result.behaviour[:-1, 1], on_frames[2:, 0].reshape(-1, 2).mean(1), atol=1e-6)
    assert result.recorded.all()


def test_behaviour_moves_within_segments():
    behaviour = np.arange(7.0)[:, None]
    segment = np.array([[0, 4], [4, 7]])
    assert advanced(behaviour, segment, 2).ravel().tolist() == [2, 3, 3, 3, 6, 6, 6]


def test_silent_and_constant_neurons_are_told():
    values = np.stack([RANDOM.normal(size=9), np.zeros(9), np.full(9, 2.5)])
    _, messages = binned(traced(values, bin_size=0.1))
    assert [message.split(":")[0] for message in messages] == [
        "1 of 3 neurons (rows 1) are silent",
        "1 of 3 neurons (rows 2) are constant",
    ]


def test_more_neurons_than_bins():
    assert "other order" in binned(traced(RANDOM.normal(size=(9, 5)), bin_size=0.1))[1][0]


def test_behaviours_have_a_sample_for_each_frame():
    speed = np.arange(12.0).reshape(2, 6)
    recording = traced(np.ones((2, 6)), bin_size=0.1, behaviours=[OnFrames("speed", speed)])
    np.testing.assert_array_equal(binned(recording)[0].behaviour, speed.T)
    for wrong in (np.arange(5.0), np.arange(7.0), np.ones((2, 3, 6))):
        recording.behaviours = [OnFrames("speed", wrong)]
        with pytest.raises(ValueError, match="a sample for each of the 6 frames in behaviour 'speed'"):
            binned(recording)


def test_angles_are_chosen_behaviours():
    recording = traced(np.ones((2, 6)), bin_size=0.1, behaviours=[OnFrames("pos/heading", np.zeros(6))])
    binned(recording, circular={"heading": 360.0})
    with pytest.raises(ValueError, match=r"among pos/heading \(got 'phase'\)"):
        binned(recording, circular={"phase": 360.0})


def test_intervals_that_overlap_or_lie_far_off():
    found, warnings = binned(spiking(intervals=[(2, 6), (4, 9)]), bin_size=0.5)
    assert found.segment.tolist() == [[0, 8], [8, 14]]
    assert any("intervals overlap" in text for text in warnings)
    found, warnings = binned(spiking(intervals=[(0, 5000), (6000, 9000)]), bin_size=0.5, start=0, stop=19)
    assert found.segment.tolist() == [[0, 38]]  # not beyond the stop
    assert any("in another unit?" in text for text in warnings)
    _, warnings = binned(spiking(excluded=[(5000, 6000)]), bin_size=0.5)
    assert any("no interval to leave out lies within" in text for text in warnings)


def test_a_single_time_of_all_spikes_is_told():
    with pytest.raises(ValueError, match=r"all spikes lie at 3\.5 s; --start and --stop"):
        binned(spiking([[3.5], []]), bin_size=0.5)


def test_infinite_frames_are_told_once():
    values = RANDOM.normal(size=(3, 20))
    values[:, 5:8] = np.inf
    result, messages = binned(traced(values, bin_size=0.1))
    assert result.segment.tolist() == [[0, 5], [5, 17]]
    assert messages == ["3 frames hold NaN in every neuron; they are left out, and end a segment (1 gaps)."]


def test_a_rate_of_the_clock_that_cannot_be_is_asked_about():
    trains = [np.sort(RANDOM.uniform(0, 900, 1000)) for _ in range(3)]
    recording = Recording("a", Spikes.from_trains(trains, rate=1000.0), NeuronTable(3))
    assert any("--sampling-rate" in message for message in binned(recording, bin_size=0.05)[1])
    series = Series("x", np.arange(600.0), np.arange(600.0) * 0.2)  # 120 s beside 20 s
    assert any("--behaviour-rate" in message for message in binned(spiking(behaviours=[series]), bin_size=0.5)[1])


def test_more_spikes_in_a_bin_than_a_neuron_can_fire_are_asked_about():
    burst = np.sort(np.concatenate([np.linspace(3.0, 3.02, 60), TRAINS[0]]))  # 3000 a second
    _, messages = binned(spiking([burst, *TRAINS[1:]]), bin_size=0.02)
    assert len(messages) == 1
    assert messages[0].startswith("1 of 4 neurons have bins with more spikes than a neuron can fire (up to ")
    assert not binned(spiking([np.sort(np.append(TRAINS[0], 3 + np.arange(8) / 1e5)), *TRAINS[1:]]), bin_size=0.001)[1]
