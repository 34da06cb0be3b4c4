# SPDX-License-Identifier: LGPL-2.1-or-later
"""What iommuctl makes of all that the daemon knows: the tree, rules of what is set."""

import pathlib
import re
import tempfile

from cases_client import CARD, ask, contains, run
from harness import case, equal


@case(topology="machine")
def client_shows_the_tree(context):
    lines = run(context, "list", "--tree").splitlines()
    equal(lines[0].split(), ["DEVICE", "GROUP", "TYPE", "WANTED", "STATE", "DRIVER", "MODEL"])
    names = [re.search(r"\w\S*", line)[0] for line in lines[1:]]
    equal(names, ["pci0000:00", "0000:00:00.0", "0000:00:04.0", "0000:00:05.0", "0000:01:00.0", "0000:00:06.0",
                  "0000:00:07.0", "0000:00:1f.0", "0000:00:1f.2"])
    depth = {name: line.index(name) for name, line in zip(names, lines[1:])}
    assert depth["pci0000:00"] < depth["0000:00:04.0"] == depth["0000:00:05.0"] < depth["0000:01:00.0"], lines
    equal(lines[1 + names.index(CARD)].partition(CARD)[2].split()[:5], ["6", "DMA-FQ", "-", "settled", "e1000e"])


@case(topology="machine")
def client_generates_rules(context):
    text = run(context, "rules", "generate", CARD)
    equal(text.splitlines()[0], f"# 50-pci-{CARD}.conf")
    contains(text, "Group 6 as it is set now:", f"Path=pci0000:00/{CARD}\nId=8086:10d3\n", "Type=DMA-FQ\n",
             "Unbind=never\n")
    every = run(context, "rules", "generate")
    equal(every.count("[Policy]"), 6)
    contains(every, "# Group 4 has nothing but bridges, which rules do not name.")
    files = ask(context, "rules", "generate", "9", "4")["files"]
    equal([(file["group"], file["name"]) for file in files], [(9, "50-pci-0000:00:1f.0.conf"), (4, "")])
    equal(files[0]["text"].count("[Match]"), 2)
    contains(run(context, "rules", "generate", "99", code=1), "99", "iommuctl list")
    contains(run(context, "rules", "write", code=2), "rules generate", "iommuctl rules --help")


@case(topology="machine")
def client_generated_rules_hold(context):
    """They are rules that the daemon takes, and that want what is there."""
    with tempfile.TemporaryDirectory() as folder:
        names = run(context, "rules", "generate", f"--directory={folder}").splitlines()
        equal(len(names), 6)
        contains(run(context, "rules", "generate", f"--directory={folder}", code=1), "File exists")
        run(context, "check", *names)
        for name in names:
            path = pathlib.Path(name)
            context.write_rule(path.name, path.read_text())
    equal(run(context, "reload"), "")
    groups = {group["id"]: group for group in ask(context)["groups"]}
    equal({number: (group["wanted_type"], group["state"]) for number, group in groups.items() if group["wanted_type"]},
          {number: (groups[number]["type"], "settled") for number in (0, 3, 5, 6, 7, 9)})
    equal([text for path, text, _ in context.kernel.writes() if path.endswith("/type")], [])
