// SPDX-License-Identifier: GPL-2.0-or-later
// Machine: one client, its disks and what can be brought back, its log.
import { actionButton } from "./action.js";
import { endSession, keep, reset, snapshot } from "./actions.js";
import { fill, make, setOrRemove, setText } from "./dom.js";
import { Facts } from "./facts.js";
import { ageSince, date, percent, rate, size } from "./format.js";
import { MachineLog } from "./machine-log.js";
import { Sessions } from "./machine-sessions.js";
import { alert, card, command, viewTitle } from "./parts.js";
import { SavedStates } from "./saved-states.js";
import { Spark } from "./spark.js";
import { growthOf, onSince, ownSize, problemOf, remarkOf, stateOf, states, wantedTexts } from "./state.js";
import { VersionLabel } from "./version-label.js";

/**
 * What decides what a command answers about the machine's disks and log.  Saved
 * states are in no status but in the sums of all machines.
 */
function signature(client, { images }) {
    return JSON.stringify([client.restart, client.target, client["last-refusal"],
        client.sessions.map(s => [s.session, s.since]),
        [client, ...client.disks].map(disk => [disk.version, disk.child, disk["child-state"], disk["child-why"],
            disk.lun, disk["disk-size"], disk.quota, disk.readonly, disk.exported]),
        images.snapshots, images.kept, images["put-aside"]]);
}

/** When the machine came on, and how long ago that is. */
function sinceText(client) {
    const since = onSince(client);

    if (!client.sessions.length)
        return "off";
    return since === null ? "unknown" : `${date(since)} (${ageSince(since)})`;
}

export class Machine {
    constructor(fleet, name) {
        this.fleet = fleet;
        this.name = name;
        this.state = make("span");
        this.message = make("div");
        this.facts = new Facts();
        this.version = new VersionLabel();
        this.spark = new Spark();
        this.rate = make("span", { class: "rate" });
        this.throughput = make("div", { class: "throughput" }, this.spark.element, this.rate);
        // What the dialogs of the machine's commands ask, and what follows them.
        this.context = {
            isOn: () => fleet.clients.get(name)?.sessions.length > 0,
            done: () => this.readAgain(),
        };
        this.states = new SavedStates(fleet, name, this.context);
        this.sessions = new Sessions();
        this.log = new MachineLog(name);
        this.element = make("section", { "aria-label": `Machine ${name}` });
    }

    /** The view of a machine that exists. */
    makeContent() {
        fill(this.element,
             make("nav", { "aria-label": "Back" }, make("a", { href: "#/" }, "‹ Machines")),
             viewTitle(this.name, this.state), this.message, this.makeButtons(),
             make("div", { class: "card" }, this.facts.element),
             card("Sessions", this.sessions.element),
             card("Disks and their saved states", this.states.element),
             card("Log", this.log.element));
        this.made = true;
    }

    makeButtons() {
        const { name, context } = this;
        const action = (text, description, kind) => actionButton(text, { ...description, ...context }, { kind });

        this.end = action("End session…", endSession(name));
        return make("div", { class: "buttons" },
                    action("Snapshot…", snapshot(name, null), "primary"), action("Keep…", keep(name, null)),
                    action("Reset…", reset(name, null)), this.end);
    }

    readAgain() {
        if (!this.made)
            return;
        this.states.again();
        this.log.again();
    }

    update({ changed, moved, status }) {
        const client = this.fleet.clients.get(this.name);

        if (!client)
            this.showUnknown();
        else if (!this.made || changed.has(this.name))
            this.show(client);
        else if (moved.has(this.name))
            this.showTraffic(client);
        if (client && status)
            this.follow(client);
    }

    /** Reads what other commands tell, if that has changed. */
    follow(client) {
        const facts = signature(client, this.fleet.status);

        this.states.follow(facts);
        this.log.follow(facts);
    }

    showUnknown() {
        if (this.made === false)
            return;
        this.made = false;
        fill(this.element, make("nav", { "aria-label": "Back" }, make("a", { href: "#/" }, "‹ Machines")),
             viewTitle(this.name),
             alert("warning", "fleet.conf has no such machine", "Its images stay in the store. Type: ", command("tgt-glue orphans")));
    }

    show(client) {
        const state = states[stateOf(client)];

        if (!this.made)
            this.makeContent();
        setText(this.state, state.label);
        setOrRemove(this.state, "class", `chip ${state.colour}`);
        this.showMessage(client);
        this.end.hidden = !client.sessions.length;
        this.follow(client);
        this.showTraffic(client);
    }

    showMessage(client) {
        const remark = remarkOf(client);

        if (remark === this.remark)
            return;
        this.remark = remark;
        fill(this.message, remark && alert(problemOf(client) ? "danger" : "warning", remark));
    }

    showTraffic(client) {
        const now = this.fleet.rates.now(this.name);

        setText(this.rate, now === null ? "" : rate(now));
        this.spark.draw(this.fleet.rates.history(this.name));
        this.version.show(client.version ?? client.master, wantedTexts(client));
        this.facts.show(this.makeFacts(client, now));
        this.sessions.show(client.sessions);
    }

    /** Called once a minute. */
    updateAges() {
        const client = this.fleet.clients.get(this.name);

        if (client && this.made)
            this.showTraffic(client);
    }

    makeFacts(client, now) {
        const growth = growthOf(client);
        const refusal = client["last-refusal"];

        return [
            ["On since", sinceText(client)],
            ["Version", this.version.element],
            ["Own size", size(ownSize(client)) + (client.quota ? `; system disk ${size(client["disk-use"])} of ${size(client.quota)}` : "")],
            ["Growth a day", growth === null ? null : size(growth)],
            ["Differs from the master", client["blocks-total"] ? percent(client.blocks, client["blocks-total"]) : null],
            ["Throughput", now === null ? null : this.throughput],
            ["Groups", client.groups.join(", ") || null],
            ["Last refusal", refusal ? `${date(refusal.when)}: ${refusal.reason}${refusal.initiator ? `, to ${refusal.initiator}` : ""}` : "none"],
            ["Target", client.iqn ?? null],
        ];
    }
}
