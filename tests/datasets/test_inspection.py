import pytest
from helpers import make_session

from synapsnet_pyg.datasets.inspection import draw_session


@pytest.mark.parametrize("K", [0, 2])
def test_the_figure_has_numbers_on_its_axis_of_time(tmp_path, K):
    session = make_session(N=3, T=100, K=K)
    draw_session(session, tmp_path / "a.svg")
    texts = (tmp_path / "a.svg").read_text()
    end = session.num_bins * session.bin_size
    assert "time (s)" in texts
    assert f">{end:g}</text>" in texts
    assert ">3</text>" in texts  # the number of the last neuron


def test_a_figure_of_another_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"end with one of \.png, \.svg, \.pdf"):
        draw_session(make_session(N=3), tmp_path / "a.gif")
