// SPDX-License-Identifier: GPL-2.0-or-later
// The row, or the tile, of one machine in the room.
import { make, setOrRemove, setText } from "./dom.js";
import { ageSince, rate, shortDate, size } from "./format.js";
import { cell, rowHeader, tableRow } from "./parts.js";
import { drawSpark, makeSpark } from "./spark.js";
import { growthOf, isBehind, onSince, ownSize, remarkOf, stateOf, states, versionText, wantedText } from "./state.js";

export function machineLink(name) {
    return `#/machine/${encodeURIComponent(name)}`;
}

/** "on for 3 h": of a machine with a session; "" without one. */
function sinceText(client) {
    return client.sessions.length ? `for ${ageSince(onSince(client))}` : "";
}

/** What the disks should be on instead: "wanted: 2, home wanted: 4". */
function wantedTexts(client) {
    const texts = client.behind ? [`wanted: ${wantedText(client)}`] : [];

    return [...texts, ...client.disks.filter(disk => disk.behind)
            .map(disk => `${disk.name} wanted: ${wantedText(disk)}`)].join(", ");
}

function refusalText(client) {
    const refusal = client["last-refusal"];

    return refusal ? `${shortDate(refusal.when)}: ${refusal.reason}` : "";
}

/** A row, whose cells change with the client. */
export class Row {
    constructor(name) {
        this.label = make("span", { class: "pf-v6-c-label__text" });
        this.state = make("span", { class: "pf-v6-c-label pf-m-compact" },
                          make("span", { class: "pf-v6-c-label__content" }, this.label));
        this.since = make("span", { class: "beside" });
        this.remark = make("div", { class: "remark" });
        this.version = make("span");
        this.wanted = make("span", { class: "pf-v6-c-label__text" });
        this.wantedLabel = make("span", { class: "pf-v6-c-label pf-m-compact pf-m-orange behind" },
                                make("span", { class: "pf-v6-c-label__content" }, this.wanted));
        this.size = cell("Own size");
        this.growth = cell("Growth a day");
        this.rate = make("span", { class: "rate" });
        this.throughput = make("div", { class: "throughput" }, this.rate);
        this.refusal = cell("Last refusal");
        this.refusal.classList.add("remark");
        this.element = tableRow(rowHeader("Machine", make("a", { href: machineLink(name) }, name)),
                                cell("State", make("div", {}, this.state, this.since), this.remark),
                                cell("Version", make("div", {}, this.version, " ", this.wantedLabel)),
                                this.size, this.growth, cell("Throughput", this.throughput), this.refusal);
        this.visible = false; // the room tells
    }

    update(client) {
        const state = states[stateOf(client)];
        const growth = growthOf(client);

        this.client = client;
        setOrRemove(this.state, "class", `pf-v6-c-label pf-m-compact pf-m-${state.colour}`);
        setText(this.label, state.label);
        setText(this.remark, remarkOf(client) ?? "");
        setText(this.version, versionText(client.version ?? client.master));
        setText(this.wanted, wantedTexts(client));
        this.wantedLabel.hidden = !isBehind(client);
        setText(this.size, size(ownSize(client)));
        setText(this.growth, growth === null ? "" : size(growth));
        setText(this.refusal, refusalText(client));
        this.updateAge();
    }

    updateAge() {
        setText(this.since, sinceText(this.client));
    }

    updateRate(rates) {
        const now = rates.now(this.client.name);

        if (now !== null && !this.spark) {
            this.spark = makeSpark();
            this.throughput.prepend(this.spark);
        } else if (now === null && this.spark) {
            this.spark.remove();
            this.spark = null;
        }
        setText(this.rate, now === null ? "" : rate(now));
        if (this.spark)
            drawSpark(this.spark, rates.history(this.client.name));
    }
}

/** A tile: the state by colour and word, the version and the size. */
export class Tile {
    constructor(name) {
        this.state = make("span", { class: "tile-state" });
        this.facts = make("span", { class: "tile-facts" });
        this.element = make("a", { href: machineLink(name) },
                            make("span", { class: "tile-name" }, name), this.state, this.facts);
        this.visible = false;
    }

    update(client) {
        const key = stateOf(client);

        this.client = client;
        setOrRemove(this.element, "class", `tile tile-${key}`);
        setOrRemove(this.element, "title", remarkOf(client));
        setText(this.state, isBehind(client) ? `${states[key].label}, behind` : states[key].label);
        setText(this.facts, `${versionText(client.version ?? client.master)} · ${size(ownSize(client))}`);
    }

    updateAge() {}

    updateRate() {}
}
