// SPDX-License-Identifier: GPL-2.0-or-later
// live.mjs SCENARIO: what others change is shown without a reload.
import { equal, main, output, Page, step } from "./page.mjs";

const scenarios = {
    /** A login and a logout, in the room and on the machine's page. */
    async session() {
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
    },

    /** A snapshot, in the page of its machine. */
    async snapshot() {
        const page = await Page.open("machine/pc1");

        await page.find("table", "Disks and their saved states");
        await page.settled();
        step("glue snapshot first pc1");
        await page.rowIs("Disks and their saved states", /^first /);
        step("glue disks --remove -- pc1 first");
        await page.seesNot(/\bfirst\b/);
        await page.close();
    },

    /** A table that is drawn again, under the focus. */
    async focus() {
        step("glue snapshot first pc1; glue snapshot 'second' pc1");
        const page = await Page.open("machine/pc1");
        const table = "Disks and their saved states";
        const focused = () => page.page.evaluate(() => {
            const row = document.activeElement.closest("tr")?.querySelector("th").innerText.trim();

            return [row, document.activeElement.innerText.trim()];
        });

        await page.rowIs(table, /^second /);
        await page.page.evaluate(() => [...document.querySelectorAll("tr")].find(r => /^second/.test(r.innerText)).querySelector("button").focus());
        equal("focus", ["second", "Revert…"], await focused());
        step("glue snapshot third pc1");
        await page.rowIs(table, /^third /);
        equal("focus after the table is drawn again", ["second", "Revert…"], await focused());
        await page.close();
    },

    /** A new version comes first in the table: the focus and an open list of the others stay. */
    async published() {
        const page = await Page.open("masters");
        const table = "Versions of masters/win11";
        const row = number => `[...document.querySelectorAll('table[aria-label="${table}"] tr')].find(r => r.querySelector("th").innerText.trim() === "${number}")`;

        await page.rowIs(table, /^3 /);
        await page.settled();
        await page.page.evaluate(`${row(1)}.querySelector("summary").click(); ${row(2)}.querySelector("button").focus()`);
        step("use_disk pc1 four; expect 0 glue publish pc1 masters/win11");
        await page.rowIs(table, /^4 /);
        equal("the list of version 1 is open", true, await page.page.evaluate(`${row(1)}.querySelector("details").open`));
        equal("the row with the focus", "2", await page.page.evaluate(() => document.activeElement.closest("tr")?.querySelector("th").innerText.trim()));
        await page.close();
    },

    /** The versions of a master are drawn again under a dialog. */
    async publishing() {
        const page = await Page.open("masters");
        const publish = () => [...document.querySelectorAll("main button")].filter(b => b.innerText.trim() === "Publish…").at(-1);

        await page.rowIs("Versions of masters/win11", /^3 /);
        await page.settled();
        await page.page.evaluate(`window.before = (${publish})(); window.before.focus()`);
        await page.page.keyboard.press("Enter");
        await page.shownCommand();
        step("use_disk pc1 four; expect 0 glue publish pc1 masters/win11");
        await page.waitFor("version 4", () => [...document.querySelectorAll("tbody th")].some(e => e.innerText.trim() === "4"));
        await page.escape();
        await page.waitFor("that a button has the focus", () => document.activeElement.innerText.trim() === "Publish…");
        equal("the master of the button", "masters/win11", await page.page.evaluate(() => document.activeElement.closest(".card").querySelector("h2").innerText));
        await page.close();
    },

    /** A filter that is changed between the news of a machine and the picture that has it. */
    async early() {
        const page = await Page.open();

        await page.machineIs("pc1", /\boff\b/);
        await page.page.evaluate(() => {
            const original = window.requestAnimationFrame;

            window.requestAnimationFrame = draw => {
                window.draw = draw;
                window.requestAnimationFrame = original;
            };
        });
        step("echo '[client pc9]' >>$scratch/fleet.conf");
        await page.page.waitForFunction(() => window.draw, { polling: 100 });
        await page.page.type("input[type=search]", "pc");
        await page.page.evaluate(() => window.draw());
        await page.machineIs("pc9", /pc9/);
        await page.close();
    },

    /** Reads wait for one another: glue_takes_turns of the test counts them. */
    async masters() {
        const page = await Page.open("masters");

        await page.waitFor("that versions are read", () => document.querySelector("main [role=progressbar]"));
        step("wait_until 30 began 4; let_readers_go 20");
        for (let i = 1; i <= 5; i++)
            await page.find("table", `Versions of masters/m${i}`);
        let now = 0, most = 0;

        for (const event of output("cat $scratch/turns").split("\n")) {
            now += event === "begin" ? 1 : -1;
            most = Math.max(most, now);
        }
        equal("reads at once", 4, most);
        await page.close();
    },

    /** The end of a version that no machine is on. */
    async version() {
        const page = await Page.open("masters");
        const table = "Versions of masters/win11";

        await page.rowIs(table, /^2 /);
        await page.settled();
        step("glue retire masters/win11 2");
        await page.waitFor("that version 2 is gone", () =>
            [...document.querySelectorAll("tbody th")].map(e => e.innerText.trim()).join() === "3,1");
        await page.close();
    },
};

await main(scenarios[process.argv[2]]);
