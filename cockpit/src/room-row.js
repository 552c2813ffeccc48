// SPDX-License-Identifier: GPL-2.0-or-later
// The row, or the tile, of one machine in the room.
import { fill, make, setOrRemove, setText } from "./dom.js";
import { ageSince, rate, shortDate, size } from "./format.js";
import { drawSpark, makeSpark } from "./spark.js";
import { growthOf, isBehind, onSince, ownSize, remarkOf, stateOf, states, versionText, wantedText } from "./state.js";

export function machineLink(name) {
    return `#/machine/${encodeURIComponent(name)}`;
}

/** What follows the state of a machine with a session: "for 3 h", or "on for 3 h"; "" without one. */
function sinceText(client) {
    if (!client.sessions.length)
        return "";
    return `${stateOf(client) === "on" ? "" : "on "}for ${ageSince(onSince(client))}`;
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

/** A cell as of parts.js, without PatternFly's classes, whose style 512 rows feel. */
function cell(label, ...content) {
    return make("td", { role: "cell", "data-label": label }, content);
}

/** A row, whose cells change with the client; rare contents are made when they are needed. */
export class Row {
    constructor(name) {
        this.state = make("span");
        this.since = make("span", { class: "beside" });
        this.version = make("span");
        this.stateCell = cell("State", make("div", {}, this.state, " ", this.since));
        this.versionCell = cell("Version", this.version);
        this.size = cell("Own size");
        this.growth = cell("Growth a day");
        this.throughput = make("div", { class: "throughput" });
        this.refusal = cell("Last refusal");
        this.element = make("tr", { role: "row" },
                            make("th", { scope: "row", role: "rowheader", "data-label": "Machine" },
                                 make("a", { href: machineLink(name) }, name)),
                            this.stateCell, this.versionCell, this.size, this.growth,
                            cell("Throughput", this.throughput), this.refusal);
        this.visible = false; // the room tells
    }

    update(client) {
        const state = states[stateOf(client)];
        const growth = growthOf(client);

        this.client = client;
        setOrRemove(this.state, "class", `chip ${state.colour}`);
        setText(this.state, state.label);
        this.setRare("remark", this.stateCell, remarkOf(client), text => make("div", { class: "remark" }, text));
        setText(this.version, versionText(client.version ?? client.master));
        this.setRare("wanted", this.versionCell, wantedTexts(client), text => make("span", { class: "chip orange beside" }, text));
        setText(this.size, size(ownSize(client)));
        setText(this.growth, growth === null ? "" : size(growth));
        setText(this.refusal, refusalText(client));
        this.updateAge();
    }

    /** Keeps an element for a text that most rows do not have. */
    setRare(key, parent, text, makeElement) {
        if (!text) {
            this[key]?.remove();
            this[key] = null;
        } else if (this[key]) {
            setText(this[key], text);
        } else {
            this[key] = makeElement(text);
            parent.append(" ", this[key]);
        }
    }

    updateAge() {
        setText(this.since, sinceText(this.client));
    }

    updateRate(rates) {
        const now = rates.now(this.client.name);

        if (now === null) {
            fill(this.throughput);
            this.spark = null;
            return;
        }
        if (!this.spark) {
            this.spark = makeSpark();
            this.rate = make("span", { class: "rate" });
            fill(this.throughput, this.spark, this.rate);
        }
        setText(this.rate, rate(now));
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
