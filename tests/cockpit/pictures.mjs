// SPDX-License-Identifier: GPL-2.0-or-later
// pictures.mjs: pictures of a room in use, for the documents.
import { main, Page, step } from "./page.mjs";

await main(async () => {
    const page = await Page.open("", { width: 1180, height: 720 });

    step("start_load 9");
    await page.sees(/9 on/);
    await page.machineIs("pc1", /for (<|\d)/);
    // The spark lines have some steps.
    await new Promise(resolve => setTimeout(resolve, 40000));
    await page.picture("cockpit-room");
    await page.go("machine/pc3");
    await page.rowIs("Disks and their saved states", /before the exam/);
    await page.settled();
    await page.page.setViewport({ width: 1180, height: 1060 });
    await page.picture("cockpit-machine");
    await page.close();
});
