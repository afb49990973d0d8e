"""All estimators by name."""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from synapsnet_pyg.connectivity.curbd import curbd
from synapsnet_pyg.connectivity.lagged_correlation import lagged_correlation
from synapsnet_pyg.connectivity.lasso_var import lasso_var
from synapsnet_pyg.connectivity.partial_correlation import partial_correlation
from synapsnet_pyg.connectivity.poisson_glm import poisson_glm
from synapsnet_pyg.connectivity.ridge_var import ridge_var
from synapsnet_pyg.connectivity.soft_ridge import soft_ridge
from synapsnet_pyg.connectivity.sparse_low_rank_var import sparse_low_rank_var
from synapsnet_pyg.data.session import Session

ESTIMATORS: dict[str, Callable[[Session], Tensor]] = {
    "lag0": partial(lagged_correlation, lag=0),
    "lag1": partial(lagged_correlation, lag=1),
    "lag2": partial(lagged_correlation, lag=2),
    "partial_correlation": partial_correlation,
    "ridge_var": ridge_var,
    "soft_ridge": soft_ridge,
    "lasso_var": lasso_var,
    "sparse_low_rank_var": sparse_low_rank_var,
    "poisson_glm": poisson_glm,
    "curbd": curbd,
}
"""Name -> what estimates a session's connectivity [N, N], ``[i, j]`` the effect of j on i."""


def estimate(name: str, session: Session) -> Tensor:
    """Estimates a session's connectivity by the name of an estimator.

    Args:
        name: A key of :data:`ESTIMATORS`.
        session: A recording.

    Returns:
        :math:`(N, N)`, ``[i, j]`` the effect of j on i.

    Raises:
        ValueError: There is no such estimator, or it has no use for this session.
    """
    if name not in ESTIMATORS:
        raise ValueError(f"Expected an estimator among {', '.join(ESTIMATORS)} (got '{name}').")
    return ESTIMATORS[name](session)
