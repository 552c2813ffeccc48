// SPDX-License-Identifier: GPL-2.0-or-later
// live.mjs: a login and a logout are shown without a reload, in the room and on
// the machine's page.
import { main, Page, step } from "./page.mjs";

await main(async () => {
    const page = await Page.open();

    await page.machineIs("pc2", /\boff\b/);
    step("hold_session pc2");
    await page.machineIs("pc2", /\bon\b/);
    await page.machineIs("pc1", /\boff\b/);
    await page.sees(/1 on/);
    await page.go("machine/pc2");
    await page.rowIs("Sessions", /^127\.0\.0\.1/);
    step("end_session");
    await page.sees(/not logged in/);
    await page.go("");
    await page.machineIs("pc2", /\boff\b/);
    await page.close();
});
