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

/** A pattern of this text. */
function literal(text) {
    return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
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

    /** A name that has line breaks, while watch does not run: text, until its session has ended. */
    async lines() {
        const page = await Page.open("machine/pc1");

        step(`initiator_options=(-i ${quoted(texts[3])}); hold_session pc1`);
        // What tgtd tells of that is no truth (tgtd/state.c): tgt-glue trusts none of it.
        await page.sees(/gives no answer that can be used[^]*may have a line break[^]*logged in to target \d+, \S+:pc1, and `tgt-glue apply' ends/);
        await page.seesNot(/tgtd does not answer|systemctl status tgt/);
        await page.hasNoMarkup();
        await page.go("");
        equal("the machines", ["pc1", "pc2"], (await page.rows("Machines")).map(row => row[0]));
        await page.hasNoMarkup();
        await page.go("store");
        await page.find("table", "Health");
        await page.hasNoMarkup();
        step("end_session");
        await page.go("");
        await page.machineIs("pc1", /\boff\b/);
        await page.machineIs("pc2", /\boff\b/);
        await page.close();
    },

    /** Refused logins: of a machine, and of an initiator that no machine is known by. */
    async refused() {
        const page = await Page.open("machine/pc1");

        // The log has no refusal of a name with a space.
        for (const [i, name] of ["<script>alert(1)</script><img/src=x/onerror=alert(1)><b>x</b>", "--option"].entries()) {
            const known = `${name}-known`;

            step(`initiator_options=(-i ${quoted(known)}); hold_session pc1 pc1%secretsecret1@`);
            step(`wait_until 30 logged ${i + 1}; end_session; rm "$scratch/hold-pc1"`);
            step(`wrong_secret pc1 ${quoted(known)}; wrong_secret pc1 ${quoted(name)}`);
            await page.go("machine/pc1");
            await page.sees(new RegExp(`Last refusal[^]*the secret is wrong, to ${literal(known)}`));
            await page.hasNoMarkup();
            await page.go("");
            await page.machineIs("pc1", /the secret is wrong/);
            await page.hasNoMarkup();
            await page.go("store");
            await page.rowIs("Health", new RegExp(`Refused logins.*${literal(name)}: `));
            await page.hasNoMarkup();
        }
        equal("what tgt-glue tells", ["--option", "--option-known"],
              [glue("status --json")["last-refusal"].initiator, glue("status --json").clients[0]["last-refusal"].initiator]);
        await page.close();
    },

    /** A field has one line: Enter submits, and a paste loses its line breaks. */
    async breaks() {
        const page = await Page.open("machine/pc1");
        const last = () => commands().findLast(c => c[0] === "snapshot");

        await page.copy("two\nlines\r\nhere");
        await page.press("Snapshot…");
        for (const label of ["Name", "Note"]) {
            await (await page.find("textbox", label)).focus();
            await page.paste();
        }
        const [name, note] = await page.page.$$eval("dialog[open] input", all => all.map(e => e.value));

        matches("the name, in one line", /^two ?lines ?here$/, name);
        matches("the note, in one line", /^two ?lines ?here$/, note);
        matches("the answer", /name|Done/, await page.submit());
        equal("the command", ["snapshot", `--note=${note}`, "--", name, "pc1"], last());
        await page.escape();

        await page.press("Snapshot…");
        await page.fill("Note", "typed\n");
        equal("Enter without the name that is required: no command", name, last().at(-2));
        await page.fill("Name", "typed\n");
        await page.answered();
        equal("the command", ["snapshot", "--note=typed", "--", "typed", "pc1"], last());
        equal("commands with a line break", [], commands().filter(c => c.some(word => /[\r\n]/.test(word))));
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
