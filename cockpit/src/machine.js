// SPDX-License-Identifier: GPL-2.0-or-later
// Machine: one client, its disks and what can be brought back, its log.
import { actionButton } from "./action.js";
import { fill, make } from "./dom.js";
import { age, date, rate, size } from "./format.js";
import { drawSpark, makeSpark } from "./spark.js";
import { onSince, remarkOf, stateOf, states, versionName } from "./state.js";
import { failedState, loadingState, table } from "./parts.js";
import { read, readLines } from "./tgt-glue.js";

const logDays = 30;
const logLines = 100;

export class Machine {
    constructor(fleet, name) {
        this.fleet = fleet;
        this.name = name;
        this.facts = make("dl", { class: "pf-v6-c-description-list pf-m-horizontal pf-m-2-col-on-lg" });
        this.buttons = make("div", { class: "buttons" });
        this.disks = make("div");
        this.log = make("div");
        this.spark = makeSpark();
        this.element = make("section", { "aria-label": `Machine ${name}` },
                            make("nav", { "aria-label": "Back" }, make("a", { href: "#/" }, "Machines")),
                            make("h1", { class: "pf-v6-c-title pf-m-2xl" }, name),
                            this.facts, this.buttons,
                            make("h2", { class: "pf-v6-c-title pf-m-lg" }, "Disks and their saved states"), this.disks,
                            make("h2", { class: "pf-v6-c-title pf-m-lg" }, "Log"), this.log);
        this.makeButtons();
        this.readAgain();
    }

    makeButtons() {
        const { name } = this;
        const again = () => this.readAgain();
        const note = { name: "note", label: "Note", optional: true };
        const withNote = value => value ? [`--note=${value}`] : [];

        fill(this.buttons,
             actionButton("Snapshot…", {
                 title: "Take a snapshot",
                 text: "The present state of the disk gets a name. The machine goes on.",
                 fields: [{ name: "snapshot", label: "Name" }, note],
                 args: f => ["snapshot", ...withNote(f.note), "--", f.snapshot, name],
                 done: again,
             }, "primary"),
             actionButton("Keep…", {
                 title: "Keep the state",
                 text: "A reset goes back to the present state, until the master changes.",
                 fields: [note],
                 args: f => ["keep", ...withNote(f.note), "--", name],
                 done: again,
             }),
             actionButton("Reset…", {
                 title: "Reset the disk",
                 text: "The disk becomes what the master, or the kept state, is. What it has now is put aside.",
                 danger: true,
                 args: () => ["reset", "--", name],
                 done: again,
             }));
    }

    readAgain() {
        this.readDisks();
        this.readLog();
    }

    async readDisks() {
        if (!this.disks.firstChild)
            fill(this.disks, loadingState("Reading the disks"));
        try {
            const states = await read("disks", "--json", "--", this.name);

            fill(this.disks, table("Disks and their saved states",
                                   ["State", "Date", "Own size", "Master", "Note", ""],
                                   states.map(state => this.stateRow(state))));
        } catch (error) {
            fill(this.disks, failedState("The disks cannot be read", error.message));
        }
    }

    stateRow(state) {
        const { which, kind } = state;
        const again = () => this.readAgain();
        const what = kind === "now" ? "now" : `${which} (${kind})`;
        const button = kind === "now" ? null : actionButton(kind === "snapshot" ? "Revert…" : "Restore…", {
            title: kind === "snapshot" ? `Revert to ${which}` : `Restore ${which}`,
            text: "The machine must be logged out. What is there now is put aside first.",
            danger: true,
            args: () => kind === "snapshot" ? ["revert", "--", which, this.name] : ["restore", "--", this.name, which],
            done: again,
        });

        return [what, date(Date.parse(state.date) / 1000), size(state.size),
            state.master ?? state.error ?? "", state.note ?? "", button];
    }

    async readLog() {
        if (!this.log.firstChild)
            fill(this.log, loadingState("Reading the log"));
        try {
            const events = await readLines("log", "--json", `--since=${logDays}d`, "--", this.name);

            fill(this.log, events.length
                ? table("Log", ["Time", "Event", "Message"],
                        events.slice(-logLines).reverse()
                                .map(e => [date(e.time), e.event, e.message]))
                : make("p", {}, `No event in ${logDays} days.`));
        } catch (error) {
            fill(this.log, failedState("The log cannot be read", error.message));
        }
    }

    update(changed) {
        const client = this.fleet.clients.get(this.name);

        if (!client) {
            fill(this.facts, make("p", {}, "fleet.conf has no such machine."));
            return;
        }
        if (changed.has(this.name) || !this.facts.firstChild)
            fill(this.facts, this.makeFacts(client));
    }

    makeFacts(client) {
        const since = onSince(client);
        const now = this.fleet.rates.now(this.name);
        const facts = [
            ["State", make("span", { class: `pf-v6-c-label pf-m-${states[stateOf(client)].colour}` },
                           make("span", { class: "pf-v6-c-label__content" },
                                make("span", { class: "pf-v6-c-label__text" }, states[stateOf(client)].label)))],
            ["Remark", remarkOf(client)],
            ["Logged in", client.sessions.length ? client.sessions.map(s => `${s.address} (${s.initiator})`).join(", ") : null],
            ["On for", since === null ? null : age(Date.now() / 1000 - since)],
            ["Master", client.master],
            ["Version", client.behind ? `${versionName(client.version)}; wanted: ${versionName(client.wanted)}` : versionName(client.version)],
            ["Own size", size(client["disk-use"]) + (client.quota ? ` of ${size(client.quota)}` : "")],
            ["Growth a day", client.growth === null ? null : size(client.growth)],
            ["Target", client.iqn],
            ["Throughput", now === null ? null : make("span", {}, this.spark, ` ${rate(now)}`)],
        ];

        drawSpark(this.spark, this.fleet.rates.history(this.name));
        return facts.filter(([, value]) => value !== null && value !== undefined).map(([term, value]) =>
            make("div", { class: "pf-v6-c-description-list__group" },
                 make("dt", { class: "pf-v6-c-description-list__term" },
                      make("span", { class: "pf-v6-c-description-list__text" }, term)),
                 make("dd", { class: "pf-v6-c-description-list__description" },
                      make("div", { class: "pf-v6-c-description-list__text" }, value))));
    }
}
