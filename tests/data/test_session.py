import copy
import os
import pickle
from itertools import pairwise

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_session
from torch_geometric.data import Batch

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.session_checks import WrongTypeError
from synapsnet_pyg.intake.notes import DataWarning


def test_from_arrays_reads_what_numpy_reads():
    session = Session.from_arrays(
        [[1, 2, 3], [4, 5, 7]], [0, 1, 0], bin_size=0.5, name="a", neuron_id=[7, 9], area=["V1", "LM"], depth=[0.1, 0.2]
    )
    assert session.activity.dtype == torch.float32
    assert session.activity.tolist() == [[1, 2, 3], [4, 5, 7]]
    assert session.behaviour.tolist() == [[0], [1], [0]]
    assert session.neuron_id == ["7", "9"]
    assert session.num_nodes == session.num_neurons == 2
    assert session.neuron_fields.keys() == {"area", "depth"}
    assert session.segment.tolist() == [[0, 3]]


def test_true_connectivity_is_receiver_sender():
    session = Session(
        torch.randn(3, 7), bin_size=1, edge_index=torch.tensor([[0], [2]]), edge_weight=torch.tensor([5.0])
    )
    truth = session.true_connectivity
    assert truth[2, 0] == 5
    assert truth.count_nonzero() == 1
    again = Session.from_arrays(np.zeros((3, 7)), bin_size=1, true_connectivity=truth.numpy())
    assert again.edge_index.tolist() == [[0], [2]]
    assert make_session().true_connectivity is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activity": torch.randn(5)}, r"shape \[N, T\]"),
        ({"activity": torch.full((5, 120), torch.nan)}, "hold NaN"),
        ({"behaviour": torch.randn(2, 120)}, "transpose it"),
        ({"behaviour": torch.randn(119, 2)}, "T = 120"),
        ({"behaviour": torch.full((120, 2), torch.inf)}, "finite behaviour"),
        ({"bin_size": 0.0}, "above 0"),
        ({"bin_size": None}, "above 0"),
        ({"segment": torch.tensor([[0, 60], [50, 120]])}, "segments in order"),
        ({"segment": torch.tensor([[0, 121]])}, "within 0..120"),
        ({"neuron_id": list("abc")}, "one neuron_id for each of the 5"),
        ({"neuron_id": list("abcda")}, "'a' come more than once"),
        ({"behaviour_name": ["x"]}, "one behaviour_name for each of the 2"),
        ({"edge_index": torch.tensor([[0], [5]])}, r"within 0\.\.4"),
        ({"edge_index": torch.tensor([[0], [1]]), "edge_weight": torch.tensor([1.0, 2])}, "1 finite edge weights"),
        ({"edge_weight": torch.tensor([1.0])}, "pass both or neither"),
        ({"area": ["V1"]}, "5 entries in 'area'"),
    ],
)
def test_tells_what_is_wrong(change, message):
    good = {"activity": torch.randn(5, 120), "behaviour": torch.randn(120, 2), "bin_size": 0.1}
    with pytest.raises(ValueError, match=message):
        Session(**(good | change))


def test_wants_floating_point():
    with pytest.raises(WrongTypeError, match=r"Session\.from_arrays converts"):
        Session(torch.ones(2, 3, dtype=torch.int64), bin_size=1)
    with pytest.raises(WrongTypeError, match="real numbers"):
        Session.from_arrays([["a", "b"]], bin_size=1)


def test_slice_is_a_view_with_clipped_segments():
    session = make_session(segment=torch.tensor([[0, 30], [40, 70], [70, 120]]), area=list("abcde"))
    part = session.slice(20, 75)
    assert part.activity.data_ptr() == session.activity[:, 20:].data_ptr()
    assert part.segment.tolist() == [[0, 10], [20, 50], [50, 55]]
    assert part.num_bins == part.behaviour.shape[0] == 55
    assert part.area == session.area
    assert session.num_bins == 120
    with pytest.raises(ValueError, match="0 <= start <= stop"):
        session.slice(5, 121)


def test_split_is_contiguous_and_copies_nothing():
    session = make_session()
    parts = session.split()
    assert [part.num_bins for part in parts] == [96, 12, 12]
    assert torch.equal(torch.cat([part.activity for part in parts], 1), session.activity)
    assert parts.test.activity.data_ptr() == session.activity[:, 108:].data_ptr()


def test_split_gives_whole_segments_to_one_part():
    borders = [0, 13, 30, 41, 60, 77, 90, 101, 120]
    segment = torch.tensor(list(pairwise(borders)))
    parts = make_session(segment=segment).split()
    lengths = torch.cat([part.segment[:, 1] - part.segment[:, 0] for part in parts])
    assert torch.equal(lengths, segment[:, 1] - segment[:, 0])
    assert [part.num_bins for part in parts] == [101 - 11, 11, 19]


def test_split_cuts_where_segments_are_too_few_or_one_dwarfs_the_rest():
    parts = make_session(segment=torch.tensor([[0, 60], [60, 120]])).split()
    assert [part.num_bins for part in parts] == [96, 12, 12]
    parts = make_session(segment=torch.tensor([[0, 5], [5, 10], [10, 120]])).split()
    assert [part.num_bins for part in parts] == [96, 12, 12]
    gap = make_session(segment=torch.tensor([[10, 60], [70, 120]])).split()
    assert [int((part.segment[:, 1] - part.segment[:, 0]).sum()) for part in gap] == [80, 10, 10]
    with pytest.raises(ValueError, match="at least 3 bins"):
        make_session(T=2).split()
    with pytest.raises(ValueError, match="add up to 1"):
        make_session().split(0.9, 0.1, 0.1)


@pytest.mark.parametrize("inplace", [False, True])
def test_standardises_with_the_training_part_alone(inplace):
    session = make_session()
    session.activity[3] = 4.0
    before = session.activity.clone()
    standardised = session.standardise(inplace=inplace)
    train = standardised.split().train
    torch.testing.assert_close(train.activity[:3].mean(1), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(train.activity[:3].std(1, correction=0), torch.ones(3))
    torch.testing.assert_close(train.behaviour.std(0, correction=0), torch.ones(2))
    assert standardised.constant.tolist() == [False, False, False, True, False]
    assert standardised.activity_scale[3] == 1
    restored = standardised.activity * standardised.activity_scale[:, None] + standardised.activity_mean[:, None]
    torch.testing.assert_close(restored, before)
    assert inplace or torch.equal(session.activity, before)
    assert standardised.standardise() is standardised
    with pytest.raises(ValueError, match="standardised already"):
        standardised.standardise(train)


def test_standardise_ignores_what_lies_outside_training():
    one, other = make_session(), make_session()
    other.activity[:, 96:] += 100
    assert torch.equal(one.standardise().split().train.activity, other.standardise().split().train.activity)


def test_saves_and_loads_everything(tmp_path):
    session = make_session(
        area=list("abcde"),
        position=torch.randn(5, 3),
        segment=torch.tensor([[0, 50], [60, 120]]),
        edge_index=torch.tensor([[0, 1], [2, 3]]),
        edge_weight=torch.tensor([0.5, -1.0]),
    ).standardise()
    session.save(tmp_path / "a.h5")
    loaded = Session.load(tmp_path / "a.h5")
    assert repr(loaded) == repr(session)
    for key in session.keys():  # noqa: SIM118
        same = torch.equal if isinstance(session[key], torch.Tensor) else lambda a, b: a == b
        assert same(loaded[key], session[key]), key


def test_the_unit_of_positions_is_kept_and_changes_no_number(tmp_path):
    places = {"position": torch.randn(4, 3), "activity": torch.randn(4, 90), "bin_size": 0.1}
    session, without = Session(**places, position_unit="mm"), Session(**places)
    session.save(tmp_path / "x.h5")
    assert Session.load(tmp_path / "x.h5").position_unit == "mm"
    assert session.split().test.position_unit == "mm"
    assert "position_unit" not in session.neuron_fields
    assert session.fingerprint == without.fingerprint
    assert without.get("position_unit") is None


def test_refuses_foreign_and_damaged_files(tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(FileNotFoundError, match="no file"):
        Session.load(path)
    path.write_bytes(pickle.dumps({"activity": [1]}))
    with pytest.raises(ValueError, match="not a readable session"):
        Session.load(path)
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2]
    with pytest.raises(ValueError, match="no session file"):
        Session.load(path)
    make_session(T=5000).save(path)
    whole = path.read_bytes()
    for part in range(50):
        path.write_bytes(whole[: len(whole) * part // 50])
        with pytest.raises(ValueError, match="damaged"):
            Session.load(path)
    make_session().save(path)
    with h5py.File(path, "a") as file:
        del file["behaviour"]
        file["behaviour"] = np.zeros((3, 2))
    with pytest.warns(DataWarning, match="no checksum"), pytest.raises(ValueError, match=r"a\.h5': Expected behaviour"):
        Session.load(path)


def test_a_file_without_activity_is_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs.update(format="synapsnet session", version=1, name="x", bin_size=0.1)
        file["segment"] = [[0, 90]]
    with pytest.raises(ValueError, match=r"'activity' in the session file '.*x\.h5'"):
        Session.load(tmp_path / "x.h5")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    make_session().save(path)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        make_session(N=6).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.h5"]


def test_repr_tells_sizes():
    text = repr(make_session(area=list("abcde")))
    assert text == "Session('demo', 5 neurons x 120 bins of 0.1 s, 2 behaviours, 1 segment, area)"
    assert repr(Session()) == "Session()"


def test_reads_files_of_older_versions(tmp_path):
    path, series = tmp_path / "s.h5", torch.arange(7.0)[None]
    edge_index = torch.tensor([[0], [2]])
    Session(torch.randn(3, 7), bin_size=1, edge_index=edge_index, edge_weight_series=series).save(path)
    with h5py.File(path, "a") as file:
        file.move("edge_weight_series", "edge_weight_course")
    with pytest.warns(DataWarning, match="no checksum"):
        loaded = Session.load(path)
    assert torch.equal(loaded.edge_weight_series, series)
    assert "edge_weight_course" not in loaded.keys()  # noqa: SIM118


def test_information_without_the_recording():
    session = make_session(N=3)
    info = SessionInfo.of(session)
    assert info == SessionInfo("demo", session.neuron_id, session.behaviour_name, 120)
    assert SessionInfo.of(info) == info


def test_survives_what_pyg_does_with_data():
    session = make_session(area=list("abcde"))
    for other in (copy.copy(session), copy.deepcopy(session), pickle.loads(pickle.dumps(session)), session.clone()):
        assert repr(other) == repr(session)
        assert torch.equal(other.activity, session.activity)
    batch = Batch.from_data_list([session, session])
    assert batch.activity.shape == (10, 120)
    assert batch.get_example(1).name == "demo"
    assert session.to("cpu").num_nodes == 5


def test_wiring_that_changes_is_kept_sliced_and_averaged(tmp_path):
    series = torch.arange(14.0).view(2, 7)
    session = Session(
        torch.randn(3, 7),
        bin_size=1,
        edge_index=torch.tensor([[0, 1], [2, 0]]),
        edge_weight_series=series,
    )
    assert session.true_connectivity[2, 0] == 3
    assert session.true_connectivity[0, 1] == 10
    session.save(tmp_path / "s.h5")
    part = Session.load(tmp_path / "s.h5").slice(4, 6)
    assert part.true_connectivity[2, 0] == 4.5
    assert part.true_connectivity[0, 1] == 11.5
    at = part.true_connectivity_at(torch.tensor([1, 0]))
    assert at.shape == (2, 3, 3)
    assert at[:, 2, 0].tolist() == [5, 4]
    assert at[:, 0, 1].tolist() == [12, 11]
    assert "edge_weight_series" not in session.neuron_fields
    still = Session(torch.randn(3, 7), bin_size=1, edge_index=torch.tensor([[0], [2]]))
    assert still.true_connectivity_at(torch.tensor([6, 2]))[:, 2, 0].tolist() == [1, 1]
    assert make_session().true_connectivity_at(torch.tensor([0])) is None
    with pytest.raises(ValueError, match="1 edges in 7 bins"):
        Session(torch.randn(3, 7), bin_size=1, edge_index=torch.tensor([[0], [2]]), edge_weight_series=series)


def test_behaviour_that_was_not_recorded_counts_for_nothing_and_is_the_mean_to_models(tmp_path):
    behaviour = torch.arange(40.0).reshape(20, 2)
    recorded = torch.ones(20, 2, dtype=torch.bool)
    recorded[5:9, 1] = False
    session = Session(
        torch.randn(3, 20), behaviour, bin_size=0.1, behaviour_recorded=recorded, notes=["2 of 5 neurons kept"]
    )
    session.save(tmp_path / "s.h5")
    loaded = Session.load(tmp_path / "s.h5")
    assert torch.equal(loaded.behaviour_recorded, recorded)
    assert loaded.notes == ["2 of 5 neurons kept"]
    assert loaded.fingerprint == session.fingerprint
    changed = Session(torch.from_numpy(session.activity.numpy()), behaviour + 100.0 * ~recorded, bin_size=0.1,
                      behaviour_recorded=recorded)  # fmt: skip
    for standardised in (loaded.standardise(), changed.standardise()):
        seen = behaviour[:16][recorded[:16, 1], 1]
        assert float(standardised.behaviour_mean[1]) == pytest.approx(float(seen.mean()))
        assert float(standardised.behaviour_scale[1]) == pytest.approx(float(seen.std(correction=0)))
        assert standardised.behaviour[5:9, 1].tolist() == [0.0] * 4
    assert loaded.recorded_share == pytest.approx([1.0, 0.8])
    assert loaded.slice(4, 10).recorded_share == pytest.approx([1.0, 2 / 6])
    assert "behaviour_recorded" not in Session(torch.zeros(1, 4), torch.zeros(4, 1), bin_size=1,
                                               behaviour_recorded=torch.ones(4, 1))  # fmt: skip
    with pytest.raises(ValueError, match="behaviour_recorded of shape"):
        Session(torch.zeros(1, 4), torch.zeros(4, 1), bin_size=1, behaviour_recorded=torch.ones(4, 2))


def test_a_behaviour_that_was_never_recorded_is_zero():
    session = Session(
        torch.randn(2, 20), torch.full((20, 1), 7.0), bin_size=1, behaviour_recorded=torch.zeros(20, 1)
    ).standardise()
    assert not session.behaviour.any()


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", object, "category"])
def test_frames_of_any_type_are_read(dtype):
    counts = np.random.default_rng(0).poisson(0.5, (4, 30)).clip(0, 1)
    session = Session.from_arrays(pd.DataFrame(counts).astype(dtype), bin_size=0.1)
    np.testing.assert_array_equal(session.activity, counts)


@pytest.mark.parametrize(
    "activity",
    [
        np.ma.masked_array(np.ones((3, 9)), mask=np.eye(3, 9), fill_value=-9999.0),
        pd.DataFrame([[1, pd.NA], [3, 4]], dtype="Int64"),
        np.array([[1, None], [3, 4]], dtype=object),
    ],
)
def test_missing_activity_is_refused(activity):
    with pytest.raises(ValueError, match="finite activity"):
        Session.from_arrays(activity, bin_size=0.1)


def test_segments_are_whole_bins():
    assert Session.from_arrays(np.zeros((2, 6)), bin_size=0.1, segment=[[0.0, 3.0], [3, 6]]).segment.tolist() == [
        [0, 3],
        [3, 6],
    ]
    with pytest.raises(ValueError, match=r"whole numbers of bins.*\(got 1.5\)"):
        Session.from_arrays(np.zeros((2, 60)), bin_size=0.05, segment=[[0, 1.5], [1.5, 3.0]])


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.uint64, np.float16, ">f8", ">i4", "S3", bool])
def test_fields_of_any_type_can_be_saved_and_summarised(tmp_path, dtype):
    values = np.array([1, 0, 3]).astype(dtype)
    Session.from_arrays(np.random.rand(3, 9), bin_size=0.1, depth=values).save(tmp_path / "s.h5")
    depth = Session.load(tmp_path / "s.h5").depth
    assert [float(x) for x in depth] == [float(x) for x in values]
    if isinstance(depth, torch.Tensor):
        depth.min()


def test_names_that_come_twice_are_found_in_linear_time():
    ids = [str(i) for i in range(100_000)] + ["7"]
    with pytest.raises(ValueError, match="'7' come more than once"):
        Session(torch.zeros(100_001, 1), bin_size=1, neuron_id=ids)


def test_missing_ids_of_arrays_get_names():
    for ids in (
        [101.0, np.nan],
        pd.array([101, None], dtype="Int64"),
        ["101.0", None],
        np.ma.masked_array([101, 5], [0, 1]),
    ):
        session = Session.from_arrays(np.eye(2, 9), bin_size=0.1, name="m1", neuron_id=ids)
        assert session.neuron_id == ["101", "m1/1"]
    with pytest.raises(ValueError, match="'7' come more than once"):
        Session.from_arrays(np.eye(2, 9), bin_size=0.1, neuron_id=[7, 7.0])


def test_true_response_is_checked():
    activity, response = torch.randn(3, 7), torch.rand(3, 3, 2)
    session = Session(activity, bin_size=1, true_response=response)
    assert session.true_response_error.tolist() == torch.zeros(3, 3, 2).tolist()
    assert "true response over 2 bins" in repr(session)
    for wrong in (response[:2], response[..., 0], response.long(), response[..., :0]):
        with pytest.raises(ValueError, match=r"true_response of shape \[3, 3, H\]"):
            Session(activity, bin_size=1, true_response=wrong)
    with pytest.raises(ValueError, match="finite true_response"):
        Session(activity, bin_size=1, true_response=response.clone().fill_(float("nan")))
    with pytest.raises(ValueError, match=r"true_response_error of shape \[3, 3, 2\]"):
        Session(activity, bin_size=1, true_response=response, true_response_error=response[..., :1])
    with pytest.raises(ValueError, match="beside true_response_error"):
        Session(activity, bin_size=1, true_response_error=response)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_single(dtype):
    activity, edges = torch.randn(3, 20).to(dtype), torch.tensor([[0], [2]])
    behaviour, weight, position = torch.randn(20, 2).to(dtype), torch.ones(1, dtype=dtype), torch.randn(3, 2).half()
    response = torch.ones(3, 3, 4).to(dtype)
    fields = {"edge_index": edges, "edge_weight": weight, "true_response": response, "position": position}
    session = Session(activity, behaviour, bin_size=0.1, **fields)
    assert torch.equal(session.activity, activity.float())
    assert torch.equal(session.behaviour, behaviour.float())
    for name in ("edge_weight", "true_response", "true_response_error", "position"):
        assert session[name].dtype == torch.float32
    assert session.standardise().split().train.activity.dtype == torch.float32
    assert Session(torch.randn(3, 20).double(), bin_size=0.1).activity.dtype == torch.float64
