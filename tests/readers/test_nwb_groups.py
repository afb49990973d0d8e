import os
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numcodecs.pickles
import numpy as np
import pytest
from hdmf_zarr.nwb import NWBZarrIO
from helpers import told
from nwb_files import bare, new_file, put_series, put_units, trains, write
from pynwb import NWBHDF5IO, TimeSeries

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.nwb import NWBRecording
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers import nwb_remote
from synapsnet_pyg.readers.nwb import NWBReader
from synapsnet_pyg.readers.nwb_groups import as_text, open_nwb


def read(path, **given):
    selection = Selection(**given)
    return told(lambda: Session.from_recording(NWBReader().read(Path(path), "s", selection), selection))[0]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The same recording in HDF5 and in Zarr, each written by its own library."""
    folder = tmp_path_factory.mktemp("stored")
    file = new_file()
    device = file.create_device(name="probe")
    group = file.create_electrode_group(name="shank", description="one", location="CA1", device=device)
    for area in ("CA1", "CA3", "DG"):
        file.add_electrode(location=area, group=group)
    file.add_unit_column(name="quality", description="by hand")
    for u, train in enumerate(trains(3)):
        file.add_unit(
            id=10 + u, spike_times=train, quality=["good", "mua", "good"][u], electrodes=[2 - u],
            obs_intervals=[[0.0, 8.0], [9.0, 20.0]],
        )  # fmt: skip
    module = file.create_processing_module(name="behavior", description="behaviour")
    t = np.arange(0, 21, 0.1)
    speed = TimeSeries(name="speed", data=np.sin(t), unit="m/s", timestamps=t)
    module.add(speed)
    module.add(TimeSeries(name="again", data=np.cos(t), unit="m/s", timestamps=speed))
    module.add(TimeSeries(name="state", data=["run", "rest"] * 105, unit="n/a", timestamps=speed))
    file.add_trial(start_time=1.0, stop_time=4.0)
    path = write(file, folder / "rat.nwb")
    numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE = True  # hdmf-zarr reads what it writes; we do not
    try:
        with NWBHDF5IO(path, "r") as source, NWBZarrIO(str(folder / "rat.nwb.zarr"), "w") as target:
            target.export(src_io=source, write_args={"link_data": False})
    finally:
        numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE = False
    return path, folder / "rat.nwb.zarr"


GIVEN = {"bin_size": 0.2, "behaviour": ("again", "state"), "events": ("trials",)}


def same(one, other):
    assert one.num_neurons == other.num_neurons
    assert one.fingerprint == other.fingerprint
    assert one.neuron_fields["quality"] == other.neuron_fields["quality"]
    assert one.area == other.area == ["DG", "CA3", "CA1"]


def test_zarr_holds_what_hdf5_holds(stored):
    path, folder = stored
    same(read(path, **GIVEN), read(folder, **GIVEN))
    assert NWBReader().recognises(folder)
    assert sorted(str(paths[0]) for paths in NWBRecording.find(folder.parent).values()) == [str(path), str(folder)]
    rows = dict(NWBReader().describe(folder))
    assert rows["units"] == f"units: 3 with {sum(map(len, trains(3)))} spikes, 0 silent"


def test_pickles_of_zarr_are_never_loaded(stored, tmp_path, monkeypatch):
    _, folder = stored

    def never(*_):
        raise AssertionError("a pickle was loaded")

    monkeypatch.setattr(pickle, "loads", never)
    monkeypatch.setattr(numcodecs.pickles.Pickle, "decode", never)
    file = open_nwb(folder)
    assert file.get("general/extracellular_ephys/electrodes/group") is None
    assert "never loaded" in file.remark()
    read(folder, **GIVEN)


def test_links_and_references_of_zarr(stored):
    file = open_nwb(stored[1])
    assert "timestamps" in file.need("processing/behavior/again").names()
    stamps = file.need("processing/behavior/again/timestamps")
    assert stamps.key == file.need("processing/behavior/speed/timestamps").key
    electrodes = file.need("units").target(file.need("units/electrodes").attribute("table"))
    assert electrodes.key == file.need("general/extracellular_ephys/electrodes").key
    assert as_text(file.need("identifier")[()]) == "lab-1"


@pytest.mark.parametrize("kind", ["soft", "external"])
def test_links_of_hdf5_are_followed(tmp_path, kind):
    with bare(tmp_path / "base.nwb") as file:
        put_units(file, trains(2))
        put_series(file, "processing/ophys/DfOverF/R", np.eye(30, 4), rate=10)
    with bare(tmp_path / "a.nwb") as file:
        if kind == "external":
            file["processing/ophys"] = h5py.ExternalLink("base.nwb", "/processing/ophys")
            file["units"] = h5py.ExternalLink("base.nwb", "/units")
        else:
            put_units(file, trains(2), where="scratch/mine")
            put_series(file, "scratch/R", np.eye(30, 4), rate=10)
            file["units"] = h5py.SoftLink("/scratch/mine")
            file["processing/ophys/DfOverF/R"] = h5py.SoftLink("/scratch/R")
    assert read(tmp_path / "a.nwb", activity="units", bin_size=0.5).num_neurons == 2
    assert read(tmp_path / "a.nwb", activity="processing/ophys/DfOverF/R").num_bins == 30


def test_links_that_lead_nowhere_are_named(tmp_path):
    with bare(tmp_path / "a.nwb") as file:
        file["processing/ophys"] = h5py.ExternalLink("base.nwb", "/processing/ophys")
        file["units"] = h5py.SoftLink("/scratch/none")
        file["loop"] = h5py.SoftLink("/")
    with pytest.raises(
        ValueError, match=r"'processing/ophys' is a link to '/processing/ophys' of 'base\.nwb'"
    ) as error:
        read(tmp_path / "a.nwb")
    assert "'units' is a link to '/scratch/none', which is missing" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_series_whose_data_are_missing_is_no_series_of_events(tmp_path):
    with bare(tmp_path / "a.nwb") as file:
        put_units(file, trains(2))
        file["processing/m/speed/timestamps"] = np.arange(20.0)
        file["processing/m/speed/data"] = h5py.ExternalLink("gone.nwb", "/data")
    with pytest.raises(ValueError, match=r"a behaviour among none .*of 'gone\.nwb', which is missing"):
        read(tmp_path / "a.nwb", behaviour=("speed",))
    assert any("gone.nwb" in note for note in read(tmp_path / "a.nwb", bin_size=0.5).notes)


def test_values_in_files_that_are_missing_are_no_zeros(tmp_path):
    with h5py.File(tmp_path / "part.h5", "w") as part:
        part["rates"] = np.arange(40.0).reshape(20, 2)
    layout = h5py.VirtualLayout((20, 2), "f8")
    layout[:] = h5py.VirtualSource("part.h5", "rates", (20, 2))
    with bare(tmp_path / "a.nwb") as file:
        put_series(file, "processing/ophys/DfOverF/R", np.zeros(1), rate=10)
        del file["processing/ophys/DfOverF/R/data"]
        file.create_virtual_dataset("processing/ophys/DfOverF/R/data", layout, fillvalue=0)
    assert read(tmp_path / "a.nwb").activity[1].tolist() == np.arange(1.0, 40, 2).tolist()
    (tmp_path / "part.h5").unlink()
    with pytest.raises(ValueError, match=r"Expected '.*part\.h5', which holds the values of"):
        read(tmp_path / "a.nwb")


def test_files_that_are_none_are_one_line(tmp_path):
    os.symlink(tmp_path / ".git/annex/objects/x", tmp_path / "annex.nwb")
    (tmp_path / "pointer.nwb").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    (tmp_path / "empty.nwb").write_bytes(b"")
    (tmp_path / "text.nwb").write_text("hello")
    (tmp_path / "folder.nwb").mkdir()
    for name, words in {
        "annex": "'datalad get'", "pointer": "git lfs pull", "empty": "is empty", "text": "no HDF5 file",
        "folder": "the folder",
    }.items():  # fmt: skip
        with pytest.raises((ValueError, FileNotFoundError), match=words) as error:
            open_nwb(tmp_path / f"{name}.nwb")
        assert len(str(error.value).splitlines()) == 1


def test_a_filter_that_is_not_there_is_named(tmp_path, monkeypatch):
    with bare(tmp_path / "a.nwb") as file:
        put_units(file, trains(2))
        file.create_dataset("squeezed", data=np.arange(100), chunks=(50,), compression="gzip")
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: False)
    node = open_nwb(tmp_path / "a.nwb").need("squeezed")
    with pytest.raises(ValueError, match=r"compressed by deflate.*pip install hdf5plugin"), node._reading():
        raise OSError("can't open directory")


class Server(BaseHTTPRequestHandler):
    """Serves files of a folder, with or without ranges; counts the bytes that it sends."""

    folder = Path()
    ranges = True
    sent = 0

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path.startswith("/api/dandisets/000777/versions/draft/assets/"):
            body = b'{"results": [{"path": "sub-1/rat.nwb", "asset_id": "abc"}]}'
            return self._send(200, body)
        name = "rat.nwb" if path == "/api/assets/abc/download/" else path.strip("/")
        file = self.folder / name
        if not file.is_file():
            return self._send(404, b"no")
        whole = file.read_bytes()
        wanted = self.headers.get("Range")
        if not wanted or not self.ranges:
            return self._send(200, whole)
        first, last = (int(x) for x in wanted.removeprefix("bytes=").split("-"))
        part = whole[first : last + 1]
        return self._send(206, part, f"bytes {first}-{first + len(part) - 1}/{len(whole)}")

    def _send(self, status, body, span=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()
        type(self).sent += len(body)
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(stored):
    handler = type("Handler", (Server,), {"folder": stored[0].parent})
    web = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{web.server_address[1]}", handler
    web.shutdown()
    thread.join()
    web.server_close()


def test_a_url_holds_what_the_file_holds(stored, server, tmp_path, monkeypatch):
    address, _ = server
    same(read(stored[0], **GIVEN), read(f"{address}/rat.nwb", **GIVEN))
    monkeypatch.setattr(nwb_remote, "DANDI", f"{address}/api")
    same(read(stored[0], **GIVEN), read("dandi://000777/sub-1/rat.nwb", **GIVEN))
    with pytest.raises(ValueError, match=r"dandiset 000777 \(there is no 'sub-2/rat\.nwb'"):
        read("dandi://000777/sub-2/rat.nwb")
    dataset, _ = told(lambda: NWBRecording(f"{address}/rat.nwb", processed=tmp_path, **GIVEN))
    assert dataset.names == ["rat"]
    assert dict(NWBReader().describe(Path(f"{address}/rat.nwb")))["next"].startswith(
        f"synapsnet convert {address}/rat.nwb out.h5"
    )


def test_only_parts_of_a_remote_file_are_fetched(server):
    address, handler = server
    with bare(handler.folder / "large.nwb") as file:
        file["acquisition/raw"] = np.zeros(3_000_000)
        put_units(file, trains(2))
    assert read(f"{address}/large.nwb", bin_size=0.5).num_neurons == 2
    assert handler.sent < 3_000_000


def test_servers_that_do_not_help_are_one_line(server):
    address, handler = server
    with pytest.raises(ValueError, match="there is no such file") as error:
        read(f"{address}/none.nwb")
    assert len(str(error.value).splitlines()) == 1
    handler.ranges = False
    with pytest.raises(ValueError, match="sends whole files only"):
        read(f"{address}/rat.nwb")
    with pytest.raises(ValueError, match="is there a network"):
        read("http://127.0.0.1:9/rat.nwb")


def test_links_in_a_circle_are_no_damage(tmp_path):
    (tmp_path / "rubbish.nwb").write_bytes(b"rubbish" * 99)
    with bare(tmp_path / "a.nwb") as file:
        file["processing/x"], file["processing/y"] = h5py.SoftLink("/processing/y"), h5py.SoftLink("/processing/x")
        file["processing/all"] = file["processing"]
        file["processing/other"] = h5py.ExternalLink("rubbish.nwb", "/units")
        file["processing/gone"] = h5py.ExternalLink("gone.nwb", "/units")
        file["processing/sound"] = np.arange(3)
    file = open_nwb(tmp_path / "a.nwb")
    assert [child.name for child in file.need("processing").children()] == ["all", "sound"]
    assert file.missing["processing/x"].endswith("'/processing/y', which is missing")
    assert file.missing["processing/other"].endswith("'rubbish.nwb', which is missing in it, or cannot be read")
    assert file.missing["processing/gone"].endswith("'gone.nwb', which is missing")
