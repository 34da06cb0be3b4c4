// SPDX-License-Identifier: LGPL-2.1-or-later
// Are the rule files sound? `iommuctl check` says it, which reads files only and needs no rights; and when they change.
/* global cockpit */

const FOLDERS = [
    "/etc/iommu-policy.d",
    "/run/iommu-policy.d",
    "/usr/local/lib/iommu-policy.d",
    "/usr/lib/iommu-policy.d",
];

/** The diagnostics as objects {file, line, column, severity, text}. With errors the program ends with 1, and has told
 * them. */
export async function checkRules() {
    let output = "";
    const program = cockpit.spawn(["iommuctl", "check", "--json"], { err: "message" });

    program.stream(text => { output += text });
    try {
        await program;
    } catch (error) {
        if (!output)
            throw error;
    }
    return JSON.parse(output).diagnostics;
}

/** Calls LOOK, a function that returns a promise, when a rule file has changed; once more if that was meanwhile. */
export function watchRules(look) {
    let [looking, again] = [false, false];
    const changed = async () => {
        again = true;
        if (looking)
            return;
        looking = true;
        while (again) {
            again = false;
            await look();
        }
        looking = false;
    };

    for (const path of FOLDERS)
        cockpit.channel({ payload: "fswatch1", path }).addEventListener("message", changed);
}
