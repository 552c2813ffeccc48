// SPDX-License-Identifier: GPL-2.0-or-later
// Sizes, rates, ages and dates as text.

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const dateFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const shortFormat = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" });

/** Names in the order that a reader expects: pc2 before pc10. */
export const collator = new Intl.Collator(undefined, { numeric: true });

/** Bytes, as "1.5 GiB"; an unknown value is "?". */
export function size(bytes) {
    let unit = 0;

    if (bytes === null || bytes === undefined)
        return "?";
    while (Math.abs(bytes) >= 1024 && unit < units.length - 1) {
        bytes /= 1024;
        unit++;
    }
    return `${unit && Math.abs(bytes) < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}

/** Bytes a second. */
export function rate(bytesPerSecond) {
    return `${size(bytesPerSecond)}/s`;
}

/** Seconds, as "3 d 4 h", in the two largest units down to minutes. */
function age(seconds) {
    const parts = [
        [Math.floor(seconds / 86400), "d"],
        [Math.floor(seconds / 3600) % 24, "h"],
        [Math.floor(seconds / 60) % 60, "min"],
    ];
    const first = parts.findIndex(([n]) => n > 0);

    if (first < 0)
        return "< 1 min";
    return parts.slice(first, first + 2).filter(([n]) => n > 0)
            .map(([n, unit]) => `${n} ${unit}`)
            .join(" ");
}

/** Seconds since a Unix time, as text; an unknown time is "?". */
export function ageSince(time) {
    return time === null || time === undefined ? "?" : age(Math.max(0, Date.now() / 1000 - time));
}

/** A Unix time, in the reader's language; an unknown one is "?". */
export function date(time) {
    if (time === null || time === undefined || Number.isNaN(time))
        return "?";
    return dateFormat.format(new Date(time * 1000));
}

/** As date, without the year. */
export function shortDate(time) {
    return shortFormat.format(new Date(time * 1000));
}

/** A time as JSON of states and versions has it ("2026-11-29T21:03:04Z"). */
export function isoDate(text) {
    return date(text ? Date.parse(text) / 1000 : null);
}

/** A number with its noun: "1 machine", "2 machines". */
export function count(n, noun) {
    return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** Days, as a reader counts them. */
export function daysText(days) {
    return days < 1 ? "less than a day" : count(Math.floor(days), "day");
}

/** A share as "97.3 %". */
export function percent(part, whole) {
    return whole ? `${(part / whole * 100).toFixed(1)} %` : "?";
}
