import pytest
from helpers import make_session

from synapsnet_pyg.runs.recipe import PRESETS, Preset, Recipe


def test_the_default_is_the_papers():
    assert Recipe() == Recipe.preset("paper", 100) == Preset().recipe([make_session()])
    assert (Recipe().epochs, Recipe().targets, Recipe().batch_size, Recipe().halve_every) == (100, 1, 32, 10)


@pytest.mark.parametrize(("bins", "sessions"), [(30_000, 1), (90, 1), (4_000, 4), (100_000, 3)])
def test_the_fast_recipe_makes_at_least_1500_steps_a_session(bins, sessions):
    recipe = Recipe.fast(bins, sessions)
    steps = 0.8 * bins / sessions / (recipe.targets * recipe.batch_size) * recipe.epochs
    assert steps >= 1500
    assert (recipe.epochs % 12, recipe.halve_every * 4) == (0, recipe.epochs)


def test_changes_ignore_none_and_are_checked():
    recipe = Recipe().changed(epochs=3, patience=None, learning_rate=None)
    assert (recipe.epochs, recipe.patience, recipe.learning_rate) == (3, None, 1e-3)
    for name in ("epochs", "targets", "batch_size", "halve_every", "patience"):
        with pytest.raises(ValueError, match=f"Expected {name.replace('_', '-')} of at least 1"):
            Recipe().changed(**{name: 0})
    with pytest.raises(ValueError, match="learning rate above 0"):
        Recipe().changed(learning_rate=0.0)
    with pytest.raises(ValueError, match="learning rate"):
        Recipe(learning_rate=float("nan"))


def test_json_and_back():
    recipe = Recipe(epochs=7, patience=2)
    assert Recipe.from_json(recipe.to_json()) == recipe
    with pytest.raises(ValueError, match="momentum"):
        Recipe.from_json({"momentum": 0.9})


def test_presets_by_name():
    session = make_session(T=900)
    for name in PRESETS:
        assert Preset(name, {"epochs": 2, "seed": 4}).recipe([session]).epochs == 2
    assert Preset("fast", {"epochs": None}).recipe([session]) == Recipe.fast(900)
    with pytest.raises(ValueError, match="among paper, fast"):
        Preset("slow").recipe([session])
