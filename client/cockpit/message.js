// SPDX-License-Identifier: LGPL-2.1-or-later
// Boxes that say something: what the daemon has answered, or how things are.
/* global cockpit */

import { element } from "./dom.js";

const NOT_AUTHORISED = [
    "org.freedesktop.DBus.Error.AccessDenied",
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
];

const permission = cockpit.permission({ admin: true });

/** KIND: info, warning, danger, success. */
export function alertBox(kind, title, description, attributes) {
    return element("div", { class: `pf-c-alert pf-m-inline pf-m-${kind}`, ...attributes },
        element("div", { class: "pf-c-alert__title" }, title),
        description ? element("div", { class: "pf-c-alert__description" }, description) : null);
}

/** The daemon's words; Cockpit's where it is Cockpit that has not got through to it. */
export function messageOf(error) {
    return error.problem ? cockpit.message(error) : error.message;
}

/** An error of a call, in the daemon's words. Cockpit answers no question of polkit but its own: who has to be asked
 * needs its administrative access. */
export function errorBox(error) {
    const help = NOT_AUTHORISED.includes(error.name) && permission.allowed === false
        ? "Turn on administrative access in Cockpit, and try again." : null;

    return alertBox("danger", messageOf(error), help, { role: "alert" });
}
