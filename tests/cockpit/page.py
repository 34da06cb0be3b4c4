# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Cockpit page in a real Chromium, served by the real cockpit-ws and cockpit-bridge on the machine of a case."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.remote_connection import RemoteConnection
from selenium.webdriver.support.ui import WebDriverWait

ADDRESS = ("127.0.0.1", 9090)
ORIGIN = "http://%s:%d" % ADDRESS
FOLDER = "/cockpit/@localhost/iommu-policy/"
DATA = pathlib.Path("/run/cockpit-data")
WAIT = 30

# What can be clicked or typed into.
CONTROLS = ("button", "checkbox", "combobox", "link", "menuitem", "option", "radio", "searchbox", "switch", "tab",
            "textbox")


def install(build):
    """The page as it will be installed, of links to where the build has it."""
    for source, target in json.loads((build / "meson-info/intro-installed.json").read_text()).items():
        if "/cockpit/iommu-policy/" in target:
            link = DATA / target.partition("/share/")[2]
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source)
    assert DATA.exists(), "the build installs no page"


class Server:
    """cockpit-ws with one session, whose bridge runs as UID; CGROUP: a file that is the bridge's /proc/PID/cgroup.
    FOLDER has iommuctl."""

    def __init__(self, folder, uid=0, cgroup=None):
        bridge = pathlib.Path("/run/bridge")
        bridge.write_text(
            "#!/bin/sh -e\n"
            "echo $$ >/run/bridge.pid\n"
            f"export PATH={folder}:$PATH\n" +
            (f"mount --bind {cgroup} /proc/$$/cgroup\n" if cgroup else "") +
            (f"exec setpriv --reuid={uid} --regid={uid} --clear-groups cockpit-bridge\n" if uid
             else "exec cockpit-bridge\n"))
        bridge.chmod(0o755)
        listening = socket.create_server(ADDRESS)
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec 3<&{listening.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"", "sh",
             "/usr/lib/cockpit/cockpit-ws", f"--local-session={bridge}", "--no-tls"],
            env={**os.environ, "LANG": "C.UTF-8", "XDG_DATA_HOME": str(DATA)}, pass_fds=[listening.fileno()],
            stdout=subprocess.DEVNULL)
        listening.close()

    @staticmethod
    def bridge_pid():
        return int(pathlib.Path("/run/bridge.pid").read_text())

    def close(self):
        self.process.kill()
        self.process.wait()


class Page:
    def __init__(self, context, server):
        self.context = context
        self.server = server
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir=/run/browser",
                         "--no-first-run", "--disable-background-networking", "--disable-component-update",
                         "--force-prefers-reduced-motion", "--window-size=1280,900", "--app=data:,"):
            options.add_argument(argument)
        # Else each command waits first until the window's first page is loaded, of which the driver may have missed the end.
        options.page_load_strategy = "none"
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        RemoteConnection.set_timeout(120)  # a driver that hangs is to be seen where it does
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver", log_path="/run/chromedriver.log"),
                                       options=options)
        self.console = []
        self.requests = []
        self.own_messages_only = False
        self.resize(1280)

    # --- the page as a whole

    def load(self, path=FOLDER + "index.html", ready=True):
        """Opens the page, without the frame that Cockpit's shell is."""
        self.renew(lambda: self.driver.get(ORIGIN + path), ready)

    def renew(self, function, ready=True):
        """Calls FUNCTION, which leads to another document, and waits for that."""
        self.script("window.leaving = true")
        function()
        # A script that meets the moment between the two is none that failed.
        WebDriverWait(self.driver, WAIT, poll_frequency=0.05, ignored_exceptions=[WebDriverException]).until(
            lambda _: self.script("return !window.leaving && document.readyState === 'complete'"), "no other document")
        if ready:
            self.wait_ready()

    def wait_ready(self):
        self.until(lambda: self.script("return document.body.dataset.ready === 'true'"), "the page is not ready")

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def command(self, name, **parameters):
        """Of the Chrome DevTools Protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def resize(self, width, height=900):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                     mobile=False)

    def check_width(self):
        """Nothing has to be scrolled sideways."""
        wide = self.script("""
            const width = document.documentElement.clientWidth;
            return document.scrollingElement.scrollWidth <= width ? [] : [width, document.scrollingElement.scrollWidth,
                ...[...document.querySelectorAll("body *")].filter(node => node.getBoundingClientRect().right > width)
                    .slice(0, 10).map(node => node.outerHTML.slice(0, 120))];""")
        assert not wide, f"wider than the window: {wide}"

    def edges(self, element):
        """Its top and bottom, from the top of the window."""
        return self.script("const box = arguments[0].getBoundingClientRect(); return [box.top, box.bottom];", element)

    def until(self, condition, what, timeout=WAIT):
        """Waits for CONDITION, and returns what it gives. An element that has been replaced is asked for again."""
        wait = WebDriverWait(self.driver, timeout, poll_frequency=0.05,
                             ignored_exceptions=[StaleElementReferenceException])
        try:
            return wait.until(lambda _: condition())
        except TimeoutException:
            raise AssertionError(what() if callable(what) else what) from None

    # --- what stands in it

    def all(self, selector, inside=None):
        return (inside or self.driver).find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector, inside=None):
        """Waits for it."""
        return self.until(lambda: next(iter(self.all(selector, inside)), None), f"no {selector}")

    def named(self, name, roles=CONTROLS, inside=None):
        """The control with this accessible name, looked up where screen readers look."""
        def find():
            found = next((node for node in self.names(inside, accessibleName=name)
                          if node["role"]["value"] in roles), None)
            return found and self.element_of(found)
        return self.until(find, lambda: f"no control \"{name}\" among " + str(
            [node["name"]["value"] for node in self.names(inside) if node["role"]["value"] in roles][:50]))

    def names(self, inside=None, **wanted):
        self.script("window.inside = arguments[0] ?? document", inside)
        root = self.command("Runtime.evaluate", expression="window.inside")["result"]["objectId"]
        return [node for node in self.command("Accessibility.queryAXTree", objectId=root, **wanted)["nodes"]
                if not node["ignored"]]

    def element_of(self, node):
        identifier = self.command("DOM.resolveNode", backendNodeId=node["backendDOMNodeId"])["object"]["objectId"]
        self.command("Runtime.callFunctionOn", objectId=identifier,
                     functionDeclaration="function() { window.found = this; }")
        return self.script("return window.found")

    def row(self, group):
        return self.one(f"[data-group='{group}']")

    def cell(self, group, name):
        """The text of a cell, or None while there is none."""
        return self.script("""
            const cell = document.querySelector(`[data-group="${arguments[0]}"] [data-cell="${arguments[1]}"]`);
            return cell && cell.innerText.trim().replace(/\\s+/g, " ");""", group, name)

    def wait_cell(self, group, name, text):
        self.until(lambda: self.cell(group, name) == text,
                   lambda: f"group {group}: {name} is {self.cell(group, name)!r}, expected {text!r}")

    def focused(self):
        return self.driver.switch_to.active_element

    def press(self, *keys):
        """What has the focus gets them."""
        for key in keys:
            self.focused().send_keys(key)

    def tab_to(self, condition, what):
        """Presses Tab until what has the focus is as wanted."""
        for _ in range(100):
            self.press(Keys.TAB)
            if condition(self.focused()):
                return
        raise AssertionError(what)

    # --- what is kept, and what the browser says

    def path(self, name):
        folder = pathlib.Path(self.context.options.screenshots)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def screenshot(self, name):
        """At both widths, of all that there is to scroll through."""
        self.until(lambda: self.script("return document.fonts.status === 'loaded'"), "the fonts do not come")
        for width in 400, 1280:
            self.resize(width)
            height = self.script("""
                const hidden = [...document.querySelectorAll("dialog *")]
                    .map(node => node.scrollHeight - node.clientHeight);
                return Math.max(900 + Math.max(0, ...hidden), document.scrollingElement.scrollHeight);""")
            self.resize(width, min(height, 4000))
            self.save(f"{name}-{width}.png")
        self.resize(1280)

    def save(self, name):
        self.path(name).write_bytes(self.driver.get_screenshot_as_png())

    def read_logs(self):
        """The browser gives each line once."""
        self.console += self.driver.get_log("browser")
        for line in self.driver.get_log("performance"):
            message = json.loads(line["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                parameters = message["params"]
                self.requests.append(parameters["url"] if "url" in parameters else parameters["request"]["url"])

    def check_logs(self):
        """No complaint of the browser, be it of an error, of a warning or of the content security policy, and nothing
        asked of anybody else. Cockpit's shell and its overview complain of services that this machine has not."""
        self.read_logs()
        complaints = [entry["message"] for entry in self.console if entry["level"] in ("WARNING", "SEVERE")
                      and (not self.own_messages_only or FOLDER in entry["message"])]
        assert not complaints, "\n".join(complaints)
        own = (ORIGIN + "/", ORIGIN.replace("http", "ws") + "/", "data:")
        foreign = [url for url in self.requests if not url.startswith(own)]
        assert not foreign, foreign

    def save_failure(self):
        name = self.context.options.cases[0]
        self.read_logs()
        self.save(f"FAILED-{name}.png")
        self.path(f"FAILED-{name}.html").write_text(self.driver.page_source)
        self.path(f"FAILED-{name}.log").write_text(
            "\n".join(f"{entry['level']} {entry['message']}" for entry in self.console) + "\n")


@contextlib.contextmanager
def opened(context, uid=0, cgroup=None, load=True):
    """The page of a bridge that runs as UID. Afterwards nothing may stand in the browser's logs; what a person wants to
    see of a failure is saved beside the screenshots."""
    install(pathlib.Path(context.options.daemon).parents[1])
    server = Server(pathlib.Path(context.options.client).parent, uid, cgroup)
    page = Page(context, server)
    try:
        if load:
            page.load()
        yield page
        page.check_logs()
    except Exception:
        page.save_failure()
        raise
    finally:
        page.driver.quit()
        server.close()
