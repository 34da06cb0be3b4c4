# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples of the manuals, each page from its beginning to its end on one machine (manual.py has their
form)."""

import os
import pathlib
import subprocess

import manual
from harness import MANAGER, ROOT, USER, case, equal

# What stands between a client and another machine's bus: everything but the network.
SSH = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift 2
exec "$@"
"""


def page(context, name):
    """The source of a page, or what the build has made of it."""
    written = pathlib.Path(context.options.source) / "docs/man" / name
    made = pathlib.Path(context.options.daemon).parents[1] / "docs/man" / name
    return manual.Page(written if written.exists() else made)


def mount_srv():
    """Tells, in a mount table that is bound over the real one, that the first drive is mounted at /srv."""
    table = pathlib.Path("/run/mountinfo")
    own = pathlib.Path("/proc/1/mountinfo").read_text(encoding="utf-8")
    table.write_text(own + "9999 1 259:0 / /srv rw,relatime - ext4 /dev/nvme0n1 rw\n", encoding="utf-8")
    subprocess.run(["mount", "--bind", table, "/proc/1/mountinfo"], check=True)


def variables(context):
    """With the programs of the build where a shell finds them."""
    folder = pathlib.Path("/run/programs")
    folder.mkdir(exist_ok=True)
    (folder / "iommuctl").symlink_to(context.options.client)
    (folder / "ssh").write_text(SSH, encoding="utf-8")
    (folder / "ssh").chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def run(context, example, command, environment):
    text = command.text.replace("/usr/lib/iommu-policy/", f"{pathlib.Path(context.options.daemon).parent}/")
    uid = 0 if command.root else USER
    ended = subprocess.run(["sh", "-c", text], user=uid, group=uid, extra_groups=[], env=environment,
                           text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=60, check=False)
    place = f"{example.place}: {command.text}"
    equal(ended.returncode, 0, f"{place}: {ended.stdout}")
    expected = "\n".join(command.output)
    assert manual.matches(command.output, ended.stdout), \
        f"{place}: said\n{ended.stdout}instead of\n{expected}"


def run_page(context, name, at_least):
    """Writes the rule files and runs the commands of a page, as they come; AT_LEAST so many of both."""
    environment, count = variables(context), 0
    for example in page(context, name).examples():
        if example.path:
            context.write_rule(pathlib.Path(example.path).name, "\n".join(example.lines) + "\n")
            count += 1
            continue
        for command in example.commands():
            run(context, example, command, environment)
            count += 1
    assert count >= at_least, f"{name} has {count} examples"


@case(topology="manual", start=False)
def manual_of_iommuctl(context):
    mount_srv()
    context.daemon.start()
    run_page(context, "iommuctl.1", 20)


@case(topology="manual", start=False)
def manual_of_the_daemon(context):
    run_page(context, "iommu-policyd.8", 3)


@case(topology="manual")
def manual_of_rules(context):
    run_page(context, "iommu-policy.d.5", 8)
    equal(context.call(ROOT, MANAGER, "Reload"), [])
    equal(len(context.get(ROOT, MANAGER, "RuleFiles")), 8)


@case(topology="manual")
def manual_of_types(context):
    run_page(context, "iommu-domain-types.7", 4)


@case(topology="manual")
def manual_of_the_bus(context):
    run_page(context, "org.iommupolicy1.5", 6)


@case(topology="manual", start=False)
def manual_of_settings(context):
    (example,) = page(context, "daemon.conf.5").examples()
    pathlib.Path(example.path).write_text("\n".join(example.lines) + "\n", encoding="utf-8")
    context.daemon.start()
    # A setting that is refused is told at the start, before the daemon is ready.
    equal([entry["MESSAGE"] for entry in context.journal.entries
           if "daemon.conf" in entry.get("MESSAGE", "")], [])
