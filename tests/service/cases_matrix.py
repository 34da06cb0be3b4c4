# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each call × caller × situation ends as docs/authorisation.md says. The tables are read from there; a row
that is not known here is an error, and so is one that is missing there. One case for each situation; each
prints its cells."""

import contextlib
import os
import pathlib
import select
import re
import signal

import bus
import logins
from bus import BusError, Variant
from harness import DEVICE, GROUP, MANAGER, NAME, NOBODY, POLKIT, PROPERTIES, ROOT, Questions, case, equal

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/authorisation.md"
RULES = pathlib.Path("/etc/iommu-policy.d")
CALLERS = {"root": 0, "active": logins.ACTIVE, "inactive": logins.INACTIVE, "no session": logins.SESSIONLESS,
           "nobody": NOBODY}

# The groups of the topology: of a network card of which nobody can tell whether it is used (a fatal
# finding), of a device of unknown class (a disruptive one), and of a device without driver.
NETWORK, BOUND, UNBOUND = 6, 7, 8
CARD, EDU = "0000:00:06.0", "0000:00:07.0"
CARD_PATH = f"{ROOT}/device/pci/_30000_3a00_3a06_2e0"
FATAL = "netns:eth0@0000:00:06.0"
RULE = "[Match]\nAddress=0000:00:07.0\n[Policy]\nType={}\nUnbind=never\n"

# As docs/authorisation.md has it in a line of its own.
DETAILS = "group devices ids drivers from to disruptive findings"

SAY = """
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.iommupolicy1.") == 0)
        return polkit.Result.%s;
});
"""


# --- the document

def table(first_header):
    """The rows of the table whose first header this is, as lists of texts without back quotes."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first_header} |"))
    rows = []
    for line in [lines[start]] + lines[start + 2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def read_document():
    asks = {call: re.findall("`([^`]*)`", actions) if actions.startswith("`") else actions
            for call, actions in table("call")[1:]}
    header, *rows = table("action")
    who = {row[0].strip("`"): dict(zip(header[1:], row[1:])) for row in rows}
    ends = {row[0]: {"asked": row[1].strip("`"), "passes": row[2].strip("`")}
            for row in table("situation")[1:]}
    return asks, who, ends


ASKS, WHO, ENDS = read_document()


# --- what the machine looks like before a call

def plain(context):
    """No rule, no call in force, every type as at boot."""
    for file in RULES.iterdir():
        file.unlink()
    context.call(ROOT, MANAGER, "Reload")
    for group, row in context.groups().items():
        if row[0] != "DMA-FQ":
            context.change(group, "DMA-FQ")
        context.set_type(group, "")


def strict(context):
    plain(context)
    context.change(BOUND, "DMA")


def rule_is_stricter(context):
    plain(context)
    context.write_rule("50-edu.conf", RULE.format("DMA"))
    context.call(ROOT, MANAGER, "Reload")


def call_is_stricter(context):
    strict(context)
    context.write_rule("50-edu.conf", RULE.format("DMA-FQ"))
    context.call(ROOT, MANAGER, "Reload")


def call_is_less_strict(context):
    rule_is_stricter(context)
    context.set_type(BOUND, "DMA-FQ")


# --- what is called

class Call:
    """One row of the first table: BASE makes the machine ready for it, CHECK says whether it has been
    done."""

    def __init__(self, path, interface, member, signature="", *arguments, base=plain,
                 check=lambda context: None):
        self.arguments = (NAME, path, interface, member, signature, *arguments)
        self.base, self.check = base, check


def set_type(group, kind, base=plain, check=None, allow=(), **options):
    def has_type(context):
        context.wait_group(group, Type=kind, State="settled")
        assert context.group(group, "WantedBy").startswith("call:uid="), context.group(group, "WantedBy")

    if allow:
        options["allow"] = Variant("as", list(allow))
    return Call(f"{ROOT}/group/{group}", GROUP, "SetType", "sa{sv}", kind, options, base=base,
                check=check or (has_type if kind else None) or (lambda context: None))


def wanted_by_rule(context):
    assert context.group(BOUND, "WantedBy").startswith("/etc/"), context.group(BOUND, "WantedBy")


def rule_file_of(device):
    def check(_context):
        assert (RULES / f"05-call-pci-{device}.conf").exists(), os.listdir(RULES)
    return check


def on_group(member, signature="", *arguments):
    return Call(f"{ROOT}/group/{BOUND}", GROUP, member, signature, *arguments)


def get(path, interface, name):
    return Call(path, PROPERTIES, "Get", "ss", interface, name)


EDU_USE = ("unknown:class-00ff00@0000:00:07.0",)
CALLS = {
    "`SetType`, the type is there": set_type(BOUND, "DMA-FQ", check=lambda context: None),
    "`SetType`, stricter, no driver to unbind": set_type(UNBOUND, "DMA"),
    "`SetType`, stricter, a driver is unbound": set_type(BOUND, "DMA", allow=EDU_USE),
    "`SetType`, stricter, with `wait=false`": set_type(BOUND, "DMA", allow=EDU_USE,
                                                       wait=Variant("b", False)),
    "`SetType`, less strict, live": set_type(BOUND, "DMA-FQ", base=strict),
    "`SetType`, less strict, a driver is unbound": set_type(BOUND, "identity", allow=EDU_USE),
    "`SetType`, the type is there, but a rule wants a stricter one":
        set_type(BOUND, "DMA-FQ", base=rule_is_stricter),
    "`SetType`, stricter, a fatal finding is allowed": set_type(NETWORK, "DMA", allow=(FATAL,)),
    "`SetType`, less strict, a fatal finding is allowed": set_type(NETWORK, "identity", allow=(FATAL,)),
    "`SetType`, the type is there, with `persist`":
        set_type(BOUND, "DMA-FQ", persist=Variant("b", True), check=rule_file_of(EDU)),
    "`SetType`, stricter, with `persist`":
        set_type(BOUND, "DMA", allow=EDU_USE, persist=Variant("b", True), check=rule_file_of(EDU)),
    "`SetType`, less strict, a fatal finding is allowed, with `persist`":
        set_type(NETWORK, "identity", allow=(FATAL,), persist=Variant("b", True), check=rule_file_of(CARD)),
    '`SetType("")`, no call is in force': set_type(BOUND, ""),
    '`SetType("")`, the rules want a less strict type': set_type(BOUND, "", base=call_is_stricter,
                                                                 check=wanted_by_rule),
    '`SetType("")`, the rules want a stricter type': set_type(BOUND, "", base=call_is_less_strict,
                                                              check=wanted_by_rule),
    "`Apply`": Call(ROOT, MANAGER, "Apply"),
    "`Reload`": Call(ROOT, MANAGER, "Reload"),
    "`Inhibit`": on_group("Inhibit", "ss", "test", "a test"),
    "`Refresh`": on_group("Refresh"),
    "`Plan`": on_group("Plan", "sa{sv}", "identity", {}),
    "`Explain`": on_group("Explain"),
    "`GetFindings`": on_group("GetFindings"),
    "`GetFeatures`": Call(CARD_PATH, DEVICE, "GetFeatures"),
    "`ListGroups`": Call(ROOT, MANAGER, "ListGroups"),
    "`GetGroup`": Call(ROOT, MANAGER, "GetGroup", "u", BOUND),
    "`GetDevice`": Call(ROOT, MANAGER, "GetDevice", "s", CARD),
    "a property of the manager": get(ROOT, MANAGER, "State"),
    "a property of a group": get(f"{ROOT}/group/{BOUND}", GROUP, "Type"),
    "a property of a device": get(CARD_PATH, DEVICE, "Driver"),
    "all properties of a group": Call(f"{ROOT}/group/{BOUND}", PROPERTIES, "GetAll", "s", GROUP),
    "all objects": Call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"),
    "introspection": Call(f"{ROOT}/group/{BOUND}", "org.freedesktop.DBus.Introspectable", "Introspect"),
    "a property is written":
        Call(f"{ROOT}/group/{BOUND}", PROPERTIES, "Set", "ssv", GROUP, "Type", Variant("s", "identity")),
}


class Cell:
    """One call of one caller, and what the document says of it."""

    def __init__(self, name, caller):
        self.name, self.caller, self.call = name, caller, CALLS[name]
        actions = ASKS[name]
        self.impossible = actions == "cannot be done"
        self.actions = [] if isinstance(actions, str) else actions
        self.who = [WHO[action][caller] for action in self.actions or ["nothing"]]
        self.asked = self.who[0] != "passes"

    def start(self, connection, interactive):
        return connection.start(*self.call.arguments, flags=bus.INTERACTIVE if interactive else 0)

    def __str__(self):
        return f"{self.name} of {self.caller}"


CELLS = [Cell(name, caller) for name in CALLS for caller in CALLERS]


# --- what is seen

def state(context):
    """Whatever a call could change."""
    groups = {group: (context.kernel.type(group), row[1], row[3]) for group, row in context.groups().items()}
    with contextlib.suppress(FileNotFoundError):
        groups["records"] = sorted(os.listdir("/run/iommu-policy/change"))
    return groups, sorted(os.listdir(RULES)), [context.kernel.driver(device) for device in (CARD, EDU)]


def end_of(connection, serial):
    """"done", or the error without the standard prefix."""
    try:
        connection.finish(serial)
        while connection.descriptors:
            os.close(connection.descriptors.popleft())
        return "done"
    except BusError as error:
        assert error.text, f"{error.name} without a text"
        return error.name.removeprefix("org.freedesktop.DBus.Error.")


class Matrix:
    """Goes through the cells of one situation."""

    def __init__(self, context, situation):
        self.context, self.situation, self.base = context, situation, None
        self.tried = 0
        self.before = None

    def wanted(self, cell):
        return ENDS[self.situation]["asked" if cell.asked else "passes"]

    def possible(self, asked):
        return [cell for cell in CELLS if cell.asked == asked
                and not self.wanted(cell).startswith("cannot be")]

    def prepare(self, cell):
        if self.base != cell.call.base:
            cell.call.base(self.context)
            self.base = cell.call.base
        self.before = state(self.context)
        self.context.kernel("log-clear")

    def check(self, cell, end):
        equal(end, "PropertyReadOnly" if cell.impossible else self.wanted(cell),
              f"{cell}, {self.situation}:")
        self.tried += 1
        if end == "done":
            cell.call.check(self.context)
            if cell.asked or cell.actions:
                self.base = None
        else:
            self.check_nothing_changed(cell)

    def check_nothing_changed(self, cell):
        equal(state(self.context), self.before, f"{cell}, {self.situation}: state")
        equal(self.context.kernel.writes(), [], f"{cell}, {self.situation}: writes")

    def run(self, act, interactive=True):
        """ACT(cell, caller, serial) makes the situation after the call has been sent, and says how the call
        ends."""
        for asked in False, True:
            for cell in self.possible(asked):
                self.prepare(cell)
                caller = logins.Caller(CALLERS[cell.caller])
                self.check(cell, act(cell, caller, cell.start(caller, interactive)))
                with contextlib.suppress(OSError):
                    caller.close()

    def finish(self):
        possible = sum(len(self.possible(asked)) for asked in (False, True))
        equal(self.tried, possible, "cells tried")
        print(f"{self.tried} cells, and {len(CELLS) - possible} that cannot be: {self.situation}")


# --- the situations

SITUATIONS = {}


def situation(name, **options):
    """Declares what brings one row of the third table about: a case."""
    def declare(function):
        def run(context):
            logins.set_up(context.kernel)
            matrix = Matrix(context, name)
            function(context, matrix)
            matrix.finish()
        run.__name__ = "authorisation_" + name.replace(" ", "_")
        SITUATIONS[name] = case(topology="bound-and-unbound", **options)(run)
        return function
    return declare


def answer(_cell, caller, serial):
    return end_of(caller, serial)


def answer_all_but_last(agent, cell):
    for _ in cell.actions[1:]:
        agent.wait_for_question()
        agent.say_yes()
    agent.wait_for_question()


def check_questions(agent, cell):
    equal([action for action, _ in agent.questions], [f"{NAME}.{action}" for action in cell.actions],
          f"{cell}: questions")


def with_agent(context, matrix, act):
    """Runs the cells with an agent in the caller's process. ACT(agent, caller, serial) is called when the
    last question stands, and says how the call ends."""
    for asked in False, True:
        for cell in matrix.possible(asked):
            matrix.prepare(cell)
            caller = logins.Caller(CALLERS[cell.caller])
            agent = context.agent("wait", caller.pid)
            serial = cell.start(caller, True)
            if asked:
                answer_all_but_last(agent, cell)
                matrix.check_nothing_changed(cell)
                end = act(agent, caller, serial)
                check_questions(agent, cell)
            else:
                end = end_of(caller, serial)
                equal(agent.questions, [], f"{cell}: questions")
            matrix.check(cell, end)
            agent.close()
            with contextlib.suppress(OSError):
                caller.close()


@situation("an administrator says yes")
def yes(context, matrix):
    def say(agent, caller, serial):
        agent.say_yes()
        return end_of(caller, serial)

    questions = Questions()
    with_agent(context, matrix, say)
    for cell in CELLS:
        if cell.asked:
            check_again(context, matrix, cell)
    assert questions.asked
    for action, details in questions.asked:
        equal(" ".join(details), DETAILS, f"details of {action}:")


def check_again(context, matrix, cell):
    """The same process a second time: who is asked once is not asked again."""
    caller = logins.Caller(CALLERS[cell.caller])
    agent = context.agent("yes", caller.pid)
    for _ in range(2):
        matrix.base = None
        matrix.prepare(cell)
        equal(end_of(caller, cell.start(caller, True)), "done", f"{cell}, again")
        cell.call.check(context)
    again = [action for action, who in zip(cell.actions, cell.who) if who == "asked"]
    equal([action for action, _ in agent.questions], [f"{NAME}.{action}" for action in cell.actions + again],
          f"{cell}: questions")
    matrix.base = None
    agent.close()
    caller.close()


@situation("an administrator says no")
def no(context, matrix):
    def say(agent, caller, serial):
        agent.say_no()
        return end_of(caller, serial)

    with_agent(context, matrix, say)


@situation("the dialog is dismissed")
def dismissed(context, matrix):
    def dismiss(agent, caller, serial):
        agent.dismiss()
        return end_of(caller, serial)

    with_agent(context, matrix, dismiss)


@situation("there is no agent to ask with")
def no_agent(_context, matrix):
    matrix.run(answer)


@situation("the message does not allow questions")
def no_questions(context, matrix):
    def check_silence(cell, caller, serial):
        agent = context.agent("yes", caller.pid)
        end = end_of(caller, serial)
        equal(agent.questions, [], f"{cell}: questions")
        agent.close()
        return end

    matrix.run(check_silence, interactive=False)


@situation("a rule of polkit says yes", polkit=SAY % "YES")
def rule_yes(_context, matrix):
    matrix.run(answer, interactive=False)


@situation("a rule of polkit says no", polkit=SAY % "NO")
def rule_no(context, matrix):
    matrix.run(answer)


def polkit_pid():
    return bus_call("GetConnectionUnixProcessID", "s", POLKIT)[0]


def bus_call(member, *arguments):
    connection = bus.Connection()
    try:
        return connection.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                               member, *arguments)
    finally:
        connection.close()


@situation("polkit is not on the bus")
def down(context, matrix):
    context.polkit_rule("")
    (pathlib.Path(os.environ["FAKE_ROOT"]).parent / "services/org.freedesktop.PolicyKit1.service").unlink()
    bus_call("ReloadConfig")
    equal(POLKIT in bus_call("ListNames")[0] + bus_call("ListActivatableNames")[0], False,
          "polkit is there:")
    matrix.run(answer)


@situation("polkit ends while it asks")
def killed(context, matrix):
    def kill(_agent, caller, serial):
        process = os.pidfd_open(polkit_pid())
        signal.pidfd_send_signal(process, signal.SIGKILL)
        end = end_of(caller, serial)
        # What a process that is ending has open cannot be told, which the next change would count as a use.
        select.select([process], [], [])
        os.close(process)
        return end

    with_agent(context, matrix, kill)


@situation("yes comes late")
def late(context, matrix):
    def say_late(agent, caller, serial):
        for member in "Refresh", "Explain", "GetFindings":
            context.call(f"{ROOT}/group/{BOUND}", GROUP, member)
        agent.say_yes()
        return end_of(caller, serial)

    with_agent(context, matrix, say_late)


@situation("the caller goes while it is asked")
def gone(context, matrix):
    def leave(agent, caller, _serial):
        caller.close()
        agent.wait_for_cancellation()
        agent.answer_cancelled()
        context.call(f"{ROOT}/group/{BOUND}", GROUP, "Refresh")
        return "no answer"

    with_agent(context, matrix, leave)


# --- the end of the time that a person has

def together(context, matrix, before, after):
    """All callers and several calls at once, so that the time that a person has passes once for them.
    BEFORE(agents) is called when the calls have been sent; then all of them end, and AFTER(agents) is
    called."""
    for batch in batches(matrix):
        matrix.prepare(batch[0])
        sent = []
        for cell in batch:
            caller = logins.Caller(CALLERS[cell.caller])
            sent.append((cell, caller, context.agent("wait", caller.pid), cell.start(caller, True)))
        before([(cell, agent) for cell, _, agent, _ in sent])
        for cell, caller, _, serial in sent:
            matrix.check(cell, end_of(caller, serial))
        after([agent for _, _, agent, _ in sent])
        matrix.check_nothing_changed(batch[0])
        for _, caller, agent, _ in sent:
            agent.close()
            caller.close()


def batches(matrix):
    """Calls of one base, as many of them as questions of one user may be open."""
    by_base = {}
    for cell in matrix.possible(True):
        by_base.setdefault(cell.call.base, {}).setdefault(cell.name, []).append(cell)
    for calls in by_base.values():
        calls = list(calls.values())
        for first in range(0, len(calls), 8):
            yield sum(calls[first:first + 8], [])


def nothing(_agents):
    pass


@situation("polkit hangs", short_timeout=True)
def hangs(context, matrix):
    for cell in matrix.possible(False):
        matrix.prepare(cell)
        os.kill(start_polkit(), signal.SIGSTOP)
        caller = logins.Caller(CALLERS[cell.caller])
        matrix.check(cell, end_of(caller, cell.start(caller, True)))
        caller.close()
        os.kill(polkit_pid(), signal.SIGCONT)
    together(context, matrix, lambda _: os.kill(polkit_pid(), signal.SIGSTOP),
             lambda _: os.kill(polkit_pid(), signal.SIGCONT))


def start_polkit():
    bus_call("StartServiceByName", "su", POLKIT, 0)
    return polkit_pid()


@situation("polkit hangs while it asks", short_timeout=True)
def hangs_while_it_asks(context, matrix):
    def hang(asked):
        for cell, agent in asked:
            answer_all_but_last(agent, cell)
        os.kill(polkit_pid(), signal.SIGSTOP)

    together(context, matrix, hang, lambda _: os.kill(polkit_pid(), signal.SIGCONT))


@situation("yes comes too late", short_timeout=True)
def too_late(context, matrix):
    """The dialog is still there, and polkit passes the yes on: nobody hears it."""
    questions = Questions()
    yes_in_all = 0

    def ask(asked):
        nonlocal yes_in_all
        for cell, agent in asked:
            answer_all_but_last(agent, cell)
            yes_in_all += len(cell.actions)

    def say(agents):
        for agent in agents:
            equal(agent.cancelled, [], "dialogs closed by polkit")
            agent.say_yes()
        questions.wait_for_yes(yes_in_all)
        context.call(f"{ROOT}/group/{BOUND}", GROUP, "Refresh")

    together(context, matrix, ask, say)


def unknown_rows():
    for kind, here, there in (("call", set(CALLS), set(ASKS)), ("situation", set(SITUATIONS), set(ENDS)),
                              ("caller", set(CALLERS), {name for row in WHO.values() for name in row})):
        yield from (f"{kind} '{name}'" for name in here ^ there)


@case(start=False)
def authorisation_tables_are_complete(_context):
    equal(sorted(unknown_rows()), [], "only here, or only in the document:")
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    assert f"`{DETAILS}`" in lines, "the details are others there"
