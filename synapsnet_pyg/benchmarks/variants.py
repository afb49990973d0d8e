"""Many models on the same windows: jobs that are done once, their scores, and the tables of a comparison."""

from collections.abc import Sequence
from typing import Any, NamedTuple

PAPER_MODELS = ("synapsnet", "neuprint", "gwnet", "lfads", "lstm", "gru", "rnn")
"""What SynapsNet's Table 1 compares."""


class Variant(NamedTuple):
    """A model with arguments of its own."""

    label: str
    """Its row in the tables and its folder."""
    model: str
    """Name, as :func:`~synapsnet_pyg.models.registry.build_model` takes it."""
    arguments: dict[str, Any] = {}  # noqa: RUF012 (never changed)


def ablations() -> list[Variant]:
    """SynapsNet, and without each of its parts (Table 2)."""
    parts = ("embedding", "activity", "connectivity", "behaviour")
    without = [Variant(f"without {part}", "synapsnet", {f"use_{part}": False}) for part in parts]
    return [
        Variant("synapsnet", "synapsnet"),
        *without,
        Variant("without linear path", "synapsnet", {"linear_path": False}),
    ]


def dynamics() -> list[Variant]:
    """SynapsNet with each sequence model (Table 3)."""
    variants = [Variant("gru", "synapsnet")]
    variants += [Variant(kind, "synapsnet", {"dynamics": kind}) for kind in ("rnn", "lstm")]
    layers = ({"dynamics": "transformer", "num_layers": number} for number in (1, 2))
    variants += [Variant(f"transformer, {one['num_layers']} layer", "synapsnet", one) for one in layers]
    return [variant._replace(label=f"synapsnet, {variant.label}") for variant in variants]


def sweep(models: Sequence[str], what: str, values: Sequence[int]) -> list[Variant]:
    """Models at several windows (figure 6) or embedding sizes (figure 7)."""
    argument = {"window": "window", "embedding": "embedding_dim"}[what]
    return [Variant(f"{model}, {what} {value}", model, {argument: value}) for model in models for value in values]
