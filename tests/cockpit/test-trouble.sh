#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The Cockpit page when something is wrong, and for users without the right to
# change anything.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/tgt/tgt.sh"
. "$top_srcdir/tests/tgt/versions.sh"
. "$top_srcdir/tests/tgt/journal.sh"
. "$top_srcdir/tests/cockpit/cockpit.sh"

test_mistakes_in_fleet_conf_are_said_and_the_last_fleet_is_shown() {
	show_fleet 3 </dev/null
	browse trouble mistakes
}

test_missing_fleet_conf_is_said_in_the_words_of_tgt_glue() {
	show_fleet 3 </dev/null
	browse trouble missing
}

test_dead_tgtd_is_said_until_it_answers() {
	show_fleet 3 </dev/null
	browse trouble tgtd
}

test_lost_mount_is_said() {
	show_fleet 3 </dev/null
	browse trouble mount
}

test_detached_mount_of_an_idle_fleet_is_said() {
	show_fleet 3 </dev/null
	browse trouble detached
}

test_mount_that_hangs_is_said_until_it_answers() {
	show_fleet 3 </dev/null
	browse trouble hangs
}

test_failures_of_a_disk_are_said_and_a_login_is_none() {
	requires_initiator
	show_fleet 3 </dev/null
	browse trouble errors
}

test_low_space_says_what_to_type() {
	show_fleet 3 </dev/null
	browse trouble space
}

test_fleet_without_machines_says_what_to_write_and_to_type() {
	show_fleet 3 </dev/null
	browse trouble empty
}

# A command of the page waits until the gate is open.
close_gate() {
	mkdir "$scratch/gate"
}

open_gate() {
	rmdir "$scratch/gate"
}

test_what_is_being_read_is_said() {
	show_fleet 3 </dev/null
	sed -i "2i while [ -d $scratch/gate ]; do sleep 0.1; done" \
		"$scratch/bin/tgt-glue"
	browse trouble loading
}

test_low_space_is_announced_once() {
	show_fleet 3 </dev/null
	browse trouble chatter
}

# deny COMMAND: while $scratch/deny exists the command is refused.
deny() {
	touch "$scratch/deny"
	sed -i "\$i [ \"\$1\" != $1 ] || [ ! -e '$scratch/deny' ] || { echo 'tgt-glue: permission denied' >&2; touch '$scratch/denied'; exit 1; }" \
		"$scratch/bin/tgt-glue"
}

test_sizes_that_could_not_be_read_are_read_with_the_view() {
	show_fleet 3 </dev/null
	browse trouble again
}

test_what_was_refused_is_read_when_access_is_given() {
	show_fleet 3 </dev/null
	browse trouble access
}

# show_fleet_to_user MODE: as show_fleet 3; the session is one of a user other
# than root, that cannot become root.
show_fleet_to_user() {
	make_user_directory "$scratch/home"
	show_fleet 3 </dev/null
	chmod "$1" "$scratch/fleet.conf"
	end_cockpit
	start_cockpit_of_user
}

start_cockpit_of_user() {
	start_cockpit setpriv --reuid=65534 --regid=65534 --clear-groups \
		--no-new-privs env "HOME=$scratch/home" "TMPDIR=$scratch/home"
}

test_user_sees_the_fleet_and_can_press_nothing() {
	show_fleet_to_user 644
	browse trouble user
}

# fleet.conf has mode 600, and tgtd answers only root.
test_user_whom_the_socket_admits_sees_all_and_can_press_nothing() {
	make_user_directory "$scratch/home"
	show_fleet 3 </dev/null
	end_cockpit
	answer_readers
	glue_config='' start_cockpit_of_user
	browse trouble reader
}

test_user_who_may_not_read_fleet_conf_is_told_so() {
	show_fleet_to_user 600
	browse trouble stranger
}

run_tests
