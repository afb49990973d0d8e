import numpy as np
import pytest
from damaged import Reading, damaged, faults_of, write_folders, write_originals

from synapsnet_pyg.readers.readable import readable


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyError("spikes"), "'a/m.mat' is not readable: damaged or of another kind (KeyError: 'spikes')."),
        (ValueError("bad\nmagic."), "'a/m.mat' is not readable: damaged or of another kind (bad magic)."),
        (RecursionError("deep"), "'a/m.mat' is not readable: damaged or of another kind (RecursionError: deep)."),
        (ValueError("Expected a key (got 'x')."), "'a/m.mat': Expected a key (got 'x')."),
        (ValueError("Expected a key in 'a/m.mat' (got 'x\x1b')."), "Expected a key in 'a/m.mat' (got 'x?')."),
        (MemoryError(), "Expected 'a/m.mat' to fit into memory (it does not); "
         "take longer bins, fewer neurons or less time."),
        (OSError("read failed"), "'a/m.mat' is not readable: damaged or of another kind (read failed)."),
    ],
)  # fmt: skip
def test_any_failure_is_one_line_with_the_name(error, line):
    with pytest.raises(ValueError, match=r"m\.mat") as raised, readable("a/m.mat"):
        raise error
    assert str(raised.value) == line
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [ImportError("pip install neo"), FileNotFoundError(2, "none", "x"), ValueError("'m.mat' cannot be read")]
)
def test_words_that_tell_enough_stay(error):
    with pytest.raises(type(error)) as raised, readable("a/m.mat"):
        raise error
    assert raised.value is error


def test_a_bug_of_this_package_is_no_damaged_file():
    bug = {"__name__": "synapsnet_pyg.readers.somewhere"}
    exec("def fail(): assert False", bug)
    with pytest.raises(AssertionError), readable("m.mat"):
        bug["fail"]()


def test_long_words_are_cut():
    with pytest.raises(ValueError, match=r"\(x{200}\.\.\.\)\.$"), readable("m.mat"):
        raise ValueError("x" * 5000)


def _campaign(folder, seed, times):
    """Each format damaged some times; every faulty answer with the name of its file, which is kept."""
    random, reading = np.random.default_rng(seed), Reading()
    faults = []
    try:
        originals = write_originals(folder / "sound")
        for original in originals:
            assert all(outcome in ("read", "refused") for _, outcome, *_ in reading.outcomes(original)), original
        for number in range(times):
            for original in originals:
                path = folder / f"{original.stem}.{number}{original.suffix}"
                path.write_bytes(damaged(original.read_bytes(), random))
                faults += [f"{path}: {fault}" for fault in faults_of(path, reading)]
        for whole in write_folders(folder / "folders"):
            for file in sorted(file for file in whole.rglob("*") if file.is_file()):
                content = file.read_bytes()
                for _ in range(times):
                    file.write_bytes(damaged(content, random))
                    faults += [f"{file}: {fault}" for fault in faults_of(whole, reading)]
                file.write_bytes(content)
    finally:
        reading.close()
    return faults


@pytest.mark.slow
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path):
    assert _campaign(tmp_path, 17, 6) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_many_damaged_files_are_read_or_refused_in_one_line(tmp_path, seed):
    assert _campaign(tmp_path, 100 + seed, 60) == []
