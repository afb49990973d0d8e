import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture
def server():
    """A server of files that can break off or change them, and notes what was asked of it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        break_after = None
        ranges = conditions = True
        version = '"1"'
        length = True
        chunked = False

        def do_GET(self):
            body = self.files.get(self.path.split("?")[0])
            wanted = self.headers.get("Range") if self.ranges else None
            self.asked.append((self.path, self.headers.get("Range")))
            if body is None:
                self.send_error(404)
                return
            if self.conditions and self.headers.get("If-Range") not in (None, self.version):
                wanted = None
            begun = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            self.send_response(416 if wanted and begun >= len(body) else 206 if wanted else 200)
            self.send_header("Connection", "close")
            if self.version:
                self.send_header("ETag", self.version)
            if wanted and begun >= len(body):
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if wanted:
                self.send_header("Content-Range", f"bytes {begun}-{len(body) - 1}/{len(body)}")
            sent = body[begun : self.break_after]
            if self.chunked:
                self.send_header("Transfer-Encoding", "chunked")
                sent = b"%x\r\n%s\r\n" % (len(sent), sent) + (b"" if self.break_after else b"0\r\n\r\n")
            elif self.length:
                self.send_header("Content-Length", str(len(body) - begun))
            self.end_headers()
            self.wait.wait(20)
            self.wfile.write(sent)

        def log_message(self, *_):
            pass

    Handler.files, Handler.asked, Handler.wait = {}, [], threading.Event()
    Handler.wait.set()
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    Handler.url = f"http://127.0.0.1:{running.server_port}"
    yield Handler
    Handler.wait.set()
    running.shutdown()
    thread.join()
    running.server_close()
