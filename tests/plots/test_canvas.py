import pytest

from synapsnet_pyg.plots.canvas import (
    add_colour_bar,
    despine,
    figure_text,
    make_figure,
    make_matrices_figure,
    make_stacked_figure,
)


def test_axes_come_row_after_row():
    figure, axes = make_figure(6, 4, columns=3, rows=2)
    assert figure.get_size_inches().tolist() == [6, 4]
    assert [ax.get_subplotspec().get_geometry()[2] for ax in axes] == list(range(6))


def test_stacked_axes_share_their_time():
    _, (top, bottom) = make_stacked_figure(5, 4, (3, 1))
    top.set_xlim(2, 7)
    assert bottom.get_xlim() == (2, 7)


@pytest.mark.parametrize("text", ["$x_{$", "$$", "$x$", r"\frac{$", r"a\$b", "plain"])
def test_a_text_is_drawn_as_it_is(text):
    figure, (ax,) = make_figure(3, 3)
    title = ax.set_title(figure_text(text))
    figure.draw_without_rendering()
    assert title._preprocess_math(title.get_text()) == (text, False)


def test_a_text_in_a_figure_has_no_invisible_characters_and_no_long_line():
    assert figure_text("\x1b\nb") == "\\x1b\nb"
    assert figure_text("\ufeffa\u200b") == "\\ufeffa\\u200b"  # matplotlib cannot draw the first alone in a PDF
    assert len(figure_text("x" * 300)) == 81


def test_matrices_stand_above_one_wide_axes():
    figure, matrices, below = make_matrices_figure(3)
    assert len(matrices) == 3
    assert figure.axes == [*matrices, below]


def test_borders_are_hidden_and_a_colour_bar_is_added():
    figure, (ax,) = make_figure(3, 3)
    despine(ax, left=True)
    assert [side for side, spine in ax.spines.items() if spine.get_visible()] == ["bottom"]
    add_colour_bar(ax, ax.imshow([[0.0, 1.0]]), "weight", pad=0.01)
    assert figure.axes[1].get_ylabel() == "weight"
