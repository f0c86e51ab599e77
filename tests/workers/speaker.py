"""A worker that says too much, or speaks for others.

    speaker.py ROLE

beat: says WATCHDOG=1 as it should.      hang: says WATCHDOG=1 once.
keep: beats over one socket, which it connects once, and goes on where that fails.
flood: fills its own notify socket, and those of all others, for some seconds; then says so and beats.
speak-for-others: says READY=1 and WATCHDOG=1 at the notify sockets of all others, over and over, also
from processes that try to join their groups.
"""

import os
import socket
import sys
import time

FLOOD = 7
PROCESSES = 8
BEAT = 0.4

role = sys.argv[1]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
own = os.environ["NOTIFY_SOCKET"]


def beat():
    while True:
        notify.sendto(b"WATCHDOG=1", own)
        time.sleep(BEAT)


def keep():
    notify.connect(own)
    while True:
        try:
            notify.send(b"WATCHDOG=1")
        except OSError:
            pass
        time.sleep(BEAT)


def others():
    """The pid and the notify socket of each other worker of this test."""
    found = {}
    for entry in os.listdir("/proc"):
        try:
            text = open(f"/proc/{entry}/environ", "rb").read()
        except OSError:
            continue
        items = (line.partition(b"=") for line in text.split(b"\0"))
        variables = {name.decode(): value.decode() for name, _, value in items}
        same_test = variables.get("STICKY_TEST_ID") == os.environ["STICKY_TEST_ID"]
        if same_test and variables.get("LISTEN_PID") == entry and "STICKY_SLOT" in variables:
            if variables["STICKY_SLOT"] != os.environ["STICKY_SLOT"]:
                found[int(entry)] = variables["NOTIFY_SOCKET"]
    return found


def flood():
    end = time.monotonic() + FLOOD
    children = []
    for path in {own, *others().values()}:
        for _ in range(PROCESSES):
            child = os.fork()
            if child == 0:
                while time.monotonic() < end:
                    # Waits for room, and is there when there is some.
                    notify.sendto(b"WATCHDOG=1" if path == own else b"STATUS=flooding", path)
                os._exit(0)
            children.append(child)
    for child in children:
        os.waitpid(child, 0)
    print("the flood is over", file=sys.stderr, flush=True)
    beat()


def speak_for_others():
    while True:
        for pid, path in others().items():
            child = os.fork()
            if child == 0:
                try:
                    os.setpgid(0, pid)
                except OSError:
                    pass
                try:
                    notify.sendto(b"READY=1\nWATCHDOG=1", socket.MSG_DONTWAIT, path)
                    # So that it is still there to be looked up.
                    time.sleep(BEAT)
                except OSError:
                    pass
                os._exit(0)
            try:
                notify.sendto(b"READY=1\nWATCHDOG=1", socket.MSG_DONTWAIT, path)
            except OSError:
                pass
        notify.sendto(b"WATCHDOG=1", own)
        time.sleep(BEAT / 4)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass


notify.sendto(b"READY=1\nWATCHDOG=1", own)
if role == "beat":
    beat()
elif role == "keep":
    keep()
elif role == "flood":
    flood()
elif role == "speak-for-others":
    speak_for_others()
else:
    while True:
        time.sleep(1000)
