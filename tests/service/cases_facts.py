# SPDX-License-Identifier: LGPL-2.1-or-later
"""What was shown is what was authorised: what polkit and its agent are told, and facts that change before
the yes."""

import os
import pathlib
import subprocess

from bus import Connection, Variant
from harness import (DEVICE, GROUP, MANAGER, NAME, NOBODY, ROOT, USER, Questions, case, equal, error_of,
                     expect_error)

NETWORK, BOUND, UNBOUND = 6, 7, 8
EDU, LONELY = "0000:00:07.0", "0000:00:08.0"
EDU_USE = "unknown:class-00ff00@0000:00:07.0"
ALLOW_EDU = {"allow": Variant("as", [EDU_USE])}
KEYS = ("group", "devices", "ids", "drivers", "from", "to", "disruptive", "findings")
NOTHING = dict.fromkeys(KEYS, "")
REST = {key: "" for key in KEYS if key != "devices"}


def refuse(agent, finish):
    agent.say_no()
    return error_of(finish)


# --- what is told

@case(topology="bound-and-unbound")
def details_of_a_change(context):
    questions = Questions()
    agent, finish = context.ask_user(BOUND, "identity", **ALLOW_EDU)
    equal(questions.next(), {"group": "7", "devices": EDU, "ids": "1234:11e8", "drivers": "edu",
                             "from": "DMA-FQ",
                        "to": "identity", "disruptive": "yes", "findings": EDU_USE})
    refuse(agent, finish)
    agent.close()
    agent, finish = context.ask_user(UNBOUND, "DMA")
    equal(questions.next(), {"group": "8", "devices": LONELY, "ids": "1b36:0005", "drivers": "",
                             "from": "DMA-FQ",
                        "to": "DMA", "disruptive": "no", "findings": ""})
    refuse(agent, finish)


@case(topology="bound-and-unbound")
def details_of_what_is_no_change(context):
    questions = Questions()
    agent = context.agent("no")
    connection = Connection(USER)
    for member in "Apply", "Reload":
        error_of(connection.call, NAME, ROOT, MANAGER, member, flags=4)
        equal(questions.next(), NOTHING)
    error_of(connection.call, NAME, f"{ROOT}/group/{BOUND}", GROUP, "Inhibit", "ss", "who", "why", flags=4)
    equal(questions.next(), {**NOTHING, "group": "7", "devices": EDU, "ids": "1234:11e8", "drivers": "edu"})


HOSTILE = ("group=1 devices=0000:00:00.0", "\n\r\x1b[2J\x7f'\"\\`$(devices)</b>&lt;",
           "\u202e\u2066\u2028txt.exe", "x" * 1000)


@case(topology="bound-and-unbound",
      rules={"50-edu.conf": "[Match]\nAddress=0000:00:07.0\n[Policy]\nType=DMA\n"
                            "Reason=\"quoted\" 'text' $(devices) <b>\x1b[1m \\\n"
                            "  and a second line\n"})
def details_are_not_steered_by_the_caller(context):
    """Neither by the reason of a call, nor by who asks for an inhibitor, nor by a rule's text."""
    questions = Questions()
    agent, finish = context.ask_user(BOUND, "identity", **ALLOW_EDU)
    wanted = questions.next()
    refuse(agent, finish)
    agent.close()
    for text in HOSTILE:
        agent, finish = context.ask_user(BOUND, "identity", **ALLOW_EDU, reason=Variant("s", text))
        equal(questions.next(), wanted)
        refuse(agent, finish)
        agent.answer = "no"
        error_of(Connection(USER).call, NAME, f"{ROOT}/group/{BOUND}", GROUP, "Inhibit", "ss", text, text,
                 flags=4)
        equal(questions.next(), {**NOTHING, **{key: wanted[key] for key in KEYS[:4]}})
        agent.close()


@case(topology="bound-and-unbound")
def nobody_is_asked_about_what_cannot_be(context):
    """Texts that are no type, no finding or no option end before a question."""
    agent = context.agent("yes")
    connection = Connection(USER)
    calls = [(text, {}) for text in HOSTILE]
    calls += [("identity", {"allow": Variant("as", [EDU_USE, text])}) for text in HOSTILE]
    calls += [("identity", {text: Variant("s", "x")}) for text in HOSTILE]
    calls += [("identity", {"reason": Variant("s", "x" * 65536)}), ("x" * 65536, {}),
              ("identity", {"allow": Variant("as", ["x" * 65536, "y"])})]
    for kind, options in calls:
        error = error_of(connection.call, NAME, f"{ROOT}/group/{BOUND}", GROUP, "SetType", "sa{sv}", kind,
                         options, flags=4)
        assert error.name.rpartition(".")[2] in ("InvalidType", "NoSuchFinding", "InvalidArgs"), error
        assert len(error.text) < 1000 and error.text.isprintable(), f"{error.text!r}"
    equal(agent.questions, [])


@case(topology="bound-and-unbound")
def names_of_the_kernel_are_made_harmless(context):
    """Devices that call themselves something that a person should not believe."""
    questions = Questions()
    names = ["\x1b[2J", "a\"b'c", "x=$(drivers)", "\u202exe", "<b>bold"]
    for number, name in enumerate(names, 20):
        line = f"device platform \"{name}\" group={number}"
        context.kernel(line.replace('"b', '\\"b').replace("$(", "\\$("))
        context.wait_group(number, Type="DMA-FQ")
        agent, finish = context.ask_user(number, "DMA")
        details = questions.next()
        shown = details["devices"]
        assert shown.isprintable() and len(shown) == len(name), f"{shown!r} of {name!r}"
        equal({key: value for key, value in details.items() if key != "devices"},
              {**REST, "group": str(number), "from": "DMA-FQ", "to": "DMA", "disruptive": "no"})
        refuse(agent, finish)
        agent.close()
    objects = context.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", uid=NOBODY)
    equal(sorted(o[DEVICE]["Name"] for o in objects.values()
                 if DEVICE in o and o[DEVICE]["Bus"] == "platform"),
          sorted(names))


@case(topology="bound-and-unbound")
def many_members_are_cut_where_it_shows(context):
    questions = Questions()
    for number in range(300):
        context.kernel(f"device platform a-device-with-a-rather-long-name-{number:04} group=20")
    context.wait_group(20, Type="DMA-FQ")
    context.call(ROOT, MANAGER, "Apply")
    agent, finish = context.ask_user(20, "DMA")
    shown = questions.next()["devices"]
    assert len(shown) == 4096 and shown.endswith(" ..."), f"{len(shown)} bytes, {shown[-20:]}"
    refuse(agent, finish)


# --- what changes before the yes

def change_before_the_yes(context, error, act, group=BOUND, kind="DMA", **options):
    """ACT happens while polkit asks; then somebody says yes, and the call is refused."""
    agent, finish = context.ask_user(group, kind, **options)
    context.kernel("log-clear")
    act()
    context.kernel("log-clear")
    agent.say_yes()
    expect_error(error, finish)
    equal(context.kernel.writes(), [], "writes")


@case(topology="bound-and-unbound")
def somebody_else_writes_the_type_before_the_yes(context):
    def write():
        pathlib.Path(f"/sys/kernel/iommu_groups/{UNBOUND}/type").write_text("identity", encoding="ascii")

    change_before_the_yes(context, "DeviceChanged", write, UNBOUND)
    equal(context.kernel.type(UNBOUND), "identity")


@case(topology="bound-and-unbound")
def somebody_else_writes_what_is_asked_before_the_yes(context):
    def write():
        pathlib.Path(f"/sys/kernel/iommu_groups/{UNBOUND}/type").write_text("DMA", encoding="ascii")
        context.wait_group(UNBOUND, Type="DMA")

    agent, finish = context.ask_user(UNBOUND, "DMA")
    context.kernel("log-clear")
    write()
    agent.say_yes()
    try:
        equal(finish(), ("DMA",))
    except Exception as error:  # pylint: disable=broad-except
        assert "DeviceChanged" in str(error), error
    equal(context.kernel.type(UNBOUND), "DMA")


@case(topology="bound-and-unbound")
def a_driver_binds_before_the_yes(context):
    """Nobody was asked whether a driver may be unbound."""
    def bind():
        folder = pathlib.Path(f"/sys/bus/pci/devices/{LONELY}")
        (folder / "driver_override").write_text("edu", encoding="ascii")
        pathlib.Path("/sys/bus/pci/drivers/edu/bind").write_text(LONELY, encoding="ascii")

    change_before_the_yes(context, "DeviceChanged", bind, UNBOUND)
    equal(context.kernel.driver(LONELY), "edu")


@case(topology="bound-and-unbound")
def a_finding_comes_before_the_yes(context):
    def use():
        devlink = f"sys/devices/virtual/devlink/pci:{EDU}--pci:0000:00:06.0"
        context.kernel(f"link {devlink}/consumer ../../../pci0000:00/0000:00:06.0")
        context.kernel(f"link sys/devices/pci0000:00/{EDU}/consumer:pci:0000:00:06.0 "
                       f"../../virtual/devlink/pci:{EDU}--pci:0000:00:06.0")

    change_before_the_yes(context, "InUse", use, **ALLOW_EDU)
    equal(context.kernel.driver(EDU), "edu")


@case(topology="two-disks", start=False)
def a_mount_comes_before_the_yes(context):
    """With a mount table that is bound over the real one; in the virtual machine it is a real mount."""
    table = pathlib.Path("/run/mountinfo")
    table.write_text(pathlib.Path("/proc/1/mountinfo").read_text(encoding="utf-8"), encoding="utf-8")
    subprocess.run(["mount", "--bind", table, "/proc/1/mountinfo"], check=True)
    context.daemon.start()

    def mount():
        with table.open("a", encoding="utf-8") as file:
            file.write("9999 1 259:0 / /srv rw,relatime - ext4 /dev/nvme0n1 rw\n")

    change_before_the_yes(context, "InUse", mount, 4, allow=context.allow(4, "DMA"))


@case(topology="bound-and-unbound")
def a_rule_forbids_before_the_yes(context):
    def forbid():
        context.write_rule("50-edu.conf", f"[Match]\nAddress={EDU}\n[Policy]\nForbid=identity\n")
        context.call(ROOT, MANAGER, "Reload")

    change_before_the_yes(context, "Forbidden", forbid, kind="identity", **ALLOW_EDU)


@case(topology="bound-and-unbound")
def a_device_is_replaced_before_the_yes(context):
    change_before_the_yes(context, "DeviceChanged", lambda: replug(context), **ALLOW_EDU)
    equal(context.kernel.type(BOUND), "DMA-FQ")


def replug(context):
    connection = Connection()
    connection.match(f"type='signal',sender='{NAME}',member='InterfacesAdded'")
    context.kernel(f"replug {EDU}")
    connection.wait_signal(lambda message: message.body[0] == f"{ROOT}/group/{BOUND}")
    connection.close()


@case(topology="bound-and-unbound")
def another_call_comes_first(context):
    """Root changes the group while the user is asked."""
    agent, finish = context.ask_user(BOUND, "DMA", **ALLOW_EDU)
    equal(context.change(BOUND, "identity"), "identity")
    agent.say_yes()
    expect_error("DeviceChanged", finish)
    equal(context.kernel.type(BOUND), "identity")
    assert context.group(BOUND, "WantedBy").startswith("call:uid=0"), context.group(BOUND, "WantedBy")


@case(topology="bound-and-unbound")
def daemon_is_killed_while_polkit_asks(context):
    """polkit closes the dialog of a client that is gone, and the yes has nobody to reach."""
    agent, _ = context.ask_user(BOUND, "DMA", **ALLOW_EDU)
    context.daemon.kill()
    context.daemon.start()
    agent.wait_for_cancellation()
    equal(context.kernel.type(BOUND), "DMA-FQ")
    equal([name for name in os.listdir("/run/iommu-policy") if name.startswith("call")], [])
