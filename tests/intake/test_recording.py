import pytest

from synapsnet_pyg.intake.recording import Selection, literal_blocks


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"sampling_rate": 0.0}, "--sampling-rate above 0 .got 0"),
        ({"sampling_rate": -30_000.0}, "--sampling-rate above 0 .got -30000"),
        ({"sampling_rate": float("nan")}, "--sampling-rate above 0"),
        ({"behaviour_rate": 0.0}, "--behaviour-rate above 0"),
        ({"frame_rate": -1.0}, "--frame-rate above 0"),
        ({"bin_size": 0.0}, "bin_size, the duration of one bin in seconds, above 0"),
        ({"rebin": 0}, "at least 1 bin"),
        ({"rebin_by": "max"}, "sum or mean"),
        ({"advance": -1}, "0 bins or more"),
        ({"fill_nan": 1.5}, "from 0 to 1"),
        ({"start": 5.0, "stop": 5.0}, "a start before the stop"),
        ({"circular": {"hd": 0.0}}, "full circle of 'hd' above 0"),
        ({"where": "good"}, "conditions such as"),
    ],
)
def test_choices_are_checked(choice, wanted):
    with pytest.raises(ValueError, match=wanted):
        Selection(**choice)


def test_choices_can_be_changed():
    assert Selection(rebin=2).changed(rebin=None, advance=1) == Selection(rebin=2, advance=1)
    selection = Selection(circular={"hd": 360.0})
    assert selection.period("processing/behavior/hd") == 360
    assert selection.period("speed") is None


def test_intervals_can_be_given_as_numbers():
    assert literal_blocks(["1:2.5", "laser", "ns:x"]) == ([(1, 2.5)], ["laser", "ns:x"])
    with pytest.raises(ValueError, match="got '3:2'"):
        literal_blocks(["3:2"])
