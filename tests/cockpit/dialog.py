# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dialog that changes the type of a group."""

from selenium.webdriver.common.keys import Keys


class Dialog:
    def __init__(self, page, group):
        self.page = page
        self.group = group

    def open(self):
        self.page.named("Change type", inside=self.page.row(self.group)).click()
        return self.wait()

    def wait(self):
        self.element = self.page.one("[role=dialog]")
        self.page.until(lambda: self.element.accessible_name == f"Change the type of group {self.group}",
                        lambda: f"the dialog is called \"{self.element.accessible_name}\"")
        return self

    def is_closed(self):
        return not self.page.all("[role=dialog]")

    def wait_closed(self):
        self.page.until(self.is_closed, lambda: f"the dialog is still there: {self.element.text}")

    def choose(self, kind, how):
        """Waits for the plan."""
        self.control(kind).click()
        self.plan(how)

    def control(self, name):
        return self.page.named(name, inside=self.element)

    def plan(self, how, steps=None):
        """Waits for a plan of this kind, and with these steps."""
        def shown():
            return self.page.script("""
                const plan = arguments[0].querySelector("[data-plan]:not([aria-busy])");
                return plan && [plan.querySelector("[data-how]")?.dataset.how,
                                [...plan.querySelectorAll("ol li")].map(item => item.innerText)];""", self.element)
        self.page.until(lambda: (seen := shown()) and seen[0] == how and steps in (None, seen[1]),
                        lambda: f"expected the plan \"{how}\" {steps}, seen {shown()}")

    def finding(self, identifier):
        """The box to tick of this finding, found by what the attribute says, whatever characters there are in it."""
        def find():
            return next((item.find_element("tag name", "input")
                         for item in self.page.all("[data-finding]", self.element)
                         if item.get_attribute("data-finding") == identifier), None)
        return self.page.until(find, lambda: f"no finding {identifier} in {self.element.text}")

    def wait_text(self, selector, text):
        """Some element of this kind says that."""
        def shown():
            return [item.text for item in self.page.all(selector, self.element)]
        self.page.until(lambda: any(text in " ".join(said.split()) for said in shown()),
                        lambda: f"\"{text}\" is not among {shown()}")

    def change(self):
        """Presses the button, which cannot be pressed while a plan is asked for."""
        button = self.control("Change")
        self.page.until(button.is_enabled, lambda: f"\"Change\" cannot be pressed: {self.element.text}")
        button.click()

    def wait_done(self, text):
        self.wait_text(".pf-m-success", text)

    def escape(self):
        self.page.press(Keys.ESCAPE)
        self.wait_closed()
