# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is written to the journal: each change, refusal and override, with its fields, and nothing twice."""

import os
import pathlib
import re
import signal
import subprocess

from bus import BusError, Connection, Variant
from harness import GROUP, MANAGER, NAME, NOBODY, ROOT, USER, case, equal, expect_error

BUS_ERROR = "org.freedesktop.DBus.Error"
CARD = "0000:00:06.0"
GROUP_0 = f"{ROOT}/group/0"
YES = "polkit.addRule(function(action, subject) { return polkit.Result.YES; });\n"
IDENTITY = "[Match]\nAny=yes\n[Policy]\nType=identity\nUnbind=idle\n"
FORBID = "[Match]\nAny=yes\n[Policy]\nForbid=DMA-FQ\n"


def message_ids(context):
    """CHANGE_DONE -> id."""
    header = pathlib.Path(context.options.source) / "include/iommu-policy-messages.h"
    return dict(re.findall(r'define IOMMU_POLICY_MESSAGE_(\w+) "(\w+)"', header.read_text(encoding="utf-8")))


def entries(context, name, **fields):
    """All entries so far with this message and these values."""
    wanted = {"MESSAGE_ID": message_ids(context)[name], **fields}
    return [entry for entry in list(context.journal.entries)
            if all(entry.get(key) == value for key, value in wanted.items())]


def wait(context, name, **fields):
    wanted = {"MESSAGE_ID": message_ids(context)[name], **fields}
    return context.journal.wait(lambda entry: all(entry.get(key) == value for key, value in wanted.items()))


@case()
def journal_has_a_change(context):
    context.change(0, "identity", reason=Variant("s", "bench\nMESSAGE_ID=1\u2028\u202e!"))
    entry = wait(context, "CHANGE_DONE")
    wanted = {"IOMMU_GROUP": "0", "IOMMU_DEVICE": CARD, "IOMMU_FROM": "DMA-FQ", "IOMMU_TO": "identity",
              "IOMMU_TYPE": "identity", "IOMMU_HOW": "disruptive", "IOMMU_RESULT": "done", "IOMMU_UID": "0",
              "IOMMU_PID": str(os.getpid()), "OBJECT_PID": str(os.getpid()),
              "IOMMU_REASON": "bench MESSAGE_ID=1  !", "PRIORITY": "5"}
    equal({key: entry.get(key) for key in wanted}, wanted)
    assert "IOMMU_RULE" not in entry, entry
    steps = [step.split(" ", 1) for step in entry["IOMMU_STEP"].split("\n")]
    equal(steps[0][1], "look")
    assert {f"unbind {CARD}", "write type identity", f"bind {CARD}"} <= {name for _, name in steps}, steps
    assert abs(sum(int(usec) for usec, _ in steps) - int(entry["IOMMU_WORKER_USEC"])) < 1000, entry
    kernel, worker, change = (int(entry[f"IOMMU_{what}_USEC"]) for what in ("KERNEL", "WORKER", "CHANGE"))
    assert kernel <= worker <= change, entry


@case()
def journal_has_an_override(context):
    allowed = context.allow(0, "identity")
    context.set_type(0, "identity", allow=allowed, reason=Variant("s", "I know"))
    entry = wait(context, "OVERRIDE")
    equal(sorted(entry["IOMMU_FINDING"].split("\n")), sorted(allowed.value))
    equal((entry["IOMMU_UID"], entry["IOMMU_TO"], entry["IOMMU_REASON"]), ("0", "identity", "I know"))


@case()
def journal_has_no_override_where_nothing_was_allowed(context):
    context.set_type(0, "DMA-FQ")
    context.kernel("boot-default DMA")
    expect_error("InUse", context.set_type, 0, "identity")
    wait(context, "REFUSED")
    equal(entries(context, "OVERRIDE"), [])


@case()
def journal_has_the_refusal_of_a_call(context):
    found = context.allow(0, "identity").value
    expect_error("InUse", context.set_type, 0, "identity", reason=Variant("s", "try"))
    entry = wait(context, "REFUSED", IOMMU_UID="0")
    equal({key: entry.get(key) for key in ("IOMMU_GROUP", "IOMMU_DEVICE", "IOMMU_FROM", "IOMMU_TO",
                                           "IOMMU_RESULT", "IOMMU_REASON", "IOMMU_PID")},
          {"IOMMU_GROUP": "0", "IOMMU_DEVICE": CARD, "IOMMU_FROM": "DMA-FQ", "IOMMU_TO": "identity",
           "IOMMU_RESULT": "InUse", "IOMMU_REASON": "try", "IOMMU_PID": str(os.getpid())})
    equal(sorted(entry["IOMMU_FINDING"].split("\n")), sorted(found))
    expect_error("InUse", context.set_type, 0, "identity")
    context.journal.wait(lambda _: len(entries(context, "REFUSED")) == 2)


@case()
def journal_has_who_may_not(context):
    expect_error(f"{BUS_ERROR}.InteractiveAuthorizationRequired", context.set_type, 0, "DMA", uid=USER)
    entry = wait(context, "REFUSED", IOMMU_RESULT="InteractiveAuthorizationRequired")
    equal((entry["IOMMU_UID"], entry["IOMMU_TO"]), (str(USER), "DMA"))
    assert int(entry["IOMMU_PID"]) > 1, entry


@case()
def journal_has_who_may_not_manage(context):
    """Calls that are no changes, or none yet; and none that only looks."""
    context.change(0, "identity")
    connection = Connection(USER)
    group = {"IOMMU_GROUP": "0", "IOMMU_DEVICE": CARD, "IOMMU_FROM": "identity"}
    for path, interface, member, signature, arguments, fields in (
            (ROOT, MANAGER, "Reload", "", (), {}),
            (ROOT, MANAGER, "Apply", "", (), {}),
            (GROUP_0, GROUP, "Inhibit", "ss", ("me", "a backup"), {**group, "IOMMU_REASON": "a backup"}),
            (GROUP_0, GROUP, "SetType", "sa{sv}", ("", {"reason": Variant("s", "enough")}),
             {**group, "IOMMU_REASON": "enough"})):
        expect_error(f"{BUS_ERROR}.InteractiveAuthorizationRequired", connection.call, NAME, path, interface,
                     member, signature, *arguments)
        entry = wait(context, "REFUSED", IOMMU_METHOD=member)
        wanted = {"IOMMU_UID": str(USER), "IOMMU_RESULT": "InteractiveAuthorizationRequired",
                  "PRIORITY": "5", "IOMMU_GROUP": None, "IOMMU_DEVICE": None, "IOMMU_FROM": None,
                  "IOMMU_TO": None, **fields}
        equal({key: entry.get(key) for key in wanted}, wanted)
        assert int(entry["IOMMU_PID"]) > 1 and member in entry["MESSAGE"], entry
    connection.call(NAME, GROUP_0, GROUP, "Refresh")
    equal(len(entries(context, "REFUSED")), 4)


@case(start=False)
def journal_has_an_apply_where_nothing_is_applied(context):
    pathlib.Path("/run/cmdline").write_text("iommu_policy=off\n", encoding="ascii")
    subprocess.run(["mount", "--bind", "/run/cmdline", "/proc/cmdline"], check=True)
    context.daemon.start()
    expect_error("Disabled", context.call, ROOT, MANAGER, "Apply")
    entry = wait(context, "REFUSED", IOMMU_METHOD="Apply")
    equal((entry["IOMMU_RESULT"], entry["IOMMU_UID"], entry["IOMMU_PID"]),
          ("Disabled", "0", str(os.getpid())))


def flood(context, connection):
    """More calls than a connection may have, all there before the daemon reads the first; how many are too
    many."""
    context.daemon.signal(signal.SIGSTOP)
    sent = [connection.start(NAME, ROOT, MANAGER, "Reload") for _ in range(100)]
    connection.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId")
    context.daemon.signal(signal.SIGCONT)
    refused = 0
    for serial in sent:
        try:
            connection.finish(serial)
        except BusError as error:
            refused += error.name == f"{BUS_ERROR}.LimitsExceeded"
    return refused


@case()
def journal_has_too_many_calls_once(context):
    """Of a user, whatever connection he takes."""
    for _ in range(3):
        equal(flood(context, Connection(USER)), 84)
    entry = wait(context, "REFUSED", IOMMU_RESULT="LimitsExceeded")
    equal((entry["IOMMU_UID"], entry["IOMMU_METHOD"]), (str(USER), "Reload"))
    assert int(entry["IOMMU_PID"]) > 1, entry
    equal(flood(context, Connection(NOBODY)), 84)
    wait(context, "REFUSED", IOMMU_RESULT="LimitsExceeded", IOMMU_UID=str(NOBODY))
    equal(len(entries(context, "REFUSED", IOMMU_RESULT="LimitsExceeded")), 2)


@case(polkit=YES)
def journal_has_too_many_calls_again_after_one_that_succeeds(context):
    connection, before = Connection(USER), 0
    for _ in range(2):
        equal(flood(context, connection), 84)
        context.journal.wait(lambda _: len(entries(context, "REFUSED",
                                                   IOMMU_RESULT="LimitsExceeded")) > before)
        connection.call(NAME, ROOT, MANAGER, "Reload")
        before = len(entries(context, "REFUSED", IOMMU_RESULT="LimitsExceeded"))


@case()
def journal_has_a_stranger_sixty_times(context):
    """And what root does is written all the same."""
    connection = Connection(USER)
    for _ in range(70):
        expect_error(f"{BUS_ERROR}.InteractiveAuthorizationRequired", connection.call, NAME, ROOT, MANAGER,
                     "Apply")
    expect_error("InUse", context.set_type, 0, "identity")
    wait(context, "REFUSED", IOMMU_UID="0")
    told = entries(context, "REFUSED", IOMMU_UID=str(USER))
    equal(len(told), 60)
    equal([entry["MESSAGE"].endswith("not written within the minute") for entry in told],
          [False] * 59 + [True])


@case(rules={"30-forbid.conf": "[Match]\nAny=yes\n[Policy]\nForbid=identity\n"})
def journal_has_what_a_rule_forbids_a_call(context):
    """Refused before anybody was asked who it is."""
    expect_error("Forbidden", context.set_type, 0, "identity", uid=USER)
    entry = wait(context, "REFUSED", IOMMU_RESULT="Forbidden", IOMMU_UID=str(USER))
    assert "/etc/iommu-policy.d/30-forbid.conf" in entry["MESSAGE"], entry


@case(rules={"30-idle.conf": IDENTITY}, daemon_conf="[Daemon]\nSettleSec=1\n")
def journal_has_the_refusal_of_a_rule_once(context):
    """It looks again at each Apply, and each time finds the same use."""
    entry = wait(context, "REFUSED")
    equal((entry["IOMMU_RESULT"], entry["IOMMU_RULE"], entry["IOMMU_TO"]),
          ("InUse", "/etc/iommu-policy.d/30-idle.conf:4", "identity"))
    assert entry["IOMMU_FINDING"] and entry["IOMMU_EVIDENCE"], entry
    for _ in range(3):
        context.call(ROOT, MANAGER, "Apply")
        context.wait_group(0, State="pending", PendingReason="in-use")
    equal(len(entries(context, "REFUSED")), 1)


@case(rules={"30-forbid.conf": FORBID})
def journal_has_a_forbidden_type_once(context):
    entry = wait(context, "FORBIDDEN_TYPE")
    equal((entry["IOMMU_RULE"], entry["IOMMU_FROM"], entry["IOMMU_TO"]),
          ("/etc/iommu-policy.d/30-forbid.conf:4", "DMA-FQ", "DMA"))
    context.call(ROOT, MANAGER, "Apply")
    equal(len(entries(context, "FORBIDDEN_TYPE")), 1)


@case()
def journal_has_drift(context):
    with open("/sys/bus/pci/drivers/e1000e/unbind", "w", encoding="ascii") as file:
        file.write(CARD)
    with open("/sys/kernel/iommu_groups/0/type", "w", encoding="ascii") as file:
        file.write("identity")
    entry = wait(context, "DRIFT")
    equal((entry["IOMMU_FROM"], entry["IOMMU_TO"], entry["IOMMU_DEVICE"]), ("DMA-FQ", "identity", CARD))


@case()
def journal_has_who_reloads(context):
    context.call(ROOT, MANAGER, "Reload")
    entry = wait(context, "RULES_RELOADED")
    equal((entry["IOMMU_UID"], entry["IOMMU_PID"], entry["IOMMU_ERRORS"]), ("0", str(os.getpid()), "0"))
    context.write_rule("30-broken.conf", "[Match]\n")
    context.daemon.signal(signal.SIGHUP)
    entry = wait(context, "RULES_RELOADED", IOMMU_ERRORS="2")
    equal((entry["IOMMU_UID"], entry["IOMMU_PID"]), ("0", str(os.getpid())))
    equal(wait(context, "RULES_FROZEN")["PRIORITY"], "3")


@case()
def journal_has_a_call_that_is_dropped(context):
    context.change(0, "identity")
    context.set_type(0, "")
    entry = wait(context, "CALL_DROPPED")
    equal((entry["IOMMU_FROM"], entry["IOMMU_UID"], entry.get("IOMMU_TO")), ("identity", "0", None))


@case(polkit=YES)
def journal_has_a_change_that_fails(context):
    """The kernel refuses the type: undone, by the word of a user."""
    context.kernel("rule fault op=write path=*/type nth=2 count=100 fail EIO")
    expect_error("SwitchFailed", context.change, 0, "identity", uid=USER)
    entry = wait(context, "CHANGE_FAILED")
    equal((entry["IOMMU_RESULT"], entry["IOMMU_UID"], entry["IOMMU_TYPE"]),
          ("SwitchFailed", str(USER), "DMA-FQ"))


@case(daemon_conf="[Daemon]\nUnbindTimeoutSec=1\n")
def journal_has_a_stuck_change_and_its_end(context):
    context.kernel("rule stuck path=*/unbind op=write block")
    connection = Connection()
    serial = context.start_change(connection, 0, "identity")
    expect_error("Timeout", connection.finish, serial)
    equal(wait(context, "STUCK")["IOMMU_STEP"], f"unbind {CARD}")
    context.kernel("release stuck")
    wait(context, "GOES_ON")
    wait(context, "CHANGE_DONE")


@case()
def journal_has_a_recovery(context):
    context.kernel("rule fault op=write path=*/unbind when=after kill")
    expect_error("SwitchFailed", context.change, 0, "identity")
    equal(wait(context, "CHANGE_FAILED")["IOMMU_RESULT"], "SwitchFailed")
    entry = wait(context, "RECOVERED")
    equal((entry["IOMMU_GROUP"], entry["IOMMU_DEVICE"], entry["IOMMU_RESULT"]), ("0", CARD, "done"))


@case()
def journal_has_a_broken_group_and_its_end(context):
    """The driver refuses whatever the type; then somebody mends it, and binds the device by hand."""
    context.kernel("rule fault op=write path=*/bind fail EINVAL")
    expect_error("RebindFailed", context.change, 0, "identity", timeout=60)
    entry = wait(context, "BROKEN")
    equal((entry["IOMMU_DEVICE"], entry["IOMMU_RESULT"], entry["PRIORITY"]), (CARD, "RebindFailed", "3"))
    context.wait_group(0, State="broken")
    context.kernel("rule-remove fault")
    with open(f"/sys/bus/pci/devices/{CARD}/driver_override", "w", encoding="ascii") as file:
        file.write("\n")
    with open("/sys/bus/pci/drivers/e1000e/bind", "w", encoding="ascii") as file:
        file.write(CARD)
    wait(context, "RECOVERED")
    context.wait_group(0, State="settled")
    equal([name for name in os.listdir("/run/iommu-policy/change") if not name.endswith(".lock")], [])
