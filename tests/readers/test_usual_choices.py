import numpy as np
import pytest

from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.usual_choices import choice_note, counted, named, only_activity, usual_rows

KEPT = np.array([True, False, True])


def test_neurons_that_the_format_rejects_go_out_with_a_note():
    def chosen(kept, where=None):
        rows, notes = usual_rows(kept, "1 bad", Selection(where=where), columns=("depth",), name="s")
        return rows.tolist(), notes

    assert chosen(KEPT) == chosen(KEPT, "area==CA1") == ([0, 2], ["kept 2 of 3: 1 bad"])
    assert chosen(KEPT, "depth>0") == chosen(KEPT | True) == ([0, 1, 2], [])
    with pytest.raises(ValueError, match=r"neurons in 's' \(all 3 go out: 1 bad\)"):
        chosen(KEPT & False)


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
