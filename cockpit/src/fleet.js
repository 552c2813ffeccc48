// SPDX-License-Identifier: GPL-2.0-or-later
// The fleet as `tgt-glue status --json --follow` tells it, and its changes.
import { follow } from "./tgt-glue.js";
import { Rates } from "./rates.js";

const retrySeconds = 10;

// What an earlier tgt-glue may leave out.  Of mounted and watch, null (unknown)
// says something else than a missing key.
const emptyStatus = {
    tgtd: true,
    mistaken: false,
    agrees: true,
    size: null,
    free: null,
    "min-free": 0,
    "days-until-full": null,
    images: {},
    shards: [],
    extra: [],
    foreign: [],
    orphans: { images: 0, size: 0 },
    "mount-problem": null,
    "tgtd-problem": null,
    denied: false,
    "last-refusal": null,
};
const emptyClient = { groups: [], disks: [], sessions: [], growth: null, "last-refusal": null };

/** Whether only the counters of the sessions moved. */
function isTraffic(before, changes) {
    const key = s => `${s.session} ${s.since} ${s.address} ${s.initiator}`;

    return before !== undefined && changes.sessions !== undefined &&
        Object.keys(changes).every(k => k === "name" || k === "sessions") &&
        changes.sessions.length === before.sessions.length &&
        changes.sessions.every((s, i) => key(s) === key(before.sessions[i]));
}

/**
 * The state of the fleet.  Its phase is "loading", "shown" or "failed" (error
 * says why; what was known before stays).  Listeners are called at most once
 * for each picture of the browser, with { changed, moved, status }: the names of
 * the clients that changed, of those with a new throughput, and whether the rest
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
        this.scheduled = false;
        this.forgetNews();
    }

    forgetNews() {
        this.news = { changed: new Set(), moved: new Set(), status: false };
    }

    /** All that can be new, for a view that has shown nothing yet. */
    everything() {
        return { changed: new Set(this.clients.keys()), moved: new Set(this.clients.keys()), status: true };
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
        this.news.status = true;
        this.schedule();
    }

    take(line) {
        if (this.fresh) {
            this.takeAll(line);
        } else if (line.client) {
            this.takeClient(line.client);
        } else if (line.store) {
            this.status = { ...this.status, ...line.store };
            this.news.status = true;
        }
        if (this.news.status || this.news.changed.size)
            this.schedule();
    }

    takeAll({ clients = [], ...status }) {
        this.fresh = false;
        this.phase = "shown";
        this.error = null;
        this.status = { ...emptyStatus, ...status };
        this.news.status = true;
        for (const name of this.clients.keys()) {
            this.news.changed.add(name);
            if (!clients.some(client => client.name === name))
                this.rates.take(name, []);
        }
        this.clients = new Map();
        clients.forEach(client => this.takeClient(client));
        this.rates.skip();
    }

    takeClient({ removed, ...changes }) {
        const { name } = changes;
        const before = this.clients.get(name);

        if (removed)
            this.clients.delete(name);
        else
            this.clients.set(name, { ...(before ?? emptyClient), ...changes });
        if (removed || !isTraffic(before, changes))
            this.news.changed.add(name);
        this.rates.take(name, removed ? [] : this.clients.get(name).sessions);
    }

    /** Ends a step of the throughputs; changes nothing while nothing moves. */
    tick() {
        for (const name of this.rates.step(Date.now() / 1000))
            this.news.moved.add(name);
        if (this.news.moved.size)
            this.schedule();
    }

    schedule() {
        if (this.scheduled)
            return;
        this.scheduled = true;
        requestAnimationFrame(() => {
            const { news } = this;

            this.scheduled = false;
            this.forgetNews();
            this.listeners.forEach(listener => listener(news));
        });
    }
}
