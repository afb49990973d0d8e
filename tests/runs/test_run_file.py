import math

from synapsnet_pyg.runs.run_file import best_epoch


def test_a_solved_start_is_kept_unless_an_epoch_is_clearly_better():
    def rows(first, correlations):
        return [
            {"epoch": first + e, "validation_correlation": r, "validation_mse": 1 - r}
            for e, r in enumerate(correlations)
        ]

    assert best_epoch(rows(0, [0.5, 0.504, 0.503]), horizon=1) == 0
    assert best_epoch(rows(0, [0.5, 0.51, 0.512, 0.511]), horizon=1) == 2
    assert best_epoch(rows(1, [0.5, 0.504, 0.503]), horizon=1) == 1
    assert best_epoch(rows(1, [math.nan, 0.1, math.nan]), horizon=1) == 1
    several = [{"epoch": e, "validation_correlation": 0.9 - e, "validation_mse": m} for e, m in enumerate([1, 0.98])]
    assert best_epoch(several, horizon=4) == 1
