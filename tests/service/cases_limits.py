# SPDX-License-Identifier: LGPL-2.1-or-later
"""What callers can make grow has a limit: by user, not by connection, and root keeps a share."""

import contextlib
import os
import pathlib
import signal

import bus
import logins
from bus import BusError, Connection
from harness import GROUP, MANAGER, NAME, NOBODY, ROOT, case, equal, expect_error

LIMITS = "org.freedesktop.DBus.Error.LimitsExceeded"
CONNECTIONS = 200
EDU, UNBOUND = 7, 8

YES = """
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.iommupolicy1.") == 0)
        return polkit.Result.YES;
});
"""


def path_of(group):
    return f"{ROOT}/group/{group}"


def add_users(first, count):
    """The bus lets nobody in whom nobody knows."""
    logins.add_users()
    with open("/etc/passwd", "a", encoding="ascii") as file:
        for uid in range(first, first + count):
            file.write(f"more{uid}:x:{uid}:{uid}::/:/bin/sh\n")


def wait_for_refusals(sent, wanted):
    """Of the calls SENT so many are refused, and the others still wait: the answer is who they are."""
    waiting = dict(sent)
    while len(sent) - len(waiting) < wanted:
        bus.wait_readable(waiting)
        for connection in [connection for connection, serial in waiting.items()
                           if serial in connection.replies]:
            expect_error(LIMITS, connection.finish, waiting.pop(connection))
    for connection in waiting:
        connection.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId")
    equal([connection for connection, serial in waiting.items() if serial in connection.replies], [],
          "answered")
    return list(waiting.items())


def end_all(sent):
    """Each is answered, if only by a time-out of what hung."""
    for connection, serial in sent:
        with contextlib.suppress(BusError):
            connection.finish(serial)


def call_each(connections, *call):
    return [(connection, connection.start(NAME, *call)) for connection in connections]


def check_root_is_served(context):
    for member in "Explain", "GetFindings":
        context.call(path_of(EDU), GROUP, member)
    equal(context.change(EDU, "DMA"), "DMA")
    context.call(ROOT, MANAGER, "Reload")


@case(topology="bound-and-unbound")
def one_user_with_many_connections(context):
    """Its calls under way are 16, however many connections it has."""
    context.kernel(f"rule stuck op=open path=*/iommu_groups/{UNBOUND}/type block")
    sent = call_each([Connection(NOBODY) for _ in range(CONNECTIONS)], path_of(UNBOUND), GROUP, "Refresh")
    context.kernel("wait-blocked stuck")
    waiting = wait_for_refusals(sent, CONNECTIONS - 16)
    check_root_is_served(context)
    # Others have their own.
    Connection(logins.ACTIVE).call(NAME, path_of(EDU), GROUP, "SetType", "sa{sv}", "DMA", {})
    context.kernel("release stuck")
    end_all(waiting)
    sent[0][0].call(NAME, path_of(UNBOUND), GROUP, "Refresh")


@case(topology="bound-and-unbound")
def many_users_leave_a_share_to_root(context):
    """Thirteen users want sixteen calls each: 192 are had, 64 are left to root."""
    first, count = 2000, 13
    add_users(first, count)
    context.kernel(f"rule stuck op=open path=*/iommu_groups/{UNBOUND}/type block")
    sent = []
    for uid in range(first, first + count):
        sent += call_each([Connection(uid) for _ in range(16)], path_of(UNBOUND), GROUP, "Refresh")
    context.kernel("wait-blocked stuck")
    wait_for_refusals(sent, 16)
    check_root_is_served(context)
    context.kernel("release stuck")


@case(topology="bound-and-unbound")
def looks_of_one_user(context):
    """Two at a time, three of all users; the fourth is root's."""
    logins.add_users()
    context.kernel("rule stuck op=open path=*/0000:00:08.0/modalias block")
    sent = call_each([Connection(NOBODY) for _ in range(CONNECTIONS)], path_of(UNBOUND), GROUP,
                     "GetFindings")
    wait_for_refusals(sent, CONNECTIONS - 2)
    sent = call_each([Connection(logins.ACTIVE), Connection(logins.INACTIVE)], path_of(UNBOUND), GROUP,
                     "GetFindings")
    wait_for_refusals(sent, 1)
    for member in "GetFindings", "Plan", "GetFindings":
        context.call(path_of(EDU), GROUP, member, *(("sa{sv}", "DMA", {}) if member == "Plan" else ()))
    context.kernel("release stuck")


@case(topology="bound-and-unbound")
def explanations_in_a_row(context):
    """All are there before the daemon reads the first."""
    connection = Connection(NOBODY)
    context.daemon.signal(signal.SIGSTOP)
    sent = [connection.start(NAME, path_of(EDU), GROUP, "Explain") for _ in range(CONNECTIONS)]
    root = context.root.start(NAME, path_of(EDU), GROUP, "Explain")
    connection.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId")
    context.daemon.signal(signal.SIGCONT)
    for serial in sent[16:]:
        expect_error(LIMITS, connection.finish, serial)
    for serial in sent[:16]:
        connection.finish(serial)
    context.root.finish(root)
    connection.call(NAME, path_of(EDU), GROUP, "Explain")


@case(topology="bound-and-unbound")
def dialogs_of_one_user(context):
    """Eight are open at most; a yes makes room for the next."""
    agent = context.agent("wait")
    connections = [Connection(NOBODY) for _ in range(CONNECTIONS)]
    sent = [(connection, connection.start(NAME, ROOT, MANAGER, "Reload", flags=bus.INTERACTIVE))
            for connection in connections]
    agent.wait_for(lambda: len(agent.waiting) == 8, "not eight questions")
    waiting = wait_for_refusals(sent, CONNECTIONS - 8)
    equal(len(agent.questions), 8, "questions")
    check_root_is_served(context)
    agent.say_yes()
    bus.wait_readable([connection for connection, _ in waiting])
    equal(sum(serial in connection.replies for connection, serial in waiting), 1, "answered")
    connections[-1].start(NAME, ROOT, MANAGER, "Reload", flags=bus.INTERACTIVE)
    agent.wait_for(lambda: len(agent.questions) == 9, "no ninth question")


@case(topology="bound-and-unbound", polkit=YES)
def inhibitors_of_one_user(context):
    """Thirty-two; closing one makes room."""
    connection = Connection(NOBODY)
    for _ in range(32):
        connection.call(NAME, path_of(EDU), GROUP, "Inhibit", "ss", "test", "a test")
    other = Connection(NOBODY)
    expect_error(LIMITS, other.call, NAME, path_of(UNBOUND), GROUP, "Inhibit", "ss", "test", "a test")
    context.call(path_of(EDU), GROUP, "Inhibit", "ss", "root", "still may")
    equal(len(connection.descriptors), 32)
    os.close(connection.descriptors.popleft())
    context.journal.wait(lambda entry: "no longer inhibited" in entry.get("MESSAGE", ""))
    other.call(NAME, path_of(UNBOUND), GROUP, "Inhibit", "ss", "test", "a test")


@case()
def options_have_limits(context):
    """What is held while somebody is asked is small."""
    connection = Connection(NOBODY)
    words = {"reason": bus.Variant("s", "x" * 1025)}
    invalid = "org.freedesktop.DBus.Error.InvalidArgs"
    expect_error(invalid, connection.call, NAME, path_of(0), GROUP, "SetType", "sa{sv}", "DMA", words)
    for allow in (["x"] * 65, ["x" * 40000] * 2):
        expect_error(invalid, connection.call, NAME, path_of(0), GROUP, "SetType", "sa{sv}", "DMA",
                     {"allow": bus.Variant("as", allow)})
    twice = [("wait", bus.Variant("b", True))] * 1000
    expect_error(invalid, connection.call, NAME, path_of(0), GROUP, "SetType", "sa{sv}", "DMA", twice)
    for who, why in (("x" * 1025, ""), ("", ""), ("x", "y" * 65536)):
        expect_error(invalid, connection.call, NAME, path_of(0), GROUP, "Inhibit", "ss", who, why)


@case(topology="bound-and-unbound")
def limits_are_as_documented(context):
    """The table of docs/authorisation.md has the numbers of the refusals."""
    text = (pathlib.Path(context.options.source) / "docs/authorisation.md").read_text(encoding="utf-8")
    connection = Connection(NOBODY)
    context.daemon.signal(signal.SIGSTOP)
    sent = [(row, connection.start(NAME, path_of(EDU), GROUP, *call)) for row, call in
            (("| `SetType`, `Apply`, `Reload`", ("SetType", "sa{sv}", "DMA-FQ", {})),
             ("| `Plan`, `GetFindings`", ("GetFindings",)), ("| `Explain` | 16", ("Explain",)))
             for _ in range(17)]
    context.daemon.signal(signal.SIGCONT)
    for row, serial in sent[16::17]:
        error = expect_error(LIMITS, connection.finish, serial)
        numbers = next(line for line in text.splitlines() if line.startswith(row))
        numbers = numbers.strip("|").split("|")[1:]
        wanted = "at most {} of one connection, {} of one user, {} in all, {} of them for root".format(
            *(number.strip() for number in numbers))
        assert wanted in error.text, f"{error.text}, expected {wanted}"
