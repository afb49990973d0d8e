import numpy as np
import pytest

from synapsnet_pyg.datasets.usual_choices import choice_note, counted, keep_usual, named, only_activity
from synapsnet_pyg.intake.neuron_table import NeuronTable
from synapsnet_pyg.intake.recording import Recording, Selection, Traces
from synapsnet_pyg.intake.spikes import Spikes

KEPT = np.array([True, False, True])


def test_neurons_that_the_format_rejects_go_out_with_a_note():
    table = NeuronTable(3, labels=["a", "b", "c"], columns={"depth": np.arange(3)})
    blocks = [[(0.0, 1.0)], [(0.0, 2.0)], [(0.0, 3.0)]]
    for activity in (Traces(np.arange(12.0).reshape(3, 4)), Spikes.from_trains([[1.0], [2.0, 2.5], [3.0]])):
        recording = Recording("s", activity, table, observed_by=blocks, notes=["first"])
        kept = keep_usual(recording, KEPT, "1 bad", Selection(where="area==CA1"), columns=("depth",))
        assert kept.neurons.names("s") == ["s/a", "s/c"]
        assert kept.neurons.columns["depth"].tolist() == [0, 2]
        assert kept.observed_by == [blocks[0], blocks[2]]
        assert kept.notes == ["first", "kept 2 of 3: 1 bad"]
        if isinstance(kept.activity, Spikes):
            assert kept.activity.survey().counts.tolist() == [1, 1]
        else:
            assert kept.activity.values[:, 0].tolist() == [0, 8]
        assert keep_usual(recording, KEPT, "1 bad", Selection(where="depth>0"), columns=("depth",)) is recording
        assert keep_usual(recording, KEPT | True, "none", Selection(), columns=()) is recording
    with pytest.raises(ValueError, match=r"neurons in 's' \(all 3 go out: 3 bad\)"):
        keep_usual(recording, KEPT & False, "3 bad", Selection(), columns=())


def test_names_that_a_format_cannot_have_are_refused():
    assert only_activity(Selection(exclude=["3:4.5"]), "a file") == [(3.0, 4.5)]
    for choice in ({"behaviour": ["wheel"]}, {"events": ["lick"]}, {"intervals": "trials"}, {"exclude": ["laser"]}):
        with pytest.raises(ValueError, match=r"for a file, which holds none \(got"):
            only_activity(Selection(**choice), "a file")


def test_the_activity_is_the_usual_one_or_that_asked_for():
    present = ["C", "S", "F_dff"]
    assert named(None, present, ["F_dff", "C"], "it") == "F_dff"
    assert named("S", present, ["F_dff", "C"], "it") == "S"
    with pytest.raises(ValueError, match=r"--activity among C, S, F_dff in it \(got 'x'\)"):
        named("x", present, ["C"], "it")
    with pytest.raises(ValueError, match=r"names spks, F in it \(it has C, S, F_dff\)"):
        named(None, present, ["spks", "F"], "it")
    assert choice_note("C", present) == "activity C (also there: S, F_dff; --activity for another)"
    assert choice_note("C", ["C"]) == "activity C"
    assert counted(np.array(["a", "", "a"]), "empty") == "2 a, 1 empty"
