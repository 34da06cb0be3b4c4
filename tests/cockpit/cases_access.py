# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may change something through the page: polkit decides, as everywhere."""

import pathlib

import harness
import logins
from bus import Variant
from cases_shown import compare
from dialog import Dialog
from harness import NOBODY, POLKIT, ROOT, USER, case, equal, error_of
from page import opened

GROUP = 4
YES = """
polkit.addRule(function(action) {
    if (action.id.indexOf("org.iommupolicy1.") == 0)
        return polkit.Result.YES;
});
"""


def ask(page):
    dialog = Dialog(page, GROUP).open()
    dialog.choose("DMA", "unbound")
    dialog.change()
    return dialog


@case(topology="machine")
def cockpit_user_without_rights(context):
    """The table is for everybody, a change is not."""
    with opened(context, uid=NOBODY) as page:
        compare(context, page, GROUP)
        dialog = ask(page)
        error = error_of(context.call, f"{ROOT}/group/{GROUP}", harness.GROUP, "SetType", "sa{sv}", "DMA", {},
                         uid=NOBODY, interactive=True)
        dialog.wait_text("[role=alert]", error.text)
        page.screenshot("not-authorised")
        equal(context.kernel.writes(), [])


@case(topology="machine", polkit=YES)
def cockpit_user_with_a_polkit_rule(context):
    with opened(context, uid=NOBODY) as page:
        ask(page).wait_done("Group 4: DMA")
        page.wait_cell(GROUP, "type", "DMA")
        page.wait_cell(GROUP, "by", f"by call:uid={NOBODY}")
        equal(context.kernel.type(GROUP), "DMA")


@case(topology="machine", start=False)
def cockpit_own_agent_answers_no_other(context):
    """cockpit-bridge 287 is the polkit agent of its session, but answers only for its own action: who would be asked
    for a password elsewhere is refused here."""
    logins.set_up(context.kernel)
    context.daemon.start()
    cgroup = f"/user.slice/user-{USER}.slice/session-{logins.session_of(USER)}.scope"
    file = logins.STATE / "cgroup-of-bridge"
    file.write_text(f"1:name=systemd:{cgroup}\n")
    with opened(context, uid=USER, cgroup=file) as page:
        session = ("unix-session", {"session-id": Variant("s", logins.session_of(USER))})
        another = logins.Caller(USER)
        error = error_of(another.call, POLKIT, "/org/freedesktop/PolicyKit1/Authority", f"{POLKIT}.Authority",
                         "RegisterAuthenticationAgent", "(sa{sv})ss", session, "C", "/test/agent")
        assert "already exists" in error.text, error
        another.close()
        dialog = ask(page)
        dialog.wait_text("[role=alert]", "not authorised")
        equal(context.kernel.writes(), [])


@case(topology="machine")
def cockpit_user_is_asked(context):
    """With an agent that answers: no, and then yes."""
    logins.add_users()
    with opened(context, uid=USER) as page:
        agent = context.agent("wait", page.server.bridge_pid())
        dialog = ask(page)
        agent.wait_for_question()
        equal(agent.questions[-1][0], "org.iommupolicy1.tighten")
        page.screenshot("asked")
        agent.say_no()
        dialog.wait_text("[role=alert]", "not authorised")
        equal(context.kernel.writes(), [])
        dialog.escape()
        dialog = ask(page)
        agent.wait_for_question()
        agent.say_yes()
        dialog.wait_done("Group 4: DMA")
        equal(context.kernel.type(GROUP), "DMA")
        page.wait_cell(GROUP, "by", f"by call:uid={USER}")


def become_administrator(page):
    """As the button "Limited access" of Cockpit's shell does. A page that uses cockpit.permission() is loaded anew."""
    page.renew(lambda: page.script("""
        cockpit.dbus(null, { bus: "internal" })
            .call("/superuser", "cockpit.Superuser", "Start", ["sudo"], { type: "s" })
            .catch(error => console.error(error.message));"""))


@case(topology="machine")
def cockpit_administrative_access(context):
    """A user whom nobody can ask gets it done once Cockpit has made an administrator of him, by sudo."""
    logins.add_users()
    for name, text in (("sudoers", f"#{USER} ALL=(ALL) NOPASSWD: ALL\n"),
                       ("shadow", f"user{USER}:*:19000:0:99999:7:::\n")):
        path = pathlib.Path("/etc") / name
        path.unlink()  # a link to the machine's
        path.write_text(text)
        path.chmod(0o440)
    with opened(context, uid=USER) as page:
        dialog = ask(page)
        dialog.wait_text("[role=alert]", "nobody is there to ask")
        dialog.wait_text("[role=alert]", "Turn on administrative access in Cockpit")
        become_administrator(page)
        ask(page).wait_done("Group 4: DMA")
        page.wait_cell(GROUP, "by", "by call:uid=0")
        equal(context.kernel.type(GROUP), "DMA")
