// SPDX-License-Identifier: LGPL-2.1-or-later
// What of the view stands in Cockpit's location, so that a link, a reload and the browser's back button keep it.
/* global cockpit */

export function readView() {
    const { view, filter, open } = cockpit.location.options;

    return {
        view: view === "tree" ? "tree" : "table",
        filter: filter ?? "",
        open: new Set((open ?? "").split(",").filter(id => id)),
    };
}

export function writeView({ view, filter, open }) {
    const options = {};

    if (view === "tree")
        options.view = view;
    if (filter)
        options.filter = filter;
    if (open.size > 0)
        options.open = [...open].join(",");
    cockpit.location.replace(cockpit.location.path, options);
}

export function onViewChanged(listener) {
    cockpit.addEventListener("locationchanged", listener);
}
