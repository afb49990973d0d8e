import pandas as pd

from synapsnet_pyg.results.saving import save_table


def test_names_with_dots_stay_whole(tmp_path):
    table = pd.DataFrame({"source": ["a", "b"], "weight": [1 / 3, 2.0]})
    path = save_table(table, tmp_path / "mouse.1-edges", float_format="%.3g")
    assert path == tmp_path / "mouse.1-edges.csv"
    assert path.read_text() == "source,weight\na,0.333\nb,2\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mouse.1-edges.csv"]
