// SPDX-License-Identifier: GPL-2.0-or-later
// Sizes, rates, ages and dates as text.

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

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

/** Seconds, as "3 d 4 h", in the two largest units. */
export function age(seconds) {
    const parts = [
        [Math.floor(seconds / 86400), "d"],
        [Math.floor(seconds / 3600) % 24, "h"],
        [Math.floor(seconds / 60) % 60, "min"],
        [Math.floor(seconds) % 60, "s"],
    ];
    const first = parts.findIndex(([n]) => n > 0);

    if (first < 0)
        return "0 s";
    return parts.slice(first, first + 2).filter(([n]) => n > 0)
            .map(([n, unit]) => `${n} ${unit}`)
            .join(" ");
}

/** A Unix time, in the reader's language; an unknown one is "?". */
export function date(time) {
    if (time === null || time === undefined)
        return "?";
    return new Date(time * 1000).toLocaleString(undefined,
        { dateStyle: "medium", timeStyle: "short" });
}

/** A number with its noun: "1 machine", "2 machines". */
export function count(n, noun) {
    return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
