import pytest

from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.image_files import save_figure, write_image


def test_names_with_dots_stay_whole(tmp_path):
    figure, _ = make_figure(2, 2)
    paths = save_figure(figure, tmp_path / "mouse.1")
    assert [path.name for path in paths] == ["mouse.1.png", "mouse.1.svg", "mouse.1.pdf"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in paths[1].read_text()
    assert paths[2].read_bytes().startswith(b"%PDF")
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in paths}


def test_another_ending_is_refused_before_a_file_is_made(tmp_path):
    figure, _ = make_figure(2, 2)
    with pytest.raises(ValueError, match=r"end with one of .png, .svg, .pdf \(got 'a.jpg'\)"):
        write_image(figure, tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


def test_an_image_is_written_with_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for ending in (".svg", ".png"):
            figure, (ax,) = make_figure(2, 2)
            ax.plot([1, 2, 1])
            write_image(figure, tmp_path / folder / f"line{ending}", dpi=50)
    for name in ("line.svg", "line.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert "<dc:date>" not in (tmp_path / "a" / "line.svg").read_text()
