"""Files that point to other files, or to themselves."""

import json

import h5py
import numpy as np
from matlab73 import write_v73

from fuzz.corpus import CONVERT
from fuzz.scenes import Meeting, Scene

_SESSION = Meeting(("inspect", "session.h5"), ("session.h5",))
_CONVERT = Meeting(("convert", "x.hdf5", "o.h5", *CONVERT, "--fields", "more"), ("x.hdf5",), hostile=("x.hdf5",))


def a_link_out_of_a_session_is_not_followed(scene: Scene) -> Meeting:
    _secret_hdf5(scene)
    with h5py.File(scene.folder / "session.h5", "r+") as file:
        file["key"] = h5py.ExternalLink("../secret.h5", "/key")
    return Meeting(("evaluate", "run", "--neurons", "n.csv"), ("session.h5",), hostile=("session.h5",))


def storage_outside_of_a_session_is_not_read(scene: Scene) -> Meeting:
    with h5py.File(scene.folder / "session.h5", "r+") as file:
        file.create_dataset("key", (6,), "S40", external=[(str(scene.secret), 0, 240)])
    return _SESSION


def a_virtual_array_of_a_session_is_not_read(scene: Scene) -> Meeting:
    _secret_hdf5(scene)
    layout = h5py.VirtualLayout((6,), "S40")
    layout[:] = h5py.VirtualSource("../secret.h5", "key", (6,))
    with h5py.File(scene.folder / "session.h5", "r+") as file:
        file.create_virtual_dataset("key", layout)
    return _SESSION


def a_link_of_a_session_to_itself_ends(scene: Scene) -> Meeting:
    with h5py.File(scene.folder / "session.h5", "r+") as file:
        file["loop"] = file["/"]
        file["soft"] = h5py.SoftLink("/soft")
    return _SESSION


def a_link_out_of_foreign_arrays_is_not_followed(scene: Scene) -> Meeting:
    _secret_hdf5(scene)
    with _arrays(scene) as file:
        file["more"] = h5py.ExternalLink("../secret.h5", "/key")
    return _CONVERT


def storage_outside_of_foreign_arrays_is_not_read(scene: Scene) -> Meeting:
    with _arrays(scene) as file:
        file.create_dataset("more", (6,), "S40", external=[(str(scene.secret), 0, 240)])
    return _CONVERT


def a_virtual_array_of_foreign_arrays_is_not_read(scene: Scene) -> Meeting:
    _secret_hdf5(scene)
    layout = h5py.VirtualLayout((6,), "S40")
    layout[:] = h5py.VirtualSource(str(scene.folder.parent / "secret.h5"), "key", (6,))
    with _arrays(scene) as file:
        file.create_virtual_dataset("more", layout)
    return _CONVERT


def groups_within_each_other_end(scene: Scene) -> Meeting:
    with _arrays(scene) as file:
        file["a/b/c"] = np.zeros(3)
        file["a/b/up"] = file["a"]
        file["a/self"] = h5py.SoftLink("/a")
    return Meeting(("inspect", "x.hdf5"), ("x.hdf5",), may_load=True)


def a_link_out_of_a_matlab_file_is_not_followed(scene: Scene) -> Meeting:
    write_v73(scene.folder / "x.mat", {"activity": np.random.default_rng(0).normal(size=(6, 50))})
    _secret_hdf5(scene)
    with h5py.File(scene.folder / "x.mat", "r+") as file:
        file["more"] = h5py.ExternalLink("../secret.h5", "/key")
    return Meeting(("convert", "x.mat", "o.h5", *CONVERT, "--neuron-ids", "more"), ("x.mat",))


def a_link_out_of_nwb_is_not_followed(scene: Scene) -> Meeting:
    _secret_hdf5(scene)
    with h5py.File(scene.folder / "x.nwb", "w") as file:
        file.attrs.update(nwb_version="2.7.0", neurodata_type="NWBFile", namespace="core")
        file["units/spike_times"] = np.linspace(0, 20, 200)
        file["units/spike_times_index"] = np.array([100, 200])
        file["units/id"] = np.arange(2)
        file["units/quality"] = h5py.ExternalLink("../secret.h5", "/key2")
    return Meeting(("convert", "x.nwb", "o.h5", "--bin-size", "0.1"), ("x.nwb",), may_load=True)


def a_run_reads_only_the_recording_of_its_fit(scene: Scene) -> Meeting:
    path = scene.folder / "run/run.json"
    values = json.loads(path.read_text())
    values["sessions"][0] |= {"path": str(scene.secret), "relative_path": "../../secret.txt"}
    path.write_text(json.dumps(values))
    return Meeting(("evaluate", "run"), ("secret.txt", "run.json"))


def a_session_of_a_run_does_not_lead_out(scene: Scene) -> Meeting:
    path = scene.folder / "run/run.json"
    values = json.loads(path.read_text())
    values["sessions"][0]["name"] = "../../out"
    path.write_text(json.dumps(values))
    return Meeting(("connectivity", "run", "--out", "o"), ("run.json", "session.h5", "../../out"), may_load=True)


def links_of_a_folder_to_itself_end(scene: Scene) -> Meeting:
    folder = scene.folder / "data"
    folder.mkdir()
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "dangling.h5").symlink_to("nowhere.h5")
    (folder / "x.npz").symlink_to(scene.folder / "plain.npz")
    return Meeting(("inspect", "data"), ("data",), may_load=True)


def _secret_hdf5(scene: Scene) -> None:
    """Writes the secret as a field of six neurons, and of two, into a file outside of the folder."""
    text = scene.secret.read_text().encode()
    with h5py.File(scene.secret.with_suffix(".h5"), "w") as file:
        file["key"] = np.array([text[40 * i : 40 * i + 40] for i in range(6)])
        file["key2"] = file["key"][:2]


def _arrays(scene: Scene) -> h5py.File:
    file = h5py.File(scene.folder / "x.hdf5", "w")
    file["activity"] = np.random.default_rng(0).normal(size=(6, 300))
    return file
