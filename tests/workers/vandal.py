"""A worker that does to the socket that it was lent what a client asks for, and tells what it found.

GET /whoami tells who it is; GET /HARM[+HARM...] does harm in that order, between the answer and its end.
"""

import ctypes
import fcntl
import json
import os
import socket
import struct
import threading
import time

SO_RCVTIMEO, SO_ATTACH_FILTER, SO_LOCK_FILTER, SO_MEMINFO = 20, 26, 44, 55
IP_MINTTL = 21
TCP_MD5SIG_EXT = 32
SOL = {"socket": socket.SOL_SOCKET, "tcp": socket.IPPROTO_TCP, "ip": socket.IPPROTO_IP}
INHERITED = {
    "linger": ("socket", socket.SO_LINGER, 8),
    "keepalive": ("socket", socket.SO_KEEPALIVE, 4),
    "receives in time": ("socket", SO_RCVTIMEO, 16),
    "receive buffer": ("socket", socket.SO_RCVBUF, 4),
    "shared": ("socket", socket.SO_REUSEPORT, 4),
    "deferred": ("tcp", socket.TCP_DEFER_ACCEPT, 4),
    "no delay": ("tcp", socket.TCP_NODELAY, 4),
    "segment": ("tcp", socket.TCP_MAXSEG, 4),
    "least ttl": ("ip", IP_MINTTL, 4),
}

slot = int(os.environ["STICKY_SLOT"])
by_listener = os.environ["LISTEN_FDNAMES"] == "listener"
lent = socket.socket(fileno=3)


def found():
    """What a worker can see of the socket that it was lent."""
    it = {"flags": fcntl.fcntl(lent, fcntl.F_GETFL)}
    if by_listener:
        for name, (level, option, length) in INHERITED.items():
            it[name] = lent.getsockopt(SOL[level], option, length).hex()
        it["attached"] = struct.unpack("9I", lent.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[6]
        it["queue"] = struct.unpack_from("I", lent.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 28)[0]
        it["listens"] = lent.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    return it


at_first = found()
lent.setblocking(True)


def set_option(level, option, value):
    lent.setsockopt(SOL[level], option, value)


def shut():
    try:
        lent.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The second time: what comes of it is left all the same.
        pass


def shut_for_ever():
    while True:
        shut()
        time.sleep(0.001)


def connect():
    connect.elsewhere = socket.create_server((lent.getsockname()[0], 0))
    lent.connect(connect.elsewhere.getsockname())


def demand_signatures():
    family = struct.pack("=H", lent.family)
    key = family + bytes(126) + struct.pack("=BBHI", 1, 0, 3, 0) + b"key" + bytes(77)
    set_option("tcp", TCP_MD5SIG_EXT, key)


def attach_filter():
    instruction = struct.pack("=HBBI", 0x06, 0, 0, 0)
    memory = ctypes.create_string_buffer(instruction, 8)
    set_option("socket", SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(memory)))


HARM = {
    "shut": shut,
    "shut-for-ever": lambda: threading.Thread(target=shut_for_ever, daemon=True).start(),
    "connect": connect,
    "disconnect": lambda: ctypes.CDLL(None).connect(3, bytes(16), 16),
    "listen": lambda: lent.listen(4096),
    "listen-short": lambda: lent.listen(1),
    "sign": demand_signatures,
    "filter": attach_filter,
    "lock-filter": lambda: set_option("socket", SO_LOCK_FILTER, 1),
    "linger": lambda: set_option("socket", socket.SO_LINGER, struct.pack("ii", 1, 0)),
    "time-out": lambda: set_option("socket", SO_RCVTIMEO, struct.pack("qq", 0, 1000)),
    "small-buffer": lambda: set_option("socket", socket.SO_RCVBUF, 2304),
    "not-shared": lambda: set_option("socket", socket.SO_REUSEPORT, 0),
    "defer": lambda: set_option("tcp", socket.TCP_DEFER_ACCEPT, 60),
    "no-delay": lambda: set_option("tcp", socket.TCP_NODELAY, 1),
    "segment": lambda: set_option("tcp", socket.TCP_MAXSEG, 88),
    "ttl": lambda: set_option("ip", IP_MINTTL, 255),
    "flags": lambda: lent.setblocking(False),
    "end": lambda: os._exit(3),
}


def next_connection():
    while by_listener:
        try:
            return lent.accept()[0]
        except OSError:
            # Shut down, and not yet listening again; or it does not block.
            time.sleep(0.01)
    while True:
        try:
            _, descriptors, _, _ = socket.recv_fds(lent, 1, 1)
        except BlockingIOError:
            descriptors = []
        if descriptors:
            return socket.socket(fileno=descriptors[0])
        time.sleep(0.01)


def serve(connection):
    connection.setblocking(True)
    request = b""
    while b"\r\n\r\n" not in request:
        part = connection.recv(65536)
        if not part:
            return []
        request += part
    address, port = connection.getpeername()[:2]
    who = {
        "slot": slot,
        "pid": os.getpid(),
        "peer": f"{address}:{port}",
        "mode": os.environ["STICKY_MODE"],
        "found": at_first,
    }
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + json.dumps(who).encode())
    path = request.split(b" ")[1].decode().strip("/")
    return [] if path == "whoami" else path.split("+")


with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
while True:
    with next_connection() as connection:
        # Whoever reads to the end of the answer knows that it is done.
        try:
            harm = serve(connection)
        except OSError:
            # Cut off, which is what comes of harm.
            continue
        for what in harm:
            HARM[what]()
