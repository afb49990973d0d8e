import hashlib
import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import URLError

import pytest

from synapsnet_pyg.datasets import download
from synapsnet_pyg.datasets.allen_neuropixels import AllenNeuropixels
from synapsnet_pyg.datasets.bugeon import Bugeon

BODY = bytes(range(256)) * 5000


def archive():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("SB025/2019-10-04/neuron.ttype.txt", "EC\n")
    return packed.getvalue()


@pytest.fixture
def server():
    """A server of files that can be told to break off, and notes what was asked of it."""

    class Handler(BaseHTTPRequestHandler):
        break_after = None
        ranges = True

        def do_GET(self):
            body = self.files.get(self.path.split("?")[0])
            wanted = self.headers.get("Range") if self.ranges else None
            self.asked.append((self.path, wanted))
            if body is None:
                self.send_error(404)
                return
            begun = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            if begun >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(body) - begun))
            self.end_headers()
            self.wfile.write(body[begun : self.break_after])

        def log_message(self, *_):
            pass

    Handler.files, Handler.asked = {}, []
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    Handler.url = f"http://127.0.0.1:{running.server_port}"
    yield Handler
    running.shutdown()
    thread.join()
    running.server_close()


def test_goes_on_where_it_broke_off(server, tmp_path):
    server.files["/a.bin"] = BODY
    server.break_after = 400_000
    path = tmp_path / "new" / "a.bin"
    with pytest.raises(OSError, match="broke off after 400000 of 1280000"):
        download.fetch(f"{server.url}/a.bin", path, size=len(BODY))
    assert not path.exists()
    server.break_after = None
    md5 = hashlib.md5(BODY).hexdigest()
    assert download.fetch(f"{server.url}/a.bin", path, size=len(BODY), md5=md5).read_bytes() == BODY
    assert server.asked[-1] == ("/a.bin", "bytes=400000-")
    count = len(server.asked)
    download.fetch(f"{server.url}/a.bin", path, size=len(BODY), md5=md5)
    assert len(server.asked) == count  # what is there is not fetched again
    assert [one.name for one in path.parent.iterdir()] == ["a.bin"]


def test_a_server_without_ranges_begins_anew(server, tmp_path):
    server.files["/a.bin"], server.ranges = BODY, False
    (tmp_path / "a.bin.part").write_bytes(b"other" * 100)
    assert download.fetch(f"{server.url}/a.bin", tmp_path / "a.bin", size=len(BODY)).read_bytes() == BODY


def test_a_wrong_checksum_is_not_kept(server, tmp_path):
    server.files["/a.bin"] = BODY
    with pytest.raises(ValueError, match="another checksum"):
        download.fetch(f"{server.url}/a.bin", tmp_path / "a.bin", size=len(BODY), md5="0" * 32)
    assert list(tmp_path.iterdir()) == []


def test_figshare_is_fetched_verified_and_unpacked_once(server, tmp_path, monkeypatch):
    packed = archive()
    listed = [
        {"name": "data.zip", "size": len(packed), "computed_md5": hashlib.md5(packed).hexdigest()},
        {"name": "img.picture.npy", "size": len(BODY), "computed_md5": hashlib.md5(BODY).hexdigest()},
    ]
    for one, body in zip(listed, (packed, BODY), strict=True):
        one["download_url"] = f"{server.url}/{one['name']}"
        server.files[f"/{one['name']}"] = body
    server.files["/articles/19448531/files"] = json.dumps(listed).encode()
    monkeypatch.setattr(download, "FIGSHARE", f"{server.url}/articles")
    Bugeon.download(tmp_path)
    assert (tmp_path / "SB025/2019-10-04/neuron.ttype.txt").read_text() == "EC\n"
    assert (tmp_path / "img.picture.npy").read_bytes() == BODY
    assert not (tmp_path / "data.zip").exists()
    count = len(server.asked)
    Bugeon.download(tmp_path)
    assert len(server.asked) == count + 1  # the list alone


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
