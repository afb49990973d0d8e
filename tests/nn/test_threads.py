import os
import subprocess
import sys
import threading

import pytest
import torch

from synapsnet_pyg.nn.threads import in_threads, threads


def test_results_come_in_order_from_several_threads():
    gate = threading.Barrier(3)  # passes only if three items are computed at once

    def run(item):
        gate.wait(timeout=60)
        return item**2, threading.get_ident()

    with threads(3):
        results = in_threads(run, [5, 2, 7])
    assert [square for square, _ in results] == [25, 4, 49]
    assert len({ident for _, ident in results}) == 3


def test_an_inner_statement_keeps_the_number_of_the_outer_one():
    here = threading.get_ident()
    with threads(1), threads():
        assert in_threads(lambda _: threading.get_ident(), [1, 2, 3]) == [here] * 3
    assert in_threads(lambda _: threading.get_ident(), [1, 2, 3]) == [here] * 3  # outside of any statement


def test_torch_has_one_thread_inside_and_its_own_number_again_after_an_error():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with threads(2):
            assert in_threads(lambda _: torch.get_num_threads(), [1, 2]) == [1, 1]
        with pytest.raises(ZeroDivisionError), threads(2):
            1 / torch.zeros(0).numel()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_errors_and_nested_calls_do_not_hang():
    with threads(2):
        assert in_threads(lambda i: in_threads(lambda j: i * j, [1, 2, 3]), [1, 10]) == [[1, 2, 3], [10, 20, 30]]
        with pytest.raises(ZeroDivisionError):
            in_threads(lambda i: 1 / i, [1, 0, 2])


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_items_may_write_to_tensors_of_every_mode(mode):
    with mode(), threads(2):
        result = torch.zeros(4, 3)

        def write(row):
            result[row] = row * torch.ones(3)

        in_threads(write, range(4))
        assert result[:, 1].tolist() == [0, 1, 2, 3]


def test_the_user_chooses_by_omp_num_threads(monkeypatch):
    here = threading.get_ident()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with threads():
        assert in_threads(lambda _: threading.get_ident(), [1, 2]) == [here] * 2
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    gate = threading.Barrier(2)
    with threads():
        in_threads(lambda _: gate.wait(timeout=60), [1, 2])


def test_threads_of_openmp_sleep_while_they_wait_unless_the_user_wants_otherwise():
    def policy(**setting):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))} | setting
        code = "import synapsnet_pyg, os; print(os.environ['OMP_WAIT_POLICY'])"
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout

    assert policy().strip() == "PASSIVE"
    assert policy(OMP_WAIT_POLICY="ACTIVE").strip() == "ACTIVE"
