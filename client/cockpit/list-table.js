// SPDX-License-Identifier: LGPL-2.1-or-later
// A plain table of what the daemon has answered once.

import { element } from "./dom.js";

/** ROWS: lists of texts or nodes, one for each of HEADERS. Without rows it is the text EMPTY. */
export function listTable(caption, headers, rows, empty) {
    if (rows.length === 0)
        return element("p", null, empty);
    return element("table", { class: "pf-c-table pf-m-grid-md pf-m-compact", role: "table" },
        element("caption", { class: "pf-u-screen-reader" }, caption),
        element("thead", { role: "rowgroup" }, element("tr", { role: "row" },
            headers.map(text => element("th", { role: "columnheader", scope: "col" }, text)))),
        element("tbody", { role: "rowgroup" }, rows.map(row => element("tr", { role: "row" },
            row.map((cell, i) => element("td", { role: "cell", "data-label": headers[i] },
                element("span", null, cell)))))));
}

/** Terms and what they are; empty ones are left out. */
export function descriptionList(pairs) {
    const told = pairs.filter(([, text]) => text);

    return element("dl", { class: "pf-c-description-list pf-m-horizontal" }, told.map(([term, text]) =>
        element("div", { class: "pf-c-description-list__group" },
            element("dt", { class: "pf-c-description-list__term" }, term),
            element("dd", { class: "pf-c-description-list__description" }, text))));
}
