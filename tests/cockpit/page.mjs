// SPDX-License-Identifier: GPL-2.0-or-later
// The page in a browser, for the scripts of this folder: what a reader does, and
// what is expected to be seen.  Elements are found as a screen reader names
// them, by role and name.
import { createRequire } from "node:module";
import { closeSync, readFileSync, readSync, writeSync } from "node:fs";

const { COCKPIT_URL, BROWSER, SCRATCH, NPM_DIR, PICTURES, HANG_SECONDS } = process.env;
const limit = Number(HANG_SECONDS) * 1000; // of a wait, which detects a hang
// browse() of cockpit.sh opens them.
const steps = 3;
const answers = 4;
const puppeteer = createRequire(`${NPM_DIR}/index.js`)("puppeteer-core");

export const scratch = SCRATCH;

/** Ends the script as failed. */
export function fail(message) {
    throw new Error(message);
}

/** Expects equal values, which are compared as JSON. */
export function equal(subject, expected, found) {
    if (JSON.stringify(expected) !== JSON.stringify(found))
        fail(`${subject}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
}

export function matches(subject, pattern, text) {
    if (!pattern.test(text))
        fail(`${subject}: expected text that matches ${pattern}, found ${JSON.stringify(text)}`);
}

/** Repeats until the condition holds; what: of the message. */
export async function until(what, condition) {
    for (const last = Date.now() + limit; !await condition();)
        if (Date.now() > last)
            fail(`expected ${what}`);
}

/** Runs a command of the test's shell, and waits for its end. */
export function step(command) {
    const answer = Buffer.alloc(16);

    writeSync(steps, `${command}\n`);
    if (!answer.toString("utf8", 0, readSync(answers, answer)).startsWith("ended"))
        fail(`the step failed: ${command}`);
}

/** As step, and returns what the command printed. */
export function output(command) {
    step(`{ ${command}; } >"$scratch/step.out"`);
    return readFileSync(`${SCRATCH}/step.out`, "utf8").trimEnd();
}

/** The value of a command of tgt-glue that prints JSON. */
export function glue(args) {
    return JSON.parse(output(`glue ${args}`));
}

/** The lists of arguments with which the page has run tgt-glue. */
export function commands() {
    return readFileSync(`${SCRATCH}/commands`, "utf8").split("\n").filter(Boolean).map(JSON.parse);
}

/** Ends the script with this exit status. */
function end(status) {
    closeSync(steps);
    process.exit(status);
}

export class Page {
    /** The page of the view that the path names; what the browser reports ends the script. */
    static async open(path = "", options = {}) {
        const self = await this.start(options);

        self.started = Date.now();
        await self.tab.goto(`${COCKPIT_URL}/cockpit/@localhost/vhdfs/index.html#/${path}`);
        return self;
    }

    /** A browser that shows nothing yet. */
    static async start({ width = 1280, height = 800, scheme = "light" } = {}) {
        const self = new this();

        self.browser = await puppeteer.launch({
            executablePath: BROWSER,
            args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
            acceptInsecureCerts: true, // Cockpit makes a certificate for itself
            protocolTimeout: limit,
            userDataDir: `${SCRATCH}/browser`,
        });
        // What the browser shows, and in it the frame of the page.
        self.tab = self.page = await self.browser.newPage();
        self.tab.setDefaultTimeout(limit);
        self.tab.on("pageerror", error => self.report(error.message, error.stack));
        self.tab.on("console", message => message.type() === "error" && !/Failed to load/.test(message.text()) && self.report(message.text(), message.location().url));
        self.tab.on("response", response => response.status() >= 400 && self.report(`${response.status()} ${response.url()}`, response.url()));
        self.tab.on("dialog", dialog => self.report(`a dialog of a script: ${dialog.message()}`));
        await self.tab.setViewport({ width, height });
        await self.scheme(scheme);
        return self;
    }

    /**
     * Ends the script: an error of the page needs no wait for what it will not show.
     * source: the address of a script, or a text with it.
     */
    report(error, source = "") {
        console.log(`expected no error that the browser reports, found: ${error} ${source}`);
        end(1);
    }

    async close() {
        await this.browser.close();
    }

    /** Light or dark colours; a page that is open already has them then. */
    async scheme(value) {
        await this.tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
        await this.waitFor(`${value} colours`, dark => !document.getElementById("page") ||
            document.documentElement.classList.contains("pf-v6-theme-dark") === dark, value === "dark");
    }

    async go(path) {
        await this.page.evaluate(p => { window.location.hash = `#/${p}` }, path);
    }

    text() {
        return this.page.evaluate(() => document.body.innerText);
    }

    /** Waits for an element with this role and name; fails with the page's text. */
    async find(role, name, within = this.page) {
        const quoted = name.replaceAll('"', '\\"');

        try {
            return await within.waitForSelector(`::-p-aria([name="${quoted}"][role="${role}"])`);
        } catch {
            return fail(`expected a ${role} "${name}", found: ${await this.text()}`);
        }
    }

    async exists(role, name) {
        return await this.page.$(`::-p-aria([name="${name}"][role="${role}"])`) !== null;
    }

    /** Waits until the page's text matches. */
    async sees(pattern, within = "body") {
        try {
            await this.page.waitForFunction((source, flags, selector) =>
                new RegExp(source, flags).test(document.querySelector(selector)?.innerText ?? ""),
            {}, pattern.source, pattern.flags, within);
        } catch {
            fail(`expected text that matches ${pattern} in ${within}, found: ${await this.text()}`);
        }
    }

    /** Waits until the page's text does not match. */
    async seesNot(pattern) {
        try {
            await this.page.waitForFunction((source, flags) => !new RegExp(source, flags).test(document.body.innerText),
                                            {}, pattern.source, pattern.flags);
        } catch {
            fail(`expected no text that matches ${pattern}, found: ${await this.text()}`);
        }
    }

    /** Waits until a function of the page is true; what: of the message. */
    async waitFor(what, condition, ...args) {
        try {
            return await this.page.waitForFunction(condition, {}, ...args);
        } catch {
            return fail(`expected ${what}, found: ${await this.text()}`);
        }
    }

    /** Waits until nothing in the page says that it is being read. */
    async settled() {
        await this.waitFor("that all is read", () =>
            ![...document.querySelectorAll("[role=progressbar]:not([aria-valuenow])")].some(e => e.checkVisibility()));
        await this.painted();
    }

    /** Expects that no text of others became an element of the page. */
    async hasNoMarkup() {
        equal("elements made of names and notes", [], await this.page.$$eval("#page img, #page b, #page script, dialog img, dialog b, dialog script",
                                                                             all => all.map(e => e.outerHTML)));
    }

    /** Milliseconds of processor time of the page since it was made. */
    async processorTime() {
        return (await this.tab.metrics()).TaskDuration * 1000;
    }

    /** The names of the buttons of commands, of those that can be pressed or of those that cannot. */
    commandButtons(disabled) {
        return this.page.$$eval("main button", (all, wanted) => all.filter(b => b.disabled === wanted)
                .map(b => b.innerText.trim()).filter(name => name.endsWith("…")), disabled);
    }

    /** Expects buttons of commands, and that none can be pressed. */
    async cannotPress() {
        if (!(await this.commandButtons(true)).length)
            fail(`expected disabled buttons of commands, found: ${await this.text()}`);
        equal("buttons that can be pressed", [], await this.commandButtons(false));
    }

    /** Presses Tab until all has had the focus; returns what can be pressed and had it not. */
    async tabThrough() {
        const all = "a[href], button:not([disabled]), select, input, summary";
        const number = await this.page.evaluate(selector => {
            const found = [...document.querySelectorAll(selector)].filter(e => e.checkVisibility());

            window.missed = new Set(found);
            document.addEventListener("focusin", event => window.missed.delete(event.target));
            document.activeElement?.blur();
            return found.length;
        }, all);

        for (let i = 0; i < number + 5; i++)
            await this.tab.keyboard.press("Tab");
        return this.page.evaluate(() => [...window.missed].filter(e => e.isConnected).map(e => e.outerHTML.slice(0, 200)));
    }

    /** Waits until the text of a machine's row in the room matches. */
    async machineIs(name, pattern) {
        const row = () => this.page.evaluate(machine =>
            [...document.querySelectorAll("tbody tr")].find(r => r.querySelector("th")?.innerText === machine)?.innerText ?? "", name);
        const end = Date.now() + limit;

        while (!pattern.test(await row())) {
            if (Date.now() > end)
                fail(`machine ${name}: expected a row that matches ${pattern}, found: ${await row()}`);
            await this.painted();
        }
    }

    /** Waits for the browser's next picture, and for the end of changes of colour. */
    painted() {
        return this.page.evaluate(async () => {
            await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
            await Promise.allSettled(document.getAnimations().filter(a => a instanceof CSSTransition).map(a => a.finished));
        });
    }

    /** The cells of a table, row by row. */
    async rows(label) {
        const element = await this.find("table", label);

        return element.evaluate(e => [...e.querySelectorAll("tbody tr")].map(row => [...row.children].map(c => c.innerText.trim())));
    }

    /** Waits until a row of a table matches, cells joined by " | ". */
    async rowIs(label, pattern) {
        const end = Date.now() + limit;

        for (;;) {
            const rows = (await this.rows(label)).map(row => row.join(" | "));

            if (rows.some(row => pattern.test(row)))
                return;
            if (Date.now() > end)
                fail(`table ${label}: expected a row that matches ${pattern}, found: ${rows.join("\n")}`);
            await this.painted();
        }
    }

    /** Presses a button; in a row of a table if a pattern of the row is given. */
    async press(name, rowPattern) {
        // What is read meanwhile moves the button.
        await this.settled();
        if (!rowPattern) {
            await (await this.find("button", name)).click();
            return;
        }
        const handle = await this.page.waitForFunction((label, source) =>
            [...document.querySelectorAll("tr")].filter(r => new RegExp(source).test(r.innerText))
                    .flatMap(r => [...r.querySelectorAll("button")]).find(b => b.innerText.trim() === label),
        {}, name, rowPattern.source).catch(async () =>
            fail(`expected a button "${name}" in a row that matches ${rowPattern}, found: ${await this.text()}`));

        await handle.click();
    }

    /** Chooses in a list by the text of the choice. */
    async choose(label, text) {
        const list = await this.find("combobox", label);
        const value = await list.evaluate((e, wanted) => [...e.options].find(o => o.text === wanted)?.value ?? null, text);

        if (value === null)
            fail(`list ${label}: expected the choice "${text}", found: ${await list.evaluate(e => e.innerText)}`);
        await list.select(value);
    }

    /** Expects nothing serious of axe-core in light and in dark colours. */
    async isAccessible(subject) {
        for (const scheme of ["dark", "light"]) {
            await this.scheme(scheme);
            await this.painted();
            equal(`${subject}, ${scheme}: serious findings of axe-core`, [], await this.axe());
        }
    }

    /** Opens each dialog of the view with the keyboard, calls check, and closes it; the focus returns. */
    async eachDialog(check) {
        const all = "main button:not([disabled])";
        const number = () => this.page.$$eval(all, buttons => buttons.filter(e => e.checkVisibility() && e.innerText.trim().endsWith("…")).length);
        const titles = [];

        // What is read again under a dialog may have another number of buttons.
        for (let i = 0; i < await number(); i++) {
            await this.page.evaluate((selector, n) =>
                [...document.querySelectorAll(selector)].filter(e => e.checkVisibility() && e.innerText.trim().endsWith("…"))[n].focus(), all, i);
            await this.page.keyboard.press("Enter");
            await this.shownCommand();
            titles.push(await this.page.$eval("dialog[open] h1", e => e.innerText));
            await check(titles.at(-1));
            await this.escape();
            // The button may have been drawn again; its place is the same.
            await this.waitFor(`${titles.at(-1)}: that Escape gives the focus back to its button`, (selector, n) =>
                [...document.querySelectorAll(selector)].filter(e => e.checkVisibility() && e.innerText.trim().endsWith("…"))[n] === document.activeElement, all, i);
        }
        return titles;
    }

    async fill(label, value) {
        const input = await this.find("textbox", label);

        await input.type(value);
    }

    /** Copies a text as a reader does in another window. */
    async copy(text) {
        await this.page.evaluate(value => {
            const other = document.body.appendChild(document.createElement("textarea"));

            other.value = value;
            other.select();
        }, text);
        await this.chord("c");
        await this.page.evaluate(() => document.querySelector("textarea").remove());
    }

    /** Pastes into the element that has the focus. */
    paste() {
        return this.chord("v");
    }

    async chord(key) {
        await this.page.keyboard.down("Control");
        await this.page.keyboard.press(key, { commands: [key === "c" ? "copy" : "paste"] });
        await this.page.keyboard.up("Control");
    }

    /** The command that the open dialog shows. */
    async shownCommand() {
        await this.waitFor("a dialog with a command", () => document.querySelector("dialog[open] code"));
        return this.page.$eval("dialog[open] code", e => e.textContent);
    }

    /** Submits the open dialog; returns what it then says. */
    async submit() {
        await this.page.click("dialog[open] button[type=submit]");
        return this.answered();
    }

    /** Waits until the command of the open dialog has ended; returns what the dialog says. */
    async answered() {
        await this.waitFor("an answer of the command in the dialog", () => {
            const answer = document.querySelector("dialog[open] [role=status]");

            return answer?.innerText.trim() && !answer.querySelector("[role=progressbar]");
        });
        return this.page.$eval("dialog[open] [role=status]", e => e.innerText.trim());
    }

    async escape() {
        await this.tab.keyboard.press("Escape");
        await this.waitFor("that Escape closes the dialog", () => !document.querySelector("dialog[open]"));
    }

    /** What axe-core finds that is serious or critical. */
    async axe() {
        await this.page.evaluate(readFileSync(`${NPM_DIR}/node_modules/axe-core/axe.min.js`, "utf8"));
        const found = await this.page.evaluate(async () => (await window.axe.run()).violations
                .filter(v => ["serious", "critical"].includes(v.impact))
                .map(v => `${v.id}: ${v.nodes.map(n => n.html).slice(0, 3).join(" ")}`));

        return found;
    }

    /** Keeps a picture of the window. */
    async picture(name) {
        await this.painted();
        await this.tab.screenshot({ path: `${PICTURES}/${name}.png` });
    }
}

/** Runs a script: prints its error, and ends with 1. */
export async function main(script) {
    let status = 0;

    try {
        await script();
    } catch (error) {
        console.log(error.stack);
        status = 1;
    }
    end(status);
}
