#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What drives the browser: a script that goes wrong, and a page that does, fail at
# once, and not at the limit of a wait.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/tgt/tgt.sh"
. "$top_srcdir/tests/tgt/versions.sh"
. "$top_srcdir/tests/tgt/journal.sh"
. "$top_srcdir/tests/cockpit/cockpit.sh"

# fails_at_once PATTERN: the script $scratch/wrong.mjs of standard input fails
# with that message.  The limit of a wait is far above that of this one.
fails_at_once() {
	local pid

	cat >"$scratch/wrong.mjs"
	scripts=$scratch hang_seconds=100000 browse_in_background
	wait_until 30 has_ended "$pid"
	! wait "$pid" || fail "expected a failure: $(cat "$scratch/said")"
	has_line "$1" "$scratch/said"
}

browse_in_background() {
	# Its own at_exit ends nothing of this process.
	(lib_at_exit=() && browse wrong) >"$scratch/said" 2>&1 &
	pid=$!
}

has_ended() {
	! kill -0 "$1"
}

test_mistake_of_syntax_fails_at_once() {
	requires_browser
	fails_at_once SyntaxError <<<'import {'
}

test_promise_without_a_handler_fails_at_once() {
	requires_browser
	fails_at_once 'never handled' <<-END
		import { main } from "$top_srcdir/tests/cockpit/page.mjs";
		await main(async () => {
		    Promise.reject(new Error("never handled"));
		    await new Promise(resolve => setTimeout(resolve, 1e9));
		});
	END
}

test_scenario_that_does_not_exist_fails_at_once() {
	requires_browser

	fails_at_once 'is not a function' <<-END
		import { main } from "$top_srcdir/tests/cockpit/page.mjs";
		await main({}.none);
	END
}

test_error_of_the_page_fails_at_once() {
	show_fleet 2 </dev/null
	echo 'throw new Error("broken page")' >"$scratch/share/cockpit/vhdfs/index.js"
	fails_at_once 'broken page' <<-END
		import { main, Page } from "$top_srcdir/tests/cockpit/page.mjs";
		await main(async () => {
		    const page = await Page.open();
		    await page.find("table", "Machines");
		});
	END
}

run_tests
