"""What stands behind the edge while it is judged: a page below /pages/, JSON below /api/, whatever is asked and sent there."""

import http.server
import itertools

# Long enough for a judge who looks at how an answer is cut into pieces.
FILL = "x" * 4096
PAGE = ("text/html; charset=utf-8", f"<!doctype html><title>A page</title><p>{FILL}".encode())
JSON = ("application/json", f'{{"fill": "{FILL}"}}'.encode())


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.take_body()
        media_type, body = PAGE if self.path.startswith("/pages/") else JSON
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = answer

    def take_body(self):
        if "Content-Length" in self.headers:
            self.rfile.read(int(self.headers["Content-Length"]))
        elif "Transfer-Encoding" in self.headers:
            for _ in itertools.takewhile(lambda length: length > 0, map(self.take_chunk, itertools.count())):
                pass

    def take_chunk(self, _number):
        length = int(self.rfile.readline(), 16)
        self.rfile.read(length + len("\r\n"))
        return length

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", 8081), Answer).serve_forever()
