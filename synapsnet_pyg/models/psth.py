"""Forecast of the mean over trials, the baseline of recordings in trials."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import conv1d

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster

WIDTHS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Candidates for the width of the smoothing in bins."""


class PSTH(Forecaster):
    r"""Peristimulus time histogram: the mean activity of training segments at the same time after their begin.

    .. math::
        \hat a_i(t + 1) = \sum_{u'} k_{uu'}\, \frac{1}{|S_{u'}|} \sum_{s \in S_{u'}} a_{is}(u')

    where :math:`u` is the place of bin :math:`t + 1` in its segment, :math:`a_{is}(u')` the activity of bin
    :math:`u'` of segment :math:`s`, and :math:`S_{u'}` the training segments that are long enough to have it. The
    kernel :math:`k` is a Gaussian that ends at four widths, whose rows are weighted by
    the numbers of segments and sum to 1. Its width is the
    candidate with the smallest squared error on the validation part; one width serves all neurons of a session.

    Places beyond the longest training segment, and windows that do not tell their place (``window.bin``), have the
    forecast 0, the mean of standardised activity. Activity and behaviour of the window are unused.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
    """

    def __init__(self, sessions: Iterable[Session | SessionInfo]) -> None:
        super().__init__(sessions, window=1)
        for s, info in enumerate(self.sessions.values()):
            self.register_buffer(f"mean_{s}", torch.zeros(len(info.neuron_id), 0))
            self.register_buffer(f"width_{s}", torch.tensor(0.0))

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Averages the training segments; returns True, since no training is needed."""
        for s, name in enumerate(self.sessions):
            sums, count = _sums(train[name])
            known, known_count = _sums(validation[name])
            means = [_smoothed(sums, count, width) for width in WIDTHS]
            # The squared error up to a constant that is the same for all widths.
            U = min(len(count), len(known_count))
            errors = [
                float((mean[:, :U].square() * known_count[:U] - 2 * mean[:, :U] * known[:, :U]).sum()) for mean in means
            ]
            best = min(range(len(WIDTHS)), key=errors.__getitem__)
            setattr(self, f"mean_{s}", means[best].to(train[name].activity))
            setattr(self, f"width_{s}", train[name].activity.new_tensor(WIDTHS[best]))
        return True

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *arguments: object) -> None:
        """Takes over the saved numbers of bins, which depend on the training part."""
        for s in range(len(self.sessions)):
            saved = state_dict.get(f"{prefix}mean_{s}")
            if saved is not None:
                setattr(self, f"mean_{s}", self.get_buffer(f"mean_{s}").new_zeros(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def forward(self, window: Window) -> Forecast:
        """Forecasts the mean at the place of each target."""
        if window.bin is None:
            return Forecast(torch.zeros_like(window.target))
        mean = self.get_buffer(f"mean_{self.index_of(window.session)}")
        P = window.target.shape[-1]
        place = window.bin[:, None] + torch.arange(2 - P, 2, device=window.bin.device)
        padded = torch.cat([mean, mean.new_zeros(len(mean), 1)], dim=1)
        return Forecast(padded[:, place.clamp(max=mean.shape[1])].transpose(0, 1))

    def connectivity(self, session: Session) -> Tensor:
        """Returns zeros, since no neuron drives another."""
        return session.activity.new_zeros(session.num_neurons, session.num_neurons)


def has_trials(session: Session) -> bool:
    """Tells if a session has trials: at least ten segments, nine of ten within a fifth of their median length.

    Example:
        >>> borders = torch.arange(0, 120, 10)
        >>> has_trials(Session(torch.zeros(2, 120), bin_size=0.1, segment=torch.stack([borders, borders + 10], 1)))
        True
    """
    length = (session.segment[:, 1] - session.segment[:, 0]).double()
    if len(length) < 10:
        return False
    return float(((length / length.median() - 1).abs() <= 0.2).double().mean()) >= 0.9


def _sums(session: Session) -> tuple[Tensor, Tensor]:
    """Returns the sum of activity over segments at each place [N, U] and the number of segments there [U]."""
    length = (session.segment[:, 1] - session.segment[:, 0]).cpu()
    U = int(length.max()) if len(length) else 0
    sums = torch.zeros(session.num_neurons, U, dtype=torch.float64)
    for begin, end in session.segment.tolist():
        sums[:, : end - begin] += session.activity[:, begin:end].cpu()
    count = (length[:, None] > torch.arange(U)).sum(0).double()
    return sums, count


def _smoothed(sums: Tensor, count: Tensor, width: float) -> Tensor:
    """Returns the mean at each place [N, U], smoothed by a Gaussian of some width in bins."""
    reach = round(4 * width)
    distance = torch.arange(-reach, reach + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (distance / (width or 1.0)).square())[None, None]
    total, weight = (conv1d(x[:, None], kernel, padding=reach)[:, 0] for x in (sums, count[None]))
    return total / weight
