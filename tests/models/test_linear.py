import numpy as np
import pytest
import torch
from helpers import close, make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.linear import Autoregression, VectorAutoregression


def solved(session, model):
    model.initialise({session.name: session}, {session.name: session})
    return model


def cases(reference, kind):
    return sorted({key.split("/")[1] for key in reference if key.startswith(f"{kind}/")})


@pytest.mark.parametrize(("kind", "lags"), [("ridge_free_intercept", 1), ("ridge_two_lags_free_intercept", 2)])
def test_ridge_agrees_with_oracle(oracle, kind, lags):
    reference = oracle("linear.npz")
    session = Session(torch.from_numpy(reference["activity"]), torch.from_numpy(reference["behaviour"]), bin_size=1)
    N, K = session.num_neurons, session.num_behaviours
    assert cases(reference, kind)
    for lam in cases(reference, kind):
        model = solved(session, VectorAutoregression([session], lags, ridges=[float(lam)]))
        expected = reference[f"{kind}/{lam}/coefficients"]
        ours = torch.cat([model.coefficients_0, model.intercept_0[:, None]], 1)
        assert close(ours, expected, 1e-10)
        if f"{kind}/{lam}/connectivity" in reference:
            assert close(model.connectivity(session), reference[f"{kind}/{lam}/connectivity"], 1e-10)
            assert close(model.coefficients_0[:, N : N + K], reference[f"{kind}/{lam}/behaviour_weights"], 1e-10)
            forecast = forecast_session(model, session)
            assert close(forecast.forecast, reference[f"{kind}/{lam}/prediction"], 1e-10)
            error = (forecast.forecast - forecast.truth).square().mean().item()
            assert error == pytest.approx(float(reference[f"{kind}/{lam}/mse"]), rel=1e-10)


def test_autoregression_is_least_squares():
    session = make_session(N=3, T=60)
    model = solved(session, Autoregression([session], lags=4))
    a, b = session.activity.double().numpy(), session.behaviour.double().numpy()
    for i in range(3):
        U = np.column_stack([*(a[i, 3 - lag : 59 - lag] for lag in range(4)), b[3:59], np.ones(56)])
        expected = np.linalg.lstsq(U, a[i, 4:], rcond=None)[0]
        ours = [*model.coefficients_0[i].tolist(), model.intercept_0[i].item()]
        assert ours == pytest.approx(expected, abs=1e-4)


def test_no_pair_of_input_and_target_crosses_a_segment():
    segment = torch.tensor([[0, 40], [40, 80]])
    one = make_session(N=3, T=80, segment=segment)
    other = make_session(N=3, T=80, segment=segment)
    # Reordering the stretches changes nothing, which a pair across the border would.
    other.activity = torch.cat([one.activity[:, 40:], one.activity[:, :40]], 1)
    other.behaviour = torch.cat([one.behaviour[40:], one.behaviour[:40]])
    for make in (lambda s: VectorAutoregression([s], 2, ridges=[1.0]), lambda s: Autoregression([s], 2)):
        torch.testing.assert_close(solved(one, make(one)).coefficients_0, solved(other, make(other)).coefficients_0)


def test_ridge_is_the_best_on_validation():
    session = make_session(N=4, T=200).standardise()
    split = session.split()
    ridges = [0.1, 10.0, 1000.0]

    def error(candidates):
        model = VectorAutoregression([session], 2, ridges=candidates)
        model.initialise({"demo": split.train}, {"demo": split.validation})
        forecast = forecast_session(model, split.validation)
        return model.ridge_0.item(), (forecast.forecast - forecast.truth).square().mean().item()

    chosen, _ = error(ridges)
    each = {ridge: error([ridge])[1] for ridge in ridges}
    assert chosen == pytest.approx(min(each, key=each.get))


def test_recovers_a_two_neuron_chain():
    a = torch.zeros(2, 400)
    a[0] = torch.randn(400)
    a[1, 1:] = 0.8 * a[0, :-1]
    session = Session(a, bin_size=1)
    connectivity = solved(session, VectorAutoregression([session], 1, ridges=[1e-3])).connectivity(session)
    assert connectivity[1, 0] == pytest.approx(0.8, abs=1e-3)
    assert abs(connectivity[0, 1]) < 0.1


def test_constant_neurons_and_no_behaviour_are_no_obstacle():
    a = torch.randn(3, 50)
    a[1] = 0
    session = Session(a, bin_size=1)
    for model in (Autoregression([session], 2), VectorAutoregression([session], 2, ridges=[0.0])):
        assert forecast_session(solved(session, model), session).forecast.isfinite().all()


def test_refuses_what_cannot_be_solved():
    session = make_session(T=12, segment=torch.tensor([[0, 6], [6, 12]]))
    with pytest.raises(ValueError, match="more than 6 bins"):
        solved(session, VectorAutoregression([session], 6))
    with pytest.raises(ValueError, match="none negative"):
        VectorAutoregression([session], 1, ridges=[-1.0])
