// SPDX-License-Identifier: GPL-2.0-or-later
// The throughput of each client's sessions, in steps of two seconds.

export const stepSeconds = 2;
export const stepsKept = 45;

/** Bytes that the sessions have read and written since they began. */
function moved(sessions) {
    return sessions.reduce((sum, s) => sum + (s["read-bytes"] ?? 0) + (s["written-bytes"] ?? 0), 0);
}

export class Rates {
    constructor() {
        this.clients = new Map(); // name: { bytes, before, history }
        this.stepped = null; // Unix time of the last step
    }

    /** The sessions of a client, as they are now. */
    take(name, sessions) {
        const bytes = moved(sessions);
        const client = this.clients.get(name);

        if (!sessions.length)
            this.clients.delete(name);
        else if (client)
            client.bytes = bytes;
        else
            this.clients.set(name, { bytes, before: bytes, history: [] });
    }

    /** What has moved until now belongs to no step: it was not known when it did. */
    skip() {
        this.clients.forEach(client => { client.before = client.bytes });
    }

    /** Ends a step; returns the names of the clients whose history changed. */
    step(time) {
        const seconds = Math.max(1, time - (this.stepped ?? time - stepSeconds));
        const names = [];

        this.stepped = time;
        for (const [name, client] of this.clients) {
            const rate = Math.max(0, client.bytes - client.before) / seconds;

            client.before = client.bytes;
            if (rate === 0 && client.history.every(r => r === 0))
                continue;
            client.history.push(rate);
            if (client.history.length > stepsKept)
                client.history.shift();
            names.push(name);
        }
        return names;
    }

    /** Bytes a second in the last steps, the newest last. */
    history(name) {
        return this.clients.get(name)?.history ?? [];
    }

    /** Bytes a second in the last step; null without a session. */
    now(name) {
        return this.clients.has(name) ? this.history(name).at(-1) ?? 0 : null;
    }
}
