"""Base class of all estimators of connectivity."""

import copy
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.metrics import correlation
from synapsnet_pyg.models.forecasting import SessionForecast


class Estimate(NamedTuple):
    """Connectivity of one recording, estimated without training a model."""

    connectivity: Tensor
    """Estimated weights [N, N], ``[i, j]`` the effect of j on i."""
    score: Tensor | None
    """Correlation of each neuron's forecast with the validation part [N]; None without forecast or validation part."""
    details: dict[str, float]
    """Other results by name, such as ``penalty`` or, from CURBD, ``p_var``."""


class Estimator:
    """Base class of all estimators, with :meth:`fit`, :meth:`predict` and :meth:`score`.

    A subclass is a dataclass with keyword-only parameters and defines :meth:`_fit`. Attributes that end with an
    underscore exist after :meth:`fit`. Estimators that can forecast derive from
    :class:`~synapsnet_pyg.connectivity.forecasting_estimator.ForecastingEstimator`.
    """

    forecasts: ClassVar[bool] = False
    """True if :meth:`predict` and :meth:`score` can be called."""

    connectivity_: Tensor
    """Estimated connectivity [N, N], float32, ``[i, j]`` the effect of j on i."""
    penalty_: float | None
    """Chosen penalty; None for estimators without a penalty."""
    details_: dict[str, float]
    """Other results by name."""
    _standardisation: "Standardisation"

    def fit(self, train: Session, validation: Session | None = None) -> Self:
        """Estimates the connectivity of one recording.

        Args:
            train: Training part; all of its bins are used. A part that is not standardised is standardised with its
                own statistics.
            validation: Validation part, on which the penalty is chosen. None: the penalty is chosen on the last tenth
                of ``train``, and the fit repeated on all of ``train``. Unused by estimators without a penalty.

        Returns:
            The estimator itself.

        Raises:
            ValueError: A part is too short, has other neurons, or holds activity that the estimator cannot use.
        """
        train = train if "activity_scale" in train else train.standardise(train)
        self._standardisation = Standardisation.of(train)
        self.penalty_, self.details_ = None, {}
        self._fit(train, None if validation is None else self._standardisation.apply(validation))
        return self

    def _fit(self, train: Session, validation: Session | None) -> None:
        """Sets the attributes that end with an underscore, from standardised parts."""
        raise NotImplementedError

    def predict(self, session: Session) -> SessionForecast:
        """Forecasts every bin of a session that has enough bins before it in its segment.

        Args:
            session: Part of the recording that was fitted; one that is not standardised is standardised with the
                statistics of the training part.

        Returns:
            Standardised activity and its forecast.

        Raises:
            ValueError: The estimator cannot forecast or is not fitted, or no segment is long enough.
        """
        raise ValueError(
            f"Expected an estimator that can forecast (got {type(self).__name__}); "
            "use ridge_var, soft_ridge, lasso_var, sparse_low_rank_var or poisson_glm."
        )

    def score(self, session: Session) -> Tensor:
        """Returns the Pearson correlation of each neuron's forecast with its activity [N]; NaN for constant activity.

        Args:
            session: Part of the recording that was fitted, usually the test part; see :meth:`predict`.

        Raises:
            ValueError: The estimator cannot forecast or is not fitted, or no segment is long enough.
        """
        forecast = self.predict(session)
        return correlation(forecast.truth, forecast.forecast)


class Standardisation(NamedTuple):
    """Mean and scale of the training part, with which the other parts are standardised."""

    activity_mean: Tensor
    """Mean of each neuron [N]."""
    activity_scale: Tensor
    """Deviation of each neuron [N]."""
    behaviour_mean: Tensor
    """Mean of each behaviour [K]."""
    behaviour_scale: Tensor
    """Deviation of each behaviour [K]."""

    @classmethod
    def of(cls, train: Session) -> "Standardisation":
        """Returns the statistics of a standardised session."""
        return cls(train.activity_mean, train.activity_scale, train.behaviour_mean, train.behaviour_scale)

    def apply(self, session: Session) -> Session:
        """Returns a session standardised with these statistics; itself if it is standardised already.

        Raises:
            ValueError: The session has other neurons or behaviours, or was standardised with other statistics.
        """
        sizes = len(self.activity_mean), len(self.behaviour_mean)
        if sizes != (session.num_neurons, session.num_behaviours):
            raise ValueError(
                f"Expected a session of {sizes[0]} neurons and {sizes[1]} behaviours, as in training "
                f"(got {session.num_neurons} and {session.num_behaviours})."
            )
        if "activity_scale" in session:
            if not all(
                torch.equal(ours, theirs) for ours, theirs in zip(self, Standardisation.of(session), strict=True)
            ):
                raise ValueError(
                    f"Expected session '{session.name}' standardised as the training part (its mean or scale differs); "
                    "pass it without standardising it."
                )
            return session
        standardised: Session = copy.copy(session)
        standardised.activity = (session.activity - self.activity_mean[:, None]) / self.activity_scale[:, None]
        behaviour = (session.behaviour - self.behaviour_mean) / self.behaviour_scale
        standardised.behaviour = session.known_behaviour(behaviour, 0.0)
        for name, values in self._asdict().items():
            standardised[name] = values
        return standardised
