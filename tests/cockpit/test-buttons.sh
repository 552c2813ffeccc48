#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The buttons of the Cockpit page: each runs the command of tgt-glue that its
# dialog shows.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/tgt/tgt.sh"
. "$top_srcdir/tests/tgt/versions.sh"
. "$top_srcdir/tests/cockpit/cockpit.sh"

test_snapshot_and_revert() {
	show_fleet 2 </dev/null
	browse buttons snapshot
}

test_keep_and_reset() {
	show_fleet 2 </dev/null
	browse buttons keep
}

test_reset_and_restore() {
	show_fleet 2 </dev/null
	browse buttons reset
}

test_publish_promote_back_and_retire() {
	show_fleet 2 </dev/null
	browse buttons versions
}

test_remove_a_snapshot() {
	show_fleet 2 </dev/null
	browse buttons remove
}

test_publish_a_new_master() {
	show_fleet 2 </dev/null
	use_disk pc1 new
	browse buttons newMaster
}

test_remove_an_image_of_no_machine() {
	show_fleet 3 </dev/null
	browse buttons orphan
}

test_dialog_says_why_a_command_refuses() {
	requires_initiator
	show_fleet 2 </dev/null
	browse buttons refusal
}

test_end_session() {
	tgt-glue end-session --help >/dev/null 2>&1 ||
		skip "tgt-glue has no end-session"
	requires_initiator
	show_fleet 2 </dev/null
	browse buttons session
}

run_tests
