# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the page shows is what the daemon says."""

from harness import case, equal
from page import opened


@case(topology="machine")
def cockpit_table(context):
    with opened(context) as page:
        groups = context.groups()
        shown = [int(row.get_attribute("data-group")) for row in page.all("[data-group]")]
        equal(sorted(shown), sorted(groups))
        for group, (kind, wanted, *_) in groups.items():
            equal(page.cell(group, "type"), kind, group)
            equal(page.cell(group, "wanted") in (wanted, "–"), True, group)
        page.screenshot("table")
