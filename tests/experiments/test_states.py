import pytest
from helpers import told
from on_disk import write_bugeon

from synapsnet_pyg.experiments.registry import experiment
from synapsnet_pyg.experiments.states import states


def test_the_mice_are_analysed_by_type_and_state(tmp_path):
    write_bugeon(tmp_path / "bugeon", frames=800)
    made = experiment("states", quick=True, data=[str(tmp_path / "bugeon")])
    (mice,) = [trial for trial in made.trials if trial.case == "mice"]
    outcome, _ = told(mice.find)
    assert outcome.arrays["learned"].shape == (3, 4, 4)
    assert -1 <= outcome.scores[0]["pooled r"] <= 1


@pytest.mark.parametrize("bins", [10, 600])
def test_a_state_that_never_occurs_is_named(bins):
    for trial in states(1, epochs=1, bins=bins).trials:
        with pytest.raises(ValueError, match=r"Expected every state to last .*got none of .*; simulate more bins"):
            trial.find()
