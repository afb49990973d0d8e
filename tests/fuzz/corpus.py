"""Real files, written by the package itself and by the writers of the tests, from which mutations begin."""

from functools import partial
from pathlib import Path

import h5py
import numpy as np
import scipy.io
import scipy.sparse
import torch
from labs import write_phy
from matlab73 import Cell, write_v73
from nwb_files import new_file, trains, with_planes, write
from on_disk import write_suite2p

from fuzz.children import Command, learn, synapsnet
from synapsnet_pyg.data.session import Session

NEURONS, BINS = 6, 300
SMALL = ("--preset", "fast", "--epochs", "2", "--model-args.hidden_size", "8", "--device", "cpu")
"""Options of a fit that takes a second."""
MODULES = "modules.txt"
"""File with the names of the modules that the commands imported."""
CONVERT = ("--activity", "activity", "--axes", "neuron,bin", "--bin-size", "0.1")


def make_session(name: str = "monday", *, bins: int = BINS, seed: int = 0, **fields: object) -> Session:
    """Returns a session with every kind of field."""
    draw = torch.Generator().manual_seed(seed)
    activity = torch.randn(NEURONS, bins, generator=draw)
    activity[1, 1:] += 0.8 * activity[0, :-1]
    values: dict[str, object] = {
        "behaviour_name": ["running", "pupil"],
        "neuron_id": [f"{name}/{i}" for i in range(NEURONS)],
        "area": ["V1", "V1", "LM", "LM", "AL", "AL"],
        "cell_type": ["Pvalb", "Sst", "Vip", "Pvalb", "Sst", "Vip"],
        "position": torch.randn(NEURONS, 3, generator=draw),
        "segment": torch.tensor([[0, bins // 3], [bins // 3, bins]]),
        "edge_index": torch.tensor([[0, 2], [1, 3]]),
        "edge_weight": torch.tensor([0.8, -0.1]),
        "notes": ["made for the tests of mutated files"],
    }
    return Session(
        activity, torch.rand(bins, 2, generator=draw).round(), bin_size=0.1, name=name, **{**values, **fields}
    )


def build(folder: Path) -> None:
    """Writes the whole corpus into a folder, in children, so that this process stays as it is.

    It is made elsewhere and moved, so that a run reads the recording beside it, and not the one of the fit.
    """
    made = folder / "made"
    made.mkdir()
    for part in (_sessions, _arrays, _labs, _texts):
        _do(partial(part, made), made)
    _synapsnet(made, "fit", "session.h5", "--out", "run", *SMALL)
    _synapsnet(made, "fit", "session.h5", "--out", "netformer", "--model", "netformer", "--epochs", "1", *SMALL[:2])
    formats = "npz,csv,parquet,graphml,gexf,sparse"
    _synapsnet(made, "connectivity", "run", "--out", "connectivity", "--format", formats)
    _synapsnet(made, "dynamics", "netformer", "--out", "dynamics", "--save")
    _synapsnet(made, "figures", "run", "--out", "figures")
    for path in sorted((made / "connectivity").glob("monday*")):
        path.rename(path.with_name(path.name.replace("monday", "edges", 1)))
    for path in sorted(made.iterdir()):
        path.rename(folder / path.name)
    made.rmdir()


def _do(command: Command, folder: Path) -> None:
    outcome = learn(command, folder / MODULES, folder=folder)
    if outcome.status:
        raise RuntimeError(f"Expected to write the files to mutate (got status {outcome.status}): {outcome.err}")


def _synapsnet(folder: Path, *words: object) -> None:
    _do(synapsnet(*words), folder)


def _sessions(folder: Path) -> None:
    make_session().save(folder / "session.h5")
    thirds = torch.arange(0, BINS, BINS // 3)
    make_session("thirds", segment=torch.stack([thirds, thirds + BINS // 3], 1)).save(folder / "thirds.h5")
    make_session("tuesday", seed=1).save(folder / "tuesday.h5")


def _arrays(folder: Path) -> None:
    draw = np.random.default_rng(0)
    activity = draw.normal(size=(NEURONS, BINS)).astype(np.float32)
    behaviour, times = draw.normal(size=(BINS, 2)), np.arange(BINS) * 0.1
    ids = np.array([f"n{i}" for i in range(NEURONS)])
    np.savez(folder / "plain.npz", activity=activity, behaviour=behaviour, times=times, ids=ids)
    np.savez_compressed(folder / "packed.npz", activity=activity, behaviour=behaviour)
    np.save(folder / "plain.npy", activity)
    names = np.empty((1, NEURONS), dtype=object)
    names[0] = [f"n{i}" for i in range(NEURONS)]
    counts = scipy.sparse.random(NEURONS, BINS, 0.2, format="csc", random_state=0)
    struct = {"speed": behaviour[:, :1], "ids": names}
    for name, packed in (("plain.mat", False), ("packed.mat", True)):
        values = {"activity": activity, "counts": counts, "tracking": struct}
        scipy.io.savemat(folder / name, values, do_compression=packed)
    cells = Cell([f"n{i}" for i in range(NEURONS)])
    write_v73(
        folder / "v73.mat", {"activity": activity, "counts": counts, "tracking": {"speed": behaviour, "ids": cells}}
    )
    with h5py.File(folder / "arrays.hdf5", "w") as file:
        file.create_dataset("activity", data=activity, compression="gzip", chunks=(2, 100))
        file["behaviour"], file["times"] = behaviour, times
        file.create_dataset("ids", data=list(ids), dtype=h5py.string_dtype())


def _labs(folder: Path) -> None:
    file = new_file()
    for train in trains():
        file.add_unit(spike_times=train)
    write(file, folder / "units.nwb")
    with_planes(folder / "planes.nwb", {"DfOverF": 0.0}, [np.arange(90) / 5.0, np.arange(90) / 5.0])
    write_suite2p(folder / "suite2p")
    write_phy(folder / "phy")


def _texts(folder: Path) -> None:
    draw = np.random.default_rng(1)
    values = draw.normal(size=(BINS, NEURONS))
    header = ",".join(f"n{i}" for i in range(NEURONS))
    rows = "\n".join(",".join(f"{value:.4f}" for value in row) for row in values)
    (folder / "table.csv").write_text(f"{header}\n{rows}\n")
    (folder / "parts.csv").write_text("segment,part\n0,train\n1,validation\n2,test\n")
    config = "activity: activity\naxes: neuron,bin\nbin_size: 0.1\nbehaviour: behaviour\nrebin: 1\nrebin_by: null\n"
    config += "fill_nan: 0.0\nmin_rate: 0.0\nstart: null\nfields: null\nadvance: 0\nname: monday\n"
    (folder / "convert.yaml").write_text(config)
    (folder / "evaluate.yaml").write_text("horizon: 1\njson: true\nneurons: null\n")
