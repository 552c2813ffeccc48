// SPDX-License-Identifier: GPL-2.0-or-later
// facts.mjs COUNT: what each view tells of a fleet in use (furnish of cockpit.sh),
// the filters and the orders of the room.
import { equal, glue, main, matches, Page, step, until } from "./page.mjs";

const number = Number(process.argv[2]);

/** Filters and orders of the room; all: the names of the machines. */
async function room(page, all) {
    const shown = async () => (await page.rows("Machines")).map(row => row[0]);
    const shows = async (subject, names) => equal(subject, names, (await shown()).sort());
    const clear = () => page.page.$eval("input[type=search]", e => { e.value = ""; e.dispatchEvent(new Event("input", { bubbles: true })) });
    const first = async column => { await page.press(column); return (await shown())[0] };

    await page.machineIs("pc1", /\bon\b\s+for (< 1|\d+) min/);
    await page.machineIs("pc1", /wanted: 2/);
    await page.machineIs("pc1", /the secret is wrong/);
    await page.machineIs("pc2", /win11 2/);
    await (await page.find("searchbox", "Find a machine")).type("PC1");
    await shows("machines with PC1 in their names", all.filter(n => n.includes("pc1")));
    await clear();
    await page.choose("All states", "on");
    await shows("machines that are on", ["pc1"]);
    await page.choose("All states", "on another version");
    await shows("machines on another version", ["pc1"]);
    await page.choose("All states", "off");
    await shows("machines that are off", all.filter(n => n !== "pc1"));
    await page.choose("All groups", "front");
    await shows("machines of the group that are off", ["pc2"]);
    await page.choose("All masters", "games");
    await page.sees(/No machine matches the filters/);
    await page.press("Clear the filters");
    await page.choose("All masters", "games");
    await shows("machines of another master", ["games"]);
    await page.choose("All masters", "All masters");

    equal("the machine that takes most", "pc2", await first("Own size"));
    equal("the order that a screen reader is told", ["descending"], await page.page.$$eval("th[aria-sort]", h => h.map(e => e.ariaSort)));
    await page.press("Own size");
    equal("the machine that takes most, last", "pc2", (await shown()).at(-1));
    equal("the machine that grows most", "pc2", await first("Growth a day"));
    await page.machineIs("pc2", /\d MiB\s+\d+(\.\d)? MiB/);
    equal("the machine that was refused last", "pc1", await first("Last refusal"));
    equal("the machine on the first version", "games", await first("Version"));
    equal("the machine in the most urgent state", "pc1", await first("State"));
    equal("the first by name", "games", await first("Machine"));

    // Two steps of the throughput are a line, the last of which has such a write.
    await until("a spark line and a throughput of pc1", async () => {
        step("works write 5");
        const lines = await page.page.$$eval("table polyline", all => all.filter(e => /^\S+ \S+/.test(e.getAttribute("points")))
                .map(e => e.closest("tr").querySelector("th").innerText));

        equal("other machines with a spark line", [], lines.filter(name => name !== "pc1"));
        return lines.length && /[1-9]\d* (B|KiB)\/s/.test((await page.rows("Machines")).find(row => row[0] === "pc1")[5]);
    });
    await page.press("Tiles");
    await page.choose("Sort by", "Sort by: Own size");
    await until("that tiles are drawn, the largest machine first", async () =>
        /^pc2\soff/.test((await page.page.$$eval(".tile", all => all.map(e => e.innerText)))[0]));
    matches("the tile of a machine that is behind", /on for [^,]*, behind/, (await page.page.$$eval(".tile", all => all.map(e => e.innerText))).find(t => t.startsWith("pc1\n")));
    await page.press("Rows");
}

async function machine(page) {
    const table = "Disks and their saved states";

    await page.go("machine/pc1");
    await page.rowIs("Sessions", /^127\.0\.0\.1 \| \S+:initiator \| \w.*20\d\d.* \([^?]*min\) \| \d.* \| \d.*iB$/);
    await page.sees(/On since\s+\w.*20\d\d.* \([^?]*min\)/);
    await page.sees(/Version\s+win11 1 wanted: 2/);
    await page.sees(/Groups\s+front/);
    await page.sees(/Last refusal\s[^]*the secret is wrong, to iqn\S+:initiator/);
    await page.rowIs(table, /^now \| present \| .* \| \d.*iB \| win11 1 \| +\| *$/);
    await page.rowIs(table, /^exam \| snapshot \| .*20\d\d.* \| \d.*iB \| win11 1 \| before the exam \| Revert…\s+Remove…/);
    await page.rowIs(table, /\| put aside \| .*20\d\d.* \| \d.*iB \| win11 1 \| .*\| Restore…\s+Remove…/);
    await page.rowIs(table, /^Disk home\s*LUN 2, 20 MiB/);
    await page.rowIs("Log", /login \| logged in from 127\.0\.0\.1/);
    await page.rowIs("Log", /reset/);
    await page.picture(`facts-machine-${number}`);
}

async function masters(page) {
    const table = "Versions of masters/win11";
    const lane = number => page.page.evaluate((label, n) => {
        const row = [...document.querySelector(`table[aria-label="${label}"]`).querySelectorAll("tbody tr")].find(r => r.children[0].innerText.trim() === n);

        return row.querySelector(".dot").style.getPropertyValue("--from");
    }, table, number);

    await page.go("masters");
    await page.rowIs(table, /^1 \| back \| .*20\d\d.* \| \d.*iB \| 1 machine/);
    await page.rowIs(table, new RegExp(`^2 \\| production \\| .* \\| ${number - 2} machines? `));
    await page.rowIs(table, /^3 \| *\| .* \| none \| .*\| Promote…\s+Retire…/);
    await page.rowIs(table, /^4 \| *\| .* \| none \| a branch\s+from pc2; made of version 1 \| Promote…/);
    await page.rowIs(table, /^5 \| test \| .* \| none \| from pc2; made of version 1 \| Promote…/);
    equal("the order of the versions", ["5", "4", "3", "2", "1"], (await page.rows(table)).map(row => row[0]));
    await page.page.evaluate(() => document.querySelectorAll("details").forEach(e => { e.open = true }));
    await page.rowIs(table, /^1 \|.*1 machine\s+pc1 /);
    await page.find("table", "Versions of masters/games");
    equal("the lanes of a branch and of its newest sister", ["1", "0"], [await lane("4"), await lane("5")]);
    await page.picture(`facts-masters-${number}`);
}

async function store(page) {
    await page.go("store");
    await page.sees(/Full in (less than a day|1 day) at the pace/);
    await page.rowIs("Space by master", new RegExp(`^masters/win11 \\| ${number - 1} \\| .*iB \\| .*iB \\| ${64 * (number - 1) >= 1024 ? "1\\.8 GiB" : `${64 * (number - 1)} MiB`} \\| \\d+\\.\\d %`));
    await page.rowIs("Space by master", /^masters\/games \| 1 \| .* \| 64 MiB \| \d/);
    await page.rowIs("Health", /^watch \| runs/);
    await page.rowIs("Health", /^vhdfs \| is mounted/);
    await page.rowIs("Shards", /^0 \| answers \| \d+ \| .* \| \d+ \| 1$/);
    await page.rowIs("Images that belong to no machine", /^clients\/gone\.vhdx \| gone \| \d.*iB \| .*Remove…/);
    for (const kind of ["Machines' disks", "Masters and versions", "Snapshots", "Put aside", "Free"])
        await page.sees(new RegExp(`${kind}\\s+\\d.*[KMGT]iB`));
    await page.picture(`facts-store-${number}`);
}

await main(async () => {
    const page = await Page.open();

    await room(page, glue("status --json").clients.map(c => c.name).sort());
    await machine(page);
    await masters(page);
    await store(page);
    await page.close();
});
