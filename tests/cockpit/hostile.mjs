// SPDX-License-Identifier: GPL-2.0-or-later
// hostile.mjs SCENARIO: names and notes that try to be markup, lines or options
// reach the page as text, and commands as one argument each.
import { writeFileSync } from "node:fs";
import { commands, equal, glue, main, matches, Page, scratch, step } from "./page.mjs";

const markup = '<img src=x onerror="alert(1)"><b>bold</b><script>alert(2)</script>';
const texts = [markup, "--all", "'; touch x; echo \"$(id)\" `id` \\", "a\nb\n<b>c</b>"];
const states = "Disks and their saved states";

/** A word for the test's shell. */
function quoted(text) {
    return `$'${text.replaceAll(/[\\']/g, "\\$&").replaceAll("\n", "\\n")}'`;
}

const scenarios = {
    /**
     * Names of initiators, in the page of the machine and in its log; watch ends a
     * session whose name has a line break.
     */
    async initiators() {
        step("start_watch");
        const page = await Page.open("machine/pc1");

        for (const [i, text] of texts.slice(0, 3).entries()) {
            step(`initiator_options=(-i ${quoted(text)}); hold_session pc1`);
            await page.rowIs("Sessions", /127\.0\.0\.1/);
            const said = glue("status --json").clients[0].sessions[0].initiator;
            const shown = (await page.rows("Sessions"))[0][1];

            equal("the initiator's name, as tgt-glue tells it", said.replaceAll(/\s+/g, " "), shown.replaceAll(/\s+/g, " "));
            await page.hasNoMarkup();
            step(`wait_until 30 logged ${i + 1}; end_session; rm "$scratch/hold-pc1"`);
            await page.sees(/not logged in/);
        }
        await page.page.reload();
        await page.rowIs("Log", /img src=x/);
        await page.hasNoMarkup();
        await page.close();
    },

    /** Notes of snapshots and of versions, written by others. */
    async notes() {
        for (const [i, text] of texts.entries())
            step(`try glue snapshot --note=${quoted(text)} -- s${i} pc1`);
        step(`use_disk pc2 mine; try glue publish --note=${quoted(markup)} -- pc2 masters/win11`);

        const notes = glue("disks --json pc1").map(d => d.note).filter(Boolean);
        const page = await Page.open("machine/pc1");

        equal("the notes that tgt-glue takes", true, notes.includes(markup) && notes.includes("--all"));
        await page.rowIs(states, /s0/);
        const shown = (await page.rows(states)).flat().map(cell => cell.replaceAll(/\s+/g, " "));

        for (const note of notes)
            equal(`the page shows ${JSON.stringify(note)}`, true, shown.includes(note.replaceAll(/\s+/g, " ").trim()));
        await page.hasNoMarkup();
        await page.go("masters");
        await page.rowIs("Versions of masters/win11", /<script>alert/);
        await page.hasNoMarkup();
        await page.close();
    },

    /** What a reader enters: one argument each, and a refusal is text.  A name may begin with "-". */
    async fields() {
        const page = await Page.open("machine/pc1");

        for (const text of texts.slice(0, 3)) {
            await page.press("Snapshot…");
            await page.fill("Name", text);
            await page.fill("Note", text);
            const said = await page.submit();

            equal("the command", ["snapshot", `--note=${text}`, "--", text, "pc1"], commands().findLast(c => c[0] === "snapshot"));
            matches("the answer", text.startsWith("-") ? /^Done/ : /name/, said);
            await page.hasNoMarkup();
            await page.escape();
        }
        equal("snapshots", ["--all"], glue("disks --json pc1").filter(d => d.kind === "snapshot").map(d => d.which));
        await page.close();
    },

    /** A master whose file has such a name. */
    async master() {
        const name = "masters/--back <b>x";

        writeFileSync(`${scratch}/master`, `[client pc4]\nmaster = ${name}\n`);
        step(`add_versions '--back <b>x' 2; cat "$scratch/master" >>"$scratch/fleet.conf"; glue apply`);
        const page = await Page.open("masters");
        const table = `Versions of ${name}`;

        await page.rowIs(table, /^2 /);
        await page.hasNoMarkup();
        await (await page.find("table", table)).evaluate(e =>
            [...e.querySelectorAll("button")].find(b => b.innerText.trim() === "Promote…").click());
        await page.hasNoMarkup();
        matches("the answer", /^Done/, await page.submit());
        equal("the command", ["promote", "--", name, "2"], commands().findLast(c => c[0] === "promote"));
        await page.close();
    },
};

await main(scenarios[process.argv[2]]);
