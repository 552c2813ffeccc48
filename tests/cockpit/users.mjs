// SPDX-License-Identifier: GPL-2.0-or-later
// users.mjs SCENARIO USER PASSWORD: the page as Cockpit shows it to a user who logs
// in at its address with a password: a stranger, a reader, an administrator.
import { equal, fail, glue, main, matches, Page } from "./page.mjs";

const { COCKPIT_URL } = process.env;
const [, , scenario, user, password] = process.argv;
const states = "Disks and their saved states";
// Each view, and a table of it.
const views = [["", "Machines"], ["machine/pc1", states], ["masters", "Versions of masters/lab"], ["store", "Health"]];

function isPage(frame) {
    return /\/vhdfs\/index\.html/.test(frame.url());
}

/** Cockpit in a browser; the page is in a frame of it. */
class Cockpit extends Page {
    /** Logs in, and chooses the page in Cockpit's menu. */
    static async login() {
        const self = await this.start({ width: 1280, height: 900 });

        await self.tab.goto(COCKPIT_URL);
        await self.give(`${password}?`);
        await self.sees(/[Ww]rong user name or password/);
        await self.give(password);
        await (await self.find("link", "Diskless machines")).click();
        self.page = await self.tab.waitForFrame(isPage)
                .catch(async () => fail(`expected a frame with the page, found: ${await self.text()}`));
        return self;
    }

    /** Cockpit's own pages make errors, such as 401 before the login. */
    report(text, source = "") {
        if (source.includes("/vhdfs/"))
            super.report(text);
    }

    async give(word) {
        await this.tab.waitForSelector("#login-password-input", { visible: true });
        await this.tab.$eval("#login-user-input", (e, value) => { e.value = value }, user);
        await this.tab.$eval("#login-password-input", (e, value) => { e.value = value }, word);
        await this.tab.click("#login-button");
    }

    /** Gets or gives up administrative access, at the top of Cockpit, which then loads the page again. */
    async changeAccess(from, button, word) {
        await this.page.evaluate(() => { window.isBefore = true });
        await (await this.find("button", from, this.tab)).click();
        if (word)
            await (await this.tab.waitForSelector("input[type=password]")).type(word);
        await (await this.find("button", button, this.tab)).click();
        this.page = await this.tab.waitForFrame(async frame =>
            isPage(frame) && !await frame.evaluate(() => window.isBefore).catch(() => false));
    }
}

/** Shows each view; keeps pictures. */
async function inEachView(page, check) {
    for (const [path, table] of views) {
        await page.go(path);
        await page.find("table", table);
        await page.settled();
        await check();
        await page.picture(`${scenario}-${path.split("/")[0] || "room"}`);
    }
}

/** Expects that no view has a button of a command that can be pressed. */
async function seesAllAndCanPressNothing(page) {
    await page.sees(/Limited access: the buttons are disabled/);
    for (const pc of ["pc1", "pc2", "pc3"])
        await page.machineIs(pc, /\boff\b/);
    await inEachView(page, async () => equal("buttons that can be pressed", [], await page.commandButtons(false)));
    await page.rowIs("Space by master", /^masters\/lab \| 3 \| [^?]*$/);
    await page.rowIs("Images that belong to no machine", /^clients\/old\.vhdx/);
    for (const path of ["machine/pc1", "masters"]) {
        await page.go(path);
        await page.waitFor("a button of a command", () => [...document.querySelectorAll("main button")].some(b => b.innerText.trim().endsWith("…")));
        await page.cannotPress();
    }
}

const scenarios = {
    /** A user who is in no group. */
    async stranger() {
        const page = await Cockpit.login();

        for (const [path] of views) {
            await page.go(path);
            await page.sees(/cannot be read/);
            await page.sees(/systemctl enable --now tgt-glue-status\.socket/);
            await page.sees(new RegExp(`adduser ${user} adm`));
            equal("buttons that can be pressed", [], await page.commandButtons(false));
        }
        await page.picture("stranger");
        await page.close();
    },

    /** A user who reads through the socket. */
    async reader() {
        const page = await Cockpit.login();

        await seesAllAndCanPressNothing(page);
        await page.close();
    },

    /** A user who may become the superuser, and then takes a snapshot. */
    async administrator() {
        const page = await Cockpit.login();

        await page.sees(/cannot be read/);
        await page.sees(/press “Limited access”/i);
        await page.changeAccess("Limited access", "Authenticate", password);
        await page.machineIs("pc1", /\boff\b/);
        await page.seesNot(/the buttons are disabled/);
        await inEachView(page, async () => equal("buttons that cannot be pressed", [], await page.commandButtons(true)));

        await page.go("machine/pc1");
        await page.press("Snapshot…");
        await page.fill("Name", "before-exam");
        equal("the command", "tgt-glue snapshot -- before-exam pc1", await page.shownCommand());
        matches("the answer", /^Done\./, await page.submit());
        await page.picture("administrator-snapshot");
        await page.escape();
        await page.rowIs(states, /^before-exam/);
        equal("snapshots", ["before-exam"], glue("disks --json pc1").filter(d => d.kind === "snapshot").map(d => d.which));

        await page.changeAccess("Administrative access", "Limit access");
        await page.sees(/the buttons are disabled/);
        equal("buttons that can be pressed", [], await page.commandButtons(false));
        await page.close();
    },
};

await main(scenarios[scenario]);
