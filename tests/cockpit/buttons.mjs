// SPDX-License-Identifier: GPL-2.0-or-later
// buttons.mjs SCENARIO: presses buttons; the dialog shows the command before it
// runs, and tgt-glue tells its effect.
import { commands, equal, fail, glue, main, matches, output, Page, step } from "./page.mjs";

const states = "Disks and their saved states";
const versions = "Versions of masters/win11";

/** The states of the system disk of a machine, or those of a kind. */
function disks(client, kind) {
    return glue(`disks --json ${client}`).filter(d => !d.disk && (!kind || d.kind === kind));
}

function version(number) {
    return glue("versions --json masters/win11").find(v => v.number === number);
}

/**
 * Presses a button, in the row of a table that matches if there is one, enters
 * the fields, and runs the command; expects the arguments, and that the dialog
 * shows the command first, as a shell takes it.  Returns what the dialog says.
 */
async function act(page, { button, row, fields = {}, args, answer = /^Done\./ }) {
    await page.press(button, row);
    for (const [label, value] of Object.entries(fields))
        await page.fill(label, value);

    const shown = await page.shownCommand();

    equal(`${button}: the command that is shown, as a shell reads it`, ["tgt-glue", ...args],
          output(`eval "printf '%s\\n' ${shown.replaceAll(/["$\\`]/g, "\\$&")}"`).split("\n"));
    if (commands().some(c => JSON.stringify(c) === JSON.stringify(args)))
        fail(`${button}: expected that the command runs only when it is confirmed`);

    const said = await page.submit();

    matches(`${button}: the answer`, answer, said);
    equal(`${button}: the commands that ran`, 1, commands().filter(c => JSON.stringify(c) === JSON.stringify(args)).length);
    await page.escape();
    return said;
}

const scenarios = {
    async snapshot() {
        const page = await Page.open("machine/pc1");

        step("use_disk pc1 before");
        await act(page, { button: "Snapshot…", fields: { Name: "first" }, args: ["snapshot", "--", "first", "pc1"] });
        equal("snapshots", ["first"], disks("pc1", "snapshot").map(d => d.which));
        await page.rowIs(states, /^first/);
        step("use_disk pc1 after");
        await act(page, { button: "Revert…", row: /^first/, args: ["revert", "--", "first", "pc1"] });
        equal("the disk after the revert", "before", output("disk clients/pc1.vhdx"));
        await page.close();
    },

    async keep() {
        const page = await Page.open("machine/pc1");

        step("use_disk pc1 kept");
        await act(page, { button: "Keep…", fields: { Note: "good state" }, args: ["keep", "--note=good state", "--", "pc1"] });
        equal("the note of what is kept", ["good state"], disks("pc1").map(d => d.note).filter(Boolean));
        await page.rowIs(states, /good state/);
        step("use_disk pc1 later");
        await act(page, { button: "Reset…", args: ["reset", "--", "pc1"] });
        equal("the disk after the reset", "kept", output("disk clients/pc1.vhdx"));
        await page.close();
    },

    async reset() {
        const page = await Page.open("machine/pc1");

        step("use_disk pc1 mine");
        await act(page, { button: "Reset…", args: ["reset", "--", "pc1"] });
        equal("the disk after the reset", "version 1", output("disk clients/pc1.vhdx"));

        const [old] = disks("pc1").filter(d => d.kind !== "now");

        await page.rowIs(states, new RegExp(`^${old.which}`));
        await act(page, { button: "Restore…", row: new RegExp(`^${old.which}`), args: ["restore", "--", "pc1", old.which] });
        equal("the disk after the restore", "mine", output("disk clients/pc1.vhdx"));
        await page.close();
    },

    async versions() {
        const page = await Page.open("masters");

        step("use_disk pc1 'version 4'");
        await act(page, { button: "Publish…", fields: { Note: "with updates" }, args: ["publish", "--note=with updates", "--", "pc1", "masters/win11"] });
        equal("the new version", ["with updates", ["test"]], [version(4).note, version(4).channels]);
        await page.rowIs(versions, /^4 \| test .*with updates/);
        await act(page, { button: "Promote…", row: /^4\s/, args: ["promote", "--", "masters/win11", "4"] });
        equal("version 4 is in production", true, version(4).channels.includes("production"));
        await page.rowIs(versions, /^4 \| production/);
        await act(page, { button: "Back…", args: ["promote", "--back", "--", "masters/win11"] });
        equal("version 1 is in production again", true, version(1).channels.includes("production"));
        await page.rowIs(versions, /^1 \| production/);
        await act(page, { button: "Retire…", row: /^3\s/, args: ["retire", "--", "masters/win11", "3"] });
        equal("version 3 is gone", undefined, version(3));
        await page.close();
    },

    async remove() {
        step("expect 0 glue snapshot first pc1");
        const page = await Page.open("machine/pc1");

        await act(page, { button: "Remove…", row: /^first/, args: ["disks", "--remove", "--", "pc1", "first"] });
        equal("snapshots", [], disks("pc1", "snapshot"));
        await page.close();
    },

    async newMaster() {
        const page = await Page.open("masters");

        await act(page, { button: "New master…", fields: { "Name of the master": "masters/new" }, args: ["publish", "--", "pc1", "masters/new"] });
        equal("versions of the new master", [1], glue("versions --json masters/new").map(v => v.number));
        await page.close();
    },

    async orphan() {
        step("sed -i '/client pc3/d' $scratch/fleet.conf; expect 0 glue apply");
        const page = await Page.open("store");
        const file = "clients/pc3.vhdx";

        equal("orphans", true, output("glue orphans").includes(file));
        await act(page, { button: "Remove…", row: /pc3\.vhdx/, args: ["orphans", "--remove", "--", file] });
        equal("orphans", false, output("glue orphans").includes(file));
        await page.close();
    },

    async session() {
        step("hold_session pc1");
        const page = await Page.open("machine/pc1");

        await act(page, { button: "End session…", args: ["end-session", "--", "pc1"] });
        equal("sessions", [], glue("status --json").clients[0].sessions);
        await page.sees(/not logged in/);
        step("end_session");
        await page.close();
    },

    async refusal() {
        step("hold_session pc1");
        const page = await Page.open("machine/pc1");

        await page.rowIs("Sessions", /^127\.0\.0\.1/);
        await act(page, { button: "Reset…", args: ["reset", "--", "pc1"], answer: /pc1: .*(session|logged in|in use)/ });
        equal("resets", 0, disks("pc1").filter(d => d.kind !== "now").length);
        step("end_session");
        await page.close();
    },
};

await main(scenarios[process.argv[2]]);
