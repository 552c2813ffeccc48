// SPDX-License-Identifier: GPL-2.0-or-later
// A spark line: the throughput of the last 90 seconds, small enough for a row.
import { makeSvg } from "./dom.js";

const width = 90;
const height = 20;

/** A spark line without values. */
export function makeSpark() {
    return makeSvg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
                   makeSvg("polyline", { points: "" }));
}

/** Draws the values, the newest at the right; the largest takes the height. */
export function drawSpark(spark, values) {
    const largest = Math.max(...values, 1);
    const step = 2;
    const points = values.map((value, i) =>
        `${width - (values.length - 1 - i) * step},${(height - 1 - value / largest * (height - 2)).toFixed(1)}`);

    spark.firstChild.setAttribute("points", points.join(" "));
}
