// SPDX-License-Identifier: GPL-2.0-or-later
// Room: a row, or a tile, for each machine.
/* global cockpit */
import { fill, make, reorder, setOrRemove, setText } from "./dom.js";
import { select } from "./field.js";
import { rate, size } from "./format.js";
import { icon } from "./icon.js";
import { button, emptyState, viewTitle } from "./parts.js";
import { Filter } from "./room-filter.js";
import { Row, Tile } from "./room-row.js";
import { columns, sorted, sortOf, sortOption } from "./room-sort.js";
import { Summary } from "./room-summary.js";
import { growthOf, ownSize } from "./state.js";

const sortSteps = 5; // steps of the throughputs from one sort by them to the next

export class Room {
    constructor(fleet) {
        this.fleet = fleet;
        this.rows = new Map(); // by name: Row or Tile
        this.tiled = false;
        this.sort = sortOf();
        this.address = "{}"; // its options, as they were read or written last
        this.steps = 0;
        this.filter = new Filter(() => this.arrange());
        this.summary = new Summary(key => { this.filter.chooseState(key); this.arrange() });
        this.totals = make("span", { class: "totals" });
        this.headers = columns.map(column => this.makeHeader(column));
        this.body = make("tbody", { role: "rowgroup" });
        this.table = make("table", { class: "machines", role: "table", "aria-label": "Machines" },
                          make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, this.headers.map(h => h.element))),
                          this.body);
        this.tiles = make("div", { class: "tiles", hidden: true });
        this.toolbar = make("div", { class: "toolbar" }, this.filter.elements, this.makeSorting(), this.makeToggle());
        this.none = emptyState("No machine matches the filters",
                               button("Clear the filters", () => { this.filter.clear(); this.arrange() }));
        this.observer = new IntersectionObserver(entries => this.see(entries), { rootMargin: "100px" });
        this.element = make("section", { "aria-label": "Machines" },
                            viewTitle("Machines"), make("p", { class: "summary" }, this.summary.element, this.totals),
                            this.toolbar,
                            this.table, this.tiles, this.none);
    }

    makeHeader(column) {
        const pointer = make("span", { class: "pointer" });
        const element = make("th", { scope: "col", role: "columnheader", "aria-label": column.label, class: column.number && "number" },
                             make("button", { type: "button", class: "sort", onclick: () => this.sortBy(column) }, column.label, pointer));

        return { column, element, pointer };
    }

    /** The order, where no header is seen: of tiles, and on a narrow page. */
    makeSorting() {
        const { input, element } = select({ "aria-label": "Sort by", onchange: () => this.sortBy(columns[input.selectedIndex]) },
                                          columns.map(({ key, label }) => [key, `Sort by: ${label}`]));

        this.sortInput = input;
        element.classList.add("filter");
        return make("div", { class: "sorting" }, element,
                    button("Reverse the order", () => this.sortBy(this.sort.column)));
    }

    makeToggle() {
        const toggle = (label, tiled) => make("button", {
            type: "button",
            class: "pf-v6-c-toggle-group__button",
            onclick: () => this.showTiles(tiled),
        }, make("span", { class: "pf-v6-c-toggle-group__text" }, label));
        const item = content => make("div", { class: "pf-v6-c-toggle-group__item" }, content);

        this.toggles = [toggle("Rows", false), toggle("Tiles", true)];
        this.pressToggles();
        return make("div", { class: "pf-v6-c-toggle-group", role: "group", "aria-label": "Rows or tiles" }, this.toggles.map(item));
    }

    pressToggles() {
        this.toggles.forEach((toggle, i) => {
            toggle.setAttribute("aria-pressed", String(Boolean(i) === this.tiled));
            toggle.classList.toggle("pf-m-selected", Boolean(i) === this.tiled);
        });
    }

    showTiles(tiled) {
        this.tiled = tiled;
        this.pressToggles();
        this.rows.clear();
        this.observer.disconnect();
        fill(this.body);
        fill(this.tiles);
        this.element.classList.toggle("tiled", tiled);
        this.update(this.fleet.everything());
    }

    /** The same column once more turns the order. */
    sortBy(column) {
        this.sort = column === this.sort.column
            ? { column, descending: !this.sort.descending }
            : { column, descending: Boolean(column.largest) };
        this.arrange();
    }

    /** Shows what is new. */
    update({ changed, moved }) {
        const { clients, rates } = this.fleet;

        for (const name of changed)
            this.updateRow(name, clients.get(name));
        for (const name of new Set([...changed, ...moved])) {
            const row = this.rows.get(name);

            if (row?.visible)
                row.updateRate(rates);
        }
        // One that was removed while the room was not seen is in no news.
        if (changed.size || !this.shown || this.shown.length > clients.size || (moved.size && this.sort.column.key === "rate" && ++this.steps % sortSteps === 0))
            this.arrange();
        else if (moved.size)
            this.showTotals();
    }

    updateRow(name, client) {
        let row = this.rows.get(name);

        if (!client) {
            if (row)
                this.observer.unobserve(row.element);
            this.rows.delete(name);
            return;
        }
        if (!row) {
            row = this.tiled ? new Tile(name) : new Row(name);
            row.element.row = row;
            this.rows.set(name, row);
            this.observer.observe(row.element);
        }
        row.update(client);
    }

    /** Spark lines are drawn of the rows that the reader sees. */
    see(entries) {
        for (const { target, isIntersecting } of entries) {
            const { row } = target;

            row.visible = isIntersecting;
            if (isIntersecting && this.rows.get(row.client.name) === row)
                row.updateRate(this.fleet.rates);
        }
    }

    /** The link to a machine that is shown; undefined if it is not. */
    linkTo(name) {
        return this.shown?.some(client => client.name === name) ? this.rows.get(name)?.link : undefined;
    }

    /** Called once a minute. */
    updateAges() {
        this.rows.forEach(row => row.updateAge());
    }

    /** Puts the rows of the clients that are shown in their order. */
    arrange() {
        // One whose news have not come yet has no row.
        const all = [...this.fleet.clients.values()].filter(client => this.rows.has(client.name));

        this.filter.offer(all);
        const passing = this.filter.passing(all);

        this.shown = sorted(this.filter.shown(passing), this.sort, this.fleet.rates);
        this.table.hidden = this.tiled || !this.shown.length;
        this.tiles.hidden = !this.tiled || !this.shown.length;
        this.toolbar.hidden = !all.length;
        this.none.hidden = Boolean(this.shown.length) || !all.length;
        reorder(this.tiled ? this.tiles : this.body, this.shown.map(client => this.rows.get(client.name).element));
        this.showOrder();
        this.summary.show({ shown: this.shown.length, all: all.length, passing, chosen: this.filter.state.value });
        this.showTotals();
        this.writeAddress();
    }

    /** Takes the filters and the order from the address; one without any keeps them. */
    readAddress(options) {
        const address = JSON.stringify(options);

        if (address === this.address)
            return;
        this.address = address;
        if (Object.keys(options).length) {
            const known = Object.fromEntries(Object.entries(options).filter(([, value]) => typeof value === "string"));

            this.filter.options = known;
            this.sort = sortOf(known.sort);
        }
        if (this.shown)
            this.arrange();
    }

    /** A reload and the way back show the same; no entry of the history is added. */
    writeAddress() {
        const all = { ...this.filter.options, sort: sortOption(this.sort) };
        const options = Object.fromEntries(Object.entries(all).filter(([, value]) => value));
        const address = JSON.stringify(options);

        // The reader may have gone on to another view.
        if (address === this.address || cockpit.location.path.length)
            return;
        this.address = address;
        cockpit.location.replace([], options);
    }

    showOrder() {
        const { column, descending } = this.sort;

        this.sortInput.value = column.key;
        for (const header of this.headers) {
            const direction = header.column !== column ? null : descending ? "descending" : "ascending";

            if (header.direction === direction)
                continue;
            header.direction = direction;
            setOrRemove(header.element, "aria-sort", direction);
            fill(header.pointer, icon(!direction ? "unsorted" : descending ? "down" : "up"));
        }
    }

    showTotals() {
        const growth = this.shown.map(growthOf).filter(g => g !== null);
        const sum = values => values.reduce((a, b) => a + b, 0);
        const now = sum(this.shown.map(client => this.fleet.rates.now(client.name) ?? 0));

        this.totals.hidden = !this.shown.length;
        setText(this.totals, [`${size(sum(this.shown.map(ownSize)))} of own images`,
            growth.length ? `${size(sum(growth))} of growth a day` : null,
            `${rate(now)} of throughput`].filter(Boolean).join(" · "));
    }
}
