# SPDX-License-Identifier: LGPL-2.1-or-later
"""What iommuctl makes of all that the daemon knows: the tree, rules of what is set."""

import pathlib
import re
import subprocess
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


EXTERNAL = "[Match]\nRemovable=yes\n[Policy]\nForbid=identity DMA-FQ\n"


def samples(text):
    """Of the text format of Prometheus: name and labels -> value."""
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


@case(topology="machine", rules={"30-relax.conf": "[Match]\nAddress=0000:00:06.0\n[Policy]\nType=identity\n",
                                 "40-external.conf": EXTERNAL})
def client_exports_figures(context):
    text = run(context, "export", "--prometheus")
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    equal((checked.returncode, checked.stdout + checked.stderr), (0, ""), "promtool")

    found = samples(text)
    types = [group["type"] for group in ask(context)["groups"]]
    for kind in "DMA", "DMA-FQ", "identity":
        equal(found[f'iommu_policy_groups{{type="{kind}"}}'], str(types.count(kind)), kind)
    for name, value in {"up": 1, 'state{state="running"}': 1, 'state{state="frozen"}': 0,
                        'pending_groups{reason="unbind-not-allowed"}': 1, "not_as_wanted_groups": 1,
                        "rule_files": 2, "conflict_groups": 0, "external_identity_groups": 0,
                        "rules_changed_on_disk": 0, "untranslated_devices": 0}.items():
        equal(found["iommu_policy_" + name], str(value), name)

    context.write_rule("50-broken.conf", "[Match]\n")
    run(context, "reload", code=1)
    equal(samples(run(context, "export", "--prometheus"))['iommu_policy_state{state="frozen"}'], "1")


@case(topology="machine")
def client_exports_labels(context):
    """As NFD checks what it is to label a node with (Kubernetes: labels and their values)."""
    word = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
    lines = run(context, "export", "--nfd").splitlines()
    labels = {}
    for line in lines:
        if not line.startswith("#"):
            assert re.fullmatch(rf"feature\.node\.kubernetes\.io/{word}={word}", line), line
            key, value = line.split("=")
            labels[key.partition("/iommu-policy.")[2]] = value
    equal(labels["state"], "running")
    equal(labels["groups"], "7")
    equal(labels["iommu.intel"], "true")
    equal(ask(context, "export", "--nfd")["labels"],
          {f"feature.node.kubernetes.io/iommu-policy.{name}": value for name, value in labels.items()})


@case(start=False)
def client_exports_without_a_daemon(context):
    contains(run(context, "export", "--prometheus", code=1), "iommu_policy_up 0\n")
    contains(run(context, "export", "--nfd", code=1), "systemctl enable --now iommu-policyd")
