// SPDX-License-Identifier: LGPL-2.1-or-later
import { Inventory } from "./inventory.js";
import { Page } from "./page.js";
import { Service } from "./service.js";
import { followTheme } from "./theme.js";

followTheme();

const service = new Service();
const page = new Page(service, new Inventory(service));

document.getElementById("page").append(page.element);
service.watch();
