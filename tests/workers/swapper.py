"""A worker that tries to put something else in the place of its sockets, and answers with what came of
it."""

import errno
import json
import os
import socket

path = os.environ["NOTIFY_SOCKET"]
directory = os.path.dirname(path)
sockets = [path, *(os.path.join(directory, f"bus-{slot}.sock") for slot in range(3))]


def attempt(what, *arguments):
    try:
        what(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"


def connect(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.connect(path)


found = {
    "list": attempt(os.listdir, directory),
    "remove": sorted({attempt(os.unlink, path) for path in sockets}),
    "rename": sorted({attempt(os.rename, path, path + "-") for path in sockets}),
    "link": attempt(os.symlink, "/etc/shadow", os.path.join(directory, "notify-0-2.sock")),
    "mode": attempt(os.chmod, directory, 0o777),
    "connect": sorted({attempt(connect, path) for path in sockets[1:]}),
}
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.sendto(b"READY=1", path)
name = os.environ["LISTEN_FDNAMES"]
passed = socket.socket(fileno=3)
passed.setblocking(True)
while True:
    if name == "listener":
        connection, _ = passed.accept()
    else:
        connection = socket.socket(fileno=socket.recv_fds(passed, 1, 1)[1][0])
        connection.setblocking(True)
    with connection:
        connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        connection.sendall(head + json.dumps(found).encode())
