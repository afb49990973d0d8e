import pytest

from synapsnet_pyg.experiments import task_networks
from synapsnet_pyg.experiments.experiment import LEAST_SQUARES


def test_least_squares_reproduces_what_was_published_of_tasks(recording):
    for folder, task in (("netformer-perceptualdecision", "perceptual-decision"), ("netformer-gonogo", "go-nogo")):
        (trial,) = [
            trial
            for trial in task_networks.task_networks(1, published=[recording(folder)]).trials
            if (trial.case, trial.method) == (task, LEAST_SQUARES)
        ]
        (score,) = trial.find().scores
        published = task_networks.PUBLISHED[task, LEAST_SQUARES]
        assert score["Spearman"] == pytest.approx(float(published[0]), abs=6e-4)
        assert score["Pearson"] == pytest.approx(float(published[1]), abs=6e-4)
