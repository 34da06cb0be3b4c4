# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon goes and comes, and the rules change, while the page is open."""

import pathlib

from cases_shown import check_mark, compare, mark
from dialog import Dialog
from harness import MANAGER, NOBODY, ROOT, case, equal
from page import opened

CARD_RULE = "[Match]\nAddress=0000:00:06.0\n[Policy]\nType=identity\nUnbind=never\n"


def banner(page, name):
    """Its text, or None when it cannot be seen."""
    return next((item.text for item in page.all(f"[data-banner={name}]") if item.is_displayed()), None)


def wait_banner(page, name, there):
    page.until(lambda: bool(banner(page, name)) == there, f"the banner {name} is {'not ' if there else ''}there")


@case(topology="machine")
def cockpit_daemon_stops_and_starts(context):
    with opened(context) as page:
        mark(page)
        equal(banner(page, "missing"), None)
        context.daemon.stop()
        wait_banner(page, "missing", True)
        assert "systemctl" in banner(page, "missing"), banner(page, "missing")
        page.screenshot("stopped")
        context.daemon.start()
        wait_banner(page, "missing", False)
        context.change(4, "identity")
        compare(context, page, 4)
        equal(page.cell(4, "type"), "identity")
        check_mark(page)


@case(topology="machine", start=False)
def cockpit_before_the_daemon(context):
    with opened(context, load=False) as page:
        page.load(ready=False)
        wait_banner(page, "missing", True)
        equal(page.all("tr[data-group]"), [])
        context.daemon.start()
        wait_banner(page, "missing", False)
        for group in context.groups():
            compare(context, page, group)


@case(topology="machine")
def cockpit_daemon_dies_in_a_change(context):
    """The dialog says so; the next daemon brings the device back, and the page tells that."""
    with opened(context) as page:
        dialog = Dialog(page, 6).open()
        dialog.choose("identity", "disruptive")
        dialog.finding("netns:eth0@0000:00:06.0").click()
        context.kernel("rule held op=write path=*/drivers/e1000e/unbind block")
        dialog.change()
        context.kernel("wait-blocked held")
        context.daemon.kill()
        page.until(lambda: any(alert.text for alert in page.all("[role=alert]", dialog.element)),
                   "the dialog says nothing")
        wait_banner(page, "missing", True)
        context.kernel("release held")
        context.daemon.start()
        wait_banner(page, "missing", False)
        dialog.escape()
        context.wait_group(6, State="settled")
        compare(context, page, 6)
        page.until(lambda: "driver e1000e" in page.cell(6, "devices"), lambda: page.cell(6, "devices"))


def rows(page, place):
    """The texts of the cells of each row of the table there."""
    return page.script("return [...document.querySelectorAll(`[data-${arguments[0]}] tbody tr`)].map("
                       "row => [...row.cells].map(cell => cell.innerText.trim()))", place)


def wait_rows(page, place, wanted):
    page.until(lambda: rows(page, place) == wanted, lambda: f"{place}: {rows(page, place)}, expected {wanted}")


@case(topology="machine")
def cockpit_rules(context):
    """A file that cannot be read is told with line and column as soon as it is there; what is sound is in force after a
    reload."""
    bad = pathlib.Path(context.options.source) / "tests/rules/bad/unknown-key.conf"
    with opened(context) as page:
        wait_rows(page, "diagnostics", [])
        context.write_rule("30-card.conf", CARD_RULE)
        context.write_rule("40-bad.conf", bad.read_bytes())
        wait_banner(page, "changed", True)
        page.until(lambda: rows(page, "diagnostics"), "nobody looks at the files")
        page.named("Reload").click()
        page.until(lambda: rows(page, "results"), "no diagnostics")
        said = context.call(ROOT, MANAGER, "Reload")
        assert said, "the file is not refused"
        wanted = [[f"{file}:{line}:{column}", severity, text] for file, line, column, severity, text in said]
        wait_rows(page, "results", wanted)
        wait_rows(page, "diagnostics", wanted)
        on_disk = page.one("[data-diagnostics]")
        page.until(lambda: not on_disk.is_displayed(), "the same is said twice")
        equal(context.get(ROOT, MANAGER, "State"), "frozen")
        wait_banner(page, "frozen", True)
        page.screenshot("rules-bad")
        pathlib.Path("/etc/iommu-policy.d/40-bad.conf").unlink()
        wait_rows(page, "diagnostics", [])
        page.until(on_disk.is_displayed, "nobody is told that the files are sound now")
        wait_banner(page, "changed", True)
        page.named("Reload the rules").click()
        wait_rows(page, "results", [])
        wait_banner(page, "changed", False)
        wait_banner(page, "frozen", False)
        equal(context.get(ROOT, MANAGER, "RuleFiles"), ["/etc/iommu-policy.d/30-card.conf"])
        page.until(lambda: "/etc/iommu-policy.d/30-card.conf" in page.one("section[aria-labelledby=rules]").text,
                   "the file is not shown")
        compare(context, page, 6)
        equal(page.cell(6, "state"), "pending (unbind-not-allowed)")
        page.screenshot("rules")


@case(topology="machine", rules={"30-card.conf": CARD_RULE})
def cockpit_apply(context):
    """It says what is not settled, and why."""
    with opened(context) as page:
        page.named("Apply").click()
        wait_rows(page, "results", [["6", "pending", "unbind-not-allowed"]])
        page.screenshot("applied")


@case(topology="machine")
def cockpit_rules_by_a_user(context):
    """Who may not is told, and nothing is read again."""
    context.write_rule("30-card.conf", CARD_RULE)
    with opened(context, uid=NOBODY) as page:
        for name in "Reload", "Apply":
            page.named(name).click()
            page.until(lambda: any(f"{name}: " in item.text and "org.iommupolicy1.manage-rules" in item.text
                                   for item in page.all("[role=alert]")),
                       lambda: [item.text for item in page.all("[role=alert]")])
        equal(context.get(ROOT, MANAGER, "RuleFiles"), [])
