// SPDX-License-Identifier: GPL-2.0-or-later
// masters.mjs: masters that no disk of fleet.conf has, and one without versions,
// are shown with what they take; a new one appears, and one that is gone goes.
import { equal, glue, main, Page, step } from "./page.mjs";

const spare = "Versions of masters/spare";

/** The row of a master in the table of the store. */
async function spaceOf(page, name) {
    return (await page.rows("Space by master")).find(row => row[0] === name);
}

await main(async () => {
    const page = await Page.open("masters");

    await page.sees(/masters\/plain[^]*This master has no versions; its image takes \d\S* [KM]iB\. The first publish/);
    await page.seesNot(/masters\/spare/);
    step("add_versions spare 2");
    await page.find("table", spare);
    equal("versions", ["1", "2"], (await page.rows(spare)).map(r => r[0]).sort());
    await page.sees(/No disk of fleet\.conf has this master/);
    await page.go("store");
    await page.rowIs("Space by master", /^masters\/spare \| 0 \| .*[KM]iB/);
    await page.rowIs("Space by master", /^masters\/plain \| 1 \|[^|]*\| \d\S* [KM]iB/);
    equal("masters that the page shows", glue("versions --json").length, (await page.rows("Space by master")).length);
    equal("no unknown size", false, (await spaceOf(page, "masters/plain")).slice(0, 4).includes("?"));
    step("rm $scratch/store/masters/spare*");
    await page.go("masters");
    await page.seesNot(/masters\/spare/);
    await page.close();
});
