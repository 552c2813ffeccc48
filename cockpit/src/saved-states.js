// SPDX-License-Identifier: GPL-2.0-or-later
// The states of one machine's disks, grouped by disk, and what can be done with them.
import { actionButton } from "./action.js";
import { keep, removeState, reset, restore, revert, snapshot } from "./actions.js";
import { idOf, make } from "./dom.js";
import { isoDate, size } from "./format.js";
import { LongList } from "./long-list.js";
import { cell, label, numbers, rowHeader, shortCell, tableBody, tableOf, tableRow } from "./parts.js";
import { Reading } from "./reading.js";
import { disksOf } from "./state.js";
import { read } from "./tgt-glue.js";
import { versionLabel } from "./version-label.js";

const headers = ["State", "Kind", "Date", numbers("Own size"), "Master", "Note", "Actions"];
const statesShown = 10; // of each disk, beside those that it always shows
const kinds = {
    now: { text: "present", colour: "green" },
    snapshot: { text: "snapshot", colour: "blue" },
    kept: { text: "kept", colour: "purple" },
    "put-aside": { text: "put aside", colour: "grey" },
};

export class SavedStates extends Reading {
    /** context: what the actions of the machine have besides their commands (dialog.js). */
    constructor(fleet, name, context) {
        super("The disks", () => read("disks", "--json", "--", name), states => this.drawStates(states));
        this.fleet = fleet;
        this.name = name;
        this.context = context;
        this.lists = new Map(); // by disk
    }

    drawStates(states) {
        const disks = [...new Set(states.map(state => state.disk ?? null))];

        return tableOf("Disks and their saved states", headers,
                       ...disks.map(disk => this.drawDisk(disk, states.filter(state => (state.disk ?? null) === disk))));
    }

    /** A disk has a row of its own, and then one for each state. */
    drawDisk(disk, states) {
        const title = make("th", { class: "pf-v6-c-table__th disk", scope: "rowgroup", role: "rowheader", colspan: "6" },
                           make("span", { class: "disk-name" }, disk === null ? "System disk" : `Disk ${disk}`),
                           make("span", { class: "remark" }, this.diskRemark(disk)));

        title.id = idOf("disk", disk ?? "");
        const { shown, more } = this.shownOf(disk, states);

        return tableBody(tableRow(title, cell(null, disk === null ? null : this.diskButtons(disk, title.id))),
                         shown.map(state => this.drawState(state)),
                         more && tableRow(make("td", { class: "pf-v6-c-table__td", role: "cell", colspan: "7" }, more)));
    }

    /** The states of a disk that are shown, and the button that shows all. */
    shownOf(disk, states) {
        const old = states.filter(({ kind }) => kind !== "now" && kind !== "kept");

        if (!this.lists.has(disk))
            this.lists.set(disk, new LongList(statesShown, () => this.redraw()));

        const list = this.lists.get(disk);
        const hidden = new Set(old.slice(list.shown(old).length));

        return { shown: states.filter(state => !hidden.has(state)), more: list.more(old, "saved states") };
    }

    findDisk(name) {
        const client = this.fleet.clients.get(this.name);

        return client ? disksOf(client).find(disk => disk.name === name) : undefined;
    }

    diskRemark(name) {
        const disk = this.findDisk(name);

        if (!disk)
            return "";
        return [disk.lun && `LUN ${disk.lun}`, disk["disk-size"] && size(disk["disk-size"]),
            disk.quota && `quota ${size(disk.quota)}`, disk.readonly && "read-only",
            disk.exported === false && "not exported", name !== null && disk["child-why"]].filter(Boolean).join(", ");
    }

    /** Those of a data disk; the system disk's are on top of the page. */
    diskButtons(disk, describedBy) {
        const { name, context } = this;
        const hasMaster = this.findDisk(disk)?.kind === "master";
        const action = (text, description) => actionButton(text, { ...description, ...context }, { describedBy });

        return make("div", { class: "buttons" },
                    action("Snapshot…", snapshot(name, disk)),
                    // Without a master there is nothing that a reset could go back to.
                    hasMaster && action("Keep…", keep(name, disk)),
                    hasMaster && action("Reset…", reset(name, disk)));
    }

    drawState(state) {
        const kind = kinds[state.kind] ?? { text: state.kind, colour: "grey" };
        const title = rowHeader(headers[0], make("span", { class: "state-name" }, state.which));

        title.id = idOf("state", state.disk ?? "", state.which);
        return tableRow(title,
                        cell(headers[1], label(kind.text, kind.colour),
                             state.related === false && make("div", { class: "remark" }, "of an earlier disk")),
                        shortCell(headers[2], isoDate(state.date)), cell(headers[3], size(state.size)),
                        state.error ? cell(headers[4], state.error) : shortCell(headers[4], state.master && versionLabel(state.master)),
                        cell(headers[5], state.note ?? ""),
                        cell(headers[6], this.stateButtons(state, title.id)));
    }

    stateButtons(state, describedBy) {
        const { name, context } = this;

        if (state.kind === "now")
            return null;
        return make("div", { class: "buttons" },
                    state.kind === "snapshot"
                        ? actionButton("Revert…", { ...revert(name, state), ...context }, { describedBy })
                        : actionButton("Restore…", { ...restore(name, state), ...context }, { describedBy }),
                    actionButton("Remove…", { ...removeState(name, state), ...context }, { kind: "link", describedBy }));
    }
}
