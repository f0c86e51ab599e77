"""A worker that does what its request asks for, above all what no worker should; answers in JSON.

    hostile.py [--once FLAG PROGRAM ARG...]

With --once, only the first worker of a slot, which finds no file FLAG with the slot's number behind,
is this one: the others are PROGRAM. It takes turns with other workers of its slot, and takes connections in every mode.

    GET /ACTION?ARGUMENT        see the functions below; /die?ACTION does it and ends
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import signal
import socket
import struct
import sys

if "--once" in sys.argv:
    flag, *program = sys.argv[sys.argv.index("--once") + 1 :]
    try:
        os.close(os.open(flag + os.environ["STICKY_SLOT"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        os.execvp(program[0], program)

slot = int(os.environ["STICKY_SLOT"])
names = [os.environ["LISTEN_FDNAMES"], *os.environ["STICKY_FDS"].split(":")]
passed = {name: 3 + number for number, name in enumerate(names)}
listens = "listener" in passed
source = socket.socket(fileno=3)


def next_connection():
    source.setblocking(True)
    if listens:
        return source.accept()[0]
    _, descriptors, _, _ = socket.recv_fds(source, 1, 1)
    if not descriptors:
        sys.exit("the supervisor has gone")
    os.set_inheritable(descriptors[0], False)
    connection = socket.socket(fileno=descriptors[0])
    connection.setblocking(True)
    return connection


def serve_one(answer_to):
    with next_connection() as connection:
        request = b""
        while b"\r\n\r\n" not in request:
            part = connection.recv(65536)
            if not part:
                return
            request += part
        path = request.split(b" ")[1].decode().lstrip("/")
        body = json.dumps(answer_to(path)).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)


def named(what, *arguments):
    """What came of it, by the error's name."""
    try:
        what(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"


def whoami(_):
    return {"slot": slot, "pid": os.getpid(), "peer": "127.0.0.1:1", "mode": os.environ["STICKY_MODE"]}


def leave(kind):
    """Leaves a process that no longer belongs to this one in any way that it can choose. It has the
    accept lease, and takes connections of the slot."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            os.write(write, str(os.getpid()).encode())
            os.close(write)
            while kind == "accepts":
                serve_one(lambda _: {"slot": -1, "pid": os.getpid(), "peer": "127.0.0.1:1", "mode": ""})
            # A program of another name, with an empty environment; where nobody ends it, it ends.
            null = os.open(os.devnull, os.O_RDWR)
            [os.dup2(null, number) for number in range(3)]
            os.execve("/bin/sleep", ["sleep", "150"], {})
        os._exit(0)
    os.wait()
    os.close(write)
    return int(os.read(read, 20))


def truncate(length):
    return named(os.ftruncate, passed["accept-lease"], int(length))


def write(length):
    """Writes into the file of the accept lease what no worker writes, until it is full or as long as that."""
    written = 0
    try:
        while written < int(length):
            written += os.pwrite(passed["accept-lease"], b"x\n" * 500_000, written)
    except OSError as error:
        return [written, errno.errorcode[error.errno]]
    return [written, "done"]


def option(what):
    """LEVEL,OPTION,VALUE on the descriptor that it takes connections from; the value as an int, or as
    so many zeros with Z before it."""
    level, number, value = what.split(",")
    value = bytes(int(value[1:])) if value.startswith("Z") else int(value)
    return named(source.setsockopt, int(level), int(number), value)


def give(what):
    """Gives a passed descriptor to whom listens at a path."""
    name, path = what.split(",")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as elsewhere:
        elsewhere.connect(path)
        return named(socket.send_fds, elsewhere, [b"x"], [passed[name]])


def x32(what):
    """The same by the number that the call has in the x32 interface."""
    level, number, value = map(int, what.split(","))
    value = ctypes.c_int(value)
    arguments = [0x40000000 | 541, source.fileno(), level, number, ctypes.byref(value), 4]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    failed = libc.syscall(*[ctypes.c_long(it) if isinstance(it, int) else it for it in arguments])
    return errno.errorcode[ctypes.get_errno()] if failed else "done"


def i386(what):
    """The same by the system call of 32-bit programs, in a process of its own: how that ends."""
    level, number, value = map(int, what.split(","))
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    # eax: setsockopt, ebx: descriptor, ecx: level, edx: option, esi: value, edi: length; int 0x80
    registers = [(0xB8, 366), (0xBB, source.fileno()), (0xB9, level), (0xBA, number), (0xBE, 0), (0xBF, 4)]
    code.write(b"\x53" + b"".join(bytes([op]) + struct.pack("<I", it) for op, it in registers))
    code.write(b"\xcd\x80\x5b\xc3")
    call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    pid = os.fork()
    if pid == 0:
        call()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def value(what):
    level, number = what.split(",")
    return source.getsockopt(int(level), int(number))


def flags(what):
    """NAME,FLAGS: sets the flags of an open file that was passed, or of 2, standard error."""
    name, flags = what.split(",")
    return named(fcntl.fcntl, passed.get(name, 2), fcntl.F_SETFL, int(flags))


def shut(name):
    duplicate = socket.socket(fileno=os.dup(passed[name]))
    return named(duplicate.shutdown, socket.SHUT_RDWR)


def several(what):
    return [act(one) for one in what.split(";")]


ends = False


def die(what):
    global ends
    ends = True
    return act(what)


def act(path):
    action, _, argument = path.partition("?")
    return globals()[action](argument)


def terminate(*_):
    os._exit(0)


signal.signal(signal.SIGTERM, terminate)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
fcntl.flock(passed["accept-lease"], fcntl.LOCK_EX)
while not ends:
    serve_one(act)
