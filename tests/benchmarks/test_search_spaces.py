import inspect

import pytest
from helpers import make_session

from synapsnet_pyg.benchmarks.search_spaces import RATE, RECIPE_KEYS, SPACES, Range, read_space, space_of
from synapsnet_pyg.models.registry import MODELS, build_model, model_class


@pytest.mark.parametrize("kind", SPACES)
def test_a_space_is_about_its_model_and_holds_the_defaults(kind):
    parameters = inspect.signature(model_class(kind)).parameters
    assert kind in MODELS
    for name, space in SPACES[kind].items():
        # A default of None follows from the session.
        if name not in RECIPE_KEYS and (default := parameters[name].default) is not None:
            assert space.low <= default <= space.high if isinstance(space, Range) else default in space, name


@pytest.mark.parametrize("kind", SPACES)
def test_both_ends_of_a_space_give_a_model(kind):
    session = make_session(N=4, T=90)
    for end in (0, -1):
        chosen = {
            name: (space.low, space.high)[end] if isinstance(space, Range) else space[end]
            for name, space in SPACES[kind].items()
            if name not in RECIPE_KEYS
        }
        assert build_model(kind, [session], chosen).window == chosen.get("window", 5)


def test_a_model_without_a_space_has_a_learning_rate():
    assert space_of("my.Model") == RATE


def test_a_space_of_a_file(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("learning_rate: {low: 1e-4, high: 1e-2, log: true}\nsize: [4, 8]\nlayers: {low: 1, high: 3}\n")
    assert read_space(path) == {"learning_rate": Range(1e-4, 1e-2, True), "size": [4, 8], "layers": Range(1, 3)}
    for wrong in (
        "a: 3",
        "a: {low: 3, high: 2}",
        "a: {low: 0, high: 2, log: true}",
        "a: []",
        "- 3",
        "a: [",
        "a: {low: x, high: y}",
    ):
        path.write_text(wrong)
        with pytest.raises(ValueError, match="Expected"):
            read_space(path)
