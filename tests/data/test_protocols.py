from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.cli.arguments import ProtocolName
from synapsnet_pyg.data.protocols import PROTOCOLS, ZAPBENCH_OFFSETS, prepare, standardised, with_neurons
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of


def numbered(T: int, bin_size: float = 0.05, **fields) -> Session:
    """A session whose first neuron counts the bins, and whose second is active in one of three bins."""
    bins = torch.arange(T)
    return Session(torch.stack([bins, bins % 3 == 0]).float(), torch.randn(T, 2), bin_size=bin_size, **fields)


def targets(part: Session, context: int, horizon: int) -> list[int]:
    """First of the bins to forecast in each window of one target, as numbers of the session's bins."""
    found = [w.gather(torch.arange(len(w))).ahead[:, 0, 0, 0] for w in windows_of(part, context, horizon=horizon)]
    return sorted(torch.cat(found).long().tolist())


def test_the_command_line_knows_all_protocols():
    assert set(get_args(ProtocolName)) == PROTOCOLS.keys()


def test_paper_is_the_session_itself():
    session = make_session()
    assert prepare(session) is session
    assert torch.equal(standardised(session).activity, session.standardise().activity)


@pytest.mark.parametrize("T", [800, 1605, 2999, 3200])
def test_poco_divides_patches_as_its_code(T):
    """The loop of yuvenduan/POCO, datasets/datasets.py, with its shares."""
    wanted = {"train": [], "validation": [], "test": []}
    patches = max(1, T // 1000)
    for patch in range(patches):
        activity = np.arange(T)[patch * 1000 : (patch + 1) * 1000 if patch < patches - 1 else T]
        first, second = int(len(activity) * 0.6), int(len(activity) * (0.6 + 0.2))
        wanted["train"] += activity[:first].tolist()
        wanted["validation"] += activity[first:second].tolist()
        wanted["test"] += activity[second:].tolist()
    session = prepare(numbered(T), "poco")
    for part, own in session.split()._asdict().items():
        assert own.activity[0].tolist() == wanted[part]
        assert len(own.segment) == patches
        assert own.num_behaviours == 0
        held = [w.gather(torch.arange(len(w))) for w in windows_of(own, 48, horizon=16)]
        for window in held:  # no window crosses patches or parts
            bins = torch.cat([window.activity[:, 0], window.ahead[:, 0, 0]], dim=1)
            assert bool((bins.diff() == 1).all())


def test_a_worm_has_480_160_and_160_bins():
    assert [part.num_bins for part in prepare(make_session(7, 800), "poco").split()] == [480, 160, 160]


def test_poco_standardises_over_the_whole_recording():
    session = make_session(T=1200)
    standard = standardised(prepare(session, "poco"), "poco")
    torch.testing.assert_close(standard.activity.mean(1), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(standard.activity.std(1, correction=0), torch.ones(5))


@pytest.mark.parametrize(("protocol", "context"), [("zapbench", 4), ("zapbench-long", 256)])
def test_zapbench_forecasts_the_bins_that_its_code_forecasts(protocol, context):
    """adjust_condition_bounds_for_split and get_num_windows of google-research/zapbench, zapbench/data_utils.py."""
    wanted = {"train": [], "validation": [], "test": []}
    for condition, (low, high) in enumerate(pairwise(ZAPBENCH_OFFSETS)):
        begin, end = low + 1, high - 1
        test, validation = int((end - begin) * 0.2), int((end - begin) * 0.1)
        train = end - begin - test - validation
        bounds = {
            "train": (begin, begin + train),
            "validation": (begin + train - context, begin + train + validation),
            "test": (begin + train + validation - context, end),
        }
        for part, (first, last) in bounds.items():
            if condition != 3:
                wanted[part] += [first + context + w for w in range(last - first - 32 - context + 1)]
    offsets = torch.tensor(ZAPBENCH_OFFSETS)
    for segment in (None, torch.stack([offsets[:-1], offsets[1:]], dim=1)):
        session = prepare(numbered(7879, segment=segment), protocol)
        for part, own in session.split()._asdict().items():
            assert targets(own, context, 32) == wanted[part], part


def test_zapbench_divides_each_segment_of_another_recording():
    session = prepare(numbered(300, segment=torch.tensor([[0, 95], [100, 300]])), "zapbench")
    assert session.segment.tolist() == [[0, 67], [67, 76], [76, 95], [100, 240], [240, 260], [260, 300]]
    assert session.segment_part == 2 * ["train", "validation", "test"]
    assert session.context.tolist() == [0, 67, 76, 0, 140, 160]


def test_spikeprophecy_forecasts_the_bins_that_its_code_forecasts():
    """Targets of a part are its bins, of which the first see bins of the part before (window and split of its code)."""
    T = 1234
    session = prepare(numbered(T), "spikeprophecy")
    train, validation, test = session.split()
    assert targets(train, 10, 1) == list(range(10, int(T * 0.7)))
    assert targets(validation, 10, 1) == list(range(int(T * 0.7), int(T * 0.85)))
    assert targets(test, 10, 1) == list(range(int(T * 0.85), T))
    assert session.num_behaviours == 0


def test_spikeprophecy_wants_active_neurons_counts_and_bins_of_50_ms():
    counts = torch.zeros(4, 400)
    counts[0, ::20] = 1  # 1 Hz
    counts[2, ::25] = 1
    counts[3] = 2
    edges, weights = torch.tensor([[0, 3, 1], [3, 0, 3]]), torch.tensor([0.1, 0.2, 0.3])
    fields = {"area": list("abcd"), "depth": torch.arange(4.0), "edge_index": edges, "edge_weight": weights}
    session = Session(counts, bin_size=0.05, name="m", **fields)
    kept = prepare(session, "spikeprophecy")
    assert kept.neuron_id == ["m/0", "m/3"]
    assert kept.area == ["a", "d"]
    assert kept.depth.tolist() == [0, 3]
    assert kept.num_nodes == 2
    assert torch.equal(kept.true_connectivity, session.true_connectivity[[0, 3]][:, [0, 3]])
    assert session.num_neurons == 4
    with pytest.raises(ValueError, match=r"bins of 0\.05 s for protocol 'spikeprophecy' .* --bin-size 0\.05"):
        prepare(numbered(100, 0.1), "spikeprophecy")
    with pytest.raises(ValueError, match="Expected counts"):
        prepare(Session(torch.randn(2, 100), bin_size=0.05), "spikeprophecy")
    with pytest.raises(ValueError, match="at least 1 Hz"):
        prepare(Session(torch.zeros(2, 100), bin_size=0.05), "spikeprophecy")


def test_neurons_are_chosen_with_all_their_fields():
    response = torch.randn(3, 3, 4)
    session = Session(torch.randn(3, 8), bin_size=1, edge_index=torch.tensor([[0, 2], [1, 0]]),
                      edge_weight_series=torch.randn(2, 8), true_response=response)  # fmt: skip
    part = with_neurons(session, torch.tensor([True, False, True]))
    assert part.edge_index.tolist() == [[1], [0]]
    assert torch.equal(part.edge_weight_series, session.edge_weight_series[1:])
    assert torch.equal(part.true_response, response[[0, 2]][:, [0, 2]])
    assert with_neurons(session, torch.ones(3, dtype=torch.bool)) is session


def test_a_fold_takes_the_place_of_the_parts_and_keeps_the_choices():
    session = prepare(make_session(T=700), "poco", "2/5")
    assert session.num_behaviours == 0
    bins = {part: set(session.part_bins(part).tolist()) for part in ("train", "validation", "test")}
    assert bins["test"] == set(range(140, 280))
    assert min(abs(a - b) for a in bins["train"] for b in bins["test"]) == 49, "the context of the protocol"
    with pytest.raises(ValueError, match="such as 2/5"):
        prepare(make_session(), "paper", "two")


def test_tells_an_unknown_protocol():
    with pytest.raises(ValueError, match=r"protocol among paper, poco, .* \(got 'pocco'\)"):
        prepare(make_session(), "pocco")
