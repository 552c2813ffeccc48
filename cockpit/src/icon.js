// SPDX-License-Identifier: GPL-2.0-or-later
// Icons, drawn in a square of 16; a screen reader leaves them out.
import { makeSvg } from "./dom.js";

const shapes = {
    danger: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM7 4h2v5H7zM7 10.5h2v2H7z",
    warning: "M8 1 .5 15h15zM7 6h2v4.5H7zM7 11.7h2v2H7z",
    info: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM7 3.5h2v2H7zM7 7h2v5.5H7z",
    success: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM11.3 4.9l1.3 1.3-5.6 5.6-3.4-3.4 1.3-1.3L7 9.2z",
    caret: "M3 6h10l-5 5z",
    up: "M8 3l5 6H9.2v4H6.8V9H3z",
    unsorted: "M8 1l4 5H4zM8 15l-4-5h8z",
    down: "M8 13 3 7h3.8V3h2.4v4H13z",
};

/** An icon as high as the text beside it. */
export function icon(name, className = "") {
    return makeSvg("svg", { class: `icon ${className}`.trim(), viewBox: "0 0 16 16", "aria-hidden": "true" },
                   makeSvg("path", { d: shapes[name], "fill-rule": "evenodd" }));
}
