// SPDX-License-Identifier: GPL-2.0-or-later
// reach.mjs SCENARIO: the page for those who do not use a mouse, a large window
// or light colours.
import { commands, equal, main, matches, Page } from "./page.mjs";

const views = [["", "Machines"], ["machine/pc1", "Disks and their saved states"],
    ["masters", "Versions of masters/games"], ["masters", "Versions of masters/win11"], ["store", "Images that belong to no machine"]];

// Their titles, without the number or the time.
const dialogs = ["End the session", "Go one step back", "Keep the state", "Promote version", "Publish a machine's disk",
    "Publish a new master", "Remove", "Remove exam", "Remove the image", "Reset the disk", "Restore", "Retire version", "Revert to exam",
    "Take a snapshot"];

/** Calls check in each view, when its table is there. */
async function inEachView(page, check) {
    for (const [path, table] of views) {
        await page.go(path);
        await page.find("table", table);
        await page.settled();
        await page.seesNot(/cannot be read|no longer read/);
        await check(path || "room");
    }
}

/** Opens each dialog of each view. */
async function inEachDialog(page, check) {
    const titles = [];

    await inEachView(page, async () => titles.push(...await page.eachDialog(check)));
    equal(`the dialogs that were seen, ${titles.join(", ")},`, dialogs, [...new Set(titles.map(t => t.replace(/\s*\d.*/, "")))].sort());
}

/** What can be pressed in the open dialog and Tab does not reach, and what outside of it does. */
async function missedInDialog(page) {
    const all = "a[href], button:not([disabled]), select, input";
    const number = await page.page.evaluate(selector => {
        window.unreached = new Set([...document.querySelector("dialog[open]").querySelectorAll(selector)].filter(e => e.checkVisibility()));
        window.outside = [];
        window.noteFocus = event => {
            window.unreached.delete(event.target);
            if (!event.target.closest("dialog"))
                window.outside.push(event.target.outerHTML);
        };
        window.unreached.delete(document.activeElement);
        document.addEventListener("focusin", window.noteFocus);
        return window.unreached.size;
    }, all);

    for (let i = 0; i < number + 2; i++)
        await page.page.keyboard.press("Tab");
    return page.page.evaluate(() => {
        document.removeEventListener("focusin", window.noteFocus);
        return [[...window.unreached].map(e => e.outerHTML), window.outside];
    });
}

const scenarios = {
    async axe() {
        const page = await Page.open();

        await inEachView(page, async view => {
            await page.isAccessible(view);
            await page.scheme("dark");
            await page.picture(`dark-${view.split("/")[0]}`);
            await page.scheme("light");
        });
        await page.go("");
        await page.press("Tiles");
        await page.isAccessible("tiles");
        await page.press("Rows");
        await inEachDialog(page, title => page.isAccessible(title));
        await page.close();
    },

    async narrow() {
        const page = await Page.open("", { width: 360, height: 740 });
        const isNarrow = async subject =>
            equal(`${subject}: the width of the page`, 360, await page.page.evaluate(() => document.documentElement.scrollWidth));

        await inEachView(page, async view => {
            await isNarrow(view);
            await page.picture(`narrow-${view.split("/")[0]}`);
        });
        await page.go("");
        await page.press("Tiles");
        await isNarrow("tiles");
        await page.press("Rows");
        await inEachDialog(page, async title => {
            await isNarrow(title);
            equal(`${title}: what is wider than the page, and scrolls in the dialog`, [], await page.page.$$eval("dialog[open], dialog[open] form", all =>
                all.filter(e => e.getBoundingClientRect().right > 360 || e.scrollWidth > e.clientWidth).map(e => e.outerHTML)));
        });
        await page.picture("narrow-dialog");
        await page.close();
    },

    async keyboard() {
        const page = await Page.open();

        await inEachView(page, async view =>
            equal(`${view}: what the Tab key does not reach`, [], await page.tabThrough()));
        await inEachDialog(page, async title => {
            equal(`${title}: focus is in the dialog`, true, await page.page.evaluate(() => !!document.activeElement.closest("dialog")));
            equal(`${title}: what Tab does not reach in the dialog, and reaches outside`, [[], []], await missedInDialog(page));
        });
        await page.close();
    },

    /** A command without a mouse: opened, filled, submitted and closed. */
    async command() {
        const page = await Page.open("machine/pc2");
        const { keyboard } = page.page;

        await page.find("table", "Disks and their saved states");
        await page.settled();
        await (await page.find("button", "Snapshot…")).focus();
        await keyboard.press("Enter");
        await page.shownCommand();
        await keyboard.type("typed");
        await keyboard.press("Tab");
        await keyboard.type("a note");
        await keyboard.press("Tab");
        await keyboard.press("Enter");
        matches("the answer", /^Done/, await page.answered());
        equal("the command", ["snapshot", "--note=a note", "--", "typed", "pc2"], commands().findLast(c => c[0] === "snapshot"));
        await keyboard.press("Enter");
        await page.waitFor("that Close closes the dialog", () => !document.querySelector("dialog[open]"));
        await page.rowIs("Disks and their saved states", /^typed \|/);
        equal("what has the focus", "Snapshot…", await page.page.evaluate(() => document.activeElement.innerText.trim()));
        await page.close();
    },
};

await main(scenarios[process.argv[2]]);
