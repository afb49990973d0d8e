"""Recipes: training settings of a model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from synapsnet_pyg.data.division import Fold
from synapsnet_pyg.data.protocols import prepare, protocol_named, standardised
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import Json

PRESETS = ("paper", "fast")
"""Names of the recipes that :meth:`Recipe.preset` returns."""


@dataclass(frozen=True)
class Recipe:
    """Training settings of a model, by default those of the paper (SynapsNet, Appendix A.1).

    Args:
        epochs: Number of passes over all training windows.
        targets: Number of bins P that each window forecasts.
        batch_size: Number of windows B in each step of Adam.
        learning_rate: Learning rate of Adam in the first epochs, above 0.
        halve_every: Number of epochs between two halvings of the learning rate.
        patience: Number of epochs without a better validation correlation after which training stops; None: training
            never stops early.
        seed: Seed of the order of windows and of dropout, and in :meth:`~synapsnet_pyg.runs.run.Run.fit` of the
            initial weights.
        protocol: Name of the protocol that divides, chooses and standardises the sessions in
            :meth:`~synapsnet_pyg.runs.run.Run.fit`, a key of :data:`~synapsnet_pyg.data.protocols.PROTOCOLS`.
        fold: Fold of a cross-validation in place of the protocol's parts, such as ``2/5``; None: those parts.

    Raises:
        ValueError: A number is out of range, or there is no such protocol or fold.

    Example:
        >>> Recipe(epochs=20).changed(targets=4, patience=None).targets
        4
    """

    epochs: int = 100
    targets: int = 1
    batch_size: int = 32
    learning_rate: float = 1e-3
    halve_every: int = 10
    patience: int | None = None
    seed: int = 0
    protocol: str = "paper"
    fold: str | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "targets", "batch_size", "halve_every", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"Expected {name.replace('_', '-')} of at least 1 (got {value}).")
        if not self.learning_rate > 0:
            raise ValueError(f"Expected a learning rate above 0 (got {self.learning_rate}).")
        protocol_named(self.protocol)
        if self.fold is not None:
            Fold.of(self.fold)

    @classmethod
    def fast(cls, bins: int, sessions: int = 1) -> "Recipe":
        """Returns a recipe with 16 targets per window, which takes about a tenth of the paper's time.

        Short recordings get more epochs, so that Adam makes at least 1,500 steps for each session.

        Args:
            bins: Number of bins of all sessions together.
            sessions: Number of sessions.
        """
        epochs, targets, batch_size = 12, 16, 8
        steps = 0.8 * bins / sessions / (targets * batch_size) * epochs  # over the training part of a session
        factor = max(1, math.ceil(1500 / steps))
        return cls(factor * epochs, targets, batch_size, learning_rate=2e-3, halve_every=factor * 3)

    @classmethod
    def preset(cls, name: str, bins: int, sessions: int = 1) -> "Recipe":
        """Returns a recipe by its name.

        Args:
            name: ``paper`` or ``fast``.
            bins: Number of bins of all sessions together.
            sessions: Number of sessions.

        Raises:
            ValueError: There is no such preset.
        """
        if name not in PRESETS:
            raise ValueError(f"Expected a preset among {', '.join(PRESETS)} (got '{name}').")
        return cls() if name == "paper" else cls.fast(bins, sessions)

    def changed(self, **given: Any) -> "Recipe":
        """Returns a copy of the recipe with new values; None keeps a value.

        Raises:
            ValueError: A number is out of range.
        """
        return replace(self, **{key: value for key, value in given.items() if value is not None})

    def prepare(self, session: Session) -> Session:
        """Returns a session with the neurons, behaviour and parts of the protocol and fold, not yet standardised.

        Raises:
            ValueError: The session does not suit the protocol or the fold.
        """
        return prepare(session, self.protocol, self.fold)

    def standardised(self, session: Session) -> Session:
        """Returns a prepared session, standardised in its own memory as the protocol does it."""
        return standardised(session, self.protocol, inplace=True)

    @property
    def division(self) -> str:
        """Parts of each session in words."""
        protocol = f"protocol {self.protocol}: {protocol_named(self.protocol).description}"
        return protocol if self.fold is None else f"{protocol}; parts: fold {self.fold}"

    def to_json(self) -> Json:
        """Returns name -> value, ready for JSON; without protocol and fold where they are the usual ones."""
        usual = {"protocol": "paper", "fold": None}  # left out, so that files of older versions compare equal
        return {key: value for key, value in asdict(self).items() if key not in usual or value != usual[key]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Recipe":
        """Creates a recipe from the values of :meth:`to_json`; a missing value is the paper's.

        Raises:
            ValueError: A name is unknown or a value is out of range.
        """
        unknown = set(values) - {known.name for known in fields(cls)}
        if unknown:
            raise ValueError(
                f"Expected values of a recipe, {', '.join(known.name for known in fields(cls))} (got "
                f"{', '.join(sorted(unknown))} too)."
            )
        return cls(**values)


@dataclass(frozen=True)
class Preset:
    """Name of a recipe and changes to its values; the values can depend on the length of the recordings.

    Args:
        name: ``paper`` or ``fast``.
        changes: New values of the recipe by name; None keeps a value.
    """

    name: str = "paper"
    changes: Mapping[str, Any] = field(default_factory=dict)

    def recipe(self, sessions: Sequence[Session], **further: Any) -> Recipe:
        """Returns the recipe for these sessions.

        Args:
            sessions: Sessions that are fitted together.
            **further: New values that take precedence over ``changes``.

        Raises:
            ValueError: There is no such preset, or a number is out of range.
        """
        bins = sum(session.num_bins for session in sessions)
        return Recipe.preset(self.name, bins, len(sessions)).changed(**{**self.changes, **further})
