import torch

from synapsnet_pyg.runs.time_blocks import block_length, block_sums, time_blocks


def test_blocks_lie_in_segments_and_short_segments_are_joined_whole():
    segment = torch.tensor([[0, 20], [20, 23], [23, 26], [26, 60]])
    bins = torch.cat([torch.arange(a + 1, b) for a, b in segment.tolist()])
    block = time_blocks(bins, segment, 9)
    assert bool((block.diff() >= 0).all())
    inside = torch.searchsorted(segment[:, 1].contiguous(), bins, right=True)
    for b in range(int(block.max()) + 1):
        here = inside[block == b]
        whole = all(int((here == s).sum()) == int((inside == s).sum()) for s in here.unique())
        assert len(here.unique()) == 1 or whole
    assert torch.bincount(block).tolist() == [9, 10, 4, 8, 8, 8, 9]


def test_sums_over_blocks_are_those_of_a_loop():
    values, block = torch.randn(3, 11), torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3])
    expected = torch.stack([values[:, block == b].sum(1) for b in range(4)], dim=1)
    torch.testing.assert_close(block_sums(values, block), expected.double(), atol=1e-5, rtol=0)


def test_lasting_series_have_longer_blocks():
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 4000, generator=random)
    slow = noise.unfold(1, 40, 1).mean(2)
    assert block_length(noise) == 16
    assert 60 <= block_length(slow) <= 396
    assert block_length(noise, least=50) == 50
    assert block_length(noise[:, :30], least=50) == 3
