// SPDX-License-Identifier: GPL-2.0-or-later
// The descent of versions as a graph beside their rows: a dot for each version, and
// a lane for each line of descent, as git draws commits.
import { make } from "./dom.js";

/**
 * The versions, the newest first, as { version, lane, above, below, joins }.
 * lane: that of its dot; above and below: the lanes with a line that enters the row
 * from above, and leaves it below; joins: those whose line ends at the dot.
 */
export function graph(versions) {
    const files = new Set(versions.map(v => v.file));
    const lanes = []; // the file at which the line of a lane ends; null: a free lane
    const used = () => [...lanes.keys()].filter(i => lanes[i] !== null);

    return [...versions].sort((a, b) => b.number - a.number).map(version => {
        const above = used();
        const joins = above.filter(i => lanes[i] === version.file);
        const free = lanes.indexOf(null);
        const lane = joins[0] ?? (free < 0 ? lanes.length : free);

        joins.forEach(i => { lanes[i] = null });
        lanes[lane] = files.has(version.parent) ? version.parent : null;
        return { version, lane, above, below: used(), joins };
    });
}

/** How many lanes the graph needs. */
export function width(rows) {
    return Math.max(...rows.map(({ lane, above }) => Math.max(lane, ...above))) + 1;
}

/** What is drawn in one row. */
export function drawRow({ lane, above, below, joins }) {
    const line = (kind, at, to = at) => make("span", { class: kind, style: { "--from": Math.min(at, to), "--to": Math.max(at, to) } });

    return make("span", { class: "graph", "aria-hidden": "true" },
                above.map(i => line("up", i)), below.map(i => line("down", i)),
                joins.filter(i => i !== lane).map(i => line("across", lane, i)), line("dot", lane));
}
