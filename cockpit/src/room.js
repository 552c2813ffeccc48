// SPDX-License-Identifier: GPL-2.0-or-later
// Room: a row, or a tile, for each machine.
import { fill, make, setOrRemove, setText } from "./dom.js";
import { age, count, date, rate, size } from "./format.js";
import { drawSpark, makeSpark } from "./spark.js";
import { onSince, ownSize, remarkOf, stateOf, states, versionName } from "./state.js";

const collator = new Intl.Collator(undefined, { numeric: true });
const byName = (a, b) => collator.compare(a.name, b.name);
const stateOrder = Object.keys(states);

// key: of the sort; order: two clients compare; the name decides if they are equal.
const columns = [
    { key: "name", label: "Machine", order: byName },
    { key: "state", label: "State", order: (a, b) => stateOrder.indexOf(stateOf(a)) - stateOrder.indexOf(stateOf(b)) },
    { key: "version", label: "Version", order: (a, b) => collator.compare(a.version ?? "", b.version ?? "") },
    { key: "size", label: "Own size", order: (a, b) => ownSize(b) - ownSize(a) },
    { key: "growth", label: "Growth a day", order: (a, b) => (b.growth ?? -1) - (a.growth ?? -1) },
    { key: "rate", label: "Throughput", order: (a, b, rates) => (rates.now(b.name) ?? -1) - (rates.now(a.name) ?? -1) },
    { key: "refusal", label: "Last refusal", order: (a, b) => (b["last-refusal"]?.when ?? 0) - (a["last-refusal"]?.when ?? 0) },
];

/** The row of one machine, whose cells change with the client. */
class Row {
    constructor(name) {
        const cell = (label, ...content) =>
            make("td", { class: "pf-v6-c-table__td", "data-label": label, role: "cell" }, content);

        this.state = make("span", { class: "pf-v6-c-label__text" });
        this.label = make("span", { class: "pf-v6-c-label pf-m-compact" },
                          make("span", { class: "pf-v6-c-label__content" }, this.state));
        this.since = make("span", { class: "beside" });
        this.remark = make("div", { class: "remark" });
        this.version = make("span");
        this.size = make("span");
        this.growth = make("span");
        this.spark = makeSpark();
        this.rate = make("span", { class: "beside" });
        this.refusal = make("span");
        this.element = make("tr", { class: "pf-v6-c-table__tr", role: "row" },
                            make("th", { class: "pf-v6-c-table__th", scope: "row", role: "rowheader", "data-label": "Machine" },
                                 make("a", { href: machineLink(name) }, name)),
                            cell("State", this.label, this.since, this.remark),
                            cell("Version", this.version), cell("Own size", this.size),
                            cell("Growth a day", this.growth),
                            cell("Throughput", this.spark, this.rate), cell("Last refusal", this.refusal));
    }

    update(client, rates) {
        const state = states[stateOf(client)];
        const since = onSince(client);
        const now = rates.now(client.name);

        setOrRemove(this.label, "class", `pf-v6-c-label pf-m-compact pf-m-${state.colour}`);
        setText(this.state, state.label);
        setText(this.since, client.sessions.length ? (since === null ? "for ?" : `for ${age(Date.now() / 1000 - since)}`) : "");
        setText(this.remark, remarkOf(client) ?? "");
        setText(this.version, client.behind ? `${versionName(client.version)} (wanted: ${versionName(client.wanted)})`
                                            : versionName(client.version));
        setOrRemove(this.version, "class", client.behind ? "behind" : null);
        setText(this.size, size(ownSize(client)));
        setText(this.growth, client.growth === null ? "" : size(client.growth));
        setText(this.rate, now === null ? "" : rate(now));
        if (this.element.isConnected)
            drawSpark(this.spark, rates.history(client.name));
        setText(this.refusal, refusalOf(client));
    }
}

function refusalOf(client) {
    const refusal = client["last-refusal"];

    return refusal ? `${date(refusal.when)}: ${refusal.reason}` : "";
}

/** The tile of one machine: its state by colour and mark. */
class Tile {
    constructor(name) {
        this.state = make("span", { class: "tile-state" });
        this.element = make("a", { href: machineLink(name) },
                            make("span", { class: "tile-name" }, name), this.state);
    }

    update(client) {
        const key = stateOf(client);

        setOrRemove(this.element, "class", `tile tile-${key}`);
        setOrRemove(this.element, "title", remarkOf(client));
        setText(this.state, client.behind ? `${states[key].label}, behind` : states[key].label);
    }
}

function machineLink(name) {
    return `#/machine/${encodeURIComponent(name)}`;
}

/** One of the lists of choices that filter the machines. */
function select(label, changed) {
    const element = make("select", { "aria-label": label, onchange: changed });

    return {
        element: make("span", { class: "pf-v6-c-form-control filter" }, element),
        get value() { return element.value },
        /** Keeps what is chosen, if it still exists. */
        offer(values) {
            const chosen = element.value;
            const all = ["", ...values];

            if (all.length === element.options.length && all.every((v, i) => v === element.options[i].value))
                return;
            fill(element, make("option", { value: "" }, label), values.map(v => make("option", { value: v }, v)));
            element.value = all.includes(chosen) ? chosen : "";
        },
    };
}

export class Room {
    constructor(fleet) {
        const again = () => this.arrange();

        this.fleet = fleet;
        this.rows = new Map();
        this.tiled = false;
        this.sort = columns[0];
        this.search = make("input", { type: "search", "aria-label": "Find a machine", placeholder: "Find a machine", oninput: again });
        this.state = select("All states", again);
        this.master = select("All masters", again);
        this.group = select("All groups", again);
        this.summary = make("p", { role: "status" });
        this.headers = columns.map(column => this.makeHeader(column));
        this.body = make("tbody", { class: "pf-v6-c-table__tbody", role: "rowgroup" });
        this.table = make("table", { class: "pf-v6-c-table pf-m-compact pf-m-grid-lg", "aria-label": "Machines" },
                          make("thead", { class: "pf-v6-c-table__thead" },
                               make("tr", { class: "pf-v6-c-table__tr" }, this.headers.map(h => h.element))),
                          this.body);
        this.tiles = make("div", { class: "tiles", hidden: true });
        this.element = make("section", { "aria-label": "Machines" },
                            make("div", { class: "toolbar" },
                                 make("span", { class: "pf-v6-c-form-control filter" }, this.search),
                                 this.state.element, this.master.element, this.group.element, this.makeToggle()),
                            this.summary, this.table, this.tiles);
        this.state.offer(stateOrder);
    }

    makeHeader(column) {
        const element = make("th", { class: "pf-v6-c-table__th", scope: "col" },
                             make("button", {
                                 type: "button",
                                 class: "sort",
                                 onclick: () => { this.sort = column; this.arrange() },
                             }, column.label));

        return { column, element };
    }

    makeToggle() {
        const button = (label, tiled) => make("button", {
            type: "button",
            class: "pf-v6-c-toggle-group__button",
            "aria-pressed": String(tiled === this.tiled),
            onclick: event => {
                this.tiled = tiled;
                for (const other of event.currentTarget.parentElement.parentElement.querySelectorAll("button"))
                    other.setAttribute("aria-pressed", String(other === event.currentTarget));
                this.rows.clear();
                this.update(new Set(this.fleet.clients.keys()));
            },
        }, label);
        const item = content => make("div", { class: "pf-v6-c-toggle-group__item" }, content);

        return make("div", { class: "pf-v6-c-toggle-group", role: "group", "aria-label": "Rows or tiles" },
                    item(button("Rows", false)), item(button("Tiles", true)));
    }

    /** Shows the clients that changed. */
    update(changed) {
        const { clients, rates } = this.fleet;
        let arrange = this.rows.size !== clients.size;

        for (const name of changed) {
            const client = clients.get(name);
            let row = this.rows.get(name);

            if (client && !row) {
                row = this.tiled ? new Tile(name) : new Row(name);
                this.rows.set(name, row);
                arrange = true;
            }
            if (client)
                row.update(client, rates);
            else
                this.rows.delete(name);
        }
        if (arrange || changed.size)
            this.arrange();
    }

    shown() {
        const text = this.search.value.trim().toLowerCase();
        const keep = client =>
            (!text || client.name.toLowerCase().includes(text)) &&
            (!this.state.value || stateOf(client) === this.state.value) &&
            (!this.master.value || client.master === this.master.value) &&
            (!this.group.value || client.groups?.includes(this.group.value));

        return [...this.fleet.clients.values()].filter(keep)
                .sort((a, b) => this.sort.order(a, b, this.fleet.rates) || byName(a, b));
    }

    /** Puts the rows of the clients that are shown in their order. */
    arrange() {
        const all = [...this.fleet.clients.values()];
        const clients = this.shown();
        const elements = clients.map(client => this.rows.get(client.name).element);
        const parent = this.tiled ? this.tiles : this.body;

        this.table.hidden = this.tiled;
        this.tiles.hidden = !this.tiled;
        this.master.offer([...new Set(all.map(c => c.master).filter(Boolean))].sort(collator.compare));
        this.group.offer([...new Set(all.flatMap(c => c.groups ?? []))].sort(collator.compare));
        if (elements.length !== parent.children.length || elements.some((e, i) => e !== parent.children[i]))
            parent.replaceChildren(...elements);
        for (const { column, element } of this.headers)
            setOrRemove(element, "aria-sort", column === this.sort ? (column.key === "name" ? "ascending" : "descending") : null);
        this.summarise(all, clients);
    }

    summarise(all, clients) {
        const parts = stateOrder.map(key => [key, clients.filter(c => stateOf(c) === key).length])
                .filter(([, n]) => n)
                .map(([key, n]) => `${n} ${states[key].label}`);
        const behind = clients.filter(c => c.behind).length;

        if (behind)
            parts.push(`${behind} on another version than wanted`);
        setText(this.summary, `${clients.length === all.length ? count(all.length, "machine")
                                                               : `${clients.length} of ${count(all.length, "machine")}`}${
            parts.length ? `: ${parts.join(", ")}` : ""}`);
    }
}
