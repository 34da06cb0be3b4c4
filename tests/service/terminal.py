# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program on a terminal of its own."""

import contextlib
import functools
import os
import pty
import select
import subprocess


@functools.cache
def prepare():
    """The environment has no terminals that could be opened until somebody asks."""
    os.makedirs("/dev/pts", exist_ok=True)
    subprocess.run(["mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666", "devpts", "/dev/pts"],
                   check=True)
    with contextlib.suppress(FileExistsError):
        os.symlink("pts/ptmx", "/dev/ptmx")


class Terminal:
    """COMMAND with these VARIABLES of its environment and no other."""

    def __init__(self, variables, *command):
        prepare()
        self.said = ""
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.chdir("/run")
            os.execvpe(command[0], command, variables)

    def type(self, text):
        os.write(self.descriptor, text.encode())

    def wait(self, text):
        """What it has said since the last wait, up to TEXT."""
        while text not in self.said:
            assert select.select([self.descriptor], [], [], 60)[0], f"{text!r} is not in {self.said!r}"
            self.said += os.read(self.descriptor, 4096).decode(errors="replace")
        before, self.said = self.said.split(text, 1)
        return before

    def rest(self):
        """What it says until it ends; its exit code is in `code` then."""
        with contextlib.suppress(OSError):  # the other end is closed
            while data := os.read(self.descriptor, 4096):
                self.said += data.decode(errors="replace")
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.descriptor)
        return self.said
