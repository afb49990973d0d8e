import matplotlib as mpl

from synapsnet_pyg.plots.style import (
    COLOURS,
    EXCITES,
    GROUPS,
    INHIBITS,
    OTHER,
    apply_style,
    group_colours,
    group_label,
    line_look,
)


def test_no_two_groups_have_the_same_colour():
    few = [f"g{k}" for k in range(10)]
    assert len(set(group_colours(few).values())) == 10
    sizes = {f"g{k:02d}": 60 - k for k in range(57)}
    many = [name for name, size in sizes.items() for _ in range(size)]
    colours = group_colours(many)
    assert list(colours) == [f"g{k:02d}" for k in range(len(GROUPS) - 1)] + ["48 others"]
    assert len(set(colours.values())) == len(colours)
    assert colours["48 others"] == OTHER
    assert group_label("g03", colours) == "g03"
    assert group_label("g50", colours) == "48 others"


def test_settings_of_the_user_have_the_last_word():
    with mpl.rc_context(mpl.rcParamsDefault):
        apply_style()
        assert mpl.rcParams["font.size"] == 9
        assert mpl.rcParams["svg.fonttype"] == "none"
    with mpl.rc_context({**mpl.rcParamsDefault, "font.size": 17.0}):
        apply_style()
        assert mpl.rcParams["font.size"] == 17
        assert mpl.rcParams["pdf.fonttype"] == 42


def test_groups_have_no_colour_of_weights_and_lines_differ():
    assert not {EXCITES, INHIBITS, COLOURS[0]} & set(GROUPS)
    assert len({tuple(line_look(place).values()) for place in range(40)}) == 40
