// SPDX-License-Identifier: LGPL-2.1-or-later
// Light or dark, as Cockpit's shell says: it keeps the choice in the browser's storage and tells each page of a new one
// by an event. "auto" follows the system.

const dark = window.matchMedia("(prefers-color-scheme: dark)");

function setTheme(style) {
    const chosen = style || window.localStorage.getItem("shell:style") || "auto";

    document.documentElement.classList.toggle("pf-theme-dark",
        chosen === "dark" || (chosen === "auto" && dark.matches));
}

export function followTheme() {
    window.addEventListener("storage", event => {
        if (event.key === "shell:style")
            setTheme();
    });
    window.addEventListener("cockpit-style", event => setTheme(event.detail.style));
    dark.addEventListener("change", () => setTheme());
    setTheme();
}
