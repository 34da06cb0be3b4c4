# SPDX-License-Identifier: LGPL-2.1-or-later
"""iommuctl against the shipped daemon: what it prints, and with which exit code it ends."""

import json
import os
import select
import subprocess

from harness import NOBODY, case, equal
from terminal import Terminal

CARD = "0000:00:06.0"
RELAX = "[Match]\nAddress=0000:00:06.0\n[Policy]\nType=identity\n"


def run(context, *arguments, uid=0, code=0):
    """What iommuctl says on both streams; it must end with CODE."""
    ended = subprocess.run([context.options.client, *arguments], user=uid, group=uid, extra_groups=[],
                           text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=60)
    assert ended.returncode == code, f"{arguments}: {ended.returncode}, expected {code}: {ended.stdout}"
    return ended.stdout


def ask(context, *arguments, **options):
    return json.loads(run(context, *arguments, "--json", **options))


def allowed(context, target):
    """Options that allow every finding that a call may allow."""
    findings = ask(context, "usage", target)["findings"]
    return [f"--allow={finding['id']}" for finding in findings if finding["severity"] != "absolute"]


def contains(text, *words):
    for word in words:
        assert word in text, f"{word!r} is not in {text!r}"


@case(topology="machine")
def client_lists_groups(context):
    groups = {group["id"]: group for group in ask(context)["groups"]}
    equal(sorted(groups), [0, 3, 4, 5, 6, 7, 9])
    equal([device["name"] for device in groups[9]["devices"]], ["0000:00:1f.0", "0000:00:1f.2"])
    equal(groups[6]["type"], "DMA-FQ")
    equal(groups[6]["devices"][0]["vendor_id"], 0x8086)

    lines = run(context, "list").splitlines()
    equal(lines[0].split(), ["GROUP", "TYPE", "WANTED", "STATE", "DEVICES", "DRIVERS"])
    equal(lines[5].split(), ["6", "DMA-FQ", "-", "settled", CARD, "e1000e"])
    contains(run(context, "list", "--tree"), CARD, "0000:01:00.0")
    equal(run(context, "list", uid=NOBODY), run(context))


@case(topology="machine")
def client_takes_any_target(context):
    for target in "6", CARD, "00:06.0", f"pci:{CARD}", "eth0", f"/sys/bus/pci/devices/{CARD}":
        equal(ask(context, "show", target)["id"], 6, target)
    contains(run(context, "show", "6"), "Group 6", f"Device pci:{CARD}", "e1000e", "8086:10d3")
    contains(run(context, "show", "99", code=1), "99", "iommuctl list")
    contains(run(context, "show", "eth99", code=1), "eth99", "iommuctl list")


@case()
def client_sets_and_reverts(context):
    plan = ask(context, "plan", "0", "identity", code=3)
    equal((plan["how"], plan["action"]), ("disruptive", "org.iommupolicy1.relax"))
    assert plan["refusal"] and plan["findings"], plan
    contains(run(context, "set", "0", "identity", code=3), "group 0", "iommuctl usage 0")
    equal(context.kernel.type(0), "DMA-FQ")

    answer = ask(context, "set", CARD, "identity", "--reason", "a test", *allowed(context, "0"))
    equal(answer, {"type": "identity", "state": "settled", "pending_reason": ""})
    equal(context.kernel.type(0), "identity")
    equal(context.kernel.driver(CARD), "e1000e")
    why = ask(context, "why", "0")
    equal((why["wanted"], why["wanted_by"]), ("identity", "call:uid=0"))
    contains(run(context, "why", "0", "DMA"), "identity", "call:uid=0", "To DMA:", "unbind")

    equal(run(context, "revert", "0"), "0: identity\n")
    equal(ask(context, "why", "0")["wanted"], "")


@case()
def client_tells_what_is_to_be_seen_to(context):
    """The card comes back under another name: said by the call, in LastResult and in the journal."""
    context.kernel(f"child {CARD} net:eth7")
    note = "interface eth0 came back as eth7"
    equal(run(context, "set", "0", "identity", *allowed(context, "0")), f"0: identity; {note}\n")
    equal(context.group(0, "LastResult")[3], note)
    context.journal.wait(lambda entry: entry.get("IOMMU_NOTE") == note)
    equal(run(context, "set", "0", "identity"), "0: identity\n")
    context.kernel(f"child {CARD} net:eth0")
    equal(ask(context, "set", "0", "DMA", *allowed(context, "0"))["note"],
          "interface eth7 came back as eth0")


@case()
def client_tells_what_is_to_be_seen_to_after_a_failure(context):
    context.kernel(f"child {CARD} net:eth7")
    context.kernel("rule fault op=write path=*/type nth=2 count=100 fail EIO")
    text = run(context, "set", "0", "identity", *allowed(context, "0"), code=1)
    contains(text, "interface eth0 came back as eth7")
    contains(context.group(0, "LastResult")[3], "interface eth0 came back as eth7")


@case(rules={"30-forbid.conf": "[Match]\nAny=yes\n[Policy]\nForbid=identity\n"})
def client_exit_codes(context):
    contains(run(context, "set", "0", "identity", code=5), "30-forbid.conf:4")
    contains(run(context, "set", "0", "dma", code=2), "DMA-FQ")
    contains(run(context, "set", "0", "DMA", "--no-unbind", code=6), CARD)
    contains(run(context, "set", "0", "DMA", "--allow=mount:/nowhere@x", *allowed(context, "0"), code=1),
             "mount:/nowhere@x", "iommuctl usage 0")
    run(context, "plan", "0", "identity", code=1)
    equal(context.kernel.type(0), "DMA-FQ")
    for verb in (("set", "0", "DMA", *allowed(context, "0")), ("apply",), ("reload",),
                 ("inhibit", "0", "true")):
        run(context, "--no-ask-password", *verb, uid=NOBODY, code=4)


@case(rules={"30-relax.conf": RELAX})
def client_applies_rules(context):
    answer = ask(context, "apply", code=6)
    equal(answer, {"groups": [{"id": 0, "state": "pending", "reason": "unbind-not-allowed"}]})
    contains(run(context, "why", "0"), "30-relax.conf:4", "pending: unbind-not-allowed")
    equal(ask(context, "rules"), {"state": "running", "rules_changed_on_disk": False,
                                  "rule_files": [{"file": "/etc/iommu-policy.d/30-relax.conf",
                                                  "devices": 1}]})


@case(rules={"30-relax.conf": RELAX})
def client_reloads_rules(context):
    equal(run(context, "reload"), "")
    context.write_rule("40-broken.conf", "[Match]\nClass=network\n[Policy]\nTyp=DMA\n")
    contains(run(context, "rules"), "iommuctl reload")
    contains(run(context, "reload", code=1), "/etc/iommu-policy.d/40-broken.conf:4:1: error: ", "Type=")
    contains(run(context, "rules"), "30-relax.conf", "Frozen")
    contains(run(context, "check", code=1), "40-broken.conf:4:1: error: ")


@case()
def client_tests_rules_offline(context):
    context.write_rule("30-relax.conf", RELAX)
    groups = ask(context, "test", "/etc/iommu-policy.d/30-relax.conf")["groups"]
    equal([(group["id"], group["wanted_type"], group["pending_reason"]) for group in groups],
          [(0, "identity", "unbind-not-allowed")])
    context.write_rule("30-late.conf",
                       "[Match]\nProperty=ID_PCI_CLASS_FROM_DATABASE=Network*\n[Policy]\nType=DMA\n")
    groups = ask(context, "test", "/etc/iommu-policy.d/30-late.conf")["groups"]
    equal([group["wanted_type"] for group in groups], ["DMA"])


@case()
def client_inhibits(context):
    run(context, "inhibit", "0", "sh", "-c", "exit 0")
    run(context, "inhibit", "0", "sh", "-c", "exit 17", code=17)


@case()
def client_shows_features(context):
    device = ask(context, "features", CARD)[CARD]
    equal((device["iommu"], device["group"]), ("intel", 0))
    equal(len(device["features"]), 11)
    equal(device["features"]["dma_fq"], {"available": True, "enabled": context.group(0, "Type") == "DMA-FQ"})
    equal(device["features"]["aux"], {"available": False, "enabled": False})
    text = run(context, "features", CARD)
    contains(text, CARD, "behind intel", "snoop-control", "5.18", "pasid")
    contains(run(context, "features", "--help"), "not known")


@case()
def client_shows_what_is_reserved(context):
    """What the firmware and the kernel keep of a group is said of it without any rule, and changes
    nothing."""
    context.kernel("device pci 0000:00:02.0 group=7 id=8086:3e92 class=030000 "
                   "'reserved=0x000000007b800000 0x000000007fffffff direct'")
    context.kernel("device pci 0000:00:1f.0 group=8 id=8086:2918 class=060100 "
                   "'reserved=0x0000000000000000 0x0000000000ffffff direct-relaxable'")
    msi = (0xfee00000, 0xfeefffff, "msi")
    context.wait_group(7, Type="DMA-FQ", ReservedRegions=[msi, (0x7b800000, 0x7fffffff, "direct")])
    context.wait_group(8, Type="DMA-FQ", ReservedRegions=[msi, (0, 0xffffff, "direct-relaxable")])
    contains(run(context, "why", "7"), "no other type is wanted", "note",
             "VFIO and iommufd will not take this group")
    contains(run(context, "features", "7"), "Reserved: 7b800000-7fffffff direct\n",
             "Note: 7b800000-7fffffff is reserved")
    card = ask(context, "features", "8")["0000:00:1f.0"]
    equal([region["type"] for region in card["reserved_regions"]], ["msi", "direct-relaxable"])
    contains(card["notes"][0], "for the ISA bridge 0000:00:1f.0")
    equal(len(card["notes"]), 1)
    equal(ask(context, "set", "7", "identity", *allowed(context, "7"))["type"], "identity")


@case()
def client_monitors(context):
    monitor = subprocess.Popen([context.options.client, "monitor", "--json"], stdout=subprocess.PIPE,
                               text=True)
    try:
        # It is there when it has said something, and a reload is something to say.
        first = None
        while not first:
            run(context, "reload")
            ready, _, _ = select.select([monitor.stdout], [], [], 1)
            first = ready and json.loads(monitor.stdout.readline())
        equal(first["event"], "reloaded")
        run(context, "set", "0", "identity", *allowed(context, "0"))
        for line in monitor.stdout:
            event = json.loads(line)
            if event["event"] == "changed" and event["properties"].get("type") == "identity":
                equal(event["path"], "/org/iommupolicy1/group/0")
                break
    finally:
        monitor.kill()
        monitor.wait()


@case()
def client_shows_steps_on_a_terminal(context):
    options = allowed(context, "0")
    # Long enough to be shown: steps that follow each other in no time are told as one.
    context.kernel("rule slow op=write path=*/unbind delay 300")
    terminal = Terminal({**os.environ, "TERM": "xterm"}, context.options.client, "set", "0", "identity",
                        *options)
    contains(terminal.rest(), "\r\033[K", f"unbind {CARD}", "0: identity")
    equal(terminal.code, 0)


@case(start=False)
def client_without_daemon(context):
    contains(run(context, "list", code=1), "systemctl enable --now iommu-policyd")
