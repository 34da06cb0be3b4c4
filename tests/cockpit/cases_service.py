# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon goes and comes, and the rules change, while the page is open."""

import pathlib

from cases_shown import check_mark, compare, mark
from dialog import Dialog
from harness import MANAGER, ROOT, case, equal
from page import opened

RULE = "[Match]\nAddress=0000:00:05.0\n[Policy]\nType=identity\nUnbind=idle\n"
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
        equal(banner(page, "service"), None)
        context.daemon.stop()
        wait_banner(page, "service", True)
        assert "systemctl" in banner(page, "service"), banner(page, "service")
        page.screenshot("stopped")
        context.daemon.start()
        wait_banner(page, "service", False)
        context.change(4, "identity")
        compare(context, page, 4)
        equal(page.cell(4, "type"), "identity")
        check_mark(page)


@case(topology="machine", start=False)
def cockpit_before_the_daemon(context):
    with opened(context, load=False) as page:
        page.load(ready=False)
        wait_banner(page, "service", True)
        equal(page.all("tr[data-group]"), [])
        context.daemon.start()
        wait_banner(page, "service", False)
        for group in context.groups():
            compare(context, page, group)


@case(topology="machine")
def cockpit_daemon_dies_in_a_change(context):
    """The dialog says so; the next daemon brings the device back, and the page tells that."""
    with opened(context) as page:
        dialog = Dialog(page, 6).open()
        dialog.choose("identity")
        dialog.finding("netns:eth0@0000:00:06.0").click()
        context.kernel("rule held op=write path=*/drivers/e1000e/unbind block")
        dialog.control("Change").click()
        context.kernel("wait-blocked held")
        context.daemon.kill()
        page.until(lambda: any(alert.text for alert in page.all("[role=alert]", dialog.element)), "the dialog says nothing")
        wait_banner(page, "service", True)
        context.kernel("release held")
        context.daemon.start()
        wait_banner(page, "service", False)
        dialog.escape()
        context.wait_group(6, State="settled")
        compare(context, page, 6)
        page.until(lambda: "driver e1000e" in page.cell(6, "devices"), lambda: page.cell(6, "devices"))


def diagnostics(page):
    return [" ".join(item.text.split()) for item in page.all("[data-diagnostic]") if item.is_displayed()]


@case(topology="machine")
def cockpit_rules(context):
    """A file that cannot be read is told with line and column; when it is mended, it is in force after a reload."""
    bad = pathlib.Path(context.options.source) / "tests/rules/bad/unknown-key.conf"
    context.write_rule("40-bad.conf", bad.read_bytes())
    context.write_rule("30-card.conf", CARD_RULE)
    with opened(context) as page:
        wait_banner(page, "rules", True)
        page.named("Reload").click()
        page.until(lambda: diagnostics(page), "no diagnostics")
        said = context.call(ROOT, MANAGER, "Reload")
        assert said, "the file is not refused"
        for file, line, column, severity, text in said:
            wanted = f"{file}:{line}:{column}: {severity}: {text}"
            page.until(lambda: wanted in diagnostics(page), lambda: f"\"{wanted}\" is not among {diagnostics(page)}")
        equal(context.get(ROOT, MANAGER, "State"), "frozen")
        page.until(lambda: "frozen" in page.one("main").text, "nobody is told that the rules are frozen")
        page.screenshot("rules-bad")
        pathlib.Path("/etc/iommu-policy.d/40-bad.conf").unlink()
        page.named("Reload").click()
        page.until(lambda: not diagnostics(page), lambda: diagnostics(page))
        wait_banner(page, "rules", False)
        files = context.get(ROOT, MANAGER, "RuleFiles")
        equal(files, ["/etc/iommu-policy.d/30-card.conf"])
        page.until(lambda: [item.get_attribute("data-rule-file") for item in page.all("[data-rule-file]")] == files,
                   lambda: [item.get_attribute("data-rule-file") for item in page.all("[data-rule-file]")])
        compare(context, page, 6)
        equal(page.cell(6, "state"), "pending (unbind-not-allowed)")
        page.screenshot("rules")


@case(topology="machine", rules={"30-card.conf": CARD_RULE})
def cockpit_apply(context):
    """It says what is not settled, and why."""
    with opened(context) as page:
        page.named("Apply").click()
        page.until(lambda: any("unbind-not-allowed" in item.text and "6" in item.text
                               for item in page.all("[data-apply-result]")), "the result is not shown")
        page.screenshot("applied")


@case(topology="machine")
def cockpit_rules_by_a_user(context):
    """Who may not is told, and nothing is read again."""
    context.write_rule("30-card.conf", CARD_RULE)
    with opened(context, uid=65534) as page:
        for name in "Reload", "Apply":
            page.named(name).click()
            page.until(lambda: any("not authorised" in item.text for item in page.all("[role=alert]")),
                       lambda: [item.text for item in page.all("[role=alert]")])
        equal(context.get(ROOT, MANAGER, "RuleFiles"), [])
