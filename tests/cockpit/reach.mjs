// SPDX-License-Identifier: GPL-2.0-or-later
// reach.mjs SCENARIO: the page for those who do not use a mouse, a large window
// or light colours.
import { equal, fail, main, Page } from "./page.mjs";

const views = [["", "Machines"], ["machine/pc1", "Disks and their saved states"],
    ["masters", "Versions of masters/win11"], ["store", "Health"]];

/** Calls check in each view, when its table is there. */
async function inEachView(page, check) {
    for (const [path, table] of views) {
        await page.go(path);
        await page.find("table", table);
        await page.settled();
        await check(path || "room");
    }
}

const scenarios = {
    async axe() {
        const page = await Page.open();

        for (const scheme of ["light", "dark"]) {
            await page.scheme(scheme);
            await inEachView(page, async view => equal(`${view}, ${scheme}: serious findings of axe-core`, [], await page.axe()));
            await page.picture(scheme);
        }
        await page.go("machine/pc1");
        await page.press("Snapshot…");
        await page.shownCommand();
        equal("dialog: serious findings of axe-core", [], await page.axe());
        await page.close();
    },

    async narrow() {
        const page = await Page.open("", { width: 360, height: 740 });

        await inEachView(page, async view => {
            equal(`${view}: the width of the page`, 360, await page.page.evaluate(() => document.documentElement.scrollWidth));
            await page.picture(`narrow-${view.split("/")[0]}`);
        });
        await page.go("machine/pc1");
        await page.press("Snapshot…");
        await page.shownCommand();
        equal("dialog: the width of the page", 360, await page.page.evaluate(() => document.documentElement.scrollWidth));
        await page.picture("narrow-dialog");
        await page.close();
    },

    async keyboard() {
        const page = await Page.open();

        await inEachView(page, async view => {
            const missed = await page.tabThrough();

            equal(`${view}: what the Tab key does not reach`, [], missed);
        });
        await page.go("machine/pc1");
        await page.find("table", "Disks and their saved states");
        await page.settled();

        const button = await page.find("button", "Snapshot…");

        await button.focus();
        await page.page.keyboard.press("Enter");
        await page.shownCommand();
        equal("focus is in the dialog", true, await page.page.evaluate(() => !!document.activeElement.closest("dialog")));
        await page.escape();
        if (await page.page.evaluate(() => document.activeElement?.innerText.trim()) !== "Snapshot…")
            fail(`expected that Escape gives the focus back to "Snapshot…", found: ${await page.page.evaluate(() => document.activeElement?.outerHTML.slice(0, 200))}`);
        await page.close();
    },
};

await main(scenarios[process.argv[2]]);
