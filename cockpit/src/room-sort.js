// SPDX-License-Identifier: GPL-2.0-or-later
// The columns of the room, and the order of machines by one of them.
import { collator } from "./format.js";
import { growthOf, onSince, ownSize, stateOf, stateOrder, versionText } from "./state.js";

/**
 * value: what is compared, a number or a text; null comes last in both
 * directions.  number: whether it is shown as one.  largest: whether the first
 * press shows the largest first.
 */
export const columns = [
    { key: "name", label: "Machine", value: client => client.name },
    { key: "state", label: "State", value: client => stateOrder.indexOf(stateOf(client)), then: onSince },
    { key: "version", label: "Version", value: client => versionText(client.version ?? client.master) },
    { key: "size", label: "Own size", number: true, largest: true, value: ownSize },
    { key: "growth", label: "Growth a day", number: true, largest: true, value: growthOf },
    { key: "rate", label: "Throughput", number: true, largest: true, value: (client, rates) => rates.now(client.name) },
    { key: "refusal", label: "Last refusal", largest: true, value: client => client["last-refusal"]?.when ?? null },
];

/** An order as the option of an address: its column, after "-" if it is not that of the first press. */
export function sortOption({ column, descending }) {
    const option = (descending === Boolean(column.largest) ? "" : "-") + column.key;

    return option === columns[0].key ? "" : option;
}

/** The order of such an option; the first one for an unknown option. */
export function sortOf(option = "") {
    const column = columns.find(({ key }) => key === option.replace(/^-/, ""));

    return column ? { column, descending: Boolean(column.largest) !== option.startsWith("-") } : { column: columns[0], descending: false };
}

function compare(a, b, direction) {
    if (a === null || b === null)
        return Number(a === null) - Number(b === null);
    return direction * (typeof a === "string" ? collator.compare(a, b) : a - b);
}

/** The clients in the order of a column; equal ones by name. */
export function sorted(clients, { column, descending }, rates) {
    const direction = descending ? -1 : 1;

    return clients.map(client => ({ client, value: column.value(client, rates), then: column.then?.(client) ?? null }))
            .sort((a, b) => compare(a.value, b.value, direction) || compare(a.then, b.then, direction) ||
                            collator.compare(a.client.name, b.client.name))
            .map(({ client }) => client);
}
