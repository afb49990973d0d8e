import torch

from synapsnet_pyg.nn.common_drive import CommonDrive


def test_starts_at_zero_and_is_the_product_of_its_factors():
    activity = torch.randn(2, 5, 7)
    drive = CommonDrive(5, latents=3)
    assert not drive(activity).any()
    receivers, senders = torch.randn(5, 2), torch.randn(2, 5)
    drive.set(receivers, senders)
    torch.testing.assert_close(drive(activity), receivers @ senders @ activity)
    assert not drive.receivers[:, 2].any()
    assert not drive.senders[2].any()
