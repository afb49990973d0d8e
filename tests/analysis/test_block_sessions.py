import numpy as np
import pandas as pd
import pytest
from helpers import make_session
from scipy.stats import norm, ttest_1samp

from synapsnet_pyg.analysis.block_sessions import animals_of, blocks_over_sessions


def table(*weights, p=0.5, z=1.0):
    rows = [("V1", "LM", weights[0]), ("LM", "V1", weights[1])]
    return pd.DataFrame(
        [
            {"sender": sender, "receiver": receiver, "pairs": 6, "mean_weight": weight, "z": z, "p_labels": p}
            for sender, receiver, weight in rows
        ]
    )


def test_sessions_are_the_sample():
    weights = [0.1, 0.2, 0.4, 0.2]
    blocks = blocks_over_sessions({f"s{k}": table(weight, -weight) for k, weight in enumerate(weights)})
    row = blocks[blocks["sender"] == "V1"].iloc[0]
    reference = ttest_1samp(weights, 0)
    interval = reference.confidence_interval()
    assert (row["sessions"], row["animals"], row["pairs"]) == (4, 4, 24)
    assert row["p_zero"] == pytest.approx(reference.pvalue)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert blocks["sender"].tolist() == ["LM", "V1"]


def test_sessions_of_one_animal_count_once():
    tables = {"a1": table(0.1, 0), "a2": table(0.3, 0), "b1": table(0.4, 0), "c1": table(0.6, 0)}
    blocks = blocks_over_sessions(tables, {"a1": "a", "a2": "a", "b1": "b", "c1": "c"})
    row = blocks[blocks["sender"] == "V1"].iloc[0]
    assert (row["sessions"], row["animals"]) == (4, 3)
    assert row["mean_weight"] == pytest.approx(np.mean([0.2, 0.4, 0.6]))
    assert row["p_zero"] == pytest.approx(ttest_1samp([0.2, 0.4, 0.6], 0).pvalue)


def test_animals_that_differ_do_not_make_an_effect():
    """Four sessions of each of three animals are three values."""
    random, p, naive = np.random.default_rng(0), [], []
    for _ in range(60):
        of_animal = random.standard_normal(3)
        names = {f"{a}-{s}": a for a in "abc" for s in range(4)}
        tables = {
            name: table(of_animal["abc".index(a)] + 0.3 * random.standard_normal(), 0) for name, a in names.items()
        }
        p.append(blocks_over_sessions(tables, names)["p_zero"].iloc[1])
        naive.append(blocks_over_sessions(tables)["p_zero"].iloc[1])
    assert np.mean(np.array(p) <= 0.05) < 0.12
    assert np.mean(np.array(naive) <= 0.05) > 0.25


def test_a_single_animal_has_no_interval():
    row = blocks_over_sessions({"a": table(0.1, 0.2), "b": table(0.3, 0.1)}, {"a": "m", "b": "m"}).iloc[0]
    assert np.isnan([row["error"], row["low"], row["p_zero"], row["q_zero"]]).all()
    assert row["mean_weight"] == pytest.approx(0.15)


def test_shuffled_labels_of_sessions_are_combined_with_their_sign():
    same = blocks_over_sessions({"a": table(1, 1, p=0.05, z=2.0), "b": table(1, 1, p=0.05, z=2.0)})
    against = blocks_over_sessions({"a": table(1, 1, p=0.05, z=2.0), "b": table(1, 1, p=0.05, z=-2.0)})
    assert same["p_labels"].iloc[0] == pytest.approx(2 * norm.sf(2**0.5 * norm.isf(0.025)))
    assert against["p_labels"].iloc[0] == pytest.approx(1)


def test_blocks_that_not_every_session_has():
    other = table(0.3, 0.1).assign(pairs=[6, 0])
    blocks = blocks_over_sessions({"a": table(0.1, 0.2), "b": other})
    assert blocks["sessions"].tolist() == [1, 2]  # LM to V1, V1 to LM


def test_animals_by_names_or_by_a_field():
    sessions = [make_session(name=name, mouse=[mouse] * 5) for name, mouse in (("m1-a", "x"), ("m10-b", "y"))]
    assert animals_of(sessions, "m1,m10") == {"m1-a": "m1", "m10-b": "m10"}
    assert animals_of(sessions, "mouse") == {"m1-a": "x", "m10-b": "y"}
    with pytest.raises(ValueError, match="beginnings of all session names"):
        animals_of(sessions, "m10")
    with pytest.raises(ValueError, match="Expected one 'mouse'"):
        animals_of([make_session(mouse=["x", "y", "x", "x", "x"])], "mouse")
    with pytest.raises(ValueError, match="animal of every session"):
        blocks_over_sessions({"a": table(1, 1)}, {"b": "m"})
    with pytest.raises(ValueError, match="at least one session"):
        blocks_over_sessions({})
