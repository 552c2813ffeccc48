// SPDX-License-Identifier: GPL-2.0-or-later
// views.mjs COUNT: each view shows a fleet of that many machines; keeps pictures.
import { equal, glue, main, matches, Page } from "./page.mjs";

const number = Number(process.argv[2]);

await main(async () => {
    const page = await Page.open();
    const first = "pc1";

    await page.find("table", "Machines");
    const rows = await page.rows("Machines");
    const wanted = glue("status --json").clients.map(c => c.name);

    equal("the machines", wanted, rows.map(r => r[0]));
    for (const row of rows)
        matches(`state, version and size of ${row[0]}`, /off.* 1 \d.* [KM]iB/, row.slice(1, 4).join(" "));
    await page.sees(new RegExp(`${number} machines: ${number} off`));
    await page.picture(`room-${number}`);
    await page.press("Tiles");
    equal("tiles", number, await page.page.$$eval(".tile", all => all.length));
    await page.picture(`tiles-${number}`);

    await page.go(`machine/${first}`);
    await page.find("region", `Machine ${first}`);
    await page.rowIs("Disks and their saved states", /^now \|/);
    await page.sees(new RegExp(`Target\\s+iqn\\S+:${first}`));
    await page.sees(/Log\s/);
    await page.picture(`machine-${number}`);

    await page.go("masters");
    await page.rowIs("Versions of masters/win11", /^1 \| production/);
    equal("versions", ["1", "2", "3"], (await page.rows("Versions of masters/win11")).map(r => r[0]).sort());
    await page.rowIs("Versions of masters/win11", new RegExp(`${number} machines`));
    await page.picture(`masters-${number}`);

    await page.go("store");
    await page.rowIs("Space by master", new RegExp(`^masters/win11\\S* \\| ${number} \\|`));
    await page.rowIs("Health", /tgtd, shard \S+ \| answers/);
    await page.rowIs("Health", /fleet.conf \| has no mistakes/);
    await page.sees(/ of .* is free/);
    await page.picture(`store-${number}`);
    await page.close();
});
