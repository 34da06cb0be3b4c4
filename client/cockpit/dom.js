// SPDX-License-Identifier: LGPL-2.1-or-later
// Nodes are built, never parsed: whatever a device or a rule is called, it stays text.

/** An element with attributes (a function is a listener, false and null are left out) and children: nodes, texts,
 * lists of them; null is passed over. */
export function element(tag, attributes, ...children) {
    const node = document.createElement(tag);

    for (const [name, value] of Object.entries(attributes ?? {})) {
        if (typeof value === "function")
            node.addEventListener(name.slice(2), value);
        else if (value !== null && value !== undefined && value !== false)
            node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined));
    return node;
}

/** Writes only what differs, so that a screen reader is told only of what is new. */
export function setText(node, text) {
    if (node.textContent !== text)
        node.textContent = text;
}

export function setAttribute(node, name, value) {
    if (node.getAttribute(name) !== value)
        node.setAttribute(name, value);
}

/** What is read aloud and not seen. */
export function hiddenText(text) {
    return element("span", { class: "pf-u-screen-reader" }, text);
}

let lastId = 0;

/** An id for what another element names. */
export function freshId(word) {
    lastId += 1;
    return `${word}-${lastId}`;
}

/** A button; KIND is one of PatternFly's: primary, secondary, link, plain. */
export function button(label, kind, listener, attributes) {
    return element("button",
        { type: "button", class: `pf-c-button pf-m-${kind}`, onclick: listener, ...attributes }, label);
}
