# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a fleet is kept with: the Ansible role, played on a machine that has the daemon, and the alerts on
its figures."""

import json
import os
import pathlib
import re
import subprocess

import yaml

import cases_manual
import manual
from cases_client import run
from cases_report import samples
from harness import MANAGER, ROOT, USER, case, equal

ALERTS = "contrib/prometheus/iommu-policy.rules.yml"
RULES = pathlib.Path("/etc/iommu-policy.d")
WORK = pathlib.Path("/run/play")
CARD = {"name": "30-card", "match": {"Address": "0000:00:06.0"}, "policy": {"Type": "DMA", "Unbind": "idle"}}
EXTERNAL = {"name": "90-external", "match": {"Removable": True},
            "policy": {"Forbid": ["identity", "DMA-FQ"], "Reason": "firmware # marks them; 100 %"}}
EXTERNAL_TEXT = """# Written by the Ansible role iommu_policy: what is changed here will be lost
[Match]
Removable=yes

[Policy]
Forbid=identity DMA-FQ
Reason=firmware # marks them; 100 %
"""


def environment(context):
    """That of a host of its own: iommuctl is where a shell finds it, and Ansible has a home."""
    programs = WORK / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    if not (programs / "iommuctl").exists():
        (programs / "iommuctl").symlink_to(context.options.client)
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(WORK), "LC_ALL": "C.UTF-8",
            "ANSIBLE_ROLES_PATH": f"{context.options.source}/contrib/ansible/roles",
            "ANSIBLE_CALLBACK_PLUGINS": str(pathlib.Path(__file__).with_name("ansible")),
            "ANSIBLE_STDOUT_CALLBACK": "report", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3"}


class Play:
    """One run of the role; VARIABLES without their prefix. FAILS: it must."""

    def __init__(self, context, *options, fails=False, tasks_from="main", **variables):
        variables = {"packages": [], "manage_service": False, **variables}
        play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [
            {"name": "Play the role", "ansible.builtin.include_role": {"name": "iommu_policy",
                                                                      "tasks_from": tasks_from}},
            {"name": "Show the facts", "ansible.builtin.debug": {"var": "iommu_policy_facts"}}],
            "vars": {f"iommu_policy_{name}": value for name, value in variables.items()}}]
        env = environment(context)
        (WORK / "play.json").write_text(json.dumps(play), encoding="utf-8")
        ended = subprocess.run(["ansible-playbook", "--inventory=localhost,", *options, WORK / "play.json"],
                               env=env, cwd=WORK, text=True, stdin=subprocess.DEVNULL, capture_output=True,
                               timeout=200, check=False)
        self.text = ended.stdout + ended.stderr
        equal(ended.returncode, 2 if fails else 0, self.text)
        # What it warns of, people would have to read at each run.
        equal(ended.stderr, "", "said beside the report")
        report = json.loads(ended.stdout)
        self.tasks, self.stats = report["results"], report["stats"]

    def results(self, name):
        """Of the tasks of this name."""
        return [result for result in self.tasks if result["task"].endswith(name)]

    @property
    def changed(self):
        """Names of the tasks that have changed something."""
        return [result["task"].removeprefix("iommu_policy : ")
                for result in self.tasks if result.get("changed")]

    @property
    def facts(self):
        (result,) = self.results("Show the facts")
        return result["iommu_policy_facts"]


def files():
    return {path.name: path.read_text(encoding="utf-8") for path in RULES.glob("*.conf")}


def in_force(context):
    return [pathlib.Path(path).name for path in context.get(ROOT, MANAGER, "RuleFiles")]


OWN = "[Match]\nAny=yes\n[Policy]\nForbid=identity\n"


@case(topology="machine", rules={"50-own.conf": OWN})
def fleet_role_twice(context):
    first = Play(context, rules=[CARD, EXTERNAL])
    assert first.stats["changed"] > 0, first.text
    equal(files(), {"30-card.conf": files()["30-card.conf"], "90-external.conf": EXTERNAL_TEXT,
                    "50-own.conf": OWN})
    equal(in_force(context), ["30-card.conf", "50-own.conf", "90-external.conf"])
    equal((RULES / "90-external.conf").stat().st_mode & 0o7777, 0o644)

    second = Play(context, rules=[CARD, EXTERNAL])
    equal((second.stats["changed"], second.changed), (0, []))
    equal(second.facts["state"], "running")
    equal([rule["file"] for rule in second.facts["rule_files"]],
          [f"{RULES}/{name}" for name in sorted(files())])
    equal(second.facts["groups"][0]["id"], 0)
    equal(second.facts["figures"]["rule_files"], 3)


@case(topology="machine")
def fleet_role_in_check_mode(context):
    Play(context, rules=[CARD, EXTERNAL])
    before = files()
    relaxed = {**EXTERNAL, "policy": {"Forbid": "identity"}}
    foretold = Play(context, "--check", "--diff", rules=[relaxed])
    equal(foretold.changed, ["Write the rules",
                             "Remove the files of rules that are not in the list any more"])
    (written,) = foretold.results("Write the rules")
    (difference,) = written["results"][0]["diff"]
    equal(difference["before"], before["90-external.conf"])
    equal(difference["after"], EXTERNAL_TEXT.replace(" DMA-FQ", "").rpartition("Reason=")[0])
    equal(files(), before)
    equal(in_force(context), sorted(before))

    bad = Play(context, "--check", fails=True, rules=[{**CARD, "policy": {"Typ": "DMA"}}])
    assert "error: " in bad.text and "Type=" in bad.text, bad.text


@case(topology="machine", rules={"50-own.conf": OWN})
def fleet_role_refuses_a_bad_rule(context):
    """No file is touched then, neither the one that would be replaced nor the good ones of the same list."""
    Play(context, rules=[CARD])
    before = files()
    for rule in ({**CARD, "name": EXTERNAL["name"]}, {**CARD, "name": "../30-card"},
                 {**CARD, "policy": {"Type": "DMA-FAST"}}, {**CARD, "match": {"Class": 0x0108}},
                 {**CARD, "policy": {"Type": "DMA", "Reason": "two\nUnbind=idle"}},
                 {**CARD, "policy": {"Type": "DMA", "Reason": "more \\"}},
                 {**CARD, "match": {"Serial": ["one two"]}}):
        refused = Play(context, fails=True, rules=[EXTERNAL, rule])
        equal(refused.stats["changed"], 0, refused.text)
        equal(files(), before)
    equal(in_force(context), ["30-card.conf", "50-own.conf"])

    removed = Play(context, rules=[])
    equal(files(), {"50-own.conf": OWN})
    equal(in_force(context), ["50-own.conf"])
    assert "Remove the files of rules that are not in the list any more" in removed.changed, removed.text


@case(topology="machine")
def fleet_role_makes_up_for_a_play_that_broke_off(context):
    """The files are there, and nobody has told the daemon."""
    Play(context, rules=[CARD, EXTERNAL])
    written = files()
    Play(context, rules=[])
    for name, text in written.items():
        context.write_rule(name, text)
    again = Play(context, rules=[CARD, EXTERNAL])
    equal(again.changed, ["Ask whether the rules on disk are those in force",
                          "Reload the rules of iommu-policyd"])
    equal(in_force(context), sorted(written))


@case(topology="machine")
def fleet_role_applies(context):
    strict = {"name": "30-strict", "match": [{"Class": ["network", "gpu"], "Bus": "pci"},
                                             {"Class": "0x0401*"}],
              "policy": {"Type": "DMA"}}
    waiting = Play(context, rules=[strict], apply=True)
    equal(files()["30-strict.conf"].splitlines()[1:],
          ["[Match]", "Class=network gpu", "Bus=pci", "", "[Match]", "Class=0x0401*", "", "[Policy]",
           "Type=DMA"])
    equal({group["id"]: group["pending_reason"] for group in waiting.facts["groups"]
           if group["state"] == "pending"},
          {6: "unbind-not-allowed"})
    equal(Play(context, rules=[strict], apply=True).stats["changed"], 0)
    equal(Play(context, tasks_from="facts").facts["figures"]["not_as_wanted_groups"], 1)


@case(topology="machine", start=False)
def fleet_role_in_an_image(context):
    """There is no daemon, and none is started; and what cannot be foretold is no failure."""
    built = Play(context, rules=[EXTERNAL], live=False)
    equal(files(), {"90-external.conf": EXTERNAL_TEXT})
    equal(built.facts, "VARIABLE IS NOT DEFINED!")
    equal(Play(context, "--check", rules=[CARD]).changed,
          ["Write the rules", "Remove the files of rules that are not in the list any more"])


def check_alerts(context, fired):
    """These alerts, and no others, have fired when the figures of now have stood there for two hours."""
    figures = samples(run(context, "export", "--prometheus"))
    expected = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in fired]
    test = {"rule_files": [f"{context.options.source}/{ALERTS}"], "evaluation_interval": "1m", "tests": [{
        "interval": "1m", "input_series": [{"series": name, "values": f"{value}x120"}
                                           for name, value in figures.items()],
        "promql_expr_test": [{"eval_time": "2h",
                              "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                              "exp_samples": expected}]}]}
    pathlib.Path("/run/alerts.json").write_text(json.dumps(test), encoding="utf-8")
    ended = subprocess.run(["promtool", "test", "rules", "/run/alerts.json"], capture_output=True, text=True,
                           check=False)
    equal(ended.returncode, 0, ended.stdout + ended.stderr)


@case(topology="machine", rules={"50-own.conf": OWN})
def fleet_alerts_on_what_is_exported(context):
    check_alerts(context, [])
    context.write_rule("30-card.conf", "[Match]\nAddress=0000:00:06.0\n[Policy]\nType=DMA\n")
    check_alerts(context, ["IommuPolicyRulesNotRead"])
    run(context, "reload")
    check_alerts(context, ["IommuPolicyDrift"])
    context.write_rule("60-broken.conf", "[Match]\n")
    run(context, "reload", code=1)
    check_alerts(context, ["IommuPolicyDrift", "IommuPolicyNotRunning"])


class Document:
    """A page in Markdown: its fenced blocks, and the files that it has people write."""

    def __init__(self, path):
        self.name = path.name
        text = path.read_text(encoding="utf-8")
        self.blocks = [(text[:found.start()].count("\n") + 1, found[1], found[2])
                       for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]
        known = {"console", "systemd", "yaml"}
        assert {kind for _, kind, _ in self.blocks} <= known, f"{self.name}: blocks that no test looks at"

    def of_kind(self, kind):
        return [(f"{self.name}:{line}", text) for line, shown, text in self.blocks if shown == kind]

    def yaml(self):
        return [(place, yaml.safe_load(text)) for place, text in self.of_kind("yaml")]

    def units(self):
        """Name -> text."""
        return {pathlib.Path(text.splitlines()[0].removeprefix("# ")).name: text
                for _, text in self.of_kind("systemd") if text.startswith("# /etc/systemd/system/")}

    def sessions(self):
        for place, text in self.of_kind("console"):
            yield manual.Example(place, text.splitlines())


def rule_of(document):
    """(path, text) of the rule that the configuration of a machine carries, if it does."""
    if document.get("variant") == "openshift":
        (file,) = document["storage"]["files"]
        equal((file["mode"], file["overwrite"]), (0o644, True))
        return file["path"], file["contents"]["inline"]
    if document.get("kind") == "EtcFileConfig":
        equal(document["mode"], "0o644")
        return f"/etc/{document['name']}", document["contents"]
    return None


@case(topology="manual")
def fleet_document_sessions(context):
    document = Document(pathlib.Path(context.options.source) / "docs/fleet.md")
    rules = [rule_of(content) for _, content in document.yaml()
             if isinstance(content, dict) and rule_of(content)]
    equal(len(rules), 2)
    for path, text in rules:
        context.write_rule(pathlib.Path(path).name, text)
        equal(run(context, "check", path), "rules: 1, errors: 0, warnings: 0\n")

    count, folder = 0, pathlib.Path("/run/user")
    folder.mkdir()
    os.chown(folder, USER, USER)
    os.chdir(folder)
    shell = cases_manual.variables(context)
    for session in document.sessions():
        for command in session.commands():
            cases_manual.run(context, session, command, shell)
            count += 1
    assert count >= 8, count


@case(topology="machine")
def fleet_document_units(context):
    """systemd has nothing to say against them, and what they start does what the page says."""
    units = Document(pathlib.Path(context.options.source) / "docs/fleet.md").units()
    equal(sorted(units), [f"iommu-policy-{name}.{kind}" for name in ("figures", "labels")
                          for kind in ("service", "timer")])
    folder = pathlib.Path("/run/units")
    folder.mkdir()
    for name, text in units.items():
        (folder / name).write_text(text, encoding="utf-8")
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", *[folder / name for name in units]],
                          text=True, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"},
                          capture_output=True, check=False)
    equal((said.returncode, said.stdout + said.stderr), (0, ""))

    for name, made, hidden in (("figures", "iommu-policy.prom", "iommu-policy.new"),
                               ("labels", "iommu-policy", ".iommu-policy")):
        text = units[f"iommu-policy-{name}.service"].replace("\\\n", " ")
        place = re.search("^WorkingDirectory=(.*)$", text, re.MULTILINE)[1]
        assert f"ReadWritePaths={place}\n" in text
        command = re.search("^ExecStart=/bin/sh -c '(.*)'$", text, re.MULTILINE)[1]
        work = WORK / name
        work.mkdir(parents=True)
        start = lambda: subprocess.run(["/bin/sh", "-c", command], cwd=work, env=environment(context),
                                       check=False, capture_output=True, text=True).returncode
        option = "--prometheus" if name == "figures" else "--nfd"
        equal(start(), 0)
        equal((work / made).read_text(encoding="utf-8"), run(context, "export", option))
        assert not (work / hidden).exists()

        context.daemon.stop()
        equal(start(), 0)
        if name == "figures":
            equal(samples((work / made).read_text(encoding="utf-8")), {"iommu_policy_up": "0"})
        else:
            equal(list(work.iterdir()), [])
        context.daemon.start()


@case(start=False)
def fleet_document_plays(context):
    """Those of docs/fleet.md and of the role's own page are plays, and what they give the role are rules."""
    source, plays = pathlib.Path(context.options.source), []
    for page in "docs/fleet.md", "contrib/ansible/roles/iommu_policy/README.md":
        plays += [play for _, content in Document(source / page).yaml() if isinstance(content, list)
                  for play in content]
    equal(len(plays), 3)
    env = environment(context)
    (WORK / "plays.json").write_text(json.dumps(plays), encoding="utf-8")
    said = subprocess.run(["ansible-playbook", "--syntax-check", "--inventory=localhost,",
                           WORK / "plays.json"], text=True,
                          env={**env, "ANSIBLE_STDOUT_CALLBACK": "default"}, capture_output=True,
                          check=False)
    equal((said.returncode, said.stderr), (0, ""))
    rules = [rule for play in plays for role in play.get("roles", []) for rule in role["iommu_policy_rules"]]
    names = sorted({f"{rule['name']}.conf" for rule in rules})
    Play(context, live=False, rules=list({rule["name"]: rule for rule in rules}.values()))
    equal(sorted(files()), names)


@case(start=False)
def fleet_document_variables(context):
    """The variables of the role are the same in its defaults, in what Ansible checks, and on its page."""
    role = pathlib.Path(context.options.source) / "contrib/ansible/roles/iommu_policy"
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text(encoding="utf-8"))
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    options = specs["argument_specs"]["main"]
    equal({name: option["default"] for name, option in options["options"].items()}, defaults)
    rows = re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", (role / "README.md").read_text(encoding="utf-8"),
                      re.MULTILINE)
    equal({name: yaml.safe_load(value) for name, value in rows}, defaults)


@case(start=False)
def fleet_role_before_its_package(context):
    """In check mode the package may still be to come; else there is nothing to check the rules with."""
    environment(context)
    (WORK / "bin/iommuctl").unlink()
    (WORK / "bin/iommuctl").symlink_to("/bin/false")
    equal(Play(context, "--check", rules=[CARD]).changed, [])
    Play(context, fails=True, rules=[CARD])
    equal(files(), {})
