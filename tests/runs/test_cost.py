"""Tests of the expected memory and time of a fit."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from synapsnet_pyg.cli.main import main
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.nn.threads import threads
from synapsnet_pyg.runs import cost
from synapsnet_pyg.runs.cost import FitCost, affordable, cost_rows, cost_sentence
from synapsnet_pyg.runs.hardware import Hardware
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.run import Run


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of all tensors that exist at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.peak = 0, 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
                storage = tensor.untyped_storage()
                key, size = storage._cdata, storage.nbytes()
                if key not in self._seen:
                    self._seen.add(key)
                    self.now += size
                    self.peak = max(self.peak, self.now)
                    weakref.finalize(storage, self._release, key, size)
        return result

    def _release(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size


def noise(neurons: int, bins: int) -> Session:
    """Returns a session of independent numbers."""
    activity = torch.randn(neurons, bins, generator=torch.Generator().manual_seed(0))
    return Session(activity, bin_size=0.1, name="noise")


@pytest.mark.parametrize(
    ("neurons", "bins", "arguments"),
    [(300, 800, {"connectivity": "dense"}), (140, 500, {"connectivity": "sparse", "senders": 100})],
)
def test_the_expected_memory_is_that_of_the_tensors(neurons: int, bins: int, arguments: dict[str, Any]) -> None:
    recipe = Recipe.fast(bins)
    expected = FitCost([noise(neurons, bins)], recipe, arguments).memory - cost._ALWAYS
    with threads(1), LiveTensors() as live:
        session = noise(neurons, bins).standardise()
        train, validation, _ = session.split()
        model = SynapsNet([session], **arguments)
        model.initialise({"noise": train}, {"noise": validation})
        window = windows_of(train, 5, recipe.targets)[0].gather(torch.arange(recipe.batch_size))
        model.loss(model(window), window).backward()
    assert expected / 1.6 < live.peak < expected * 1.6


def test_memory_grows_with_the_square_of_a_complete_graph_alone() -> None:
    def memory(neurons: int, connectivity: str) -> float:
        return FitCost([noise(neurons, 200)], Recipe(), {"connectivity": connectivity}).memory

    assert memory(6000, "dense") / memory(3000, "dense") > 3
    assert memory(6000, "sparse") / memory(3000, "sparse") < 1.5


def test_seconds_grow_with_the_epochs() -> None:
    few, many = (FitCost([noise(20, 400)], Recipe(epochs=epochs), {}).seconds() for epochs in (1, 1000))
    assert few is not None
    assert many is not None
    assert many > 20 * few
    assert FitCost([noise(20, 4)], Recipe(), {}).seconds() is None  # no window fits


def test_the_seed_of_a_fit_is_not_spent_by_the_estimate() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    FitCost([noise(20, 400)], Recipe(), {}).seconds()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_graph_is_chosen_by_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = FitCost([noise(2000, 200)], Recipe(), {})
    for free, connectivity in ((100e9, None), (1.5 * wanted.memory, "low-rank+sparse")):
        monkeypatch.setattr(Hardware, "free_memory", free)
        assert affordable(wanted).arguments.get("connectivity") == connectivity
    assert affordable(wanted.with_connectivity("dense")).arguments["connectivity"] == "dense"


def test_what_does_not_fit_is_refused_with_the_option_that_would(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "_MATRICES", 1e6)  # as if the population were large
    monkeypatch.setattr(Hardware, "free_memory", 2e9)
    noise(60, 200).save(tmp_path / "noise.h5")
    command = ["fit", str(tmp_path / "noise.h5"), "--out", str(tmp_path / "run"), "--connectivity", "dense"]
    assert main(command) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert "Expected a fit of at most 2.0 GB, the free memory (got about 29 GB with --connectivity dense)" in error
    assert "--connectivity sparse would take 0." in error
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(Hardware, "free_memory", 1e6)
    with pytest.raises(ValueError, match="use fewer neurons"):
        affordable(FitCost([noise(60, 200)], Recipe(), {}))


def test_a_fit_says_what_it_will_take(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    noise(12, 200).save(tmp_path / "noise.h5")
    recipe = Recipe.fast(200).changed(epochs=1)
    Run.fit([tmp_path / "noise.h5"], tmp_path / "run", recipe=recipe)
    first, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith("expected: seconds and 0.1 GB of ")
    assert first.endswith(" free, dense graph")
    monkeypatch.setattr(cost, "SHORT", 0)
    assert cost_sentence(FitCost([noise(12, 200)], recipe, {})).startswith("about 0 s and")


def test_a_graph_that_memory_chose_stays_when_the_fit_goes_on(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    noise(12, 200).save(tmp_path / "noise.h5")
    monkeypatch.setattr(cost, "_MATRICES", 1e6)  # 1.2 GB
    arguments = {"senders": 4}
    for free, epochs in ((2e9, 1), (100e9, 2)):
        monkeypatch.setattr(Hardware, "free_memory", free)
        recipe = Recipe.fast(200).changed(epochs=epochs)
        run = Run.fit([tmp_path / "noise.h5"], tmp_path / "run", arguments=arguments, recipe=recipe,
                      resume=epochs > 1, progress=False)  # fmt: skip
        assert run.record is not None
        assert run.record.arguments["connectivity"] == "low-rank+sparse"


def test_rows_of_a_recording_too_short_for_a_window() -> None:
    assert cost_rows(noise(3, 12), Hardware("cpu")) == []
    assert [label for label, _ in cost_rows(noise(3, 200), Hardware("cpu"))] == ["fit, paper", "fit, fast", "memory"]
