// SPDX-License-Identifier: GPL-2.0-or-later
// many.mjs COUNT: the time to the first picture of that many machines, and the
// processor time of the page and of its session, idle and under change.
import { fail, main, output, Page, step } from "./page.mjs";

const number = Number(process.argv[2]);
// Far above the aims, which are 1000 ms, 10 ms and 100 ms: a busy machine is slow.
const limits = { "first picture": 10000, idle: 100, "under change": 500 };
const seconds = 20;

function report(subject, value) {
    step(`remark "${subject} of ${number} machines: ${value.toFixed(1)} ms"`);
    if (value > limits[subject])
        fail(`${subject}: expected at most ${limits[subject]} ms, found ${value}`);
}

/** Milliseconds of processor time, a second, of the page; reports the session's. */
async function use(page, subject) {
    const before = await page.processorTime();
    const session = Number(output("session_time"));

    await new Promise(resolve => setTimeout(resolve, seconds * 1000));
    step(`remark "${subject}, bridge and tgt-glue: ${((Number(output("session_time")) - session) / seconds).toFixed(1)} ms a second"`);
    report(subject, (await page.processorTime() - before) / seconds);
}

await main(async () => {
    const page = await Page.open();

    await page.page.waitForFunction(n => document.querySelectorAll("table[aria-label=Machines] tbody tr").length === n, {}, number);
    await page.painted();
    report("first picture", Date.now() - page.started);
    await page.picture(`room-${number}`);
    await page.press("Tiles");
    await page.picture(`tiles-${number}`);
    await page.press("Rows");
    await new Promise(resolve => setTimeout(resolve, 2000));
    await use(page, "idle");
    step("start_load 32");
    await page.sees(/32 on/);
    await use(page, "under change");
    await page.picture(`change-${number}`);
    await page.close();
});
