// SPDX-License-Identifier: GPL-2.0-or-later
// A spark line: the throughput of the last 90 seconds, small enough for a row.
import { makeSvg } from "./dom.js";
import { stepsKept } from "./rates.js";

const step = 2;
const width = stepsKept * step;
const height = 20;

/** A spark line without values. */
export function makeSpark() {
    return makeSvg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
                   makeSvg("polygon", { points: "" }), makeSvg("polyline", { points: "" }));
}

/** Draws the values, the newest at the right; the largest takes the height. */
export function drawSpark(spark, values) {
    const largest = Math.max(...values, 1);
    const x = i => width - (values.length - 1 - i) * step;
    const y = value => (height - 1 - value / largest * (height - 2)).toFixed(1);
    const line = values.map((value, i) => `${x(i)},${y(value)}`).join(" ");

    spark.firstChild.setAttribute("points", values.length ? `${x(0)},${height} ${line} ${width},${height}` : "");
    spark.lastChild.setAttribute("points", line);
}
