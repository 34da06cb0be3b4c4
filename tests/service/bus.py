# SPDX-License-Identifier: LGPL-2.1-or-later
"""A D-Bus client of the standard library alone: calls with names of errors, many at once, as any user,
signals, and objects of its own for a polkit agent. Little-endian, no file descriptors."""

import array
import collections
import os
import select
import socket
import struct
import time

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_AUTO_START, INTERACTIVE = 2, 4
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE, FDS = range(1, 10)

FIXED = {"y": ("B", 1), "b": ("I", 4), "n": ("h", 2), "q": ("H", 2), "i": ("i", 4), "u": ("I", 4),
         "x": ("q", 8), "t": ("Q", 8), "d": ("d", 8), "h": ("I", 4)}
ALIGNMENT = {"s": 4, "o": 4, "a": 4, "(": 8, "{": 8, "g": 1, "v": 1, **{t: s for t, (_, s) in FIXED.items()}}


class BusError(Exception):
    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


class Variant(collections.namedtuple("Variant", "signature value")):
    pass


def first_type(signature):
    """The first complete type of SIGNATURE, and the rest."""
    if signature[0] == "a":
        head, rest = first_type(signature[1:])
        return "a" + head, rest
    if signature[0] in "({":
        depth = 0
        for i, letter in enumerate(signature):
            depth += (letter in "({") - (letter in ")}")
            if depth == 0:
                return signature[:i + 1], signature[i + 1:]
    return signature[0], signature[1:]


def types(signature):
    while signature:
        head, signature = first_type(signature)
        yield head


class Writer:
    def __init__(self):
        self.data = bytearray()

    def align(self, size):
        self.data += bytes(-len(self.data) % size)

    def put(self, kind, value):
        self.align(ALIGNMENT[kind[0]])
        if kind in FIXED:
            self.data += struct.pack("<" + FIXED[kind][0], value)
        elif kind in "so":
            raw = value.encode(errors="surrogateescape")
            self.data += struct.pack("<I", len(raw)) + raw + b"\0"
        elif kind == "g":
            self.data += bytes([len(value)]) + value.encode() + b"\0"
        elif kind == "v":
            self.put("g", value.signature)
            self.put(value.signature, value.value)
        elif kind[0] == "a":
            self.put_array(kind[1:], value)
        else:
            for part, item in zip(types(kind[1:-1]), value):
                self.put(part, item)

    def put_array(self, kind, value):
        place = len(self.data)
        self.data += bytes(4)
        self.align(ALIGNMENT[kind[0]])
        start = len(self.data)
        for item in value.items() if isinstance(value, dict) else value:
            self.put(kind, item)
        struct.pack_into("<I", self.data, place, len(self.data) - start)


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def align(self, size):
        self.at += -self.at % size

    def get(self, kind):
        self.align(ALIGNMENT[kind[0]])
        if kind in FIXED:
            code, size = FIXED[kind]
            value = struct.unpack_from("<" + code, self.data, self.at)[0]
            self.at += size
            return bool(value) if kind == "b" else value
        if kind in "sog":
            size = self.get("y") if kind == "g" else self.get("u")
            value = bytes(self.data[self.at:self.at + size]).decode()
            self.at += size + 1
            return value
        if kind == "v":
            return self.get(self.get("g"))
        if kind[0] == "a":
            return self.get_array(kind[1:])
        return tuple(self.get(part) for part in types(kind[1:-1]))

    def get_array(self, kind):
        size = self.get("u")
        self.align(ALIGNMENT[kind[0]])
        end = self.at + size
        items = []
        while self.at < end:
            items.append(self.get(kind))
        return dict(items) if kind[0] == "{" else items


Message = collections.namedtuple("Message", "kind flags serial fields body")


class Connection:
    """A connection as user UID. Not for threads."""

    def __init__(self, uid=0, address="/run/dbus/system_bus_socket"):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connect(uid, address)
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(uid).encode().hex().encode() + b"\r\n")
        assert self.socket.recv(4096).startswith(b"OK"), "the bus refuses the connection"
        self.socket.sendall(b"NEGOTIATE_UNIX_FD\r\n")
        assert self.socket.recv(4096).startswith(b"AGREE")
        self.socket.sendall(b"BEGIN\r\n")
        self.buffer = bytearray()
        self.serial = 0
        self.replies = {}
        self.signals = collections.deque()
        self.descriptors = collections.deque()
        self.objects = {}
        self.unanswered = []
        self.name = self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                              "Hello")[0]

    def connect(self, uid, address):
        """The bus notes now who the other end is."""
        os.seteuid(uid)
        try:
            self.socket.connect(address)
        finally:
            os.seteuid(0)

    def close(self):
        self.socket.close()

    def send(self, kind, fields, signature="", arguments=(), flags=0):
        self.serial += 1
        body = Writer()
        for part, value in zip(types(signature), arguments):
            body.put(part, value)
        if signature:
            fields = {**fields, SIGNATURE: Variant("g", signature)}
        head = Writer()
        for letter, value in zip("yyyyuu", (ord("l"), kind, flags, 1, len(body.data), self.serial)):
            head.put(letter, value)
        head.put("a(yv)", list(fields.items()))
        head.align(8)
        self.socket.sendall(head.data + body.data)
        return self.serial

    def start(self, destination, path, interface, member, signature="", *arguments, flags=0):
        """Sends a call; finish() gives its answer."""
        return self.send(CALL, {PATH: Variant("o", path), INTERFACE: Variant("s", interface),
                                MEMBER: Variant("s", member), DESTINATION: Variant("s", destination)},
                         signature, arguments,
                         flags | NO_AUTO_START * (destination != "org.freedesktop.PolicyKit1"))

    def finish(self, serial, timeout=30):
        """The arguments of the answer; BusError for an error, TimeoutError when there is none."""
        deadline = time.monotonic() + timeout
        while serial not in self.replies:
            self.dispatch(deadline)
        message = self.replies.pop(serial)
        if message.kind == ERROR:
            raise BusError(message.fields[ERROR_NAME], message.body[0] if message.body else "")
        return message.body

    def call(self, *arguments, timeout=30, flags=0):
        return self.finish(self.start(*arguments, flags=flags), timeout)

    def match(self, rule):
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s",
                  rule)

    def wait_signal(self, wanted, timeout=30):
        """The first signal for which WANTED(message) is true; the others are dropped."""
        deadline = time.monotonic() + timeout
        while True:
            while self.signals:
                message = self.signals.popleft()
                if wanted(message):
                    return message
            self.dispatch(deadline)

    def dispatch(self, deadline):
        """Reads from the bus once and sorts what has come. DEADLINE may be None."""
        left = deadline and max(0, deadline - time.monotonic())
        if not select.select([self.socket], [], [], left)[0]:
            raise TimeoutError("no answer on the bus")
        data, extra, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(16 * 4))
        if not data:
            raise ConnectionError("the bus has closed the connection")
        for _, _, raw in extra:
            descriptors = array.array("i")
            descriptors.frombytes(raw[:len(raw) - len(raw) % 4])
            self.descriptors.extend(descriptors)
        self.buffer += data
        while (message := self.parse()):
            self.sort(message)

    def parse(self):
        if len(self.buffer) < 16:
            return None
        length, _, fields = struct.unpack_from("<III", self.buffer, 4)
        head = 16 + fields
        head += -head % 8
        if len(self.buffer) < head + length:
            return None
        reader = Reader(self.buffer[:head])
        _, kind, flags, _, _, serial = (reader.get(letter) for letter in "yyyyuu")
        values = dict(reader.get("a(yv)"))
        body = Reader(self.buffer[head:head + length])
        arguments = tuple(body.get(part) for part in types(values.get(SIGNATURE, "")))
        del self.buffer[:head + length]
        return Message(kind, flags, serial, values, arguments)

    def sort(self, message):
        if message.kind in (RETURN, ERROR):
            self.replies[message.fields[REPLY_SERIAL]] = message
        elif message.kind == SIGNAL:
            self.signals.append(message)
        elif message.kind == CALL:
            self.answer(message)

    def answer(self, message):
        """Calls OBJECTS[PATH](member, arguments), which returns (signature, arguments), raises BusError, or
        returns None: then whoever called still waits, and answer_later() ends that."""
        fields = {REPLY_SERIAL: Variant("u", message.serial),
                  DESTINATION: Variant("s", message.fields[SENDER])}
        try:
            handler = self.objects.get(message.fields[PATH])
            if not handler:
                raise BusError("org.freedesktop.DBus.Error.UnknownObject", message.fields[PATH])
            answer = handler(message.fields[MEMBER], message.body)
            if answer is None:
                self.unanswered.append(fields)
            else:
                self.send(RETURN, fields, *answer)
        except BusError as error:
            self.send(ERROR, {**fields, ERROR_NAME: Variant("s", error.name)}, "s", (error.text,))

    def answer_later(self, error=None):
        """Answers, with nothing or with an error of this name, the first call that was left unanswered."""
        fields = self.unanswered.pop(0)
        if error:
            self.send(ERROR, {**fields, ERROR_NAME: Variant("s", error)}, "s", ("",))
        else:
            self.send(RETURN, fields)


def wait_readable(connections, timeout=30):
    """Until something has come on one of CONNECTIONS; whatever has come on any is read."""
    by_socket = {connection.socket: connection for connection in connections}
    ready = select.select(list(by_socket), [], [], timeout)[0]
    if not ready:
        raise TimeoutError("nothing has come on any connection")
    for readable in ready:
        by_socket[readable].dispatch(None)
