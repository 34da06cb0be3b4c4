// SPDX-License-Identifier: LGPL-2.1-or-later
// A dialog: the rest of the page is inert, Escape closes it, and then the focus is where it was.

import { button, element, freshId } from "./dom.js";

const FOCUSABLE = "button:enabled, input:enabled, a[href], [tabindex='0']";

/** A group of radio buttons is one stop of the Tab key: the one that is chosen, or the first. */
function stops(root) {
    const all = [...root.querySelectorAll(FOCUSABLE)].filter(node => node.checkVisibility?.() ?? true);

    return all.filter(node => {
        if (node.type !== "radio")
            return true;
        const radios = all.filter(other => other.type === "radio" && other.name === node.name);

        return node === (radios.find(radio => radio.checked) ?? radios[0]);
    });
}

export class Dialog {
    constructor(title) {
        const id = freshId("title");

        this.body = element("div", { class: "pf-c-modal-box__body" });
        this.footer = element("footer", { class: "pf-c-modal-box__footer" });
        this.element = element("dialog", {
            class: "pf-c-modal-box", role: "dialog", "aria-labelledby": id, "aria-modal": "true",
            onkeydown: event => this.keepFocus(event), onclose: () => this.closed(),
        },
        element("header", { class: "pf-c-modal-box__header" },
            element("h2", { class: "pf-c-title pf-m-xl", id }, title),
            button("×", "plain", () => this.close(), { "aria-label": "Close" })),
        this.body, this.footer);
    }

    /** The element that OPENER is gets the focus back. */
    open(opener) {
        this.opener = opener;
        document.body.append(this.element);
        this.element.showModal();
    }

    close() {
        this.element.close();
    }

    closed() {
        this.element.remove();
        if (this.opener?.isConnected)
            this.opener.focus();
        else
            document.getElementById("page").focus();
    }

    /** The browser would let Tab leave the frame in which Cockpit shows the page. */
    keepFocus(event) {
        if (event.key !== "Tab")
            return;
        const all = stops(this.element);
        const [from, to] = event.shiftKey ? [all[0], all.at(-1)] : [all.at(-1), all[0]];

        if (document.activeElement === from || !this.element.contains(document.activeElement)) {
            event.preventDefault();
            to?.focus();
        }
    }
}
