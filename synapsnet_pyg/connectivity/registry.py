"""Names and import paths of the estimators. They can be read without importing torch or an estimator."""

import pkgutil
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from synapsnet_pyg.connectivity.estimator import Estimate, Estimator
    from synapsnet_pyg.data.session import Session


class RegisteredEstimator(NamedTuple):
    """Import path of an estimator, and the argument that its name fixes."""

    path: str
    """Module and class."""
    lag: int | None = None
    """Lag of the estimator, for a lagged correlation."""


_HERE = "synapsnet_pyg.connectivity"

ESTIMATORS: dict[str, RegisteredEstimator] = {
    "lag0": RegisteredEstimator(f"{_HERE}.lagged_correlation:LaggedCorrelation", lag=0),
    "lag1": RegisteredEstimator(f"{_HERE}.lagged_correlation:LaggedCorrelation", lag=1),
    "lag2": RegisteredEstimator(f"{_HERE}.lagged_correlation:LaggedCorrelation", lag=2),
    "partial_correlation": RegisteredEstimator(f"{_HERE}.partial_correlation:PartialCorrelation"),
    "ridge_var": RegisteredEstimator(f"{_HERE}.ridge_var:RidgeVAR"),
    "soft_ridge": RegisteredEstimator(f"{_HERE}.soft_ridge:SoftRidge"),
    "lasso_var": RegisteredEstimator(f"{_HERE}.lasso_var:LassoVAR"),
    "sparse_low_rank_var": RegisteredEstimator(f"{_HERE}.sparse_low_rank_var:SparseLowRankVAR"),
    "poisson_glm": RegisteredEstimator(f"{_HERE}.poisson_glm:PoissonGLM"),
    "curbd": RegisteredEstimator(f"{_HERE}.curbd:CURBD"),
}
"""Name -> import path and fixed argument of the estimator."""


def estimator(name: str, **arguments: Any) -> "Estimator":
    """Builds an estimator by its name.

    Args:
        name: Key of :data:`ESTIMATORS`.
        **arguments: Parameters of the estimator.

    Raises:
        ValueError: There is no such estimator or parameter.
        ImportError: The estimator needs an extra that is not installed.

    Example:
        >>> estimator("ridge_var", lags=2)
        RidgeVAR(lags=2, ridges=None)
    """
    if name not in ESTIMATORS:
        raise ValueError(f"Expected an estimator among {', '.join(ESTIMATORS)} (got '{name}').")
    entry = ESTIMATORS[name]
    if entry.lag is not None:
        arguments["lag"] = entry.lag
    kind: type[Estimator] = pkgutil.resolve_name(entry.path)
    known = list(getattr(kind, "__dataclass_fields__", ()))
    unknown = [key for key in arguments if key not in known]
    if unknown:
        raise ValueError(f"Expected parameters of '{name}' among {', '.join(known) or 'none'} (got '{unknown[0]}').")
    return kind(**arguments)


def estimate(name: str, train: "Session", validation: "Session | None" = None) -> "Estimate":
    """Estimates the connectivity of one recording by the name of an estimator.

    Args:
        name: Key of :data:`ESTIMATORS`.
        train: Training part; all of its bins are used.
        validation: Validation part, on which the penalty is chosen and the forecast is scored. None: the penalty is
            chosen on the last tenth of ``train``, and there is no score.

    Raises:
        ValueError: There is no such estimator, or it cannot use this recording.
        ImportError: The estimator needs an extra that is not installed.

    Example:
        >>> import torch
        >>> from synapsnet_pyg.data.session import Session
        >>> _ = torch.manual_seed(0)
        >>> driver = torch.randn(1000)
        >>> split = Session(torch.stack([driver, driver.roll(1)]), bin_size=0.1).split()
        >>> result = estimate("ridge_var", split.train, split.validation)
        >>> result.connectivity.round(decimals=1).abs()
        tensor([[0., 0.],
                [1., 0.]])
        >>> float(result.score[1].round(decimals=2)), result.details
        (1.0, {'penalty': 1.0})
    """
    from synapsnet_pyg.connectivity.estimator import Estimate  # imports torch

    fitted = estimator(name).fit(train, validation)
    score = fitted.score(validation) if fitted.forecasts and validation is not None else None
    penalty = {} if fitted.penalty_ is None else {"penalty": fitted.penalty_}
    return Estimate(fitted.connectivity_, score, penalty | fitted.details_)
