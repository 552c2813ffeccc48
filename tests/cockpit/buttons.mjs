// SPDX-License-Identifier: GPL-2.0-or-later
// buttons.mjs SCENARIO:CLIENT...: presses buttons of that machine, or of a master
// for it; the dialog shows the command before it runs, and tgt-glue tells its effect.
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
async function act(page, { button, row, machine, fields = {}, marks = [], args, answer = /^Done\./ }) {
    await page.press(button, row);
    for (const [label, value] of Object.entries(fields))
        await page.fill(label, value);

    if (machine)
        await page.choose("Machine", machine);
    for (const label of marks)
        await (await page.find("checkbox", label)).click();

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
    async snapshot(client) {
        const page = await Page.open(`machine/${client}`);

        step(`use_disk ${client} before`);
        await act(page, { button: "Snapshot…", fields: { Name: "first" }, args: ["snapshot", "--", "first", client] });
        equal("snapshots", ["first"], disks(client, "snapshot").map(d => d.which));
        await page.rowIs(states, /^first/);
        step(`use_disk ${client} after`);
        await act(page, { button: "Revert…", row: /^first/, args: ["revert", "--", "first", client] });
        equal("the disk after the revert", "before", output(`disk clients/${client}.vhdx`));
        await page.close();
    },

    async keep(client) {
        const page = await Page.open(`machine/${client}`);

        step(`use_disk ${client} kept`);
        await act(page, { button: "Keep…", fields: { Note: "good state" }, args: ["keep", "--note=good state", "--", client] });
        equal("the note of what is kept", ["good state"], disks(client).map(d => d.note).filter(Boolean));
        await page.rowIs(states, /good state/);
        step(`use_disk ${client} later`);
        await act(page, { button: "Reset…", args: ["reset", "--", client] });
        equal("the disk after the reset", "kept", output(`disk clients/${client}.vhdx`));
        await page.close();
    },

    async reset(client) {
        const page = await Page.open(`machine/${client}`);

        step(`use_disk ${client} mine`);
        await act(page, { button: "Reset…", args: ["reset", "--", client] });
        equal("the disk after the reset", "version 1", output(`disk clients/${client}.vhdx`));

        const [old] = disks(client).filter(d => d.kind !== "now");

        await page.rowIs(states, new RegExp(`^${old.which}`));
        await act(page, { button: "Restore…", row: new RegExp(`^${old.which}`), args: ["restore", "--", client, old.which] });
        equal("the disk after the restore", "mine", output(`disk clients/${client}.vhdx`));
        await page.close();
    },

    async versions(client) {
        const page = await Page.open("masters");

        step(`use_disk ${client} 'version 4'`);
        await act(page, { button: "Publish…", machine: client, fields: { Note: "with updates" }, args: ["publish", "--note=with updates", "--", client, "masters/win11"] });
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

    /** A command that takes long, and then fails; glue_waits of the test makes it so. */
    async slow() {
        const page = await Page.open("machine/pc1");
        const began = () => commands().filter(c => c[0] === "snapshot").map(c => c[2]);
        const begin = async () => {
            await page.press("Snapshot…");
            await page.fill("Name", "first");
            await page.page.keyboard.press("Enter");
            await page.waitFor("that the dialog says that the command runs", () => document.querySelector("dialog[open] [role=progressbar]"));
        };

        step("glue_waits");
        await begin();
        equal("fields that can be changed while it runs", 0, await page.page.$$eval("dialog[open] input:enabled", all => all.length));
        await page.escape();
        await begin();
        await page.escape();
        step("let_glue_go");
        await page.sees(/the store is on fire/, "dialog[open]");
        equal("the commands that began", ["first"], began());
        equal("fields that can be changed after it", 2, await page.page.$$eval("dialog[open] input:enabled", all => all.length));
        await page.close();
    },

    /** Leaving the page while a command runs brings a question. */
    async leave() {
        const page = await Page.open("machine/pc1");
        let asked = 0;

        page.tab.removeAllListeners("dialog");
        page.page.on("dialog", async dialog => {
            asked += dialog.type() === "beforeunload";
            await dialog.accept();
        });
        await page.page.reload();
        await page.find("table", states);
        equal("questions without a command", 0, asked);
        step("glue_waits");
        await page.press("Snapshot…");
        await page.fill("Name", "first");
        await page.page.keyboard.press("Enter");
        await page.waitFor("that the command runs", () => document.querySelector("dialog[open] [role=progressbar]"));
        await page.page.reload();
        equal("questions while a command runs", 1, asked);
        await page.close();
    },

    async remove(client) {
        step(`expect 0 glue snapshot first ${client}`);
        const page = await Page.open(`machine/${client}`);

        await act(page, { button: "Remove…", row: /^first/, args: ["disks", "--remove", "--", client, "first"] });
        equal("snapshots", [], disks(client, "snapshot"));
        await page.close();
    },

    /** A second click at the place of the first, where the dialog has its own button by then. */
    async double(client) {
        const name = "before-the-exam-of-june";

        step(`expect 0 glue snapshot ${name} ${client}`);
        const page = await Page.open(`machine/${client}`, { width: 360, height: 740 });
        const open = () => page.press("Remove…", new RegExp(name));
        const { mouse } = page.tab;

        await open();
        const place = await page.page.$eval("dialog[open] button[type=submit]", e => e.getBoundingClientRect().toJSON());

        await page.escape();
        const x = await page.page.evaluate((row, y) => {
            const button = [...document.querySelectorAll("tr")].find(r => r.innerText.includes(row)).querySelector("button.pf-m-link");
            const middle = () => button.getBoundingClientRect();

            scrollBy(0, middle().y + middle().height / 2 - y);
            return middle().x + middle().width / 2;
        }, name, place.y + place.height / 2);

        matches("the place of the dialog's button is that of the first click", /true/, String(x > place.left && x < place.right));
        await mouse.click(x, place.y + place.height / 2, { count: 2 });
        await page.shownCommand();
        await page.painted();
        equal("commands that ran", [], commands().filter(c => c[0] === "disks" && c[1] === "--remove"));
        matches("the answer of one click more", /^Done\./, await page.submit());
        await page.close();
    },

    async newMaster(client) {
        const page = await Page.open("masters");

        await act(page, { button: "New master…", machine: client, fields: { "Name of the master": "masters/new" },
            marks: ["Also if a file system was not unmounted (--unclean)"], args: ["publish", "--unclean", "--", client, "masters/new"] });
        equal("versions of the new master", [1], glue("versions --json masters/new").map(v => v.number));
        // The page shows it, though no disk of fleet.conf has it.
        await page.sees(/masters\/new[^]*No disk of fleet\.conf has this master/);
        await page.find("table", "Versions of masters/new");
        await page.close();
    },

    /** Without a machine there is nothing to publish, and nothing runs. */
    async noSource() {
        const page = await Page.open("masters");

        await page.press("New master…");
        await page.fill("Name of the master", "masters/new");
        await page.page.click("dialog[open] button[type=submit]");
        await page.painted();
        equal("the choice is valid", false, await page.page.$eval("dialog[open] select", e => e.validity.valid));
        equal("commands that publish", [], commands().filter(c => c[0] === "publish"));
        await page.close();
    },

    async dataDisk(client) {
        const page = await Page.open(`machine/${client}`);

        await act(page, { button: "Snapshot…", row: /^Disk home/, fields: { Name: "first" }, args: ["snapshot", "--disk=home", "--", "first", client] });
        equal("snapshots", ["home"], glue(`disks --json ${client}`).filter(d => d.kind === "snapshot").map(d => d.disk));
        await act(page, { button: "Remove…", row: /^first/, args: ["disks", "--remove", "--disk=home", "--", client, "first"] });
        equal("snapshots", [], glue(`disks --json ${client}`).filter(d => d.kind === "snapshot"));
        await page.close();
    },

    async orphan(client) {
        step(`sed -i '/client ${client}$/d;/client ${client}]/d' $scratch/fleet.conf; expect 0 glue apply`);
        const page = await Page.open("store");
        const file = `clients/${client}.vhdx`;

        equal("orphans", true, output("glue orphans").includes(file));
        await act(page, { button: "Remove…", row: new RegExp(`${client}\\.vhdx`), args: ["orphans", "--remove", "--", file] });
        equal("orphans", false, output("glue orphans").includes(file));
        await page.close();
    },

    async session(client) {
        step(`hold_session ${client}`);
        const page = await Page.open(`machine/${client}`);

        await act(page, { button: "End session…", args: ["end-session", "--", client] });
        equal("sessions", [], glue("status --json").clients.find(c => c.name === client).sessions);
        await page.sees(/not logged in/);
        step("end_session");
        await page.close();
    },

    async refusal(client) {
        step(`hold_session ${client}`);
        const page = await Page.open(`machine/${client}`);

        await page.rowIs("Sessions", /^127\.0\.0\.1/);
        await act(page, { button: "Reset…", args: ["reset", "--", client], answer: /: .*(session|logged in|in use)/ });
        equal("resets", 0, disks(client).filter(d => d.kind !== "now").length);
        step("end_session");
        await page.close();
    },
};

await main(async () => {
    for (const [scenario, client] of process.argv.slice(2).map(word => word.split(":")))
        await scenarios[scenario](client);
});
