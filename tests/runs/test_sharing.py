import inspect
import json
import os
import shutil
import sys

import pytest
import torch
from commands import refused
from commands import run as call
from helpers import make_session
from safetensors.torch import load_file, save_file

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.runs.recipe import Preset, Recipe
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.sharing import FILES, SharedRun

SECRET = "private-place"
PRESET = Preset("fast", {"epochs": 1, "patience": None})


def fit(folder, kind="synapsnet", **arguments) -> Run:
    home = folder / SECRET
    home.mkdir(exist_ok=True)
    for name, bins in (("one", 200), ("two", 240)):
        make_session(T=bins, name=name).save(home / f"{name}.h5")
    paths = [home / "one.h5", home / "two.h5"]
    return Run.fit(paths, home / kind, kind, arguments=arguments, recipe=PRESET, progress=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return fit(tmp_path_factory.mktemp("fits"), hidden_size=6, embedding_dim=4)


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    return run.save_pretrained(tmp_path_factory.mktemp("shared") / "folder")


@pytest.fixture
def shared(exported, tmp_path):
    """Copy of a shared run, to be changed."""
    return shutil.copytree(exported, tmp_path / "copy")


def change(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_shared_run_has_the_weights_connectivity_scores_and_facts(run, exported):
    assert sorted(path.name for path in exported.iterdir()) == sorted(FILES)
    back = Run.from_pretrained(exported)
    assert isinstance(back, SharedRun)
    assert (back.kind, back.recipe, list(back.sessions)) == ("synapsnet", run.recipe, ["one", "two"])
    assert back.bin_sizes == {"one": 0.1, "two": 0.1}
    assert back.sessions["two"].neuron_id == run.sessions["two"].neuron_id
    for name, session in run.sessions.items():
        ours, theirs = (forecast_session(model, session).forecast for model in (run.model, back.model))
        assert torch.equal(ours, theirs)
        assert torch.equal(back.connectivity(name), run.model.connectivity(session.split().train))
    assert back.scores()["sessions"]["one"]["synapsnet"]["correlation"] is not None
    assert torch.equal(back.model.embedding(1), run.model.embedding(1))
    with pytest.raises(ValueError, match="among one, two"):
        back.connectivity("three")


def test_nothing_of_a_recording_is_shared(run, exported):
    contents = b"".join(path.read_bytes() for path in exported.iterdir())
    assert SECRET.encode() not in contents
    assert str(run.folder.parent).encode() not in contents
    for session in run.record.sessions:
        assert session.fingerprint.encode() not in contents
    sizes = [
        tensor.shape for name in FILES if name.endswith("tensors") for tensor in load_file(exported / name).values()
    ]
    assert not [size for size in sizes if {200, 240, 160, 192} & set(size)]  # no tensor is as long as a recording


def test_the_card_says_what_was_recorded_and_how_well_it_is_forecast(exported):
    card = (exported / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: synapsnet_pyg\n")
    assert "| one | 5 | 200 | 0.1 |" in card
    assert "| one | synapsnet |" in card
    assert "| one | var1 |" in card
    assert "- one: Coverage of" in card
    assert "licen" not in card.lower()


def test_names_are_no_markup_on_the_card(tmp_path):
    session = make_session(T=200, name="a|b <script> `x`", behaviour_name=["[run](x)", "w"])
    session.save(tmp_path / "s.h5")
    run = Run.fit([tmp_path / "s.h5"], tmp_path / "run", "var1", progress=False)
    card = (run.save_pretrained(tmp_path / "shared") / "README.md").read_text()
    assert "<script>" not in card
    assert "a\\|b &lt;script&gt; \\`x\\`" in card
    assert "\\[run\\]" in card


def test_a_shared_run_is_adapted_to_a_new_recording_as_the_run_is(run, exported, tmp_path):
    make_session(N=4, T=220, name="three").save(tmp_path / "three.h5")
    results = [
        Run.adapt(folder, tmp_path / "three.h5", tmp_path / out, changes={"epochs": 1}, progress=False)
        for folder, out in ((run.folder, "of-run"), (exported, "of-shared"))
    ]
    for ours, theirs in zip(*(result.model.parameters() for result in results), strict=True):
        assert torch.equal(ours, theirs)
    assert Run.load(tmp_path / "of-shared").sessions.keys() == {"three"}


@pytest.mark.parametrize("kind", ["gru", "ridge_var", "netformer"])
def test_other_models_are_shared(tmp_path, kind):
    run = fit(tmp_path, kind)
    back = Run.from_pretrained(run.save_pretrained(tmp_path / "shared"))
    assert back.kind == kind
    session = run.sessions["two"]
    assert torch.equal(forecast_session(run.model, session).forecast, forecast_session(back.model, session).forecast)
    torch.testing.assert_close(back.connectivity("two"), run.model.connectivity(session.split().train))


def test_a_sparse_connectivity_is_shared_as_its_edges(tmp_path):
    run = fit(tmp_path, connectivity="sparse")
    back = Run.from_pretrained(run.save_pretrained(tmp_path / "shared"))
    expected = run.model.connectivity(run.sessions["one"].split().train)
    found = back.connectivity("one")
    assert torch.equal(found.to_dense(), expected.to_dense())
    path = tmp_path / "shared" / "model.safetensors"
    save_file(load_file(path) | {"argument.edge_index.0": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="whole numbers"):
        Run.from_pretrained(tmp_path / "shared")


def test_commands_export_and_adapt(run, tmp_path, capsys):
    status, out, _ = call(capsys, "export", run.folder, "--to", tmp_path / "shared")
    assert status == 0
    assert out.startswith(f"written to {tmp_path / 'shared'}")
    make_session(T=220, name="three").save(tmp_path / "three.h5")
    assert (
        call(capsys, "adapt", tmp_path / "shared", tmp_path / "three.h5", "--out", tmp_path / "new", "--epochs", 1)[0]
        == 0
    )
    assert "without a run" in refused(capsys, "export", run.folder, "--to", run.folder)


def test_an_older_export_is_replaced(run, shared):
    (shared / "config.json").write_text("{}")
    run.save_pretrained(shared)
    assert Run.from_pretrained(shared).kind == "synapsnet"


# What a stranger's folder may hold.


@pytest.mark.parametrize("kind", ["os.system", "subprocess.Popen", "helpers.Faded", "nothing", 3, None])
def test_only_models_of_the_package_are_built(shared, kind):
    change(shared, kind=kind)
    with pytest.raises(ValueError, match=r"is not a readable shared run \(expected a model among"):
        Run.from_pretrained(shared)


@pytest.mark.parametrize("dynamics", ["os.system", "torch.nn.GRU", ["gru"], "nothing"])
def test_only_parts_of_the_package_are_used(shared, dynamics):
    change(shared, arguments={"dynamics": dynamics})
    with pytest.raises(ValueError, match="expected 'dynamics' among"):
        Run.from_pretrained(shared)


def test_no_module_of_a_stranger_is_imported(shared, tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    for values in ({"kind": "evil.Model"}, {"kind": "synapsnet", "arguments": {"loss": "evil.loss"}}):
        change(shared, **values)
        with pytest.raises(ValueError, match="is not a readable shared run"):
            Run.from_pretrained(shared)
    assert "evil" not in sys.modules


@pytest.mark.parametrize(
    "values",
    [
        {"format": "other"},
        {"version": 99},
        {"version": "1"},
        {"sessions": []},
        {"sessions": 3},
        {"sessions": [{"name": "one"}]},
        {"sessions": [{"name": 1, "neuron_id": ["a"], "behaviour_name": [], "num_bins": 9, "bin_size": 1}]},
        {"sessions": [{"name": "s", "neuron_id": ["a", "a"], "behaviour_name": [], "num_bins": 9, "bin_size": 1}]},
        {"sessions": [{"name": "s", "neuron_id": "ab", "behaviour_name": [], "num_bins": 9, "bin_size": 1}]},
        {"sessions": [{"name": "s", "neuron_id": ["a"], "behaviour_name": [], "num_bins": True, "bin_size": 1}]},
        {"sessions": [{"name": "s", "neuron_id": ["a"], "behaviour_name": [], "num_bins": 9, "bin_size": "x"}]},
        {
            "sessions": [
                {"name": "s", "neuron_id": ["a"], "behaviour_name": [], "num_bins": 9, "bin_size": float("nan")}
            ]
        },
        {"recipe": {"epochs": "many"}},
        {"recipe": {"unheard": 1}},
        {"recipe": None},
        {"arguments": [1]},
        {"arguments": {"unheard": 1}},
        {"arguments": {"hidden_size": 7}},
    ],
    ids=str,
)
def test_a_config_that_is_not_right_is_refused_in_a_line(shared, values):
    change(shared, **values)
    with pytest.raises(ValueError) as error:  # noqa: PT011
        Run.from_pretrained(shared)
    assert len(str(error.value)) < 1200


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"format": ' + "9" * 5000 + "}"])
def test_json_that_is_none_is_refused(shared, text):
    (shared / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json"):
        Run.from_pretrained(shared)


def test_weights_that_are_pickled_or_cut_short_are_refused(shared):
    class Evil:
        def __reduce__(self):
            return os.system, ("touch ran",)

    path = shared / "model.safetensors"
    whole = path.read_bytes()
    torch.save(Evil(), path)
    with pytest.raises(ValueError, match="no readable file of safetensors"):
        Run.from_pretrained(shared)
    for size in (0, 5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="no readable file of safetensors"):
            Run.from_pretrained(shared)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="Expected a shared run"):
        Run.from_pretrained(shared)


def test_weights_and_connectivity_of_other_sizes_are_refused(shared):
    path = shared / "connectivity.safetensors"
    save_file({"0": torch.zeros(3, 3), "1.edge_index": torch.tensor([[0], [9]]), "1.weight": torch.ones(1)}, path)
    back = Run.from_pretrained(shared)
    for name in ("one", "two"):
        with pytest.raises(ValueError, match="no connectivity of the 5 neurons"):
            back.connectivity(name)
    save_file({"a": torch.zeros(3)}, shared / "model.safetensors")
    with pytest.raises(ValueError, match="weights of another version of 'synapsnet'"):
        Run.from_pretrained(shared)


def test_a_model_of_ones_own_is_not_shared(tmp_path):
    from helpers import Faded

    session = make_session(T=200).standardise()
    with pytest.raises(ValueError, match=r"a run of a model of the package \(got 'helpers.Faded'\)"):
        Run.of(Faded([session]), [session], Recipe()).save_pretrained(tmp_path / "shared")
    assert not (tmp_path / "shared").exists()


# The hub, in a local folder.


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub whose repositories are folders; calls are checked against the signatures of the real one."""
    import huggingface_hub

    place, real, fetched = tmp_path / "hub", huggingface_hub.HfApi, huggingface_hub.snapshot_download

    class Hub:
        private = None

        def create_repo(self, *args, **kwargs):
            given = inspect.signature(real.create_repo).bind(self, *args, **kwargs).arguments
            Hub.private = given["private"]
            (place / given["repo_id"]).mkdir(parents=True, exist_ok=given["exist_ok"])

        def upload_folder(self, **kwargs):
            given = inspect.signature(real.upload_folder).bind(self, **kwargs).arguments
            shutil.copytree(given["folder_path"], place / given["repo_id"], dirs_exist_ok=True)
            return "the commit"

    def snapshot_download(*args, **kwargs):
        given = inspect.signature(fetched).bind(*args, **kwargs).arguments
        assert given["allow_patterns"] == [*FILES]
        return str(place / given["repo_id"])

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return Hub


def test_a_run_goes_to_the_hub_and_comes_back(run, hub):
    assert run.push_to_hub("lab/m1") == "the commit"
    assert hub.private is True
    run.push_to_hub("lab/m1", private=False)
    assert hub.private is False
    back = Run.from_hub("lab/m1")
    session: Session = run.sessions["one"]
    assert torch.equal(forecast_session(run.model, session).forecast, forecast_session(back.model, session).forecast)


def test_missing_packages_are_named(run, exported, tmp_path, monkeypatch):
    for module in ("safetensors", "safetensors.torch", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, module, None)
    for action in (
        lambda: run.save_pretrained(tmp_path / "shared"),
        lambda: Run.from_pretrained(exported),
        lambda: Run.from_hub("lab/m1"),
    ):
        with pytest.raises(ImportError, match=r"synapsnet_pyg\[hub\]"):
            action()
