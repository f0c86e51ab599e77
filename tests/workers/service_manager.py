# A service manager with a store for descriptors, as systemd has: starts the command of its arguments,
# lets everything be killed, connects while nobody is there, and starts it again with what was stored.
# Prints who answered, and what is left in the store when the command has ended, as one line of JSON.
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading

port, clients, command = int(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:]
PATIENCE = 60
stored = {}
ready = threading.Event()
stopped = threading.Event()
folder = tempfile.TemporaryDirectory(prefix="sticky-test-")
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(os.path.join(folder.name, "notify.sock"))


def listen():
    while not stopped.is_set():
        message, descriptors, _, _ = socket.recv_fds(notify, 4096, 4)
        lines = message.decode().split("\n")
        said = dict(line.split("=", 1) for line in lines if "=" in line)
        if said.get("FDSTORE") == "1":
            stored[said["FDNAME"]] = descriptors[0]
        if said.get("FDSTOREREMOVE") == "1":
            stored.pop(said["FDNAME"], None)
        if said.get("READY") == "1":
            ready.set()
        if said.get("END") == "1":
            stopped.set()


def start(passed):
    names = list(passed)
    environment = dict(os.environ, NOTIFY_SOCKET=notify.getsockname(), FDSTORE="1000")
    line = list(command)
    if names:
        environment.update(LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=":".join(names))
        # Sets LISTEN_PID.
        line = [command[0], "launch", "--", *command]

    def pass_on():
        high = [os.dup2(passed[name], 500 + at) for at, name in enumerate(names)]
        for at, descriptor in enumerate(high):
            os.dup2(descriptor, 3 + at, inheritable=True)
            os.close(descriptor)

    process = subprocess.Popen(
        line, env=environment, preexec_fn=pass_on, close_fds=False, stdout=subprocess.DEVNULL
    )
    assert ready.wait(PATIENCE), "it did not get ready"
    ready.clear()
    return process


def connect(address):
    client = socket.create_connection(("127.0.0.1", port), PATIENCE, (address, 0))
    client.sendall(b"GET /whoami HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
    return client


def answer(client):
    text = b""
    while part := client.recv(4096):
        text += part
    return json.loads(text.split(b"\r\n\r\n")[1])


threading.Thread(target=listen, daemon=True).start()
first = start({})
children = open(f"/proc/{first.pid}/task/{first.pid}/children").read().split()
for pid in [first.pid, *map(int, children)]:
    pidfd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([pidfd], [], [], PATIENCE)[0], "it was killed"
first.wait()
connections = [connect(address) for address in clients]
second = start(dict(stored))
slots = [answer(connection)["slot"] for connection in connections]
second.terminate()
code = second.wait(PATIENCE)
# Behind all that the command said.
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
    last.sendto(b"END=1", notify.getsockname())
assert stopped.wait(PATIENCE)
print(json.dumps({"slots": slots, "code": code, "left": sorted(stored)}))
