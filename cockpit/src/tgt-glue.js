// SPDX-License-Identifier: GPL-2.0-or-later
// Runs tgt-glue through Cockpit.  Arguments are a list, and no shell reads them.
/* global cockpit */

const program = "tgt-glue";

/** Lines in which a shell would run the command, to be read by a person. */
export function commandLine(args) {
    return [program, ...args].map(quoted).join(" ");
}

function quoted(word) {
    return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Why a command failed, in its own words. */
function failure(args, error, output) {
    if (error.problem === "not-found")
        return new Error(`${program} is not installed; install the package tgt-glue`);
    return new Error(error.message?.trim() || output?.trim() ||
                     `${commandLine(args)} failed with exit status ${error.exit_status}`);
}

/**
 * Runs a command that changes something, as the superuser.  Resolves to what it
 * printed; rejects with an Error whose message is what it said.
 */
export async function run(args) {
    let output = "";

    try {
        output = await cockpit.spawn([program, ...args], { superuser: "require", err: "out" });
    } catch (error) {
        throw failure(args, error, output);
    }
    return output;
}

/** Runs a command with --json that reads; resolves to the value. */
export async function read(...args) {
    try {
        return JSON.parse(await readText(args));
    } catch (error) {
        throw error.problem ? failure(args, error) : error;
    }
}

/** As read, for a command that prints one object in each line. */
export async function readLines(...args) {
    try {
        return (await readText(args)).split("\n").filter(Boolean).map(JSON.parse);
    } catch (error) {
        throw error.problem ? failure(args, error) : error;
    }
}

function readText(args) {
    return cockpit.spawn([program, ...args], { superuser: "try", err: "message" });
}

/**
 * Runs a command that prints a JSON object in each line until it is closed.
 * Calls line for each object, and ended with an Error when the command ends.
 * Returns a function that ends it.
 */
export function follow(args, line, ended) {
    const process = cockpit.spawn([program, ...args], { superuser: "try", err: "message" });
    let rest = "";
    let closed = false;

    process.stream(data => {
        const lines = (rest + data).split("\n");

        rest = lines.pop();
        lines.forEach(text => line(JSON.parse(text)));
    });
    process.then(() => closed || ended(new Error(`${commandLine(args)} ended`)),
                 error => closed || ended(failure(args, error)));
    return () => {
        closed = true;
        process.close("cancelled");
    };
}
