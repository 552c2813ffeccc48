// SPDX-License-Identifier: GPL-2.0-or-later
// Runs tgt-glue through Cockpit.  Arguments are a list, and no shell reads them.
/* global cockpit */

const program = "tgt-glue";
const environ = ["LC_ALL=C.UTF-8"];

/** Lines in which a shell would run the command, to be read by a person. */
export function commandLine(args) {
    return [program, ...args].map(quoted).join(" ");
}

/** The word as a shell takes it. */
export function quoted(word) {
    return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Why a command failed: an Error with its own words, and Cockpit's problem. */
function failure(args, error, output = "") {
    const ended = `${commandLine(args)} ended with exit status ${error.exit_status}`;
    const message = error.problem === "not-found"
        ? `${program} is not installed on this server.`
        : output.trim() || error.message?.trim() || ended;

    return Object.assign(new Error(message), { problem: error.problem ?? null });
}

const running = new Map(); // answers to come of commands that change something, by their lines

// Cockpit ends the commands of a page that is left, in the middle of what they do.
window.addEventListener("beforeunload", event => running.size && event.preventDefault());

/**
 * Runs a command that changes something, as the superuser.  Resolves to what it
 * printed; rejects with an Error whose message is what it said.  A command that
 * still runs is not begun a second time: its answer is that of both.
 */
export function run(args) {
    const key = commandLine(args);

    if (!running.has(key))
        running.set(key, begin(args).finally(() => running.delete(key)));
    return running.get(key);
}

async function begin(args) {
    let output = "";
    const process = cockpit.spawn([program, ...args], { superuser: "require", err: "out", environ });

    process.stream(data => { output += data });
    try {
        await process;
    } catch (error) {
        throw failure(args, error, output);
    }
    return output;
}

/** The value of a command's JSON. */
function parse(args, text) {
    try {
        return JSON.parse(text);
    } catch {
        throw new Error(`${commandLine(args)}: expected JSON, found: ${text.slice(0, 200)}`);
    }
}

/** Runs a command with --json that reads; resolves to the value. */
export async function read(...args) {
    return parse(args, await readText(args));
}

/** As read, for a command that prints one object in each line. */
export async function readLines(...args) {
    return (await readText(args)).split("\n").filter(Boolean).map(line => parse(args, line));
}

// A view may read every master; to a user without administrative access
// tgt-glue-status.socket gives few connections.
const readsAtOnce = 4;
const waiting = []; // what begins each read that waits
let reading = 0;

async function readText(args) {
    if (reading === readsAtOnce)
        await new Promise(resolve => { waiting.push(resolve) });
    else
        reading++;
    try {
        return await cockpit.spawn([program, ...args], { superuser: "try", err: "message", environ });
    } catch (error) {
        throw failure(args, error);
    } finally {
        // The next one takes the place of this one.
        if (waiting.length)
            waiting.shift()();
        else
            reading--;
    }
}

/**
 * Runs a command that prints a JSON object in each line until it is closed.
 * Calls line for each object, and ended with an Error when the command ends.
 * Returns a function that ends it.
 */
export function follow(args, line, ended) {
    const process = cockpit.spawn([program, ...args], { superuser: "try", err: "message", environ });
    let rest = "";
    let closed = false;
    const close = () => {
        closed = true;
        process.close("cancelled");
    };
    const takeLines = lines => {
        let values = [];

        try {
            values = lines.map(text => parse(args, text));
        } catch (error) {
            close();
            ended(error);
        }
        values.forEach(line);
    };

    process.stream(data => {
        const lines = (rest + data).split("\n");

        rest = lines.pop();
        if (!closed)
            takeLines(lines);
    });
    process.then(() => closed || ended(new Error(`${commandLine(args)} ended`)),
                 error => closed || ended(failure(args, error)));
    return close;
}
