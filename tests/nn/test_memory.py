import torch

from synapsnet_pyg.nn import memory


def test_memory_is_used_again_inside_the_statement_alone():
    like = torch.zeros(0)
    with memory.reused():
        first = memory.take(like, 3, 4)
        memory.give(first)
        second = memory.take(like, 2, 6)
        assert second.data_ptr() == first.data_ptr()
        assert second.shape == (2, 6)
        assert memory.take(like, 3, 4).data_ptr() != first.data_ptr()  # it is in use
        with memory.reused():
            memory.give(second)
        assert memory._spare
    assert not memory._spare
    memory.give(first)
    assert not memory._spare


def test_other_types_and_tensors_of_inference_are_not_mixed_up():
    with memory.reused():
        memory.give(torch.zeros(4))
        assert memory.take(torch.zeros(0, dtype=torch.float64), 4).dtype == torch.float64
        with torch.inference_mode():
            memory.give(torch.zeros(4))
        assert not memory.take(torch.zeros(0), 4).is_inference()


def test_no_more_is_kept_than_allowed(monkeypatch):
    monkeypatch.setattr(memory, "LARGEST", 10)
    with memory.reused():
        memory.give(torch.zeros(6))
        memory.give(torch.zeros(7))
        assert list(memory._spare) == [7]
