import json

import numpy as np

from synapsnet_pyg.experiments.trials import Outcome, TrialJob


def find() -> Outcome:
    return Outcome([{"r": 0.5, "change": np.nan}, {"r": 1.0, "change": 0.25}], {"matrix": np.eye(3)})


def job(folder) -> TrialJob:
    return TrialJob(folder, case="case", method="method", parameters={"seeds": 2}, find=find)


def test_an_outcome_is_read_as_it_was_written(tmp_path):
    outcome = job(tmp_path).run()
    read = job(tmp_path).read(json.loads(json.dumps(outcome.to_json())))
    assert read is not None
    assert read.scores == [{"r": 0.5}, {"r": 1.0, "change": 0.25}]
    assert np.array_equal(read.arrays["matrix"], np.eye(3))
    assert job(tmp_path).describe(read) == "r 0.750, change 0.250"


def test_scores_without_their_arrays_are_worked_out_anew(tmp_path):
    assert job(tmp_path).read(find().to_json()) is None


def test_settings_name_system_and_method(tmp_path):
    assert job(tmp_path).settings() == {"case": "case", "method": "method", "seeds": 2}
