// SPDX-License-Identifier: GPL-2.0-or-later
// A spark line: the throughput of the last 90 seconds, small enough for a row.
import { makeSvg } from "./dom.js";
import { stepsKept } from "./rates.js";

const step = 2;
const width = (stepsKept - 1) * step;
const height = 20;
const ground = height - 1;

/** It begins empty: its ground line has the width of all 90 seconds. */
export class Spark {
    constructor() {
        this.area = makeSvg("polygon", { points: "" });
        this.line = makeSvg("polyline", { points: "" });
        this.element = makeSvg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
                               makeSvg("path", { class: "ground", d: `M0 ${ground}H${width}` }), this.area, this.line);
    }

    /** Draws the values, the newest at the right; the largest takes the height. */
    draw(values) {
        const largest = Math.max(...values, 1);
        const x = i => width - (values.length - 1 - i) * step;
        const y = value => (ground - value / largest * (ground - 1)).toFixed(1);
        const line = values.map((value, i) => `${x(i)},${y(value)}`).join(" ");

        this.area.setAttribute("points", values.length ? `${x(0)},${ground} ${line} ${width},${ground}` : "");
        this.line.setAttribute("points", line);
    }
}
