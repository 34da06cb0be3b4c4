# SPDX-License-Identifier: LGPL-2.1-or-later
"""What iommuctl makes of all that the daemon knows: the tree, rules of what is set, figures, what is wrong;
and JSON of it all."""

import json
import os
import pathlib
import re
import select
import subprocess
import tempfile

import jsonschema

from cases_client import CARD, allowed, ask, contains, run
from harness import NOBODY, case, equal
from terminal import Terminal


@case(topology="machine")
def client_shows_the_tree(context):
    lines = run(context, "list", "--tree").splitlines()
    equal(lines[0].split(), ["DEVICE", "GROUP", "TYPE", "WANTED", "STATE", "DRIVER", "MODEL"])
    names = [re.search(r"\w\S*", line)[0] for line in lines[1:]]
    equal(names, ["pci0000:00", "0000:00:00.0", "0000:00:04.0", "0000:00:05.0", "0000:01:00.0",
                  "0000:00:06.0", "0000:00:07.0", "0000:00:1f.0", "0000:00:1f.2"])
    depth = {name: line.index(name) for name, line in zip(names, lines[1:])}
    assert depth["pci0000:00"] < depth["0000:00:04.0"], lines
    assert depth["0000:00:04.0"] == depth["0000:00:05.0"] < depth["0000:01:00.0"], lines
    equal(lines[1 + names.index(CARD)].partition(CARD)[2].split()[:5],
          ["6", "DMA-FQ", "-", "settled", "e1000e"])


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
    equal({number: (group["wanted_type"], group["state"])
           for number, group in groups.items() if group["wanted_type"]},
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
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True,
                             check=False)
    equal((checked.returncode, checked.stdout + checked.stderr), (0, ""), "promtool")

    documented = (pathlib.Path(context.options.source) / "docs/export.md").read_text(encoding="utf-8")
    equal(set(re.findall(r"^\| `(iommu_policy_\w+)", documented, re.MULTILINE)),
          set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)), "docs/export.md")

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


def complaints(context, code):
    """What doctor says, word -> texts; of the machine that the tests run on, too, so that is left out."""
    found = {}
    for complaint in ask(context, "doctor", code=code)["complaints"]:
        found.setdefault(complaint["id"], []).append(complaint["text"])
    return found


@case(topology="machine", rules={"30-relax.conf": "[Match]\nAddress=0000:00:06.0\n[Policy]\nType=identity\n",
                                 "40-gone.conf": "[Match]\nAddress=0000:3b:00.0\n[Policy]\nType=DMA\n"})
def client_doctor(context):
    found = complaints(context, 1)
    equal(found["name-absent"],
          ["/etc/iommu-policy.d/40-gone.conf: no device of this machine is Address=0000:3b:00.0"])
    equal(found["pending"], ["group 6 (0000:00:06.0) is pending: unbind-not-allowed"])
    for word in "no-daemon", "frozen", "rules-changed", "missing-capability", "rule-refused", "iommu-off":
        assert word not in found, found

    context.write_rule("50-broken.conf", "[Match]\n")
    contains(complaints(context, 1)["rules-changed"][0], "have changed")
    run(context, "reload", code=1)
    found = complaints(context, 1)
    contains(found["frozen"][0], "frozen")
    contains(found["rule-refused"][0], "50-broken.conf")
    text = run(context, "doctor", code=1)
    contains(text, "problem: the rules are frozen", "  why: Nothing is relaxed",
             "  do:  Run 'iommuctl check'")
    contains(run(context, "doctor", uid=NOBODY, code=1), "problem: the rules are frozen")


@case()
def client_doctor_of_a_failed_group(context):
    context.kernel(f"probe {CARD} EIO type=identity")
    run(context, "set", "0", "identity", *allowed(context, "0"), code=1)
    context.wait_group(0, State="failed")
    equal(complaints(context, 1)["group-state"], ["group 0 (0000:00:06.0) is failed"])
    contains(run(context, "doctor", code=1), "Run 'iommuctl show 0' for what went wrong.")


@case(start=False)
def client_doctor_of_a_daemon_without_capabilities(context):
    contains(complaints(context, 1)["no-daemon"][0], "iommu-policyd does not run")
    wrapper = pathlib.Path("/run/without-rawio")
    wrapper.write_text(f"#!/bin/sh\nexec setpriv --bounding-set -sys_rawio {context.options.daemon}\n")
    wrapper.chmod(0o755)
    context.daemon.path = str(wrapper)
    context.daemon.start()
    equal(complaints(context, 1)["missing-capability"], ["iommu-policyd runs without CAP_SYS_RAWIO"])


def monitored(context, count):
    """The first COUNT objects that monitor prints while rules are reloaded."""
    monitor = subprocess.Popen([context.options.client, "monitor", "--json"], stdout=subprocess.PIPE,
                               text=True)
    try:
        said = []
        while len(said) < count:
            run(context, "reload")
            while len(said) < count and select.select([monitor.stdout], [], [], 1)[0]:
                said.append(json.loads(monitor.stdout.readline()))
        return said
    finally:
        monitor.kill()
        monitor.wait()


@case(topology="machine",
      rules={"30-relax.conf": "[Match]\nAddress=0000:00:06.0\n[Policy]\nType=identity\n"})
def client_json_is_as_documented(context):
    """Each verb's answer against its definition in docs/iommuctl.schema.json."""
    source = pathlib.Path(context.options.source)
    schema = json.loads((source / "docs/iommuctl.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    held = set()

    def hold(name, answer):
        jsonschema.validate(answer, {"$ref": f"#/$defs/{name}", **schema}, jsonschema.Draft202012Validator)
        held.add(name)
        return answer

    rule = "/etc/iommu-policy.d/30-relax.conf"
    findings = hold("usage", ask(context, "usage", "6"))["findings"]
    assert findings, "the card is in use"
    for name, code, *words in [
            ("list", 0, "list"), ("list", 0, "list", "--tree"), ("show", 0, "show", "9"),
            ("why", 0, "why", "6"), ("why", 0, "why", "6", "DMA"), ("plan", 3, "plan", "6", "identity"),
            ("apply", 6, "apply"), ("check", 0, "check", rule), ("test", 0, "test", rule),
            ("features", 0, "features", "6"), ("rules", 0, "rules"),
            ("rules-generate", 0, "rules", "generate"), ("export-prometheus", 0, "export", "--prometheus"),
            ("export-nfd", 0, "export", "--nfd"), ("targets", 0, "targets"),
            ("set", 0, "set", "6", "identity", *allowed(context, "6")), ("show", 0, "show", "6"),
            ("revert", 0, "revert", "6")]:
        answer = hold(name, ask(context, *words, code=code))
        assert answer, words
    for event in monitored(context, 3):
        hold("monitor", event)
    context.write_rule("50-broken.conf", "[Match]\n")
    assert hold("reload", ask(context, "reload", code=1))["diagnostics"]
    hold("check", ask(context, "check", code=1))
    assert hold("doctor", ask(context, "doctor", code=1))["complaints"]

    # None is left out: neither a verb of the program nor a line of the table.
    verbs = re.findall(r"^  ([a-z]+) ", run(context, "--help").partition("Verbs:\n")[2], re.MULTILINE)
    known = {name.partition("-")[0] for name in held}
    equal([verb for verb in verbs if verb not in known], ["inhibit"])
    table = (source / "docs/json.md").read_text(encoding="utf-8")
    for name in held - {"targets"}:
        assert f"`{name}`" in table, f"{name} is not in docs/json.md"


@case(start=False)
def client_colours_only_a_terminal_that_wants_them(context):
    """Red stands before the problem that no daemon runs, where a terminal shows colours and nobody minds."""
    for variables, coloured in ({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": ""}, True), \
            ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({}, False):
        said = Terminal({"PATH": "/usr/bin:/bin", **variables}, context.options.client, "doctor").rest()
        contains(said, "iommu-policyd does not run")
        equal("\033[31mproblem\033[0m: " in said, coloured, variables)
        equal("\033" in said, coloured, variables)
    assert "\033" not in run(context, "doctor", code=1)


@case(topology="machine")
def client_asks_another_machine(context):
    """The way of -H: ssh, which is played here, and systemd-stdio-bridge at its other end."""
    folder = pathlib.Path("/run/ssh-bin")
    folder.mkdir()
    (folder / "ssh").write_text("#!/bin/sh\necho \"$*\" >>/run/ssh-words\nexec systemd-stdio-bridge\n")
    (folder / "ssh").chmod(0o755)
    variables = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}

    def there(*words):
        return subprocess.run([context.options.client, "-H", "admin@db1", *words], env=variables, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)

    equal(there("list", "--tree").stdout, run(context, "list", "--tree"))
    contains(pathlib.Path("/run/ssh-words").read_text(), "db1", "systemd-stdio-bridge")
    said = there("doctor")
    equal((said.returncode, said.stdout), (0, "Nothing is wrong.\n"), said.stderr)
    assert not any(line.startswith("eth") for line in there("targets").stdout.splitlines())
    equal(there("set", "9", "dma").returncode, 2)
