"""A worker in Python, with nothing but the standard library: what sticky promises to any program.

    worker.py [--ignore-sigterm] [--shut-listener-at-slot N [--stay]] [--die-at-slot N --flag FILE]

Connections come over a listener (LISTEN_FDNAMES=listener) or, in mode fd-passing, as descriptors
over a Unix socket (connections). Answers every request with who it is.
"""

import argparse
import json
import os
import signal
import socket
import sys
import time

options = argparse.ArgumentParser()
options.add_argument("--ignore-sigterm", action="store_true")
options.add_argument("--shut-listener-at-slot", type=int, help="on the first connection")
options.add_argument("--stay", action="store_true", help="shut it and go on")
options.add_argument("--die-at-slot", type=int, help="on the first connection; then when ready")
options.add_argument("--flag", help="remembers that the first connection has come")
options = options.parse_args()

slot = int(os.environ["STICKY_SLOT"])
if options.ignore_sigterm:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

assert os.environ["LISTEN_PID"] == str(os.getpid()), "the sockets are for this very process"
names = os.environ["LISTEN_FDNAMES"].split(":")
assert os.environ["LISTEN_FDS"] == str(len(names))
name = "listener" if "listener" in names else "connections"
passed = socket.socket(fileno=3 + names.index(name))
passed.setblocking(True)


def say(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])


def next_connection():
    while name == "listener":
        try:
            return passed.accept()[0]
        except OSError:
            # Shut down, and not yet listening again.
            time.sleep(0.01)
    _, descriptors, _, _ = socket.recv_fds(passed, 1, 1)
    connection = socket.socket(fileno=descriptors[0])
    connection.setblocking(True)
    return connection


def answer(connection):
    request = b""
    while b"\r\n\r\n" not in request:
        part = connection.recv(65536)
        if not part:
            return
        request += part
    address, port = connection.getpeername()[:2]
    who = {
        "slot": slot,
        "pid": os.getpid(),
        "peer": f"{address}:{port}",
        "mode": os.environ["STICKY_MODE"],
        "workers": int(os.environ["STICKY_WORKERS"]),
        "language": "Python",
    }
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + json.dumps(who).encode())


dies = options.die_at_slot == slot
say("STATUS=one line before\nREADY=1")
if dies and os.path.exists(options.flag):
    sys.exit(3)
while True:
    with next_connection() as connection:
        answer(connection)
    if dies:
        open(options.flag, "x").close()
        sys.exit(3)
    if options.shut_listener_at_slot == slot:
        passed.shutdown(socket.SHUT_RDWR)
        if not options.stay:
            sys.exit(0)
        options.shut_listener_at_slot = None
