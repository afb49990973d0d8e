import os
import signal
import time

import h5py
import numpy as np
import pytest

from synapsnet_pyg.readers import hdf5_files
from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.hdf5_files import is_hdf5, open_hdf5, require_stored, survey_hdf5
from synapsnet_pyg.readers.hdf5_survey import SILENCE


@pytest.fixture
def stored(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.arange(6.0)
    return tmp_path / "a.h5"


def _surveyor_that(monkeypatch, words):
    """A process that does something else than a survey with each file."""
    surveyor = hdf5_files._Surveyor()
    monkeypatch.setattr(hdf5_files, "_PROGRAM", f"import os, signal, sys; sys.stdin.readline(); {words}")
    monkeypatch.setattr(hdf5_files, "_surveyor", surveyor)


def test_a_file_is_looked_at_once_for_each_state(stored, monkeypatch):
    seen = []
    monkeypatch.setattr(hdf5_files._surveyor, "survey", lambda path: seen.append(path) or ("", ""))
    for _ in range(3):
        with open_hdf5(stored) as file:
            assert file["x"].shape == (6,)
    os.utime(stored, (1, 1))
    survey_hdf5(stored)
    assert seen == [stored, stored]


def test_the_end_of_the_other_process_refuses_the_file(stored, monkeypatch):
    _surveyor_that(monkeypatch, "os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(ValueError, match=r"a.h5' is not readable: .*it ends the HDF5 library by SIGSEGV"):
        open_hdf5(stored)


def test_a_loop_without_end_refuses_the_file(stored, monkeypatch):
    _surveyor_that(monkeypatch, f"signal.setitimer(signal.ITIMER_PROF, {SILENCE / 10})\nwhile True: pass")
    start = time.process_time()
    with pytest.raises(ValueError, match="does not come to an end"):
        open_hdf5(stored)
    assert time.process_time() - start < 1


def test_a_process_that_cannot_start_refuses_nothing(stored, monkeypatch):
    _surveyor_that(monkeypatch, "raise ImportError")
    open_hdf5(stored).close()


def test_another_process_follows_one_that_was_ended(stored):
    survey_hdf5(stored)
    process = hdf5_files._surveyor.process
    assert process is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    os.utime(stored, (2, 2))
    survey_hdf5(stored)
    assert hdf5_files._surveyor.process is not process


def test_no_module_of_the_current_folder_is_imported(stored, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hdf5_files, "_surveyor", hdf5_files._Surveyor())
    (tmp_path / "h5py.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    survey_hdf5(stored)
    assert not (tmp_path / "run").exists()
    hdf5_files._surveyor.close()


def test_a_header_before_hdf5(tmp_path, stored):
    (tmp_path / "b.mat").write_bytes(bytes(512) + stored.read_bytes())
    (tmp_path / "c.mat").write_bytes(bytes(100) + stored.read_bytes())
    assert is_hdf5(stored)
    assert is_hdf5(tmp_path / "b.mat")
    assert not is_hdf5(tmp_path / "c.mat")


def test_claims_without_entries(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("tera", (6, 10**12), "f4", chunks=True, compression="gzip")
        file.create_dataset("giga", (8, 5 * 10**7), "f4", chunks=True, compression="gzip")
        file.create_dataset("mega", (8, 10**4), "f4", chunks=True, compression="gzip")
    assert (tmp_path / "a.h5").stat().st_size < 16_000
    with ArrayFile(tmp_path / "a.h5") as file:
        assert file.get("mega").sum() == 0  # chunks that were never written are zeros
        for key in ("tera", "giga"):
            head = file.head(key)
            assert head is not None
            assert head.size <= 1 << 13
            with pytest.raises(ValueError, match=rf"/?{key}'.*GiB"):
                file.get(key)


def test_small_data_sets_need_no_entries(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        require_stored(file.create_dataset("x", (100, 100), "f4", chunks=True), "'x'")


def test_a_text_whose_length_is_damaged_takes_no_memory(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["ids"] = ["one", "two"]
        file["x"] = np.arange(3.0)
        place = file["ids"].id.get_offset()
    content = bytearray((tmp_path / "a.h5").read_bytes())
    content[place : place + 4] = (0xE0000000).to_bytes(4, "little")
    (tmp_path / "a.h5").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.h5' is not readable.*more than 768 MiB"):
        open_hdf5(tmp_path / "a.h5")
