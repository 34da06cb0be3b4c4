# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a case of the service suite has in its hands: the machine, the daemon, the bus, polkit and the
journal. A case runs inside the environment of tests/kernel, alone."""

import array
import contextlib
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import threading

import bus

NAME = "org.iommupolicy1"
ROOT = "/org/iommupolicy1"
MANAGER, GROUP, DEVICE = f"{NAME}.Manager", f"{NAME}.Group", f"{NAME}.Device"
PROPERTIES = "org.freedesktop.DBus.Properties"
POLKIT = "org.freedesktop.PolicyKit1"
NOBODY, USER = 65534, 1000

CASES = {}


def case(topology="one", generation="6.12", rules=None, polkit=None, start=True, daemon_conf=None,
         short_timeout=False):
    """Declares a case. RULES: name -> text of files in /etc/iommu-policy.d; POLKIT: the text of a JavaScript
    rule; START: the daemon runs when the case begins; DAEMON_CONF: the text of
    /etc/iommu-policy/daemon.conf; SHORT_TIMEOUT: a person has seconds for an answer, not minutes."""
    def declare(function):
        function.machine = {"topology": topology, "generation": generation}
        function.rules, function.polkit, function.start = rules or {}, polkit, start
        function.daemon_conf = daemon_conf
        function.short_timeout = short_timeout
        CASES[function.__name__.replace("_", "-")] = function
        return function
    return declare


class Kernel:
    """The control channel of the fake kernel; the commands are those of tests/kernel/control.h."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(os.environ["FAKE_CONTROL"])
        self.socket.settimeout(60)
        self.file = self.socket.makefile("r")

    def __call__(self, command):
        self.socket.sendall(command.encode() + b"\n")
        head = self.file.readline().rstrip("\n")
        if not head.startswith("ok "):
            raise OSError(f"{command}: {head}")
        return [self.file.readline().rstrip("\n") for _ in range(int(head.split()[1]))]

    def type(self, group):
        return self(f"cat sys/kernel/iommu_groups/{group}/type")[0]

    def driver(self, device, bus="pci"):
        """The driver's name, or None."""
        try:
            return os.path.basename(os.readlink(f"/sys/bus/{bus}/devices/{device}/driver"))
        except FileNotFoundError:
            return None

    def writes(self):
        """What was written to sysfs: (path, text, result) in order."""
        lines = (line.split("\t") for line in self("log"))
        return [(path, text, result) for _, _, kind, path, result, text in lines
                if kind == "write" and path.startswith("sys/")]


class Journal(threading.Thread):
    """Takes what is sent to the journal's socket, as dictionaries of fields; one that stands there several
    times has a line for each value."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("/run/systemd/journal/socket")
        os.chmod("/run/systemd/journal/socket", 0o666)
        self.entries = []
        self.changed = threading.Condition()

    def run(self):
        while True:
            data, extra, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(4))
            for _, _, raw in extra:
                descriptor = array.array("i", raw[:4])[0]
                with open(descriptor, "rb") as file:
                    file.seek(0)
                    data = file.read()
            with self.changed:
                self.entries.append(self.parse(data))
                self.changed.notify_all()

    @staticmethod
    def parse(data):
        fields = {}
        while data:
            line, _, data = data.partition(b"\n")
            name, equals, value = line.partition(b"=")
            if not equals:
                size = struct.unpack("<Q", data[:8])[0]
                value, data = data[8:8 + size], data[9 + size:]
            text = value.decode(errors="replace")
            fields[name.decode()] = f"{fields[name.decode()]}\n{text}" if name.decode() in fields else text
        return fields

    def wait(self, wanted, timeout=30):
        """The first entry for which WANTED(fields) is true, past ones included."""
        found = lambda: next((entry for entry in self.entries if wanted(entry)), None)
        with self.changed:
            if not self.changed.wait_for(found, timeout):
                raise TimeoutError("the journal has no such entry")
            return found()


class Daemon:
    """The shipped program, started as systemd would."""

    def __init__(self, path, kernel, preload=None):
        self.path = path
        self.preload = preload
        self.stderr = None
        self.kernel = kernel
        self.process = None

    def start(self, wait=True, watched=True):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with contextlib.suppress(FileNotFoundError):
            os.unlink("/run/notify")
        notify.bind("/run/notify")
        gate = os.pipe()
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", "read -r go; exec \"$0\" </dev/null", self.path], stdin=gate[0],
            env=self.variables(),
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=self.stderr)
        if watched:
            self.kernel(f"watch {self.process.pid}")
        os.close(gate[0])
        os.write(gate[1], b"\n")
        os.close(gate[1])
        if not wait:
            return
        ended = os.pidfd_open(self.process.pid)
        message = b""
        while b"READY=1" not in message.split(b"\n"):
            ready = select.select([notify, ended], [], [], 30)[0]
            assert notify in ready, "the daemon has ended" if ready else "the daemon is not ready after 30 s"
            message = notify.recv(65536)
        os.close(ended)
        notify.close()

    def variables(self):
        variables = {**os.environ, "NOTIFY_SOCKET": "/run/notify", "G_DEBUG": "fatal-criticals"}
        if self.preload:
            variables["LD_PRELOAD"] = self.preload
            variables["ASAN_OPTIONS"] = f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0"
        return variables

    def signal(self, number):
        os.kill(self.process.pid, number)

    def stop(self):
        """Asks it to end, and returns its exit status."""
        self.signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self):
        """SIGKILL to the daemon alone: a worker goes on, as with KillMode=process."""
        self.signal(signal.SIGKILL)
        self.process.wait(30)

    def kill_all(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def restart(self):
        self.stop()
        self.start()


class Context:
    """Everything a case needs; one is made for each."""

    def __init__(self, options, function):
        self.options = options
        self.kernel = Kernel()
        self.journal = Journal()
        self.journal.start()
        self.daemon = Daemon(
            options.daemon, self.kernel, options.short_timeout if function.short_timeout else None)
        for name, text in function.rules.items():
            self.write_rule(name, text)
        if function.daemon_conf is not None:
            pathlib.Path("/etc/iommu-policy/daemon.conf").write_text(function.daemon_conf)
        if function.polkit:
            pathlib.Path("/run/polkit-rules/50-test.rules").write_text(function.polkit)
        self.root = bus.Connection()

    @staticmethod
    def write_rule(name, text):
        path = pathlib.Path("/etc/iommu-policy.d") / name
        temporary = path.with_name(f".{name}")
        temporary.write_bytes(text if isinstance(text, bytes) else text.encode())
        temporary.chmod(0o644)
        temporary.rename(path)

    @staticmethod
    def polkit_rule(text):
        """Another rule; polkitd reads it when it starts, which it does when it is next asked."""
        connection = bus.Connection()
        connection.match(f"type='signal',member='NameOwnerChanged',arg0='{POLKIT}'")
        pathlib.Path("/run/polkit-rules/50-test.rules").write_text(text)
        try:
            pid = connection.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                  "GetConnectionUnixProcessID", "s", POLKIT)[0]
        except bus.BusError:
            return
        os.kill(pid, signal.SIGKILL)
        connection.wait_signal(lambda message: message.body[0] == POLKIT and message.body[2] == "")
        connection.close()

    def call(self, path, interface, member, signature="", *arguments, uid=0, timeout=30, interactive=False):
        """A method's answer: one value as such, several as a tuple. BusError otherwise."""
        connection = self.root if uid == 0 else bus.Connection(uid)
        try:
            answer = connection.call(NAME, path, interface, member, signature, *arguments, timeout=timeout,
                                     flags=bus.INTERACTIVE if interactive else 0)
        finally:
            if uid != 0:
                connection.close()
        return answer[0] if len(answer) == 1 else answer if answer else None

    def set_type(self, group, kind, uid=0, timeout=30, **options):
        return self.call(f"{ROOT}/group/{group}", GROUP, "SetType", "sa{sv}", kind, options, uid=uid,
                         timeout=timeout)

    def allow(self, group, kind):
        """The option that allows every finding of this change that a call may allow."""
        found = self.call(f"{ROOT}/group/{group}", GROUP, "Plan", "sa{sv}", kind, {})[2]
        return bus.Variant("as", [finding["id"] for finding in found if finding["severity"] != "absolute"])

    def change(self, group, kind, uid=0, timeout=30, **options):
        """SetType with every finding allowed that a call may allow."""
        return self.set_type(group, kind, uid, timeout, allow=self.allow(group, kind), **options)

    def ask_user(self, group, kind, **options):
        """Sends SetType of a user and returns once polkit's question stands: the agent, and the call's
        end."""
        agent = self.agent("wait")
        connection = bus.Connection(USER)
        serial = connection.start(NAME, f"{ROOT}/group/{group}", GROUP, "SetType", "sa{sv}", kind, options,
                                  flags=bus.INTERACTIVE)
        try:
            agent.wait_for_question()
        except AssertionError:
            error = error_of(connection.finish, serial, timeout=0)
            raise AssertionError(f"polkit asks nobody; the call: {error}") from None
        return agent, lambda: connection.finish(serial)

    def start_change(self, connection, group, kind, **options):
        """Sends SetType on CONNECTION without waiting; its finish() gives the answer."""
        options["allow"] = self.allow(group, kind)
        return connection.start(NAME, f"{ROOT}/group/{group}", GROUP, "SetType", "sa{sv}", kind, options)

    def check_alive(self):
        """A daemon that has died, but by our hand, or that does not end well, fails every case."""
        process = self.daemon.process
        if process and process.poll() is None:
            self.call(ROOT, "org.freedesktop.DBus.Peer", "Ping")
            equal(self.daemon.stop(), 0, "exit status")
        elif process:
            assert process.returncode in (0, -signal.SIGKILL), \
                f"the daemon has ended with {process.returncode}"

    def end(self):
        """Whoever still waits in the fake kernel goes on, and the daemon ends."""
        self.kernel("rule-remove all")
        if self.daemon.process and self.daemon.process.poll() is None:
            self.daemon.kill_all()

    def get(self, path, interface, name):
        return self.call(path, PROPERTIES, "Get", "ss", interface, name)

    def group(self, group, name):
        return self.get(f"{ROOT}/group/{group}", GROUP, name)

    def groups(self):
        """ListGroups as id -> (type, wanted, state, wanted by, path)."""
        return {row[0]: row[1:] for row in self.call(ROOT, MANAGER, "ListGroups")}

    def wait_group(self, group, timeout=30, **wanted):
        """Waits until the group's properties have these values. Nothing is asked again and again: each look
        follows a PropertiesChanged."""
        connection = bus.Connection()
        path = f"{ROOT}/group/{group}"
        connection.match(f"type='signal',sender='{NAME}',path='{path}'")
        while True:
            seen = {}
            with contextlib.suppress(bus.BusError):
                seen = {name: connection.call(NAME, path, PROPERTIES, "Get", "ss", GROUP, name)[0]
                        for name in wanted}
            if seen == wanted:
                break
            try:
                connection.wait_signal(lambda message: True, timeout)
            except TimeoutError:
                raise AssertionError(f"group {group}: {seen}, expected {wanted}") from None
        connection.close()

    def agent(self, answer, pid=None):
        """A polkit agent for the process PID (default: this one): answer is yes, no, cancel, or wait."""
        agent = Agent(answer, pid or os.getpid())
        agent.start()
        return agent


class Questions(threading.Thread):
    """What polkit is asked, word by word, and how often it says yes: read from the bus."""

    def __init__(self):
        super().__init__(daemon=True)
        self.asked = []  # (action, details)
        self.seen = 0
        self.granted = 0
        self.changed = threading.Condition()
        self.connection = bus.Connection()
        self.connection.sort = self.sort
        serial = self.connection.start("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu",
                                       [f"interface='{POLKIT}.Authority'",
                                        f"sender='{POLKIT}',type='method_return'"], 0)
        self.serial = serial
        self.started = threading.Event()
        self.start()
        assert self.started.wait(30), "the bus lets nobody listen"

    def run(self):
        with contextlib.suppress(ConnectionError, OSError):
            while True:
                self.connection.dispatch(None)

    def sort(self, message):
        if message.fields.get(bus.REPLY_SERIAL) == self.serial:
            self.started.set()
        elif message.kind == bus.CALL and message.fields[bus.MEMBER] == "CheckAuthorization":
            with self.changed:
                self.asked.append((message.body[1], message.body[2]))
                self.changed.notify_all()
        elif message.kind == bus.RETURN and message.fields.get(bus.SIGNATURE) == "(bba{ss})":
            with self.changed:
                self.granted += message.body[0][0]
                self.changed.notify_all()

    def next(self):
        """The details of the next question. This listener may hear of it later than polkit does."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) > self.seen, 30), "polkit is not asked"
            self.seen += 1
            return self.asked[self.seen - 1][1]

    def wait_for_yes(self, count):
        """That many in all, each of which is then on its way to who has asked."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.granted >= count, 30), \
                f"yes: {self.granted} of {count}"


class Agent(threading.Thread):
    """Answers polkit's questions by script; the questions are kept. With "wait" a question stands until
    say()."""

    PATH = "/test/agent"

    def __init__(self, answer, pid):
        super().__init__(daemon=True)
        self.answer = answer
        self.questions = []
        self.waiting = []  # (cookie, identity)
        self.cancelled = []  # cookies
        self.changed = threading.Condition()
        self.connection = bus.Connection()
        self.helper = bus.Connection()
        self.connection.objects[self.PATH] = self.ask
        start = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        subject = ("unix-process", {"pid": bus.Variant("u", pid), "start-time": bus.Variant("t", start)})
        self.connection.call(POLKIT, "/org/freedesktop/PolicyKit1/Authority", f"{POLKIT}.Authority",
                             "RegisterAuthenticationAgent", "(sa{sv})ss", subject, "C", self.PATH)

    def run(self):
        with contextlib.suppress(TimeoutError, ConnectionError, OSError):
            while True:
                self.connection.dispatch(None)

    def close(self):
        self.connection.socket.shutdown(socket.SHUT_RDWR)
        self.join()
        self.connection.close()
        self.helper.close()

    def ask(self, member, arguments):
        with self.changed:
            self.changed.notify_all()
            if member == "CancelAuthentication":
                self.cancelled.append(arguments[0])
            if member != "BeginAuthentication":
                return "", ()
            action, _, _, details, cookie, identities = arguments
            self.questions.append((action, details))
            if self.answer == "wait":
                self.waiting.append((cookie, identities[0]))
                return None
        if self.answer == "cancel":
            raise bus.BusError(f"{POLKIT}.Error.Cancelled", "cancelled")
        if self.answer == "yes":
            self.respond(cookie, identities[0])
        return "", ()

    def respond(self, cookie, identity):
        kind, values = identity
        identity = (kind, {key: bus.Variant("u", value) for key, value in values.items()})
        self.helper.call(POLKIT, "/org/freedesktop/PolicyKit1/Authority", f"{POLKIT}.Authority",
                         "AuthenticationAgentResponse2", "us(sa{sv})", 0, cookie, identity)

    def wait_for(self, condition, what, timeout=30):
        with self.changed:
            assert self.changed.wait_for(condition, timeout), what

    def wait_for_question(self):
        self.wait_for(lambda: self.waiting, "polkit asks nobody")

    def wait_for_cancellation(self):
        self.wait_for(lambda: self.cancelled, "the question has not been cancelled")

    def say_yes(self):
        """To the question that stands longest."""
        self.respond(*self.waiting.pop(0))
        self.connection.answer_later()

    def say_no(self):
        self.waiting.pop(0)
        self.connection.answer_later()

    def answer_cancelled(self):
        """As agents do when they have closed the dialog."""
        self.dismiss()

    def dismiss(self):
        self.waiting.pop(0)
        self.connection.answer_later(f"{POLKIT}.Error.Cancelled")


def children_of(pid):
    """The children of the process, with their names; without those that end while one looks."""
    names = {}
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            names[int(child)] = pathlib.Path(f"/proc/{child}/comm").read_text().strip()
    return names


def error_of(function, *arguments, **options):
    """The BusError that the call ends with."""
    try:
        answer = function(*arguments, **options)
    except bus.BusError as error:
        return error
    raise AssertionError(f"succeeded with {answer!r}")


def expect_error(name, function, *arguments, **options):
    """The call must end with this error: of the project, or with its full name."""
    error = error_of(function, *arguments, **options)
    full = name if "." in name else f"{NAME}.Error.{name}"
    assert error.name == full, f"{error.name} ({error.text}), expected {full}"
    return error


def equal(seen, expected, what=""):
    assert seen == expected, f"{what} {seen!r}, expected {expected!r}"
