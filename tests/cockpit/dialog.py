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

    def choose(self, kind):
        """Returns the plan, which is for this type."""
        self.control(kind).click()
        return self.plan()

    def control(self, name):
        return self.page.named(name, inside=self.element)

    def plan(self, how=None):
        def find():
            found = self.page.all("[data-plan][data-how]", self.element)
            return found and how in (None, found[0].get_attribute("data-how")) and found[0]
        return self.page.until(find, lambda: f"no plan in {self.element.text}")

    def steps(self):
        return [item.text for item in self.page.all("[data-plan] li", self.element)]

    def finding(self, identifier):
        """Found by what the attribute says, whatever characters there are in it."""
        def find():
            return next((item for item in self.page.all("[data-finding]", self.element)
                         if item.get_attribute("data-finding") == identifier), None)
        return self.page.until(find, lambda: f"no finding {identifier} in {self.element.text}")

    def wait_text(self, selector, text):
        """Some element of this kind says that."""
        def shown():
            return [item.text for item in self.page.all(selector, self.element)]
        self.page.until(lambda: any(text in " ".join(said.split()) for said in shown()),
                        lambda: f"\"{text}\" is not among {shown()}")

    def escape(self):
        self.page.press(Keys.ESCAPE)
        self.wait_closed()
