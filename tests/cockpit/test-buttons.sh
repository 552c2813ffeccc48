#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The buttons of the Cockpit page: each runs the command of tgt-glue that its
# dialog shows.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/tgt/tgt.sh"
. "$top_srcdir/tests/tgt/versions.sh"
. "$top_srcdir/tests/tgt/journal.sh"
. "$top_srcdir/tests/cockpit/cockpit.sh"

test_snapshot_and_revert() {
	show_fleet 3 </dev/null
	browse buttons snapshot:pc1
}

test_keep_and_reset() {
	show_fleet 3 </dev/null
	browse buttons keep:pc1
}

test_reset_and_restore() {
	show_fleet 3 </dev/null
	browse buttons reset:pc1
}

test_publish_promote_back_and_retire() {
	show_fleet 3 </dev/null
	browse buttons versions:pc1
}

# The page's snapshot waits for let_glue_go, and then fails.
glue_waits() {
	mkfifo "$scratch/go"
	sed -i "\$i [ \"\$1\" != snapshot ] || { read -r _ <'$scratch/go'; echo 'the store is on fire' >&2; exit 1; }" \
		"$scratch/bin/tgt-glue"
}

let_glue_go() {
	echo >"$scratch/go"
}

test_command_that_takes_long_runs_once_and_its_failure_is_seen() {
	show_fleet 2 </dev/null
	browse buttons slow
}

test_page_that_is_left_while_a_command_runs_asks() {
	show_fleet 2 </dev/null
	browse buttons leave
}

test_remove_a_snapshot() {
	show_fleet 3 </dev/null
	browse buttons remove:pc1
}

test_double_click_opens_a_dialog_and_runs_nothing() {
	show_fleet 3 </dev/null
	browse buttons double:pc1
}

test_snapshot_and_remove_of_a_data_disk() {
	show_fleet 3 </dev/null
	browse buttons dataDisk:pc1
}

test_publish_a_new_master() {
	show_fleet 3 </dev/null
	use_disk pc1 new
	browse buttons newMaster:pc1
}

test_publish_without_a_machine_runs_nothing() {
	show_fleet 0 </dev/null
	browse buttons noSource
}

test_remove_an_image_of_no_machine() {
	show_fleet 3 </dev/null
	browse buttons orphan:pc3
}

test_dialog_says_why_a_command_refuses() {
	requires_initiator
	show_fleet 3 </dev/null
	browse buttons refusal:pc1
}

test_end_session() {
	requires_initiator
	show_fleet 3 </dev/null
	browse buttons session:pc1
}

# The scenarios of the other tests, each with a machine of its own.
test_each_button_works_with_30_machines() {
	requires_initiator
	show_fleet 30 </dev/null
	use_disk pc6 new
	browse buttons snapshot:pc1 keep:pc2 reset:pc3 session:pc4 refusal:pc5 \
		newMaster:pc6 versions:pc7 orphan:pc8 \
		remove:pc9 dataDisk:pc10
}

run_tests
