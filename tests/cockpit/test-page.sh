#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The views of the Cockpit page in a browser, with running machines.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/tgt/tgt.sh"
. "$top_srcdir/tests/tgt/versions.sh"
. "$top_srcdir/tests/tgt/journal.sh"
. "$top_srcdir/tests/cockpit/cockpit.sh"

test_each_view_shows_3_machines() {
	show_fleet 3 </dev/null
	browse views 3
}

test_each_view_shows_30_machines() {
	show_fleet 30 </dev/null
	browse views 30
}

test_views_tell_all_of_3_machines_in_use() {
	furnish 3
	browse facts 3
}

test_views_tell_all_of_30_machines_in_use() {
	furnish 30
	browse facts 30
}

test_login_and_logout_are_shown_without_a_reload() {
	requires_initiator
	show_fleet 3 </dev/null
	browse live session
}

test_snapshot_of_another_reader_is_shown_without_a_reload() {
	show_fleet 3 </dev/null
	browse live snapshot
}

test_version_that_another_reader_retires_goes_without_a_reload() {
	show_fleet 3 </dev/null
	browse live version
}

test_focus_stays_on_a_button_of_a_table_that_is_drawn_again() {
	show_fleet 3 </dev/null
	browse live focus
}

test_new_version_leaves_the_focus_and_open_lists_of_the_others() {
	show_fleet 3 </dev/null
	browse live published
}

test_focus_returns_to_the_publish_button_of_the_same_master() {
	show_fleet 2 </dev/null
	add_versions games 1
	printf '[client games]\nmaster = masters/games\n' >>"$scratch/fleet.conf"
	expect 0 glue apply
	browse live publishing
}

test_filter_is_changed_before_a_new_machine_is_drawn() {
	show_fleet 3 </dev/null
	browse live early
}

# Each reading of versions waits for let_readers_go.
glue_takes_turns() {
	mkfifo "$scratch/go"
	exec {go}<>"$scratch/go"
	sed -i "\$s/^exec//; \$i [ \"\$1\" != versions ] || { echo begin >>'$scratch/turns'; read -r _ <'$scratch/go'; trap 'echo end >>$scratch/turns' EXIT; }" \
		"$scratch/bin/tgt-glue"
}

# let_readers_go COUNT: that many go on.
let_readers_go() {
	local i

	for ((i = 0; i < $1; i++)); do
		echo >&"$go"
	done
}

began() {
	[ "$(grep -c begin "$scratch/turns")" -ge "$1" ]
}

test_versions_of_many_masters_are_read_few_at_a_time() {
	local i

	show_fleet 1 </dev/null
	for ((i = 1; i <= 5; i++)); do
		add_versions "m$i" 1
		printf '[client of-m%s]\nmaster = masters/m%s\n' "$i" "$i" \
			>>"$scratch/fleet.conf"
	done
	expect 0 glue apply
	glue_takes_turns
	browse live masters
}

# pc4 has a master without versions; no disk has masters/spare.
test_masters_of_no_disk_and_without_versions_are_shown_with_their_sizes() {
	mkdir -p "$scratch/store/masters"
	vhdfs-img create --size 64M "$scratch/store/masters/plain.vhdx"
	show_fleet 3 <<-END
		[client pc4]
		master = masters/plain
	END
	browse masters
}

test_axe_finds_nothing_serious_in_views_and_dialogs_light_and_dark() {
	furnish 3
	browse reach axe
}

test_no_view_and_no_dialog_is_wider_than_a_phone() {
	furnish 3
	browse reach narrow
}

test_keyboard_reaches_every_button_and_opens_and_closes_every_dialog() {
	furnish 3
	browse reach keyboard
}

test_command_runs_without_a_mouse() {
	show_fleet 3 </dev/null
	browse reach command
}

run_tests
