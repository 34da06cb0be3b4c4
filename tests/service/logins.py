# SPDX-License-Identifier: LGPL-2.1-or-later
"""Users who are logged in, as polkitd sees them: it reads what logind keeps in /run/systemd and which
session the cgroup of a process belongs to. Both are made here, since no logind runs in the environment; in
the virtual machine (tests/vm) the sessions are real."""

import contextlib
import ctypes
import os
import pathlib
import signal

import bus

ACTIVE, INACTIVE, SESSIONLESS = 1000, 1001, 1002
MS_BIND, MNT_DETACH = 4096, 2
PR_SET_PDEATHSIG = 1
STATE = pathlib.Path("/run/systemd")

libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, kind=None, flags=0):
    encode = lambda text: os.fsencode(text) if text is not None else None
    if libc.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), None) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"mount {target}: {os.strerror(error)}")


def set_cgroup(pid, path):
    file = STATE / f"cgroup-{path.replace('/', '-')}"
    file.write_text(f"1:name=systemd:{path}\n")
    mount(str(file), f"/proc/{pid}/cgroup", flags=MS_BIND)


def log_in(uid, state):
    """One session on the seat, in STATE: active or online."""
    session = session_of(uid)
    (STATE / "sessions" / session).write_text(
        f"UID={uid}\nUSER=user{uid}\nACTIVE={int(state == 'active')}\nIS_DISPLAY=1\n"
        f"STATE={state}\nREMOTE=0\n"
        f"TYPE=tty\nCLASS=user\nSCOPE=session-{session}.scope\nSEAT=seat0\nVTNR=1\n")
    (STATE / "users" / str(uid)).write_text(
        f"NAME=user{uid}\nSTATE={state}\nDISPLAY={session}\nSESSIONS={session}\n")


def add_users():
    """The bus lets nobody in whom nobody knows. /etc is a folder of links to the machine's files."""
    passwd = pathlib.Path("/etc/passwd")
    others = [line for line in passwd.read_text().splitlines()
              if line.split(":")[2] not in map(str, (ACTIVE, INACTIVE, SESSIONLESS))]
    ours = [f"user{uid}:x:{uid}:{uid}::/:/bin/sh" for uid in (ACTIVE, INACTIVE, SESSIONLESS)]
    passwd.unlink()
    passwd.write_text("\n".join(others + ours) + "\n")


def session_of(uid):
    return f"c{uid}"


def set_up(kernel):
    """ACTIVE has an active session, INACTIVE one that is in the background."""
    add_users()
    kernel("directory sys/fs/cgroup")
    mount("tmpfs", "/sys/fs/cgroup", "tmpfs")
    os.mkdir("/sys/fs/cgroup/systemd")
    for folder in "sessions", "users", "seats", "machines":
        (STATE / folder).mkdir(exist_ok=True)
    set_cgroup(1, "/init.scope")
    log_in(ACTIVE, "active")
    log_in(INACTIVE, "online")


class Caller(bus.Connection):
    """A connection that belongs to a process of its own, of user UID, in that user's session if it has one.
    It is used from here, but bus and polkit see the process."""

    def connect(self, uid, address):
        connected = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                self.keep_only(self.socket.fileno(), connected[1])
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
                self.socket.connect(address)
                self.socket.close()
                os.write(connected[1], b"x")
                while True:
                    signal.pause()
            finally:
                os._exit(1)
        os.close(connected[1])
        done = os.read(connected[0], 1)
        os.close(connected[0])
        if not done:
            os.waitpid(self.pid, 0)
            raise ConnectionError(f"user {uid} is not let onto the bus")
        if uid in (ACTIVE, INACTIVE):
            set_cgroup(self.pid, f"/user.slice/user-{uid}.slice/session-{session_of(uid)}.scope")

    @staticmethod
    def keep_only(*wanted):
        """A connection of the process that was forked from must end when that one closes it."""
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) not in wanted:
                with contextlib.suppress(OSError):
                    os.close(int(name))

    def close(self):
        super().close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
