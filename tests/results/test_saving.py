import pandas as pd

from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.results.saving import save_figure, save_table


def test_names_with_dots_stay_whole(tmp_path):
    table = pd.DataFrame({"source": ["a", "b"], "weight": [1 / 3, 2.0]})
    path = save_table(table, tmp_path / "mouse.1-edges", float_format="%.3g")
    assert path == tmp_path / "mouse.1-edges.csv"
    assert path.read_text() == "source,weight\na,0.333\nb,2\n"
    figure, _ = make_figure(2, 2)
    paths = save_figure(figure, tmp_path / "mouse.1")
    assert [path.name for path in paths] == ["mouse.1.png", "mouse.1.svg", "mouse.1.pdf"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in paths[1].read_text()
    assert {path.name for path in tmp_path.iterdir()} == {
        "mouse.1-edges.csv",
        "mouse.1.png",
        "mouse.1.svg",
        "mouse.1.pdf",
    }
