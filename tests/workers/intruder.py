"""A worker that tries to get at the connections of others, and answers with what came of it."""

import errno
import json
import os
import socket

SO_ATTACH_REUSEPORT_CBPF = 51
SO_ATTACH_REUSEPORT_EBPF = 52
SO_DETACH_REUSEPORT_BPF = 68

listener = socket.socket(fileno=3)
listener.setblocking(True)


def attempt(what):
    try:
        what()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"


def join():
    with socket.socket() as another:
        another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        another.bind(listener.getsockname())
        another.listen()


def set_option(option, value):
    return lambda: listener.setsockopt(socket.SOL_SOCKET, option, value)


found = {
    "open": os.listdir("/proc/self/fd"),
    "passed": ["listener", *os.environ["STICKY_FDS"].split(":")],
    "detach": attempt(set_option(SO_DETACH_REUSEPORT_BPF, 0)),
    "attach classic": attempt(set_option(SO_ATTACH_REUSEPORT_CBPF, bytes(16))),
    "attach": attempt(set_option(SO_ATTACH_REUSEPORT_EBPF, 0)),
    "join": attempt(join),
    "slot": int(os.environ["STICKY_SLOT"]),
}
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
while True:
    connection, _ = listener.accept()
    with connection:
        while b"\r\n\r\n" not in connection.recv(65536, socket.MSG_PEEK):
            pass
        connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        connection.sendall(head + json.dumps(found).encode())
