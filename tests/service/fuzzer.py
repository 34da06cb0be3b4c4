# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random and hostile calls of every method and property. The contract, dbus/org.iommupolicy1.xml, says what
there is."""

import collections
import contextlib
import itertools
import os
import pathlib
import random
import socket
import string
import time
import xml.etree.ElementTree as xml

import bus
from bus import BusError, Connection, Variant
from harness import DEVICE, GROUP, MANAGER, NAME, NOBODY, PROPERTIES, ROOT, equal

DBUS = "org.freedesktop.DBus"
STANDARD = {f"{DBUS}.Properties": {"Get": "ss", "GetAll": "s", "Set": "ssv"},
            f"{DBUS}.Introspectable": {"Introspect": ""}, f"{DBUS}.Peer": {"Ping": "", "GetMachineId": ""},
            f"{DBUS}.ObjectManager": {"GetManagedObjects": ""}}
LEAVES = "ybnqiuxtdsogvh"
BATCH, CONNECTIONS = 40, 8
HUGE = 200000

# What an answer may say; an errno of ours that nobody has translated is none of it.
ERRORS = (f"{NAME}.Error.", f"{DBUS}.Error.")

WORDS = ("DMA", "DMA-FQ", "identity", "auto", "", "blocked", "unknown", "dma", "keep", "idle", "never",
         "unbind", "allow", "persist", "wait", "reason", "0000:00:06.0", "pci:0000:00:04.0", "eth0",
         "nvme0n1", "/dev/nvme0n1", "/", "/proc", "/sys/bus/pci/devices/0000:00:06.0",
         "/dev/../proc/self/mem", "mount:/@nvme0n1", "netns:eth0@0000:00:06.0", "../../etc/passwd",
         "%s%n%s%n", "$(id)", "`id`", "\n", "\x1b[2J", "'\"\\", "\u202e", "\U0001f4a5", "4294967295", "-1",
         "NaN", MANAGER, GROUP, DEVICE, "Type", "State", "Devices", "WantedBy", "a" * 255, "x" * 5000)


class Values:
    """A stream of random values; the same seed gives the same."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, one_in):
        return self.random.randrange(one_in) == 0

    def text(self):
        if not self.chance(4):
            return self.random.choice(WORDS)
        if self.chance(40):
            return self.random.choice("xé%\n") * self.random.randrange(HUGE)
        if self.chance(60):
            return "\udcff\udcfe"  # no UTF-8: the bus throws out whoever sends it
        return "".join(self.random.choices(string.printable + "\u00e9\u202e\u2028",
                                           k=self.random.randrange(40)))

    def path(self):
        if self.chance(2):
            return self.random.choice(PATHS)
        prefix = self.random.choice((ROOT, f"{ROOT}/group", f"{ROOT}/device", f"{ROOT}/device/pci", "",
                                     "/org"))
        letters = "".join(self.random.choices("_0123456789abcdefXYZ", k=self.random.randrange(1, 30)))
        return f"{prefix}/{letters}" + ("/x" * self.random.randrange(100) if self.chance(10) else "")

    def signature(self, depth=0):
        """One complete type."""
        if depth > 6 or not self.chance(3):
            return self.random.choice(LEAVES)
        kind = self.random.choice("a({")
        if kind == "a":
            return "a" + self.signature(depth + 1)
        if kind == "{":
            return "a{" + self.random.choice("sybu") + self.signature(depth + 1) + "}"
        return "(" + "".join(self.signature(depth + 1) for _ in range(self.random.randrange(1, 4))) + ")"

    def value(self, kind, depth=0):
        if kind in bus.FIXED:
            return self.number(kind)
        if kind == "s":
            return self.text()
        if kind == "o":
            return self.path()
        if kind == "g":
            return "".join(self.signature() for _ in range(self.random.randrange(3)))[:255]
        if kind == "v":
            return self.variant(depth)
        if kind == "a{sv}":
            return self.options()
        if kind[0] == "a":
            return self.array(kind[1:], depth)
        return tuple(self.value(part, depth + 1) for part in bus.types(kind[1:-1]))

    def number(self, kind):
        code, size = bus.FIXED[kind]
        if kind == "d":
            return self.random.choice((0.0, -1.5, 1e308, float("inf"), float("nan")))
        if kind in "bh":
            return self.random.randrange(2)
        bits = 8 * size
        low = 0 if code.isupper() else -(1 << bits - 1)
        high = (1 << bits) - 1 + low
        return self.random.choice((0, 1, low, high, self.random.randint(low, high),
                                   self.random.randrange(12)))

    def variant(self, depth):
        if depth < 40 and self.chance(3):
            return Variant("v", self.variant(depth + 1))
        kind = self.signature(depth) if depth < 8 else self.random.choice("sub")
        return Variant(kind, self.value(kind, depth + 1))

    def array(self, kind, depth):
        length = self.random.randrange(4) if depth else self.random.choice((0, 1, 3, 70, 300))
        if kind in "ybu" and self.chance(30):
            length = HUGE
        if kind[0] == "{":
            key, item = bus.types(kind[1:-1])
            return {self.value(key, depth + 1): self.value(item, depth + 1) for _ in range(length)}
        return [self.value(kind, depth + 1) for _ in range(length)]

    def options(self):
        """Mostly such as there are, so that more than their names is tried."""
        right = {"unbind": lambda: Variant("s", self.random.choice(("idle", "never", "force"))),
                 "allow": lambda: Variant("as", [self.text() for _ in range(self.random.randrange(5))]),
                 "persist": lambda: Variant("b", self.random.randrange(2)),
                 "wait": lambda: Variant("b", self.random.randrange(2)),
                 "reason": lambda: Variant("s", self.text())}
        items = []
        for _ in range(self.random.randrange(4)):
            key = self.random.choice(list(right))
            items.append((key, right[key]()) if not self.chance(4) else (self.text(), self.variant(1)))
        return items if self.chance(5) else dict(items)


PATHS = ["/", ROOT, f"{ROOT}/group", f"{ROOT}/device", f"{ROOT}/group/99", f"{ROOT}/group/00",
         f"{ROOT}/group/4294967296", f"{ROOT}/device/pci/_30000_3A00_3A06_2e0", f"{ROOT}/device/_/_",
         f"{ROOT}/device/pci/_zz"]


class Fuzzer:
    """Calls as user UID, on connections of its own. A failure is an AssertionError."""

    def __init__(self, context, seed, uid):
        self.context, self.uid = context, uid
        self.values = Values(f"{seed} {uid}")
        self.random = self.values.random
        contract = xml.parse(pathlib.Path(context.options.source) / "dbus/org.iommupolicy1.xml")
        self.methods, self.properties = self.read(contract)
        objects = context.call(ROOT, f"{DBUS}.ObjectManager", "GetManagedObjects")
        self.paths = {MANAGER: [ROOT], GROUP: [path for path in objects if GROUP in objects[path]],
                      DEVICE: [path for path in objects if DEVICE in objects[path]]}
        self.connections = [self.connect() for _ in range(CONNECTIONS)]
        self.calls = self.dropped = 0
        self.answers = collections.Counter()
        self.covered = set()

    @staticmethod
    def read(contract):
        methods, properties = {}, []
        for interface in contract.iter("interface"):
            name = interface.get("name")
            for method in interface.findall("method"):
                methods[name, method.get("name")] = "".join(
                    argument.get("type") for argument in method.findall("arg")
                    if argument.get("direction") != "out")
            properties += [(name, item.get("name")) for item in interface.findall("property")]
        for name, members in STANDARD.items():
            methods.update({(name, member): signature for member, signature in members.items()})
        return methods, properties

    def connect(self):
        connection = Connection(self.uid)
        # Nothing that is read is kept: who never reads is the bus's to deal with.
        connection.match("type='signal',interface='org.freedesktop.DBus.Nothing'")
        return connection

    # --- one call

    def call(self):
        """Destination's path, interface, member, signature and arguments."""
        if self.values.chance(4):
            return self.property_call()
        interface, member = self.random.choice(list(self.methods))
        signature = self.methods[interface, member]
        path = self.random.choice(self.paths.get(interface)
                                  or [self.random.choice(self.paths[self.random.choice(
            list(self.paths))])])
        if self.values.chance(10):
            path = self.values.path()
        if self.values.chance(6):
            signature = "".join(self.values.signature() for _ in range(self.random.randrange(4)))
        if self.values.chance(30):
            member = "".join(self.random.choices(string.ascii_letters, k=self.random.randrange(1, 250)))
        return path, interface, member, signature, *[self.values.value(kind)
                                                     for kind in bus.types(signature)]

    def property_call(self):
        interface, name = self.random.choice(self.properties)
        path = self.random.choice(self.paths[interface])
        self.covered.add((interface, name))
        if self.values.chance(4):
            return path, PROPERTIES, "Set", "ssv", interface, name, self.values.variant(0)
        return path, PROPERTIES, "Get", "ss", interface, name

    def send(self, connection):
        path, interface, member, signature, *arguments = self.call()
        flags = self.random.choice((0, bus.INTERACTIVE))
        if len(signature) > 255:
            signature, arguments = "", []
        serial = connection.start(NAME, path, interface, member, signature, *arguments, flags=flags)
        self.calls += 1
        if (interface, member) in self.methods:
            self.covered.add((interface, member))
        return serial

    # --- many

    def batch(self):
        """Many calls at once on several connections; some end in the middle of one, some without waiting."""
        sent = []
        for _ in range(self.random.randrange(1, BATCH)):
            number = self.random.randrange(len(self.connections))
            try:
                sent.append((number, self.connections[number], self.send(self.connections[number])))
                if self.values.chance(200):
                    self.tear(number)
            except (ConnectionError, OSError):
                self.drop(number)
        for number, connection, serial in sent:
            if connection is self.connections[number]:
                self.finish(number, connection, serial)

    def finish(self, number, connection, serial):
        try:
            connection.finish(serial, timeout=120)
            self.answers["done"] += 1
        except BusError as error:
            assert error.name.startswith(ERRORS), f"an error that is no text for people: {error}"
            assert error.name != f"{DBUS}.Error.NoReply", "the daemon has ended"
            self.answers[error.name] += 1
        except (ConnectionError, OSError) as error:
            assert not isinstance(error, TimeoutError), "no answer on the bus"
            self.drop(number)
        connection.signals.clear()
        while connection.descriptors:
            os.close(connection.descriptors.popleft())

    def drop(self, number):
        """The bus has thrown this one out."""
        self.dropped += 1
        self.connections[number].close()
        self.connections[number] = self.connect()

    def tear(self, number):
        """The connection ends in the middle of a message, or with answers under way."""
        connection = self.connections[number]
        if self.values.chance(2):
            connection.socket.send(b"l\1\0\1" + os.urandom(self.random.randrange(40)))
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_WR)
        self.drop(number)

    def run(self, seconds):
        end = time.monotonic() + seconds
        for _ in itertools.takewhile(lambda _: time.monotonic() < end, itertools.count()):
            self.batch()
            self.context.call(ROOT, f"{DBUS}.Peer", "Ping", timeout=60)

    def close(self):
        for connection in self.connections:
            connection.close()

    def report(self):
        everything = set(self.methods) | set(self.properties)
        covered = len(self.covered & set(self.methods))
        print(f"user {self.uid}: {self.calls} calls, {covered} of {len(self.methods)} "
              f"methods, {len(self.covered & set(self.properties))} of {len(self.properties)} properties, "
              f"{self.dropped} connections dropped")
        for name, count in self.answers.most_common():
            print(f"    {count:8} {name}")
        return everything - self.covered


# --- the machine

def state(context):
    """Whatever a call could change."""
    folders = ("/etc/iommu-policy.d", "/run/iommu-policy/change", "/run/iommu-policy/call",
               "/run/iommu-policy.d")
    groups = {group: (context.kernel.type(group), row[1], row[3]) for group, row in context.groups().items()}
    drivers = {device: context.kernel.driver(device) for device in os.listdir("/sys/bus/pci/devices")}
    return groups, drivers, {folder: sorted(os.listdir(folder))
                             for folder in folders if os.path.isdir(folder)}


def memory(context):
    """KiB of the daemon, and how many descriptors it has open."""
    folder = pathlib.Path(f"/proc/{context.daemon.process.pid}")
    line = next(line for line in (folder / "status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]), len(os.listdir(folder / "fd"))


def check_log(text):
    for word in "Sanitizer", "runtime error:", "CRITICAL", "Assertion":
        assert word not in text, f"the daemon has said:\n{text}"


def fuzz(context, seconds, seed):
    """A stranger has most of the time, whose calls change nothing; then root, whose calls may change
    everything but lose a driver."""
    before, rss, descriptors = state(context), *memory(context)
    stranger = Fuzzer(context, seed, NOBODY)
    stranger.run(seconds * 2 / 3)
    stranger.close()
    left = stranger.report()
    context.call(ROOT, MANAGER, "ListGroups")
    equal(state(context), before, "state after a stranger's calls")
    equal(context.kernel.writes(), [], "writes by a stranger's calls")
    root = Fuzzer(context, seed, 0)
    root.run(seconds / 3)
    root.close()
    left &= root.report()
    context.call(ROOT, MANAGER, "Apply", timeout=120)
    equal(state(context)[1], before[1], "drivers after root's calls")
    grown, open_now = memory(context)
    print(f"seed {seed}; memory {rss} KiB, then {grown} KiB; descriptors {descriptors}, then {open_now}; "
          f"never called: {len(left)}")
    assert open_now <= descriptors + 8, "descriptors are left open"
    return left
