import torch
from helpers import make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.experiments.seed_ensemble import to_zero, train_seed_ensemble
from synapsnet_pyg.models.netformer import NetFormer


def models(session: Session, count: int) -> list[NetFormer]:
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        made.append(NetFormer([session], window=3, embedding_dim=4).double())
    return made


def test_training_together_is_training_alone():
    """The same batches, each model by a loop of its own."""
    session = make_session(N=4, T=60, K=2)
    session.activity, session.behaviour = session.activity.double(), session.behaviour.double()
    windows = windows_of(session, 3)[0]
    together, alone = models(session, 3), models(session, 3)
    train_seed_ensemble(together, windows, epochs=2, batch_size=16, learning_rate=0.01, schedule=to_zero(2))
    for seed, model in enumerate(alone):
        order, optimiser = torch.Generator().manual_seed(seed), torch.optim.Adam(model.parameters())
        steps = -(-len(windows) // 16)
        for epoch in range(2):
            for step, which in enumerate(torch.randperm(len(windows), generator=order).split(16)):
                optimiser.param_groups[0]["lr"] = 0.01 * (1 - (epoch + step / steps) / 2)
                window = windows.gather(which)
                optimiser.zero_grad()
                torch.nn.functional.mse_loss(model(window).activity, window.target).backward()
                optimiser.step()
    for one, other in zip(together, alone, strict=True):
        assert not one.training
        for found, expected in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-7)
