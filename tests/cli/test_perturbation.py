import pytest
from commands import refused, run
from helpers import make_session


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("perturbed")
    make_session(N=4, T=400, name="monday", neuron_id=["AVAL", "AVAR", "RIML", "RIMR"]).save(folder / "monday.h5")
    return folder


def test_perturbs_a_run_and_refuses_what_is_not_there(fitted, capsys):
    run_folder, out = fitted / "run", fitted / "out"
    fit = ["--out", run_folder, "--preset", "fast", "--epochs", "1", "--model-args.hidden_size", "6"]
    assert run(capsys, "fit", fitted / "monday.h5", *fit)[0] == 0
    command = ["perturb", run_folder, "--out", out]
    for options, told in {
        "": "a neuron to stimulate or to silence",
        "--stimulate AVBL": "such as AVAL, AVAR, RIML, RIMR",
        "--remove-edge AVAL-AVAR": "SENDER:RECEIVER (got AVAL-AVAR)",
        "--remove-edge AVAL:AVAL": "choose a pair with a weight",
        "--stimulate AVAL --horizon 0": "horizon of at least 1",
        "--stimulate AVAL --windows 1": "at least 2 starting windows",
        "--stimulate AVAL --format xlsx": "formats among csv, parquet",
        "--stimulate AVAL --session tuesday": "a session among monday",
        f"--stimulate AVAL --ensemble {fitted / 'nowhere'}": "nowhere",
    }.items():
        assert told in refused(capsys, *command, *options.split())
    assert not list(out.glob("*"))
    status, told, _ = run(capsys, *command, "--remove-edge", "AVAL:RIML", "--counts", "--horizon", "2")
    assert status == 0
    assert "monday, edge AVAL:RIML removed: " in told
    assert "RIML" in (out / "monday-perturbation.csv").read_text()
