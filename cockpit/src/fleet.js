// SPDX-License-Identifier: GPL-2.0-or-later
// The fleet as `tgt-glue status --json --follow` tells it, and its changes.
import { follow } from "./tgt-glue.js";
import { Rates } from "./rates.js";

const retrySeconds = 10;

/**
 * The state of the fleet.  Its phase is "loading", "shown" or "failed" (error
 * says why; what was known before stays).  Listeners are called at most once
 * for each picture of the browser, with the set of the names of clients that
 * changed.
 */
export class Fleet {
    constructor() {
        this.phase = "loading";
        this.error = null;
        this.status = null; // without clients
        this.clients = new Map(); // by name, in the order of fleet.conf
        this.rates = new Rates();
        this.listeners = new Set();
        this.changed = new Set();
        this.scheduled = false;
    }

    start() {
        this.stop?.();
        clearTimeout(this.timer);
        this.fresh = true;
        this.stop = follow(["status", "--json", "--follow"],
                           line => this.take(line), error => this.fail(error));
    }

    /** Calls listener at each change, until the function returned is called. */
    listen(listener) {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
    }

    fail(error) {
        this.phase = "failed";
        this.error = error;
        this.stop = null;
        this.timer = setTimeout(() => this.start(), retrySeconds * 1000);
        this.schedule();
    }

    take(line) {
        if (this.fresh)
            this.takeAll(line);
        else if (line.client)
            this.takeClient(line.client);
        else
            Object.assign(this.status, line.store);
        this.schedule();
    }

    takeAll({ clients, ...status }) {
        this.fresh = false;
        this.phase = "shown";
        this.error = null;
        this.status = status;
        for (const name of this.clients.keys())
            this.changed.add(name);
        this.clients = new Map();
        clients.forEach(client => this.takeClient(client));
    }

    takeClient({ removed, ...changes }) {
        const { name } = changes;

        this.changed.add(name);
        if (removed)
            this.clients.delete(name);
        else
            this.clients.set(name, { ...this.clients.get(name), ...changes });
        this.rates.take(name, removed ? [] : this.clients.get(name).sessions);
    }

    /** The next step of the throughputs; changes nothing while nothing moves. */
    tick() {
        for (const name of this.rates.step())
            this.changed.add(name);
        if (this.changed.size)
            this.schedule();
    }

    schedule() {
        if (this.scheduled)
            return;
        this.scheduled = true;
        requestAnimationFrame(() => {
            const changed = this.changed;

            this.scheduled = false;
            this.changed = new Set();
            this.listeners.forEach(listener => listener(changed));
        });
    }
}
