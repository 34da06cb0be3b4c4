# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dialog: it says what would be done, does it, and says what has become of it."""

import pathlib
import subprocess

from selenium.webdriver.common.keys import Keys

from bus import Variant
from cases_shown import check_mark, compare, mark
from dialog import Dialog
from harness import GROUP, ROOT, case, equal, error_of
from page import opened

PORT, DRIVE, CARD = 4, 5, 6  # of the topology "machine"
DISKS = 4  # of "two-disks"


def plan_of(context, group, kind):
    """What the daemon says: how, texts of the steps, findings, refusal, action."""
    how, steps, findings, refusal, action = context.call(f"{ROOT}/group/{group}", GROUP, "Plan", "sa{sv}", kind, {})
    return how, [step["text"] for step in steps], findings, refusal, action


def focus_is_on(page, group):
    return page.script("""
        const focused = document.activeElement;
        return focused.closest(`[data-group="${arguments[0]}"]`) !== null && focused.textContent === "Change type";
        """, group)


def open_by_keyboard(page, group):
    page.tab_to(lambda _: focus_is_on(page, group), "the button cannot be reached")
    page.press(Keys.ENTER)
    return Dialog(page, group).wait()


def choose_by_keyboard(page, kind):
    page.tab_to(lambda focused: focused.get_attribute("type") == "radio", "no type can be reached")
    for _ in range(4):
        if page.focused().accessible_name == kind and page.focused().is_selected():
            return
        page.press(Keys.ARROW_DOWN)
    raise AssertionError(f"{kind} cannot be reached")


@case(topology="machine")
def cockpit_plan_by_keyboard(context):
    """Nothing is clicked: to the button, into the dialog, to a type, and out again. Nothing is written."""
    with opened(context) as page:
        dialog = open_by_keyboard(page, PORT)
        choose_by_keyboard(page, "identity")
        how, steps, _, _, action = plan_of(context, PORT, "identity")
        dialog.plan(how, steps)
        dialog.wait_text("[data-plan]", action)
        page.screenshot("dialog")
        # The focus stays in the dialog.
        for key in Keys.TAB, Keys.SHIFT + Keys.TAB:
            for _ in range(12):
                page.press(key)
                assert page.script("return document.activeElement.closest('[role=dialog]') !== null"), \
                    "the focus has left the dialog"
        dialog.escape()
        page.until(lambda: focus_is_on(page, PORT), "the focus is not where it was")
        equal(context.kernel.writes(), [])


@case(topology="machine")
def cockpit_change_by_keyboard(context):
    """A finding is ticked, the change is done, and the dialog is closed."""
    with opened(context) as page:
        dialog = open_by_keyboard(page, CARD)
        choose_by_keyboard(page, "identity")
        dialog.plan("disruptive")
        finding = dialog.finding("netns:eth0@0000:00:06.0").accessible_name
        page.tab_to(lambda focused: focused.accessible_name == finding, "the finding cannot be reached")
        page.press(Keys.SPACE)
        page.until(dialog.control("Change").is_enabled, "the change is refused still")
        equal(page.focused().accessible_name, finding)
        page.tab_to(lambda focused: focused.accessible_name == "Change", "the button cannot be reached")
        page.press(Keys.ENTER)
        dialog.wait_done("Group 6: identity")
        equal(page.focused().accessible_name, "Close")
        page.press(Keys.ENTER)
        dialog.wait_closed()
        page.until(lambda: focus_is_on(page, CARD), "the focus is not where it was")
        equal(context.kernel.type(CARD), "identity")


@case(topology="machine")
def cockpit_plan_of_each_type(context):
    with opened(context) as page:
        for group in 4, 3, 7:
            dialog = Dialog(page, group).open()
            for kind in context.group(group, "SettableTypes"):
                how, steps, _, refusal, action = plan_of(context, group, kind)
                dialog.choose(kind, how)
                dialog.plan(how, steps)
                if refusal:
                    dialog.wait_text("[data-refusal]", refusal)
                equal(bool(page.all("[data-given-up]", dialog.element)), action == "org.iommupolicy1.relax" and not refusal,
                      f"group {group}, {kind}: what is given up")
            dialog.escape()
        equal(context.kernel.writes(), [])


@case(topology="machine")
def cockpit_change_after_a_finding(context):
    """The interface is in use. What is found is allowed one by one, and then it is done."""
    with opened(context) as page:
        dialog = Dialog(page, CARD).open()
        how, _, findings, refusal, _ = plan_of(context, CARD, "identity")
        equal([(finding["id"], finding["severity"]) for finding in findings], [("netns:eth0@0000:00:06.0", "fatal")])
        dialog.choose("identity", how)
        dialog.wait_text("[data-refusal]", refusal)
        page.screenshot("refusal")
        assert not dialog.control("Change").is_enabled(), "what is refused can be asked for"
        allowed = dialog.finding("netns:eth0@0000:00:06.0")
        equal(allowed.get_attribute("type"), "checkbox")
        assert findings[0]["text"] in allowed.accessible_name, allowed.accessible_name
        allowed.click()
        dialog.change()
        dialog.wait_done("Group 6: identity")
        page.wait_cell(CARD, "type", "identity")
        equal(context.kernel.type(CARD), "identity")
        equal(context.kernel.driver("0000:00:06.0"), "e1000e")


@case(topology="two-disks", start=False)
def cockpit_mounted_disk_is_refused(context):
    """Nobody may pass this, so there is nothing to tick."""
    table = pathlib.Path("/run/mountinfo")
    table.write_text(pathlib.Path("/proc/1/mountinfo").read_text(encoding="utf-8") +
                     "9999 1 259:0 / /srv rw,relatime - ext4 /dev/nvme0n1 rw\n", encoding="utf-8")
    subprocess.run(["mount", "--bind", table, "/proc/1/mountinfo"], check=True)
    context.daemon.start()
    with opened(context) as page:
        dialog = Dialog(page, DISKS).open()
        how, _, findings, refusal, _ = plan_of(context, DISKS, "DMA")
        equal([(finding["id"], finding["severity"]) for finding in findings], [("mount:/srv@nvme0n1", "absolute")])
        dialog.choose("DMA", how)
        dialog.wait_text("[data-refusal]", refusal)
        box = dialog.finding("mount:/srv@nvme0n1")
        equal(box.accessible_name, findings[0]["text"])
        assert not box.is_enabled(), "what nobody may allow can be ticked"
        assert not dialog.control("Change").is_enabled(), "what is refused can be asked for"
        page.screenshot("mounted")
        equal(context.kernel.writes(), [])


@case(topology="machine")
def cockpit_change_with_progress(context):
    """The kernel is held at two points; what the daemon does just then is told in the dialog and in the table."""
    with opened(context) as page:
        mark(page)
        dialog = Dialog(page, CARD).open()
        dialog.choose("identity", "disruptive")
        dialog.finding("netns:eth0@0000:00:06.0").click()
        context.kernel("rule first op=write path=*/drivers/e1000e/unbind block")
        context.kernel("rule second op=write path=*/drivers/e1000e/bind block")
        dialog.change()
        seen = []
        for point in "first", "second":
            context.kernel(f"wait-blocked {point}")
            page.until(lambda: context.group(CARD, "Step") not in ("", *seen), f"no step after {seen}")
            seen.append(context.group(CARD, "Step"))
            dialog.wait_text("[role=status]", seen[-1])
            page.until(lambda: "changing" in page.cell(CARD, "state"), lambda: page.cell(CARD, "state"))
            if point == "first":
                page.screenshot("progress")
            context.kernel(f"release {point}")
        dialog.wait_done("Group 6: identity")
        page.wait_cell(CARD, "type", "identity")
        page.wait_cell(CARD, "by", "by call:uid=0")
        compare(context, page, CARD)
        page.screenshot("done")
        check_mark(page)
        equal(context.kernel.type(CARD), "identity")


@case(topology="machine")
def cockpit_failed_change(context):
    """The kernel refuses in the middle. The text is the daemon's, word by word, and the group is as it was."""
    with opened(context) as page:
        dialog = Dialog(page, CARD).open()
        dialog.choose("DMA", "disruptive")
        dialog.finding("netns:eth0@0000:00:06.0").click()
        context.kernel(f"rule bad op=write path=sys/kernel/iommu_groups/{CARD}/type nth=2 fail EIO")
        dialog.change()
        context.wait_group(CARD, State="failed")
        _, _, name, text = context.group(CARD, "LastResult")
        equal(name, "org.iommupolicy1.Error.SwitchFailed")
        dialog.wait_text("[role=alert]", " ".join(text.split()))
        page.screenshot("failed")
        dialog.escape()
        compare(context, page, CARD)
        equal(context.kernel.driver("0000:00:06.0"), "e1000e")


@case(topology="machine")
def cockpit_finding_of_the_last_look(context):
    """The plan does not open a disk, the change does; what it finds can be named in the next try. This disk cannot be
    opened at all, which nobody may pass."""
    with opened(context) as page:
        dialog = Dialog(page, DRIVE).open()
        dialog.choose("DMA", "disruptive")
        dialog.change()
        dialog.wait_text("[role=alert]", "group 5: in use (unknown:nvme1n1@nvme1n1)")
        equal(context.kernel.type(DRIVE), "DMA-FQ")
        dialog.control("Allow also these findings, by their ids").send_keys("unknown:nvme1n1@nvme1n1")
        dialog.change()
        dialog.wait_text("[role=alert]", "there is no finding of this id to allow (unknown:nvme1n1@nvme1n1)")
        equal(context.kernel.type(DRIVE), "DMA-FQ")
        equal(context.kernel.driver("0000:01:00.0"), "nvme")


def keep(dialog):
    dialog.control("Also write a rule file, so that it holds after a reboot").click()


@case(topology="machine")
def cockpit_change_that_lasts(context):
    """With a rule file, and a reason that is kept in it."""
    with opened(context) as page:
        dialog = Dialog(page, CARD).open()
        dialog.choose("identity", "disruptive")
        dialog.finding("netns:eth0@0000:00:06.0").click()
        keep(dialog)
        dialog.control("Reason, for the journal and the rule file").send_keys("measured <in May>")
        dialog.change()
        dialog.wait_done("Group 6: identity")
        compare(context, page, CARD)
        files = list(pathlib.Path("/etc/iommu-policy.d").iterdir())
        equal([file.name for file in files], ["05-call-pci-0000:00:06.0.conf"])
        assert "Reason=measured <in May>" in files[0].read_text(encoding="utf-8"), files[0].read_text(encoding="utf-8")


@case(topology="machine")
def cockpit_change_that_cannot_last(context):
    """A rule names no bridge, which the daemon says when it is asked to do it. Without the file it is done."""
    with opened(context) as page:
        dialog = Dialog(page, PORT).open()
        dialog.choose("identity", "unbound")
        keep(dialog)
        dialog.change()
        error = error_of(context.set_type, PORT, "identity", persist=Variant("b", True))
        equal(error.name, "org.iommupolicy1.Error.PersistFailed")
        dialog.wait_text("[role=alert]", error.text)
        equal(context.kernel.writes(), [])
        keep(dialog)
        dialog.change()
        dialog.wait_done("Group 4: identity")
        equal(context.kernel.type(PORT), "identity")


@case(topology="machine")
def cockpit_back_to_the_rules(context):
    """What a call asked for is dropped again."""
    context.change(PORT, "identity")
    with opened(context) as page:
        compare(context, page, PORT)
        dialog = Dialog(page, PORT).open()
        dialog.choose("Back to the rules", "nothing")
        dialog.change()
        dialog.wait_done("Group 4: identity")
        page.wait_cell(PORT, "by", "")
        compare(context, page, PORT)
        equal(context.group(PORT, "WantedBy"), "")


@case(topology="machine")
def cockpit_device_goes_while_the_dialog_is_open(context):
    with opened(context) as page:
        dialog = Dialog(page, CARD).open()
        dialog.choose("identity", "disruptive")
        context.kernel("remove 0000:00:06.0")
        dialog.wait_text("[role=alert]", "gone")
        assert not dialog.control("Change").is_enabled(), "a group that has gone can be changed"
        dialog.escape()
        equal(page.all("[data-group='6']"), [])
        equal(context.kernel.writes(), [])
