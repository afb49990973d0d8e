import pytest
from lightning.pytorch.loggers import CSVLogger

from synapsnet_pyg.runs.loggers import make_logger


def test_a_logger_writes_into_the_folder_logs_of_a_run(tmp_path):
    logger = make_logger("csv", tmp_path)
    assert isinstance(logger, CSVLogger)
    logger.log_metrics({"error": 0.5}, step=1)
    logger.save()
    assert [path.parent.parent for path in tmp_path.rglob("metrics.csv")] == [tmp_path / "logs"]


def test_an_unknown_logger_is_refused(tmp_path):
    with pytest.raises(ValueError, match="among csv, tensorboard, wandb"):
        make_logger("paper", tmp_path)
