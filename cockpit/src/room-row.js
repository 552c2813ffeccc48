// SPDX-License-Identifier: GPL-2.0-or-later
// The row, or the tile, of one machine in the room.
import { make, setOrRemove, setText } from "./dom.js";
import { ageSince, rate, shortDate, size } from "./format.js";
import { Spark } from "./spark.js";
import { growthOf, isBehind, onSince, ownSize, remarkOf, stateOf, states, versionText, wantedTexts } from "./state.js";
import { VersionLabel } from "./version-label.js";

const longName = 20; // characters, which a column may have no room for

export function machineLink(name) {
    return `#/machine/${encodeURIComponent(name)}`;
}

/** What follows the state of a machine with a session: "for 3 h", or "on for 3 h"; "" if that is not known. */
function sinceText(client) {
    const on = stateOf(client) === "on" ? "" : "on ";
    const since = onSince(client);

    if (!client.sessions.length)
        return "";
    return (since === null ? on : `${on}for ${ageSince(since)}`).trim();
}

function refusalText(client) {
    const refusal = client["last-refusal"];

    return refusal ? `${shortDate(refusal.when)}: ${refusal.reason}` : "";
}

/** A cell as of parts.js, without PatternFly's classes, whose style 512 rows feel. */
function cell(label, ...content) {
    return make("td", { role: "cell", "data-label": label }, content);
}

/** A cell of a size, which ends at the right, as those above and below. */
function numberCell(label, ...content) {
    const element = cell(label, ...content);

    element.className = "number";
    return element;
}

/** The spark line of a machine, which has one once something has moved. */
class RareSpark {
    /** parent: it is the first child of this element, or the last. */
    constructor(parent, first) {
        this.add = spark => first ? parent.prepend(spark.element) : parent.append(spark.element);
        this.spark = null;
    }

    draw(values) {
        if (!values.length) {
            this.spark?.element.remove();
            this.spark = null;
            return;
        }
        if (!this.spark) {
            this.spark = new Spark();
            this.add(this.spark);
        }
        this.spark.draw(values);
    }
}

/** A row, whose cells change with the client; rare contents are made when they are needed. */
export class Row {
    constructor(name) {
        this.state = make("span");
        this.since = make("span", { class: "beside" });
        this.version = new VersionLabel();
        this.stateCell = cell("State", make("div", {}, this.state, " ", this.since));
        this.size = numberCell("Own size");
        this.growth = numberCell("Growth a day");
        this.rate = make("span", { class: "rate" });
        this.throughput = make("div", { class: "throughput" }, this.rate);
        this.spark = new RareSpark(this.throughput, true);
        this.refusal = cell("Last refusal");
        this.link = make("a", { href: machineLink(name), ...(name.length > longName && { class: "long", title: name }) }, name);
        this.element = make("tr", { role: "row" },
                            make("th", { scope: "row", role: "rowheader", "data-label": "Machine" }, this.link),
                            this.stateCell, cell("Version", this.version.element), this.size, this.growth,
                            numberCell("Throughput", this.throughput), this.refusal);
        this.visible = false; // the room tells
    }

    update(client) {
        const key = stateOf(client);
        const growth = growthOf(client);

        this.client = client;
        setOrRemove(this.element, "class", states[key].urgent ? `row-${key}` : null);
        setOrRemove(this.state, "class", `chip ${states[key].colour}`);
        setText(this.state, states[key].label);
        this.setRare("remark", this.stateCell, remarkOf(client), text => make("div", { class: "remark" }, text));
        this.version.show(client.version ?? client.master, wantedTexts(client));
        setText(this.size, size(ownSize(client)));
        setText(this.growth, growth === null ? "" : size(growth));
        this.setRare("refused", this.refusal, refusalText(client), text => make("span", { class: "long" }, text));
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
            parent.append(this[key]);
        }
    }

    updateAge() {
        setText(this.since, sinceText(this.client));
    }

    updateRate(rates) {
        const now = rates.now(this.client.name);

        setText(this.rate, now === null ? "" : rate(now));
        this.spark.draw(rates.history(this.client.name));
    }
}

/** A tile: the state by colour and word, since when, the version, the size and the throughput. */
export class Tile {
    constructor(name) {
        this.head = make("span", { class: "tile-head" }, make("span", { class: "tile-name long" }, name));
        this.state = make("span", { class: "tile-state" });
        this.facts = make("span", { class: "tile-facts" });
        this.element = make("a", { href: machineLink(name) }, this.head, this.state, this.facts);
        this.link = this.element;
        this.spark = new RareSpark(this.head, false);
        this.visible = false;
    }

    update(client) {
        this.client = client;
        setOrRemove(this.element, "class", `tile tile-${stateOf(client)}`);
        setOrRemove(this.element, "title", [client.name, remarkOf(client)].filter(Boolean).join(": "));
        setText(this.facts, `${versionText(client.version ?? client.master)} · ${size(ownSize(client))}`);
        this.updateAge();
    }

    updateAge() {
        const since = sinceText(this.client);
        const state = states[stateOf(this.client)].label;

        setText(this.state, [since.startsWith("for") ? `${state} ${since}` : state,
            isBehind(this.client) && "behind", since.startsWith("on") && since].filter(Boolean).join(", "));
    }

    updateRate(rates) {
        this.spark.draw(rates.history(this.client.name));
    }
}
