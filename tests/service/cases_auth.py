# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what: the real polkit decides, with the shipped actions."""

import os

from bus import BusError, Connection, Variant
from harness import (GROUP, MANAGER, NAME, NOBODY, POLKIT, ROOT, USER, case, equal, error_of, expect_error)

DENIED = "org.freedesktop.DBus.Error.AccessDenied"
INTERACTIVE_NEEDED = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"

ONE_DEVICE = """
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.iommupolicy1.") == 0 &&
        action.lookup("devices") == "0000:03:00.0 0000:03:00.1")
        return polkit.Result.YES;
});
"""

TELL_DETAILS = """
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.iommupolicy1.") == 0) {
        var text = action.id;
        var keys = ["group", "devices", "ids", "drivers", "from", "to", "disruptive", "findings"];
        keys.forEach(function(key) {
            text += "|" + key + "=" + action.lookup(key);
        });
        polkit.log(text);
        polkit.spawn(["/bin/sh", "-c", "printf '%s\\n' \\"$0\\" >> /run/polkit-details", text]);
        return polkit.Result.YES;
    }
});
"""

YES = """
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.iommupolicy1.") == 0)
        return polkit.Result.YES;
});
"""

def before_the_answer(context, function):
    """An agent that says yes, after FUNCTION."""
    agent = context.agent("yes")
    ask = agent.ask

    def act_first(member, arguments):
        if member == "BeginAuthentication":
            function()
        return ask(member, arguments)

    agent.connection.objects[agent.PATH] = act_first


MUTATING = (
    (f"{ROOT}/group/0", GROUP, "Inhibit", "ss", "test", "a test"),
    (ROOT, MANAGER, "Apply"),
    (ROOT, MANAGER, "Reload"),
)


@case(start=False)
def shipped_actions(context):
    """What the installed actions say of an inactive caller: an administrator's password."""
    connection = Connection(USER)
    for name in "tighten", "tighten-disruptive", "relax", "override-finding", "manage-rules":
        answer = context.root.call(POLKIT, "/org/freedesktop/PolicyKit1/Authority", f"{POLKIT}.Authority",
                                   "CheckAuthorization", "(sa{sv})sa{ss}us",
                                   ("system-bus-name", {"name": Variant("s", connection.name)}),
                                   f"{NAME}.{name}", {}, 0, "")[0]
        equal(answer[:2], (False, True), name)


@case(start=False)
def scripted_agent(context):
    """The agent of this suite makes the real polkitd say what its script says."""
    connection = Connection(USER)
    subject = ("system-bus-name", {"name": Variant("s", connection.name)})
    for answer, wanted in ("yes", (True, False)), ("no", (False, False)), ("cancel", (False, False)):
        agent = context.agent(answer)
        seen = context.root.call(POLKIT, "/org/freedesktop/PolicyKit1/Authority", f"{POLKIT}.Authority",
                                 "CheckAuthorization", "(sa{sv})sa{ss}us", subject, f"{NAME}.relax",
                                 {"group": "0"}, 1, "")[0]
        equal(seen[:2], wanted, answer)
        equal([action for action, _ in agent.questions], [f"{NAME}.relax"], answer)
        agent.connection.close()


@case()
def mutating_methods_are_refused(context):
    changes = [(f"{ROOT}/group/0", GROUP, "SetType", "sa{sv}", kind, {"allow": context.allow(0, kind)})
               for kind in ("DMA", "identity")]
    for uid in NOBODY, USER:
        for call in (*MUTATING, *changes):
            error = error_of(context.call, *call, uid=uid)
            assert error.name in (DENIED, INTERACTIVE_NEEDED), f"{call[2]} as {uid}: {error}"
            assert error.text, call
    equal(context.kernel.writes(), [])


@case()
def readers_are_not_asked(context):
    for call in ((ROOT, MANAGER, "ListGroups"), (ROOT, MANAGER, "GetGroup", "u", 0),
                 (f"{ROOT}/group/0", GROUP, "Explain"), (f"{ROOT}/group/0", GROUP, "GetFindings"),
                 (f"{ROOT}/group/0", GROUP, "Plan", "sa{sv}", "identity", {})):
        context.call(*call, uid=NOBODY)


@case(topology="two", polkit=ONE_DEVICE)
def rule_for_one_card(context):
    equal(context.change(4, "DMA", uid=USER), "DMA")
    equal(context.kernel.type(4), "DMA")


@case(polkit=ONE_DEVICE)
def rule_for_another_card(context):
    error = error_of(context.change, 0, "DMA", uid=USER)
    assert error.name in (DENIED, INTERACTIVE_NEEDED), error
    equal(context.kernel.type(0), "DMA-FQ")


@case(topology="two", polkit=TELL_DETAILS)
def details_reach_the_rule(context):
    # polkitd is not root.
    with open("/run/polkit-details", "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o666)
    context.change(4, "identity", uid=USER)
    with open("/run/polkit-details", encoding="utf-8") as file:
        line = next(line for line in file if line.startswith(f"{NAME}.relax|")).rstrip()
    action, *rest = line.split("|")
    details = dict(item.split("=", 1) for item in rest)
    equal(action, f"{NAME}.relax")
    wanted = {"group": "4", "devices": "0000:03:00.0 0000:03:00.1", "ids": "8086:10d3 8086:10d3",
              "drivers": "e1000e e1000e", "from": "DMA-FQ", "to": "identity"}
    equal({key: details[key] for key in wanted}, wanted)
    assert details["disruptive"] in ("yes", "true", "1"), details


@case()
def agent_says_yes(context):
    context.call(ROOT, MANAGER, "ListGroups")
    agent = context.agent("yes")
    connection = Connection(USER)
    equal(connection.call(NAME, ROOT, MANAGER, "Reload", flags=4), ([],))
    equal([action for action, _ in agent.questions], [f"{NAME}.manage-rules"])


@case()
def agent_says_no(context):
    context.agent("no")
    connection = Connection(USER)
    expect_error(DENIED, connection.call, NAME, ROOT, MANAGER, "Reload", flags=4)


@case()
def agent_is_dismissed(context):
    context.agent("cancel")
    connection = Connection(USER)
    expect_error(DENIED, connection.call, NAME, ROOT, MANAGER, "Reload", flags=4)


@case()
def no_question_without_the_flag(context):
    agent = context.agent("yes")
    error = error_of(context.call, ROOT, MANAGER, "Reload", uid=USER)
    assert error.name in (DENIED, INTERACTIVE_NEEDED), error
    equal(agent.questions, [])


@case(polkit=YES)
def nothing_to_do_asks_nothing(context):
    context.polkit_rule("polkit.addRule(function() { return polkit.Result.NO; });")
    equal(context.set_type(0, "DMA-FQ", uid=USER), "DMA-FQ")


@case()
def group_vanishes_while_polkit_asks(context):
    """The card is unplugged between the question and the answer."""
    agent = context.agent("yes")
    ask = agent.ask

    def unplug_first(member, arguments):
        if member == "BeginAuthentication":
            context.kernel("remove 0000:00:06.0")
        return ask(member, arguments)

    agent.connection.objects[agent.PATH] = unplug_first
    connection = Connection(USER)
    try:
        answer = connection.call(NAME, f"{ROOT}/group/0", GROUP, "SetType", "sa{sv}", "DMA",
                                 {"allow": Variant("as", [])}, flags=4)
        raise AssertionError(f"succeeded with {answer}")
    except BusError as error:
        assert error.name in (f"{NAME}.Error.NoSuchGroup", f"{NAME}.Error.DeviceChanged",
                              f"{NAME}.Error.InUse"), error
    context.call(ROOT, MANAGER, "ListGroups")


@case()
def device_is_replaced_while_polkit_asks(context):
    agent = context.agent("yes")
    ask = agent.ask

    def replug_first(member, arguments):
        if member == "BeginAuthentication":
            context.kernel("replug 0000:00:06.0")
        return ask(member, arguments)

    agent.connection.objects[agent.PATH] = replug_first
    connection = Connection(USER)
    allow = context.allow(0, "DMA")
    try:
        connection.call(NAME, f"{ROOT}/group/0", GROUP, "SetType", "sa{sv}", "DMA",
                        {"allow": allow}, flags=4)
        raise AssertionError("a device that was not authorised has been switched")
    except BusError as error:
        assert error.name in (f"{NAME}.Error.DeviceChanged", f"{NAME}.Error.NoSuchGroup"), error
    equal(context.kernel.type(0), "DMA-FQ")


@case(rules={"30-nic.conf": "[Match]\nId=8086:10d3\n[Policy]\nType=DMA\nUnbind=never\n"})
def device_is_replaced_while_a_call_that_writes_nothing_is_asked(context):
    """The type is there already, but the call would outrank a rule: for the device that was there, no
    other."""
    def replug():
        connection = Connection()
        connection.match(f"type='signal',sender='{NAME}',member='InterfacesAdded'")
        context.kernel("replug 0000:00:06.0")
        connection.wait_signal(lambda message: message.body[0] == f"{ROOT}/group/0")
        connection.close()

    before_the_answer(context, replug)
    connection = Connection(USER)
    expect_error("DeviceChanged", connection.call, NAME, f"{ROOT}/group/0", GROUP, "SetType", "sa{sv}",
                 "DMA-FQ", {}, flags=4)
    context.wait_group(0, State="pending", PendingReason="driver-race")
    assert context.group(0, "WantedBy").startswith("/etc/"), context.group(0, "WantedBy")


@case()
def rules_change_while_the_end_of_a_call_is_asked(context):
    def reload():
        context.write_rule("30-nic.conf", "[Match]\nId=8086:10d3\n[Policy]\nType=identity\nUnbind=idle\n")
        connection = Connection()
        connection.call(NAME, ROOT, MANAGER, "Reload")
        connection.close()

    equal(context.change(0, "DMA"), "DMA")
    before_the_answer(context, reload)
    connection = Connection(USER)
    expect_error("DeviceChanged", connection.call, NAME, f"{ROOT}/group/0", GROUP, "SetType", "sa{sv}", "",
                 {}, flags=4)
    assert context.group(0, "WantedBy").startswith("call:"), context.group(0, "WantedBy")


@case(topology="two", polkit=ONE_DEVICE)
def all_members_are_told_for_whatever_is_asked(context):
    connection = Connection(USER)
    equal(context.change(4, "DMA", uid=USER), "DMA")
    equal(context.set_type(4, "", uid=USER), "DMA")
    connection.call(NAME, f"{ROOT}/group/4", GROUP, "Inhibit", "ss", "test", "a test")


@case()
def stop_while_polkit_asks(context):
    """Whoever still waits is answered."""
    before_the_answer(context, context.daemon.stop)
    connection = Connection(USER)
    expect_error("Busy", connection.call, NAME, ROOT, MANAGER, "Reload", flags=4)
    equal(context.daemon.process.wait(30), 0)


@case()
def caller_leaves_while_polkit_asks(context):
    agent = context.agent("yes")
    ask = agent.ask
    connection = Connection(USER)

    def leave_first(member, arguments):
        if member == "BeginAuthentication":
            connection.close()
        return ask(member, arguments)

    agent.connection.objects[agent.PATH] = leave_first
    connection.start(NAME, f"{ROOT}/group/0", GROUP, "SetType", "sa{sv}", "DMA", {}, flags=4)
    context.call(ROOT, MANAGER, "ListGroups")
    equal(context.kernel.writes(), [])
