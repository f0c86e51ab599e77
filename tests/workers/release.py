"""The reference application, or a release of it that fails: release.py STICKY FLAG.

What is in the file FLAG tells how: dies or hangs, both after it has said READY=1, or is silent, which
is to hang after it has said WATCHDOG=1 as well. A file that is empty: it is the application.
"""

import os
import signal
import socket
import sys

sticky, flag = sys.argv[1:]
with open(flag) as file:
    fault = file.read()
if not fault:
    os.execv(sticky, ["sticky", "app"])
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    text = "READY=1\nWATCHDOG=1" if fault == "is silent" else "READY=1"
    notify.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
if fault == "dies":
    sys.exit(7)
signal.pause()
