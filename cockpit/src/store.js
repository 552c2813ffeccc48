// SPDX-License-Identifier: GPL-2.0-or-later
// Store: free space, what it is used for, and the health of the programs.
import { fill, make } from "./dom.js";
import { count, size } from "./format.js";
import { healthRows, shardRows, stateCell } from "./health.js";
import { LowSpace } from "./low-space.js";
import { MasterList } from "./master-list.js";
import { mastersOfFleet } from "./masters.js";
import { Orphans } from "./orphans.js";
import { card, numbers, table, viewTitle } from "./parts.js";
import { masterHeaders, masterRows, SpaceBar } from "./space.js";

/** A table that is made again if its rows changed. */
class ChangingTable {
    /** draw makes a cell, if it is no text. */
    constructor(label, headers, draw) {
        this.label = label;
        this.headers = headers;
        this.draw = draw;
        this.element = make("div");
    }

    show(rows) {
        const key = JSON.stringify(rows);

        if (key !== this.key)
            fill(this.element, rows.length ? table(this.label, this.headers, rows.map(row => this.drawRow(row))) : make("p", { class: "none" }, "None."));
        this.key = key;
    }

    drawRow(row) {
        return row.map(content => typeof content === "string" ? content : this.draw(content));
    }
}

export class Store {
    constructor(fleet) {
        this.fleet = fleet;
        this.low = new LowSpace(fleet);
        this.bar = new SpaceBar();
        this.list = new MasterList(() => this.showMasters());
        this.masters = new ChangingTable("Space by master", masterHeaders);
        this.health = new ChangingTable("Health", ["Program", "State", "Details"], stateCell);
        this.shards = new ChangingTable("Shards", ["Shard", "tgtd", "Control port", "Portals", numbers("Machines"), numbers("Sessions")]);
        this.orphans = new Orphans();
        this.orphanCard = card("Images that belong to no machine", this.orphans.element);
        this.element = make("section", { "aria-label": "Store" }, viewTitle("Store"), this.low.element,
                            card("Space", this.bar.element),
                            card("Health", this.health.element),
                            card("By master", this.masters.element),
                            card("Shards", this.shards.element), this.orphanCard);
    }

    update({ changed, status: statusChanged }) {
        const { status, clients } = this.fleet;

        if (!changed.size && !statusChanged)
            return;
        this.low.update();
        this.bar.update(status);
        this.showMasters();
        this.list.follow(mastersOfFleet(clients), status.images.masters);
        this.health.show(healthRows(status, clients));
        this.shards.show(shardRows(status));
        this.orphanCard.hidden = !status.orphans.images;
        if (status.orphans.images)
            this.orphans.follow(`${count(status.orphans.images, "image")}, ${size(status.orphans.size)}`);
    }

    /** Called when the view is shown again: what could not be read may be now. */
    readAgain() {
        this.list.again();
        if (!this.orphanCard.hidden)
            this.orphans.again();
    }

    showMasters() {
        this.masters.show(masterRows(this.fleet.clients, this.list));
    }
}
