import numpy as np
import pandas as pd
import pytest
import torch
from commands import refused, run

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.results.comparison import save_comparisons

N = 7
AREAS = ["V1", "V1", "LM", "LM", "LM", "V1", ""]


def recorded(name="monday", seed=0, T=1200, driven=True, neurons=N) -> Session:
    """Neuron 0 drives neuron 2 while the animal runs, and running is slow."""
    random = torch.Generator().manual_seed(seed)
    running = torch.randn(T // 40, generator=random).repeat_interleave(40) * 3 + 5
    activity = torch.randn(neurons, T, generator=random)
    if driven:
        activity[2, 1:] += 0.7 * activity[0, :-1] * (running[:-1] > 5)
    coin = torch.randint(0, 2, (T // 40,), generator=random).repeat_interleave(40).float()
    names = ["running", "correct", "wrong"]
    return Session(
        activity,
        torch.stack([running, coin, 1 - coin], 1),
        bin_size=0.1,
        behaviour_name=names,
        name=name,
        neuron_id=[f"n{i}" for i in range(neurons)],
        area=AREAS[:neurons],
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of three sessions; the last has other neurons."""
    folder = tmp_path_factory.mktemp("sessions")
    recorded().save(folder / "monday.h5")
    recorded("tuesday", seed=1, driven=False).save(folder / "tuesday.h5")
    other = recorded("stranger", seed=2)
    other.neuron_id = [f"m{i}" for i in range(N)]
    other.save(folder / "stranger.h5")
    return folder


def test_a_state_against_the_rest(capsys, files, tmp_path):
    out = tmp_path / "out"
    status, told, error = run(
        capsys,
        "compare",
        files / "monday.h5",
        "--states",
        "running>5",
        "--group-by",
        "area",
        "--out",
        out,
        "--draws",
        60,
    )
    assert (status, error) == (0, "")
    assert told.startswith("monday: running>5 against rest: the connectivity differs (p = ")
    assert "1 of 42 pairs of neurons differ at a false discovery rate of 5 %; of 4 pairs of groups" in told
    stem = "monday-running-above-5-against-rest"
    assert {path.name for path in out.iterdir()} == {
        f"{stem}-edges.csv", f"{stem}-blocks.csv", f"{stem}.png", f"{stem}.svg", f"{stem}.pdf"
    }  # fmt: skip
    assert all(f"written to {path}: " in told for path in out.iterdir())
    edges = pd.read_csv(out / f"{stem}-edges.csv")
    assert list(edges) == [
        "source", "target", "effect_a", "effect_b", "difference", "error", "z", "p_value", "q_value", "source_area",
        "target_area",
    ]  # fmt: skip
    assert len(edges) == N * (N - 1)
    first = edges.iloc[0]
    assert (first["source"], first["target"], first["source_area"], first["target_area"]) == ("n0", "n2", "V1", "LM")
    assert first["q_value"] < 0.01
    np.testing.assert_allclose(edges["effect_a"] - edges["effect_b"], edges["difference"], atol=1e-5)
    np.testing.assert_allclose(edges["difference"] / edges["error"], edges["z"], rtol=1e-4)
    assert edges["p_value"].is_monotonic_increasing
    blocks = pd.read_csv(out / f"{stem}-blocks.csv")
    assert list(blocks) == [
        "sender", "receiver", "pairs", "mean_a", "mean_b", "difference", "low", "high", "z", "p", "q", "mean_square",
        "p_any", "q_any", "null",
    ]  # fmt: skip
    assert set(blocks["null"]) == {"shifts of the conditions in time"}
    assert (blocks["low"] < blocks["difference"]).all()
    assert (blocks["difference"] < blocks["high"]).all()
    assert (out / f"{stem}.png").read_bytes().startswith(b"\x89PNG")


def test_a_coin_flip_says_at_once_that_nothing_differs(capsys, files, tmp_path):
    status, told, _ = run(
        capsys, "compare", files / "monday.h5", "--states", "correct,wrong", "--out", tmp_path / "out", "--draws", 60
    )
    assert status == 0
    assert told.startswith("monday: correct against wrong: no difference of the connectivity is found (p = 0.")
    assert "\nmonday: correct against wrong: 0 of 42 pairs of neurons differ" in told
    assert not list((tmp_path / "out").glob("*-blocks.csv"))


def test_halves_of_a_fitted_run(capsys, files, tmp_path):
    fit = ["fit", files / "monday.h5", files / "tuesday.h5", "--model", "copy", "--out", tmp_path / "run"]
    assert run(capsys, *fit)[0] == 0
    status, told, error = run(capsys, "compare", tmp_path / "run", "--halves", "--out", tmp_path / "out", "--draws", 60)
    assert status == 0, error
    lines = told.splitlines()
    for name in ("monday", "tuesday"):
        (about,) = [line for line in lines if line.startswith(f"{name}: first half against second half: no diff")]
        assert "under random assignment of blocks of time; 597 and 599 bins)" in about
        assert f"{name}: first half against second half: the conditions change rarely, 1 time:" in told
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{name}-first_half-against-second_half{ending}"
        for name in ("monday", "tuesday")
        for ending in ("-edges.csv", ".png", ".svg", ".pdf")
    }


def test_sessions_are_compared_by_the_ids_of_neurons(capsys, files, tmp_path):
    out = tmp_path / "out"
    status, told, error = run(
        capsys, "compare", files / "monday.h5", files / "tuesday.h5", "--out", out, "--draws", 60, "--group-by", "area"
    )
    assert status == 0, error
    assert told.startswith("monday against tuesday: ")
    assert "effects of two halves of each session by " in told
    edges = pd.read_csv(out / "monday-against-tuesday-edges.csv")
    assert (edges["source"][0], edges["target"][0]) == ("n0", "n2")
    assert edges["effect_a"][0] > 0.2
    assert abs(edges["effect_b"][0]) < 0.1


def test_regular_turns_are_not_shifted(tmp_path):
    session = recorded(driven=False)
    session.behaviour[:, 1] = torch.arange(1200) // 60 % 2
    session.save(tmp_path / "turns.h5")
    lines = list(save_comparisons([tmp_path / "turns.h5"], tmp_path / "out", states=["correct"], draws=40))
    assert "the conditions change in regular turns, 19 times" in "\n".join(lines)


def test_refuses_before_anything_is_written(capsys, files, tmp_path):
    monday, out = files / "monday.h5", tmp_path / "never"
    recorded("short", T=160).save(tmp_path / "short.h5")
    recorded("again").save(tmp_path / "again.h5")
    for words, message in (
        ([monday], "got the session 'monday' alone); add --states or --halves, or another run"),
        ([monday, "--halves", "--states", "correct"], "states or halves (got both)"),
        ([monday, "--states", "walking"], "among the behaviours running, correct, wrong (got walking)"),
        ([monday, "--states", "running"], "compare it with a number, as in 'running>"),
        ([monday, "--states", "running>x"], "a number behind '>'"),
        ([monday, "--states", "running>99"], "to hold in a bin of session 'monday' ('running' goes from"),
        ([monday, "--states", "running>6,running>5"], "at most one state a bin (got running>6 and running>5"),
        ([tmp_path / "short.h5", "--halves"], "at least 100 bins in 'first half'"),
        ([monday, files / "stranger.h5"], "at least 5 neurons with the same id"),
        ([monday, tmp_path / "again.h5"], "(sessions 'monday' and 'again' have the same activity)"),
        ([monday, "--halves", "--group-by", "layer"], "got 'layer', there are: area"),
        ([monday, "--halves", "--draws", "5"], "at least 20 draws"),
        ([files / "sunday.h5", "--halves"], "is not there"),
    ):
        assert message in refused(capsys, "compare", *words, "--out", out), message
    assert not out.exists()


def test_sessions_of_one_name_are_told_apart(files, tmp_path):
    session = recorded("monday", seed=5)
    session.save(tmp_path / "other.h5")
    lines = list(save_comparisons([files / "monday.h5", tmp_path / "other.h5"], tmp_path / "out", draws=20))
    assert lines[0].startswith("monday 1 against monday 2: ")


def test_describes_the_groups_that_differ_most(files, tmp_path):
    lines = list(save_comparisons([files / "monday.h5"], tmp_path, states=["running>5"], group_by="area", draws=60))
    (groups,) = [line for line in lines if ": V1 -> LM: +0." in line]
    assert float(groups.rpartition("q = ")[2]) < 0.05
