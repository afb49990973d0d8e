"""Files with code in them: none of it runs."""

import json
import pickle
import shutil

import numpy as np
import torch

from fuzz.corpus import CONVERT
from fuzz.scenes import Meeting, Scene
from synapsnet_pyg import read_connectivity
from synapsnet_pyg.data.session import Session

_OPTIONAL = (
    "dill", "numexpr", "bottleneck", "pytz", "triton", "cupy", "numba_cuda", "tensorboard", "wandb", "joblib_spark",
    "lxml", "hdf5plugin", "brotli", "simplejson", "ipywidgets", "odfpy", "mkl", "theano", "sparse", "dask", "pydot",
    "orjson", "sitecustomize", "usercustomize",
)  # fmt: skip
"""Modules that libraries look for and need not find."""


def an_array_of_objects_is_not_unpickled(scene: Scene) -> Meeting:
    np.save(scene.folder / "x.npy", np.array([scene.evil], dtype=object), allow_pickle=True)
    return Meeting(("convert", "x.npy", "o.h5", *CONVERT[2:]), ("x.npy",))


def arrays_of_objects_are_not_unpickled(scene: Scene) -> Meeting:
    np.savez(scene.folder / "x.npz", activity=np.zeros((3, 50)), ids=np.array([scene.evil], dtype=object))
    return Meeting(("convert", "x.npz", "o.h5", *CONVERT, "--neuron-ids", "ids"), ("x.npz",))


def a_connectivity_with_objects_is_not_unpickled(scene: Scene) -> Meeting:
    ids = np.array([scene.evil] * 6, dtype=object)
    np.savez(scene.folder / "x.npz", connectivity=np.zeros((6, 6)), neuron_id=ids)
    session = Session.load(scene.folder / "session.h5")
    return Meeting(named=("x.npz",), read=lambda: read_connectivity(scene.folder / "x.npz", session))


def pickled_files_of_suite2p_are_not_unpickled(scene: Scene) -> Meeting:
    folder = scene.folder / "suite2p" / "plane0"
    folder.mkdir(parents=True)
    for name in ("F", "Fneu", "spks"):
        np.save(folder / f"{name}.npy", np.random.default_rng(0).uniform(0, 1, (4, 90)).astype("f4"))
    np.save(folder / "iscell.npy", np.ones((4, 2)))
    for name in ("ops", "stat"):
        np.save(folder / f"{name}.npy", np.array([scene.evil], dtype=object), allow_pickle=True)
    return Meeting(("convert", "suite2p", "o.h5", "--frame-rate", "6"), ("ops.npy", "suite2p"), may_load=True)


def a_checkpoint_with_pickled_code_is_not_run(scene: Scene) -> Meeting:
    saved = torch.load(scene.folder / "run/best.ckpt", weights_only=True)
    torch.save(saved | {"more": scene.evil}, scene.folder / "run/best.ckpt")
    return Meeting(("evaluate", "run"), ("best.ckpt",))


def a_plain_pickle_is_no_checkpoint(scene: Scene) -> Meeting:
    (scene.folder / "run/best.ckpt").write_bytes(pickle.dumps(scene.evil))
    return Meeting(("evaluate", "run"), ("best.ckpt",))


def an_old_checkpoint_of_torch_with_code_is_not_run(scene: Scene) -> Meeting:
    torch.save({"a": scene.evil}, scene.folder / "run/best.ckpt", _use_new_zipfile_serialization=False)
    return Meeting(("connectivity", "run", "--out", "o"), ("best.ckpt",))


def a_model_that_a_checkpoint_names_is_not_imported(scene: Scene) -> Meeting:
    _describe(scene, kind="evil.Model")
    return Meeting(("evaluate", "."), ("best.ckpt", "evil.Model"), fresh=True, within="run")


def a_model_that_a_checkpoint_of_training_names_is_not_imported(scene: Scene) -> Meeting:
    _describe(scene, "last.ckpt", kind="evil.Model")
    words = ("fit", "../session.h5", "--out", ".", "--resume", "--preset", "fast", "--epochs", "3")
    words += ("--model-args.hidden_size", "8")
    return Meeting(words, ("last.ckpt", "evil.Model"), may_load=True, fresh=True, within="run")


def a_model_that_a_run_names_is_not_imported(scene: Scene) -> Meeting:
    _describe(scene, kind="evil.Model")
    path = scene.folder / "run/run.json"
    values = json.loads(path.read_text())
    values["model"]["kind"] = "evil.Model"
    path.write_text(json.dumps(values))
    return Meeting(("report", "."), ("best.ckpt", "run.json", "evil.Model"), fresh=True, within="run")


def a_part_that_a_checkpoint_names_is_not_imported(scene: Scene) -> Meeting:
    _describe(scene, arguments={"dynamics": "evil.Model"})
    return Meeting(("evaluate", "."), ("best.ckpt", "evil.Model"), fresh=True, within="run")


def a_part_of_a_checkpoint_is_no_function_of_the_system(scene: Scene) -> Meeting:
    _describe(scene, arguments={"dynamics": "os.system"})
    return Meeting(("evaluate", "run"), ("best.ckpt", "os.system"))


def an_installed_module_that_a_checkpoint_names_is_not_imported(scene: Scene) -> Meeting:
    _describe(scene, kind="this.Model")
    return Meeting(("figures", "run", "--out", "o"), ("best.ckpt", "this.Model"))


def modules_beside_a_session_are_not_imported(scene: Scene) -> Meeting:
    _put_modules(scene)
    return Meeting(("inspect", "session.h5"), may_load=True, fresh=True)


def modules_beside_arrays_are_not_imported(scene: Scene) -> Meeting:
    _put_modules(scene)
    return Meeting(("convert", "plain.npz", "o.h5", *CONVERT), may_load=True, fresh=True)


def modules_in_a_run_are_not_imported(scene: Scene) -> Meeting:
    _put_modules(scene)
    for path in scene.folder.glob("*.py"):
        shutil.copy(path, scene.folder / "run")
    return Meeting(("report", "."), may_load=True, fresh=True, within="run")


def modules_beside_a_fit_are_not_imported(scene: Scene) -> Meeting:
    _put_modules(scene)
    return Meeting(("fit", "session.h5", "--out", "new", "--model", "ridge_var"), may_load=True, fresh=True)


def parameters_of_a_sorter_are_read_and_not_run(scene: Scene) -> Meeting:
    folder = scene.folder / "phy"
    folder.mkdir()
    np.save(folder / "spike_times.npy", np.arange(0, 600000, 700))
    np.save(folder / "spike_clusters.npy", np.arange(0, 600000, 700) % 3)
    (folder / "params.py").write_text(f"{scene.code}sample_rate = 30000.\n")
    return Meeting(("convert", "phy", "o.h5", "--bin-size", "0.1"), ("phy",), may_load=True)


def tags_of_python_in_a_config_are_not_run(scene: Scene) -> Meeting:
    (scene.folder / "c.yaml").write_text(f"horizon: !!python/object/apply:open [{scene.ran}, w]\n")
    return Meeting(("evaluate", "run", "--config", "c.yaml"), ("c.yaml", "--horizon"))


def _describe(scene: Scene, file: str = "best.ckpt", **changes: object) -> None:
    """Changes the description in a checkpoint, and puts a module beside it that tells when it is imported."""
    path = scene.folder / "run" / file
    saved = torch.load(path, weights_only=True)
    saved["description"] |= changes
    torch.save(saved, path)
    (scene.folder / "run" / "evil.py").write_text(f"{scene.code}class Model: pass\n")


def _put_modules(scene: Scene) -> None:
    for name in _OPTIONAL:
        (scene.folder / f"{name}.py").write_text(scene.code)
