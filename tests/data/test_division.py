import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.division import Fold, Piece, by_segment, divided, each_segment, in_time
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of

PARTS = ("train", "validation", "test")


def bins_of(session: Session) -> dict[str, set[int]]:
    """Bins of each part of a session, without contexts."""
    bins = {part: set() for part in ("", *PARTS)}
    for (begin, end), part in zip(session.segment.tolist(), session.segment_part, strict=True):
        bins[part] |= set(range(begin, end))
    return bins


def targets_of(part: Session, window: int, horizon: int = 1) -> list[int]:
    """Values of the first neuron at all targets of a part, which are the bins of the session in `numbered`."""
    return sorted(
        {
            int(value)
            for windows in windows_of(part, window, targets=3, horizon=horizon)
            for value in windows.gather(torch.arange(len(windows))).ahead[:, 0].flatten().tolist()
        }
    )


def numbered(T: int = 120, segment: list[list[int]] | None = None, **fields) -> Session:
    """A session whose activity is the number of the bin."""
    segment = None if segment is None else torch.tensor(segment)
    activity = torch.stack([torch.arange(T).float(), torch.randn(T)])
    return Session(activity, torch.randn(T, 3), bin_size=0.05, segment=segment, name="numbered", **fields)


def test_a_part_holds_its_bins_alone_and_is_a_view_where_they_follow_each_other():
    session = by_segment(
        numbered(segment=[[0, 30], [30, 50], [55, 80], [80, 120]]), ["train", "validation", "train", "test"]
    )
    train, validation, test = session.split()
    assert train.activity[0].tolist() == [*range(30), *range(55, 80)]
    assert train.segment.tolist() == [[0, 30], [30, 55]]
    assert torch.equal(train.behaviour, session.behaviour[[*range(30), *range(55, 80)]])
    assert validation.activity.data_ptr() == session.activity[:, 30:].data_ptr()
    assert test.activity.data_ptr() == session.activity[:, 80:].data_ptr()
    assert "segment_part" not in train
    for part, own in zip(PARTS, session.split(), strict=True):
        assert session.part_bins(part).tolist() == own.activity[0].tolist()


def test_default_parts_have_the_bins_that_they_tell():
    for segment in ([[0, 120]], [[5, 40], [40, 80], [80, 100], [104, 118]]):
        session = numbered(segment=segment)
        for name, part in session.split()._asdict().items():
            assert session.part_bins(name).tolist() == part.activity[0].tolist()


def test_contexts_are_seen_and_never_targets():
    session = in_time(numbered(), 0.7, 0.15, context=10)
    _, validation, test = session.split()
    assert session.part_bins("test").tolist() == list(range(92, 120))
    for window in (1, 7, 10):
        assert targets_of(validation, window) == list(range(84, 102))
        assert targets_of(test, window) == list(range(102, 120))
    assert targets_of(test, 12) == list(range(104, 120))
    assert targets_of(test, 4, horizon=5) == list(range(102, 120))
    (windows,) = windows_of(test, 4, first=6)
    assert windows.gather(torch.tensor([0])).activity[0, 0].tolist() == [98, 99, 100, 101]


def test_contexts_stay_within_their_segment():
    session = in_time(numbered(segment=[[0, 60], [60, 80], [83, 117]]), 0.7, 0.15, context=30)
    assert session.segment.tolist() == [[0, 60], [60, 79], [79, 80], [83, 99], [99, 117]]
    assert session.segment_part == ["train", "train", "validation", "validation", "test"]
    assert session.context.tolist() == [0, 0, 19, 0, 16]


def test_slices_keep_parts_and_clip_contexts():
    part = in_time(numbered(), 0.7, 0.15, context=10).slice(90, 120)
    assert part.segment.tolist() == [[0, 12], [12, 30]]
    assert part.segment_part == ["validation", "test"]
    assert part.context.tolist() == [0, 10]


def test_save_and_load_keep_the_parts(tmp_path):
    session = in_time(numbered(), 0.7, 0.15, context=10)
    session.save(tmp_path / "s.h5")
    loaded = Session.load(tmp_path / "s.h5")
    assert loaded.segment_part == session.segment_part
    assert loaded.context.tolist() == [0, 10, 10]
    assert loaded.fingerprint == session.fingerprint != numbered().fingerprint
    assert not loaded.neuron_fields
    assert session.fingerprint != divided(session, [Piece(0, 84, "train"), Piece(84, 102, "test"),
                                                    Piece(102, 120, "validation")]).fingerprint  # fmt: skip


def test_from_arrays_takes_parts():
    segment, parts = [[0, 3], [3, 6], [6, 9]], ["test", "train", "validation"]
    session = Session.from_arrays([[0] * 9, [1] * 9], bin_size=1, segment=segment, segment_part=parts)
    assert session.split().test.segment.tolist() == [[0, 3]]
    assert session.split(0.4, 0.3, 0.3).test.num_bins == 3, "shares take precedence"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["train", "test"], "for each of the 3 segments"),
        (["train", "test", "valid"], "'valid'"),
        (["train", "test", ""], "none of validation"),
    ],
)
def test_tells_what_is_wrong_with_parts(parts, message):
    with pytest.raises(ValueError, match=message):
        numbered(segment=[[0, 30], [30, 50], [55, 80]], segment_part=parts)


def test_tells_wrong_contexts_and_shares():
    with pytest.raises(ValueError, match="from 0 to the first bin"):
        numbered(segment=[[5, 30]], segment_context=torch.tensor([6]))
    with pytest.raises(ValueError, match="one for each of 1 segments"):
        numbered(segment=[[5, 30]], segment_context=torch.tensor([6, 0]))
    with pytest.raises(ValueError, match="three positive shares"):
        numbered().split(0.8, 0.2)


@pytest.mark.parametrize("segment", [[[0, 120]], [[3, 40], [40, 77], [80, 119]]])
@pytest.mark.parametrize(("folds", "gap"), [(3, 0), (4, 7), (10, 4)])
def test_blocks_cover_the_session_once_with_gaps_between(segment, folds, gap):
    session = numbered(segment=segment)
    inside = {t for begin, end in segment for t in range(begin, end)}
    tested: list[int] = []
    for k in range(1, folds + 1):
        bins = bins_of(Fold(k, folds, gap=gap).divide(session, gap=99))
        tested += bins["test"]
        assert set.union(*bins.values()) == inside
        for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
            assert min(abs(a - b) for a in bins[one] for b in bins[other]) > gap
        # No bin is lost but those near another part.
        for t in bins[""]:
            assert any(abs(t - other) <= gap for part in ("validation", "test") for other in bins[part]) or any(
                abs(t - other) <= 2 * gap for other in bins["test"]
            )
    assert sorted(tested) == sorted(inside)


def test_the_last_of_ten_blocks_is_the_usual_split():
    session = numbered(200)
    fold, usual = Fold(10, 10, gap=0).divide(session, 5).split(), session.split()
    for ours, theirs in zip(fold, usual, strict=True):
        assert torch.equal(ours.activity, theirs.activity)


def test_trials_are_drawn_whole_each_once():
    session = numbered(segment=[[t, t + 8] for t in range(0, 112, 8)])
    tested = []
    for k in range(1, 6):
        fold = Fold(k, 5, trials=True).divide(session, 5)
        assert fold.segment.tolist() == session.segment.tolist()
        tested += fold.split().test.activity[0].tolist()
        assert min(fold.segment_part.count(part) for part in PARTS) >= 2
    assert sorted(tested) == list(range(112))
    drawn = Fold(1, 5, trials=True).divide(session, 5).segment_part
    assert drawn == Fold(1, 5, trials=True).divide(session, 5).segment_part
    assert drawn.index("test") > 0
    assert drawn != sorted(drawn), "at random"


def test_folds_are_read_as_they_are_written():
    for text in ("2/5", "2/5 trials", "1/3 gap 48"):
        assert str(Fold.of(text)) == text
    for text, message in {"2": "such as 2/5", "6/5": "6 of 5", "1/2": "at least 3 folds", "0/5": "0 of 5"}.items():
        with pytest.raises(ValueError, match=message):
            Fold.of(text)


def test_tells_too_many_folds():
    with pytest.raises(ValueError, match=r"1 for 5 folds\); use fewer folds"):
        Fold(1, 5, trials=True).divide(numbered(), 5)
    with pytest.raises(ValueError, match=r"more than 31 bins, two contexts and a bin .* 120 bins for 5 folds"):
        Fold(1, 5).divide(numbered(), 15)


def test_each_segment_is_divided_alike():
    session = each_segment(
        numbered(segment=[[0, 50], [60, 120]]),
        lambda a, b: [Piece(a, a + 9, "test"), Piece(a + 9, b - 9, "train"), Piece(b - 9, b, "validation")],
    )
    assert [part.num_bins for part in session.split()] == [74, 18, 18]


def test_statistics_are_of_the_training_part_alone():
    session = make_session(segment=torch.tensor([[0, 30], [30, 60], [60, 90], [90, 120]]))
    session = by_segment(session, ["test", "train", "validation", "train"])
    train = torch.cat([session.activity[:, 30:60], session.activity[:, 90:]], dim=1)
    standard = session.standardise()
    torch.testing.assert_close(standard.activity_mean, train.mean(1))
    torch.testing.assert_close(standard.activity_scale, train.std(1, correction=0))
    session.activity[:, :30] += 5
    session.activity[:, 60:90] *= 3
    torch.testing.assert_close(session.standardise().activity_mean, standard.activity_mean)
