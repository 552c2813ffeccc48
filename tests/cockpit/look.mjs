// SPDX-License-Identifier: GPL-2.0-or-later
// look.mjs SCENARIO: what a reader of the page sees of an invented fleet, and that
// live changes leave him where he is.
import { appendFileSync, writeFileSync } from "node:fs";
import { equal, main, matches, Page, scratch } from "./page.mjs";

const states = "Disks and their saved states";
const versions = "Versions of masters/win11";
const views = [["", "Machines"], ["machine/pc2", states], ["masters", versions], ["store", "Health"]];
const changes = `${scratch}/changes`;

/** A line that follows the status. */
function change(line) {
    appendFileSync(changes, `${JSON.stringify(line)}\n`);
}

async function open(path = "", label = "Machines", size = {}) {
    const page = await Page.open(path, size);

    await page.find("table", label);
    await page.settled();
    return page;
}

const names = async page => (await page.rows("Machines")).map(row => row[0]);
const focused = page => page.page.evaluate(() => [document.activeElement.closest("tr")?.querySelector("th")?.innerText.trim(), document.activeElement.innerText.trim()].join(" "));

/** The places of elements, of which those in one column are to be equal. */
function places(page, selector, side) {
    return page.page.$$eval(selector, (all, key) => [...new Set(all.map(e => Math.round(e.getBoundingClientRect()[key])))], side);
}

const scenarios = {
    async states() {
        const page = await open();

        await page.sees(/41 machines: 1 error 2 differ 28 on 10 off 1 on another version/);
        await page.press("1 error");
        equal("machines with an error", ["pc5"], await names(page));
        await page.sees(/1 of 41 machines: 1 error 2 differ/);
        await page.press("2 differ");
        equal("machines that differ", ["pc7", "pc9"], await names(page));
        equal("the state that is shown", ["2 differ"], await page.page.$$eval("[aria-pressed=true].chip", all => all.map(e => e.innerText)));
        await page.press("2 differ");
        equal("machines", 41, (await names(page)).length);
        await page.close();
    },

    /** A screen reader says how many machines a filter shows, and no login. */
    async said() {
        const page = await open();

        await page.page.evaluate(() => {
            window.said = [];
            for (const e of document.querySelectorAll("main [role=status]"))
                new MutationObserver(() => window.said.push(e.innerText)).observe(e, { childList: true, characterData: true, subtree: true });
        });
        change({ client: { name: "pc4", sessions: [{ session: 1, address: "192.0.2.4", since: 1 }] } });
        await page.sees(/41 machines: 1 error 2 differ 29 on 9 off/);
        equal("what is said of a login", [], await page.page.evaluate(() => window.said));
        await (await page.find("searchbox", "Find a machine")).type("pc40");
        await page.sees(/1 of 41 machines/);
        matches("what is said of a filter", /^1 of 41 machines:$/, await page.page.evaluate(() => window.said.at(-1)));
        await page.close();
    },

    async nothing() {
        const page = await open();

        await (await page.find("searchbox", "Find a machine")).type("no such machine");
        await page.sees(/No machine matches the filters/);
        await page.sees(/0 of 41 machines$/m);
        await page.picture("look-nothing");
        await page.press("Clear the filters");
        equal("machines", 41, (await names(page)).length);
        equal("the focus", "Find a machine", await page.page.evaluate(() => document.activeElement.ariaLabel));
        for (const name of await names(page))
            change({ client: { name, removed: true } });
        await page.sees(/^0 machines$/m);
        equal("filters of a fleet without machines", false, await page.page.$eval(".toolbar", e => e.checkVisibility()));
        await page.close();
    },

    /** The address has the filters and the order; it ignores what does not exist. */
    async address() {
        const page = await open("?state=off&group=no-such-group&sort=no-such-column&colour=red");
        const hash = () => page.page.evaluate(() => window.location.hash);
        const steps = () => page.page.evaluate(() => window.history.length);
        const order = () => page.page.$$eval("th[aria-sort]", all => all.map(e => `${e.innerText.trim()} ${e.ariaSort}`));
        const before = await steps();

        await page.sees(/10 of 41 machines/);
        await page.waitFor("an address without what does not exist", () => window.location.hash === "#/?state=off");
        await page.choose("All groups", "front");
        const search = await page.find("searchbox", "Find a machine");

        await search.type("pc");
        equal("the focus after the address is new", "Find a machine", await page.page.evaluate(() => document.activeElement.ariaLabel));
        await page.press("Own size");
        await page.press("Own size");
        const shown = await names(page);

        equal("machines", ["pc4", "pc8"], shown);
        equal("the address", "#/?find=pc&state=off&group=front&sort=-size", await hash());
        equal("entries of the history", before, await steps());
        await page.page.reload();
        await page.find("table", "Machines");
        equal("machines after a reload", shown, await names(page));
        equal("the order after a reload", ["Own size ascending"], await order());
        await page.go("machine/pc4");
        await page.find("region", "Machine pc4");
        await page.page.reload();
        await page.find("region", "Machine pc4");
        await page.page.goBack();
        await page.find("table", "Machines");
        equal("machines after a reload and the way back", shown, await names(page));
        await page.go("store");
        await page.find("table", "Health");
        await page.go("");
        await page.find("table", "Machines");
        equal("machines after a link to them", shown, await names(page));
        equal("the address", "#/?find=pc&state=off&group=front&sort=-size", await hash());
        await (await page.find("searchbox", "Find a machine")).type("+ %2B&=#?/ü ");
        await page.painted();
        await page.page.reload();
        await page.sees(/No machine matches the filters/);
        equal("any text after a reload", "pc+ %2B&=#?/ü ", await page.page.$eval("input[type=search]", e => e.value));
        await page.close();
    },

    async columns() {
        const page = await open();
        const left = () => page.page.$$eval("table[aria-label=Machines] th[scope=col]", all => all.map(e => e.getBoundingClientRect().left));
        const before = await left();

        change({ client: { name: "pc2", "disk-use": 999 * 1024 ** 3, growth: 999 * 1024 ** 2 } });
        await page.machineIs("pc2", /999 GiB\s+999 MiB/);
        equal("where the columns begin", before, await left());
        for (const column of ["Own size", "Growth a day", "Throughput"]) {
            const cells = `table[aria-label=Machines] td[data-label="${column}"]`;

            equal(`${column}: where the texts end`, 1, (await places(page, cells, "right")).length);
            equal(`${column}: how they are aligned`, ["end"], await page.page.$$eval(cells, all => [...new Set(all.map(e => getComputedStyle(e).textAlign))]));
        }
        // As wide as Cockpit's frame in a window of 1280.
        await page.page.setViewport({ width: 1040, height: 730 });
        equal("lines of the headers", 1, (await places(page, "table[aria-label=Machines] th .sort", "height")).length);
        await page.close();
    },

    async sparks() {
        const page = await open();

        await page.machineIs("pc1", /[1-9][\d.]* [KM]iB\/s/);
        await page.waitFor("eight spark lines", () => document.querySelectorAll("tbody .spark").length === 8);
        equal("where spark lines begin", 1, (await places(page, "tbody .spark", "left")).length);
        // The ground line is there before 90 seconds have passed.
        equal("how wide they are", [90], await places(page, "tbody .spark .ground", "width"));
        await page.press("Tiles");
        await page.waitFor("a spark line in eight tiles", () => document.querySelectorAll(".tile .spark").length === 8);
        await page.picture("look-tiles");
        await page.close();
    },

    async place() {
        const page = await open("masters", versions);
        const row = number => `[...document.querySelectorAll('table[aria-label="${versions}"] tr')].find(r => r.querySelector("th").innerText.trim() === "${number}")`;

        await page.page.evaluate(`${row(7)}.querySelector("summary").click(); [...${row(9)}.querySelectorAll("button")][0].focus(); scrollTo(0, 60)`);
        equal("the focus", "9 Promote…", await focused(page));
        change({ client: { name: "pc3", version: "masters/win11@6.vhdx", behind: true } });
        // The invented versions stay, but are read, and drawn, again.
        await page.page.evaluate(`window.before = ${row(9)}`);
        await page.waitFor("new rows", () => !window.before.isConnected);
        equal("the focus after a change", "9 Promote…", await focused(page));
        equal("the list of version 7 is open", true, await page.page.evaluate(`${row(7)}.querySelector("details").open`));
        equal("how far the page is scrolled", 60, await page.page.evaluate(() => scrollY));
        await page.close();
    },

    async back() {
        const page = await open();

        await page.page.evaluate(() => document.querySelector('a[href="#/machine/pc38"]').focus());
        await page.page.keyboard.press("Enter");
        await page.find("table", states);
        equal("how far the machine's page is scrolled", 0, await page.page.evaluate(() => scrollY));
        await page.page.goBack();
        await page.find("table", "Machines");
        equal("the focus", "pc38 pc38", await focused(page));
        equal("the machine is seen", true, await page.page.evaluate(() => {
            const { top, bottom } = document.activeElement.getBoundingClientRect();

            return top > 0 && bottom < innerHeight;
        }));
        await page.close();
    },

    async lists() {
        const page = await open("machine/pc2", states);
        const shown = async label => (await page.rows(label)).length;

        // Two disks with a row of their own, the present states, the kept one, ten others, and the button.
        equal("states", 2 + 2 + 1 + 10 + 1, await shown(states));
        await page.press("Show all 302 saved states");
        equal("all states", 2 + 2 + 1 + 302, await shown(states));
        equal("events", 100, await shown("Log"));
        await page.press("Show all 1000 events of 30 days");
        equal("all events", 1000, await shown("Log"));
        await page.close();
    },

    async graph() {
        const page = await open("masters", versions);
        const lanes = await page.page.$$eval(`table[aria-label="${versions}"] tbody tr`, rows => rows.map(row => {
            const at = kind => [...row.querySelectorAll(`.graph .${kind}`)].map(e => e.style.getPropertyValue("--from")).join("");

            return `${row.querySelector("th").innerText.trim()} ${at("dot")} ${at("up")} ${at("down")} ${at("across")}`.trim();
        }));

        // Of each version: its lane, the lanes above and below, and from which one a line joins.
        equal("the graph", ["10 0  0", "9 0 0 0", "8 1 0 01", "7 0 01 01", "6 0 01 0 0", "5 0 0 0", "4 1 0 01", "3 0 01 01", "2 0 01 0 0", "1 0 0"], lanes);
        await page.close();
    },

    async names() {
        const page = await open("masters", versions);
        const longName = "lab-01234567890123456789012345678901234567890123456789-front";
        const overflow = selector => page.page.$$eval(selector, all => all.filter(e => e.scrollWidth > e.clientWidth).length);

        await page.page.$$eval("summary", all => all.forEach(e => e.click()));
        equal("lists of machines that are too wide", 0, await overflow(".names"));
        await page.picture("look-names");
        await page.page.setViewport({ width: 360, height: 740 });
        await page.go(`machine/${longName}`);
        await page.find("table", states);
        await page.settled();
        equal("facts that are too wide", 0, await overflow(".facts dd"));
        await page.press("Reset…");
        equal("a dialog that is too wide", 0, await overflow("dialog"));
        await page.picture("look-narrow-dialog");
        await page.escape();
        await page.press("Revert…", /^before-the-exam/);
        equal("a dialog with a long name that is too wide", 0, await overflow("dialog, dialog form"));
        await page.close();
    },

    async warning() {
        const page = await open("machine/pc2", states);

        await page.press("Snapshot…");
        equal("a missing name", "tgt-glue snapshot -- NAME pc2", await page.shownCommand());
        await page.escape();
        await page.press("Reset…");
        await page.sees(/logged in: shut it down first/, "dialog");
        await page.picture("look-dialog");
        await page.escape();
        await page.go("machine/pc4");
        await page.sees(/not logged in/);
        await page.press("Reset…");
        equal("a warning for a machine that is off", 0, await page.page.$$eval("dialog .pf-m-warning", all => all.length));
        await page.escape();
        await page.go("masters");
        await page.press("New master…");
        matches("the machines to choose from, those that are off first", /^pc4\npc5\n[^]*\npc1 \(logged in\)/, await page.page.$eval("dialog select", e => e.innerText));
        await page.close();
    },

    /** An answer that comes after that of a later question. */
    async late() {
        const page = await Page.open();

        await page.page.evaluateOnNewDocument(() => {
            let cockpit;

            window.asked = [];
            Object.defineProperty(window, "cockpit", {
                get: () => cockpit,
                set(value) {
                    const { spawn } = value;

                    cockpit = value;
                    cockpit.spawn = (args, options) => args[1] !== "disks" ? spawn(args, options)
                        : spawn(args, options).then(text => new Promise(resolve => {
                            window.asked.push(note => resolve(text.replace("null", JSON.stringify(note))));
                        }));
                },
            });
        });
        await page.page.reload();
        await page.find("table", "Machines");
        await page.go("machine/pc2");
        await page.waitFor("a question", () => window.asked.length === 1);
        change({ client: { name: "pc2", restart: true } });
        await page.waitFor("another question", () => window.asked.length === 2);
        for (const [turn, note] of [[1, "later"], [0, "earlier"]])
            await page.page.evaluate((i, disk) => window.asked[i](disk), turn, note);
        await page.sees(/Disk later/);
        await page.press("Show all 302 saved states");
        await page.rowIs(states, /day-1 /);
        await page.seesNot(/Disk earlier/);
        await page.sees(/Disk later/);
        await page.close();
    },

    /** What moved while the fleet was not read is no throughput of the first step after it. */
    async pause() {
        const page = await open();
        const { sessions: [session] } = JSON.parse(await page.page.evaluate(() => cockpit.spawn(["tgt-glue", "status", "--json"]))).clients[12];
        const steps = async () => {
            await page.page.evaluate(() => { window.steps = 0 });
            await page.waitFor("three steps of the throughput", () => window.steps >= 3);
        };

        // The throughput is that of rows that are seen.
        await (await page.find("searchbox", "Find a machine")).type("pc1");
        await page.machineIs("pc13", /0 B\/s/);
        await page.page.evaluate(() => {
            const observe = (name, seen) => {
                const rate = [...document.querySelectorAll("tbody tr")].find(r => r.querySelector("th").innerText === name).querySelector(".rate");

                new MutationObserver(() => seen(rate.innerText)).observe(rate, { childList: true, characterData: true, subtree: true });
            };

            window.rates = [];
            observe("pc1", () => window.steps++);
            observe("pc13", text => window.rates.push(text));
        });
        change({ client: { name: "pc13", "disk-use": 1024 ** 3, sessions: [{ ...session, "read-bytes": 0 }] } });
        await page.machineIs("pc13", /1\.0 GiB/);
        await steps();
        appendFileSync(changes, "oops\n");
        await page.sees(/expected JSON/);
        writeFileSync(changes, "");
        await page.press("Try again");
        await page.seesNot(/expected JSON/);
        await steps();
        equal("throughputs of a machine that rests", [], await page.page.evaluate(() => window.rates));
        await page.close();
    },

    /** The days until the store is full are those of now in each place. */
    async days() {
        const page = await open("store", "Health");

        change({ store: { free: 60 * 1024 ** 3, "days-until-full": 6.5 } });
        await page.sees(/The store is full in 6 days/);
        change({ store: { "days-until-full": 2.5 } });
        await page.sees(/Full in 2 days/);
        await page.sees(/The store is full in 2 days/);
        await page.close();
    },

    /** The page of no machine stays as it is while others change. */
    async unknown() {
        const page = await Page.open("machine/nothing");

        await page.sees(/no such machine/);
        await page.page.evaluate(() => { window.before = document.querySelector("main h1") });
        change({ store: { free: 20 * 1024 ** 3 } });
        await page.sees(/20 GiB is free/);
        equal("the heading is that of before", true, await page.page.evaluate(() => window.before.isConnected));
        change({ client: { ...JSON.parse(await page.page.evaluate(() => cockpit.spawn(["tgt-glue", "status", "--json"]))).clients[0], name: "nothing" } });
        await page.find("table", states);
        change({ client: { name: "nothing", removed: true } });
        await page.sees(/no such machine/);
        await page.close();
    },

    /** The room while it is not seen loses its machines. */
    async leave() {
        const page = await open();
        const all = await names(page);

        await page.go("store");
        await page.find("table", "Health");
        for (const name of all)
            change({ client: { name, removed: true } });
        await page.sees(/fleet\.conf names no client/);
        equal("machines that take most", false, /that take most/.test(await page.text()));
        await page.go("");
        await page.sees(/^0 machines$/m);
        equal("rows", false, await page.exists("table", "Machines"));
        await page.close();
    },

    /** One of two tgtds is dead, and then both. */
    async shards() {
        const page = await open();
        const shards = (...answers) => change({ store: { tgtd: false, shards: answers.map((tgtd, shard) => ({ shard, tgtd, clients: 20, sessions: null, retired: false })) } });

        shards(true, false);
        await page.sees(/tgtd of shard 1 does not answer\s+No machine of it can log in\. Type:\s+systemctl status vhdfs-tgtd@1$/m);
        await page.go("store");
        await page.rowIs("Health", /^tgtd, shard 1 \| does not answer; type:\s+systemctl status vhdfs-tgtd@1/);
        shards(false, false);
        await page.sees(/tgtd does not answer\s+No machine can log in\. Type:\s+systemctl status tgt vhdfs-tgtd@1$/m);
        change({ store: { tgtd: false, shards: [{ shard: 0, tgtd: true, clients: 20, sessions: 0, retired: false },
            { shard: 1, tgtd: false, "tgtd-problem": "a name is forged", clients: 20, sessions: null, retired: false }] } });
        await page.sees(/tgtd of shard 1 gives no answer that can be used\s+a name is forged/);
        await page.close();
    },

    /** A dialog ends with the view that it was opened in. */
    async history() {
        const page = await open("machine/pc4", states);

        await page.go("machine/pc8");
        await page.sees(/^pc8$/m);
        await page.settled();
        await page.press("Reset…");
        equal("the command", "tgt-glue reset -- pc8", await page.shownCommand());
        await page.page.goBack();
        await page.sees(/^pc4$/m);
        await page.waitFor("that the dialog is closed", () => !document.querySelector("dialog"));
        equal("the focus", "pc4", await page.page.evaluate(() => document.activeElement.innerText));
        await page.close();
    },

    async json() {
        const page = await open();

        appendFileSync(changes, "oops\n");
        await page.sees(/tgt-glue status --json --follow: expected JSON, found: oops/);
        equal("the machines that were known", 41, (await names(page)).length);
        writeFileSync(changes, "");
        await page.press("Try again");
        await page.seesNot(/expected JSON/);
        await page.close();
    },

    async loading() {
        const page = await open();
        const seen = async () => {
            await page.page.reload();
            await page.find("table", "Machines");
            return page.page.evaluate(() => window.spinner ?? []);
        };

        await page.page.evaluateOnNewDocument(() => new MutationObserver(() => {
            const path = document.querySelector(".pf-v6-c-spinner__path");
            const style = path && getComputedStyle(path);

            if (style)
                window.spinner ??= [style.stroke.split("(")[0], style.animationName.split("-").at(-1)];
        }).observe(document, { childList: true, subtree: true }));
        equal("the circle that is drawn while the fleet is read", ["rgb", "dash"], await seen());
        await page.page.emulateMediaFeatures([{ name: "prefers-reduced-motion", value: "reduce" }]);
        equal("for a reader who wants no motion", ["rgb", "none"], await seen());
        await page.close();
    },

    async axe() {
        const page = await open();

        for (const scheme of ["light", "dark"]) {
            await page.scheme(scheme);
            for (const [path, label] of views) {
                await page.go(path);
                await page.find("table", label);
                await page.settled();
                equal(`${path}, ${scheme}: serious findings of axe-core`, [], await page.axe());
                await page.picture(`look-${path.split("/")[0] || "room"}-${scheme}`);
            }
        }
        await page.close();
    },

    async narrow() {
        const page = await open("", "Machines", { width: 360, height: 740 });
        const toggle = await page.find("button", "Tiles");

        // The headers are not seen, and have no place in the order of Tab.
        await toggle.focus();
        await page.page.keyboard.press("Tab");
        equal("the focus after the toolbar", "A", await page.page.evaluate(() => document.activeElement.tagName));
        equal("serious findings of axe-core", [], await page.axe());

        for (const [path, label] of views) {
            await page.go(path);
            await page.find("table", label);
            await page.settled();
            equal(`${path}: the width of the page`, 360, await page.page.evaluate(() => document.documentElement.scrollWidth));
            equal(`${path}: cells without a value`, [], await page.page.$$eval("td", all => all.filter(e => e.checkVisibility() && !e.innerText.trim()).map(e => e.dataset.label)));
            await page.picture(`look-narrow-${path.split("/")[0] || "room"}`);
        }
        await page.close();
    },
};

await main(scenarios[process.argv[2]]);
