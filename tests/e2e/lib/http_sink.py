#!/usr/bin/env python3
# http_sink.py - a web server that records what it is sent and misbehaves on request.
# SPDX-License-Identifier: ISC
#
# Prints one JSON line when it listens ({"port": N}) and one for each request, after it
# answered it, with the time (at_ms). The path says what to do:
#   /ok          200 "ok"                    /status/N    answers N
#   /fail/N/S    S for the first N requests, then 200
#   /wait/S      429 with Retry-After: S once, then 200
#   /hang/headers, /hang/body, /drip          accepts and does not come to an end
#   /redirect    302 to /ok                  /huge        200 with 10 MiB
#   /say/TEXT    200 with that body (URL-encoded)
# usage: http_sink.py [--port N] [--cert FILE --key FILE]
import argparse
import collections
import http.server
import json
import socketserver
import ssl
import sys
import threading
import time
import urllib.parse

lock = threading.Lock()
seen = collections.Counter()


def tell(what):
    with lock:
        sys.stdout.write(json.dumps({**what, "at_ms": time.time_ns() // 1000000}) + "\n")
        sys.stdout.flush()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every answer waits 40 ms for an ACK

    def log_message(self, *args):
        pass

    def answer(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stay(self):
        # until the client has had enough and closes
        self.connection.settimeout(30)
        try:
            while self.connection.recv(1024):
                pass
        except OSError:
            pass
        self.close_connection = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urllib.parse.urlsplit(self.path).path
        part = path.strip("/").split("/")
        with lock:
            seen[path] += 1
            count = seen[path]
        code = 200
        if part[0] == "hang" or part[0] == "drip":
            tell({"path": self.path, "body": body.decode(), "hang": True})
            if part[-1] == "body":
                self.send_response(200)
                self.send_header("Content-Length", "10")
                self.end_headers()
            if part[0] == "drip":
                try:
                    for c in b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 60:
                        self.wfile.write(bytes([c]))
                        self.wfile.flush()
                        time.sleep(1)
                except OSError:
                    pass
                self.close_connection = True
                return
            self.stay()
            return
        if part[0] == "status":
            code = int(part[1])
            self.answer(code, b"no such thing <b>here</b>")
        elif part[0] == "fail" and count <= int(part[1]):
            code = int(part[2])
            self.answer(code, b"later")
        elif part[0] == "wait" and count == 1:
            code = 429
            self.answer(code, b"slowly", Retry_After=part[1])
        elif part[0] == "redirect":
            code = 302
            self.answer(code, b"", Location="/ok")
        elif part[0] == "huge":
            try:
                self.answer(200, b"x" * (10 << 20))
            except OSError:
                pass
        elif part[0] == "say":
            self.answer(200, urllib.parse.unquote(part[1]).encode())
        else:
            self.answer(200, b"ok")
        tell({"path": self.path, "code": code, "body": body.decode(), "count": count,
              "headers": {k.lower(): v for k, v in self.headers.items()}})


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--cert")
    p.add_argument("--key")
    p.add_argument("--port", type=int, default=0)
    a = p.parse_args()
    server = Server(("127.0.0.1", a.port), Handler)
    if a.cert:
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(a.cert, a.key)
        server.socket = ctx.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
    tell({"port": server.server_address[1]})
    server.serve_forever()


main()
