import hashlib
import io
import json
import zipfile
from pathlib import Path
from urllib.error import URLError

import pytest

from synapsnet_pyg.datasets import download, fetching
from synapsnet_pyg.datasets.allen_neuropixels import AllenNeuropixels
from synapsnet_pyg.datasets.bugeon import Bugeon

BODY = bytes(range(256)) * 5000


def archive():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("SB025/2019-10-04/neuron.ttype.txt", "EC\n")
    return packed.getvalue()


def listed(server, monkeypatch, **files):
    """Makes the server an archive of these files."""
    texts = []
    for name, body in files.items():
        server.files[f"/{name}"] = body
        md5 = hashlib.md5(body).hexdigest()
        texts.append({"name": name, "size": len(body), "computed_md5": md5, "download_url": f"{server.url}/{name}"})
    server.files["/articles/19448531/files"] = json.dumps(texts).encode()
    monkeypatch.setattr(download, "FIGSHARE", f"{server.url}/articles")
    return texts


def test_figshare_is_fetched_verified_and_unpacked_once(server, tmp_path, monkeypatch):
    listed(server, monkeypatch, **{"data.zip": archive(), "img.picture.npy": BODY})
    Bugeon.download(tmp_path)
    assert (tmp_path / "SB025/2019-10-04/neuron.ttype.txt").read_text() == "EC\n"
    assert (tmp_path / "img.picture.npy").read_bytes() == BODY
    assert not (tmp_path / "data.zip").exists()
    count = len(server.asked)
    Bugeon.download(tmp_path)
    assert len(server.asked) == count + 1  # the list alone
    (tmp_path / "img.picture.npy").write_bytes(BODY[:-1] + b"?")
    with pytest.raises(ValueError, match=r"img\.picture\.npy' with the md5 checksum"):
        Bugeon.download(tmp_path)


def test_an_interrupted_unpacking_is_repeated(server, tmp_path, monkeypatch):
    listed(server, monkeypatch, **{"data.zip": archive()})
    with monkeypatch.context() as context:

        def killed(self, root):
            target = Path(root) / "SB025/2019-10-04/neuron.ttype.txt"
            target.parent.mkdir(parents=True)
            target.write_text("E")
            raise KeyboardInterrupt

        context.setattr(zipfile.ZipFile, "extractall", killed)
        with pytest.raises(KeyboardInterrupt):
            Bugeon.download(tmp_path)
    Bugeon.download(tmp_path)
    assert (tmp_path / "SB025/2019-10-04/neuron.ttype.txt").read_text() == "EC\n"
    assert not (tmp_path / "data.zip").exists()


@pytest.mark.parametrize(
    "name", ["../a.npy", "/tmp/a.npy", "C:\\a.npy", "a/../../a.npy", "..\\a.npy", "", "a\n.npy", ".."]
)
def test_names_that_lead_out_of_the_folder_are_refused(name, server, tmp_path, monkeypatch):
    texts = listed(server, monkeypatch, **{"a.npy": BODY})
    server.files["/articles/19448531/files"] = json.dumps([*texts, {**texts[0], "name": name}]).encode()
    with pytest.raises(ValueError, match="Expected names of files within"):
        Bugeon.download(tmp_path / "root")
    assert list(tmp_path.iterdir()) == []


def test_a_list_that_is_none_is_told(server, tmp_path, monkeypatch):
    listed(server, monkeypatch)
    for text in (b"<html>", b'{"message": "no"}', b'[{"name": 3}]'):
        server.files["/articles/19448531/files"] = text
        with pytest.raises(ValueError, match="list of files of figshare"):
            Bugeon.download(tmp_path)


def test_the_allen_cache(server, tmp_path, monkeypatch):
    server.files["/cache/channels.csv"] = b"id\n"
    server.files["/cache/session_7/session_7.nwb"] = BODY
    monkeypatch.setattr(download, "ALLEN", f"{server.url}/cache")
    AllenNeuropixels.download(tmp_path, [7])
    assert (tmp_path / "session_7/session_7.nwb").read_bytes() == BODY
    with pytest.raises(OSError, match=r"session_8/session_8.nwb to '.*session_8"):
        AllenNeuropixels.download(tmp_path, [8])


def test_offline_it_says_what_to_fetch_by_hand(tmp_path, monkeypatch):
    def nothing(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr(download, "urlopen", nothing)
    monkeypatch.setattr(fetching, "urlopen", nothing)
    with pytest.raises(OSError, match=r"doi.org/10.6084/m9.figshare.19448531.*unpack them into"):
        Bugeon.download(tmp_path)
    with pytest.raises(OSError, match=r"By hand: fetch .*channels.csv to .*session_715093703.nwb to"):
        AllenNeuropixels.download(tmp_path, [715093703])


def test_dandi_needs_its_client(tmp_path):
    with pytest.raises(OSError, match=r"synapsnet_pyg\[dandi\]"):
        AllenNeuropixels.download(tmp_path, ["000021/sub-707296975"], source="dandi")


def test_a_damaged_archive_is_told(tmp_path):
    path = tmp_path / "data.zip"
    whole = bytearray(archive())
    whole[:30] = bytes(30)  # the entry that its directory points to
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"data\.zip' is a damaged archive"):
        download.unpack(path, tmp_path / "out")
    assert path.exists()
