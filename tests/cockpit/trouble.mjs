// SPDX-License-Identifier: GPL-2.0-or-later
// trouble.mjs SCENARIO: what the page says, and what it tells to type, when
// something is wrong; and that it shows the machines again when that ends.
import { equal, main, Page, step } from "./page.mjs";

/** Waits until the machines are shown, and the page says nothing of the trouble. */
async function recovers(page, trouble) {
    await page.machineIs("pc1", /\boff\b/);
    await page.seesNot(trouble);
}

const scenarios = {
    async mistakes() {
        const page = await Page.open();

        await page.machineIs("pc1", /\boff\b/);
        step("cp $scratch/fleet.conf $scratch/good.conf; echo 'colour = red' >>$scratch/fleet.conf");
        await page.sees(/fleet\.conf has mistakes/);
        await page.sees(/tgt-glue check/);
        equal("the machines that were applied last", 3, (await page.rows("Machines")).length);
        await page.isAccessible("mistakes");
        await page.picture("mistakes");
        step("cp $scratch/good.conf $scratch/fleet.conf");
        await recovers(page, /mistakes/);
        await page.close();
    },

    async missing() {
        step("mv $scratch/fleet.conf $scratch/good.conf");
        const page = await Page.open();

        await page.sees(/cannot be read/);
        await page.sees(/fleet\.conf: .*No such file/);
        await page.isAccessible("missing");
        await page.picture("missing");
        step("mv $scratch/good.conf $scratch/fleet.conf");
        await page.press("Try again");
        await recovers(page, /cannot be read/);
        await page.close();
    },

    async tgtd() {
        const page = await Page.open();

        await page.machineIs("pc1", /\boff\b/);
        step("kill -9 $tgtd_pid; wait $tgtd_pid || true");
        await page.sees(/tgtd gives no answer[^]*no tgtd answers at its management socket[^]*systemctl start tgt/);
        await page.machineIs("pc1", /\berror\b/);
        await page.go("store");
        await page.rowIs("Health", /tgtd.*gives no answer that can be used.*systemctl start tgt/);
        await page.isAccessible("tgtd-dead");
        await page.picture("tgtd-dead");
        await page.go("");
        step("start_tgtd; glue apply");
        await recovers(page, /tgtd gives no answer/);
        await page.close();
    },

    async mount() {
        const page = await Page.open();

        await page.machineIs("pc1", /\boff\b/);
        step("lose_mount $scratch/mnt");
        await page.machineIs("pc1", /differs[^]*a mount that is gone/);
        await page.sees(/nothing is mounted at \S+; type/);
        await page.sees(/systemctl status 'vhdfs@\*'/);
        await page.isAccessible("mount-gone");
        await page.picture("mount-gone");
        await page.close();
    },

    /** What tgtd has open stays open: no machine differs. */
    async detached() {
        const page = await Page.open();

        await page.machineIs("pc1", /\boff\b/);
        await page.seesNot(/cannot be used/);
        step("umount -l $scratch/mnt");
        await page.sees(/mount of vhdfs cannot be used/);
        await page.sees(/nothing is mounted at \S+; type/);
        await page.machineIs("pc1", /\boff\b/);
        await page.go("store");
        await page.rowIs("Health", /vhdfs.*cannot be used/);
        await page.close();
    },

    async hangs() {
        const page = await Page.open();

        await page.machineIs("pc1", /\boff\b/);
        step("stop_answers");
        await page.sees(/expected an answer of the mount/);
        step("go_on");
        await recovers(page, /cannot be used/);
        await page.close();
    },

    /** A failure of a disk is said; what tgtd counts at a login is none. */
    async errors() {
        const page = await Page.open();

        step("hold_session pc1");
        await page.machineIs("pc1", /\bon\b/);
        await page.seesNot(/failed/);
        await page.go("machine/pc1");
        await page.find("table", "Sessions");
        await page.seesNot(/Errors|failed/);
        step("setfattr -n user.vhdfs.quota -v 4096 $scratch/mnt/clients/pc1.vhdx.raw; held write 80000");
        await page.sees(/reads, writes or flushes of its disk failed: [1-9]/);
        await page.sees(/journalctl -t vhdfs/);
        await page.go("");
        await page.machineIs("pc1", /\bon\b[^]*disk failed/);
        await page.close();
    },

    async space() {
        step("sed -i '/^.fleet/a min-free = 900T' $scratch/fleet.conf");
        const page = await Page.open("store");

        await page.sees(/little free space/);
        await page.sees(/at least 900 TiB/);
        await page.sees(/Retire versions that no machine needs/);
        await page.isAccessible("low-space");
        await page.picture("low-space");
        await page.close();
    },

    async empty() {
        step("sed -i '/^.client/d;/^.group/,$d' $scratch/fleet.conf; expect 0 glue apply");
        const page = await Page.open();

        await page.sees(/fleet\.conf names no client/);
        await page.sees(/Then type:\s+tgt-glue apply/);
        await page.isAccessible("empty");
        await page.picture("empty");
        await page.go("masters");
        await page.sees(/No disk of fleet\.conf has this master/);
        await page.go("store");
        await page.rowIs("Health", /fleet\.conf \| has no mistakes/);
        await page.go("machine/pc1");
        await page.sees(/fleet\.conf has no such machine[^]*tgt-glue orphans/);
        await page.isAccessible("a machine that does not exist");
        await page.picture("unknown");
        step("echo '[client pc7]' >>$scratch/fleet.conf; expect 0 glue apply");
        await page.go("");
        await page.machineIs("pc7", /\boff\b/);
        await page.seesNot(/names no client/);
        await page.close();
    },

    /** While tgt-glue does not answer: first at all, and then of a machine's disks. */
    async loading() {
        step("close_gate");
        const page = await Page.open();

        await page.sees(/Reading the fleet/);
        await page.isAccessible("loading");
        await page.picture("loading");
        step("open_gate");
        await page.machineIs("pc1", /\boff\b/);
        step("close_gate");
        await page.go("machine/pc1");
        await page.sees(/Reading: the disks/);
        await page.sees(/Reading: the log/);
        await page.isAccessible("a machine while it loads");
        step("open_gate");
        await page.rowIs("Disks and their saved states", /^now/);
        await page.close();
    },

    /** A screen reader says low space once, though the free space changes. */
    async chatter() {
        step("sed -i '/^.fleet/a min-free = 900T' $scratch/fleet.conf");
        const page = await Page.open("store");
        const alert = "main .pf-v6-c-alert";
        const said = () => page.page.$eval(alert, e => e.innerText);

        await page.sees(/little free space/, alert);
        equal("role", "alert", await page.page.$eval(alert, e => e.getAttribute("role")));
        const before = await said();

        step("fallocate -l 3G $scratch/store/large");
        await page.page.waitForFunction((selector, text) => document.querySelector(selector).innerText !== text, {}, alert, before);
        equal("alerts that are said again", 0, (await page.page.$$("main [role=alert]")).length);
        step("rm $scratch/store/large");
        await page.close();
    },

    /** A user who may not become the superuser, and may read fleet.conf. */
    async user() {
        const page = await Page.open();

        // Neither tgtd nor the mount is dead: the user may not ask them.
        await page.machineIs("pc1", /\bunknown\b/);
        await page.sees(/no permission to read all/);
        await page.sees(/systemctl enable --now tgt-glue-status\.socket/);
        await page.seesNot(/does not answer|gives no answer|cannot be used|differ from/);
        await page.go("store");
        for (const row of [/tgtd.*no permission/, /vhdfs.*no permission/, /Targets.*no permission/])
            await page.rowIs("Health", row);
        await page.seesNot(/does not answer|gives no answer|cannot be used|differ from/);
        for (const [path, label] of [["machine/pc1", "Disks and their saved states"], ["masters", "Versions of masters/win11"]]) {
            await page.go(path);
            await page.find("table", label);
            await page.cannotPress();
        }
        await page.isAccessible("user");
        await page.picture("user");
        await page.close();
    },

    /** What was refused is read when administrative access is given; the test gives it. */
    async access() {
        const page = await Page.open("machine/pc1");

        await page.page.evaluateOnNewDocument(() => {
            let cockpit;

            Object.defineProperty(window, "cockpit", {
                get: () => cockpit,
                set(value) {
                    const { permission } = value;

                    cockpit = value;
                    cockpit.permission = options => (window.permission = permission(options));
                },
            });
        });
        const give = allowed => page.page.evaluate(value => {
            window.permission.allowed = value;
            window.permission.dispatchEvent("changed");
        }, allowed);

        step("deny disks");
        await page.page.reload();
        await page.sees(/The disks cannot be read[^]*permission denied/i);
        await give(false);
        await page.cannotPress();
        step("rm $scratch/deny");
        await give(true);
        await page.find("table", "Disks and their saved states");
        await page.close();
    },

    /** Sizes that could not be read are when the view is shown again. */
    async again() {
        step("deny versions");
        const page = await Page.open("store");

        step("wait_until 30 test -e $scratch/denied");
        await page.rowIs("Space by master", /^masters\/win11 \|.*\| \? \|/);
        step("rm $scratch/deny");
        await page.go("");
        await page.machineIs("pc1", /off/);
        await page.go("store");
        await page.rowIs("Space by master", /^masters\/win11 [^?]*$/);
        await page.close();
    },

    /** A user who reads through the socket, as root would. */
    async reader() {
        const page = await Page.open();

        await page.machineIs("pc1", /off/);
        for (const [path, label] of [["machine/pc1", "Disks and their saved states"], ["masters", "Versions of masters/win11"]]) {
            await page.go(path);
            await page.find("table", label);
            await page.cannotPress();
        }
        await page.picture("reader");
        await page.close();
    },

    /** A user who may not read fleet.conf, either. */
    async stranger() {
        const page = await Page.open();

        await page.sees(/cannot be read/);
        await page.sees(/fleet\.conf: .*Permission denied/);
        await page.sees(/Type:\s+systemctl enable --now tgt-glue-status\.socket && adduser nobody adm/);
        await page.close();
    },
};

await main(scenarios[process.argv[2]]);
