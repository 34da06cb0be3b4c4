// SPDX-License-Identifier: LGPL-2.1-or-later
// One device in the details of its group.

import { button, element } from "./dom.js";
import { descriptionList, listTable } from "./list-table.js";
import { errorBox } from "./message.js";
import { DEVICE } from "./service.js";
import { FEATURES } from "./words.js";

const INLINE = "pf-c-button pf-m-link pf-m-inline iommu-small";
const NONE = 0xffffffff;

function hexadecimal(number, digits) {
    return number.toString(16).padStart(digits, "0");
}

function ids(device) {
    return device.VendorId === NONE ? "" : `${hexadecimal(device.VendorId, 4)}:${hexadecimal(device.DeviceId, 4)}`;
}

function deviceClass(device) {
    return device.Class === NONE ? "" : `0x${hexadecimal(device.Class, 6)} ${device.ClassName}`.trim();
}

function facts(device) {
    return [
        ["Model", device.ModelName],
        ["Id", ids(device)],
        ["Class", deviceClass(device)],
        ["Driver", device.Driver],
        ["IOMMU", device.Iommu],
        ["DMA mask", device.DmaMaskBits ? `${device.DmaMaskBits} bits` : ""],
        ["Function of", device.PhysicalFunction],
        ["Untrusted", device.Untrusted ? "yes" : ""],
        ["Manages DMA", device.ManagesDma ? "yes: rules leave it alone" : ""],
        ["Rule", device.RuleType ? `${device.RuleType}, by ${device.RuleOrigin}` : ""],
        ["Path", device.SysfsPath],
    ];
}

/** In the order of the manual, then what a newer daemon may know. A no can also mean that nothing tells. */
function featureTable(features) {
    const names = [...Object.keys(FEATURES), ...Object.keys(features).filter(name => !(name in FEATURES))];

    return listTable("Features", ["Feature", "Available", "Enabled", "Meaning"],
        names.filter(name => name in features).map(name => [
            name, features[name][0] ? "yes" : "not seen", features[name][1] ? "yes" : "no", FEATURES[name] ?? "",
        ]), "");
}

async function showFeatures(path, service, place) {
    place.replaceChildren("Looking …");
    try {
        const [features] = await service.callInTurn(path, DEVICE, "GetFeatures");

        place.replaceChildren(featureTable(features));
    } catch (error) {
        place.replaceChildren(errorBox(error));
    }
}

export function deviceNodes(device, path, service) {
    const features = element("div", { "aria-live": "polite" });

    return [
        descriptionList(facts(device)),
        button("Show features", "link", () => showFeatures(path, service, features),
            { class: INLINE, "aria-label": `Show features of ${device.Name}` }),
        features,
    ];
}
