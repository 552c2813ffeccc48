#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The Cockpit page of 512 machines: the views, and what they cost.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/tgt/tgt.sh"
. "$top_srcdir/tests/tgt/versions.sh"
. "$top_srcdir/tests/tgt/journal.sh"
. "$top_srcdir/tests/cockpit/cockpit.sh"

# Prints milliseconds of processor time of all processes of Cockpit's session.
session_time() {
	local process sum=0 fields

	for process in $(processes_of "$cockpit_pid"); do
		[ "$process" != "$cockpit_pid" ] || continue
		read -ra fields <"/proc/$process/stat" || continue
		sum=$((sum + fields[13] + fields[14] + fields[15] + fields[16]))
	done
	echo $((sum * 1000 / $(getconf CLK_TCK)))
}

# start_load COUNT: that many machines log in, and write until the test ends.
start_load() {
	local i

	for ((i = 1; i <= $1; i++)); do
		initiator hold "$(url "pc$i")" < <(
			while :; do
				echo 'write 5'
				pause 0.2
			done
		) >"$scratch/load-$i" 2>&1 &
		at_exit "kill $!"
	done
}

test_each_view_shows_512_machines() {
	show_fleet 512 </dev/null
	browse views 512
}

test_512_machines_are_shown_soon_and_cost_little() {
	requires_initiator
	show_fleet 512 </dev/null
	browse many 512
}

# VHDFS_PICTURES=man/pictures of this test alone makes those of the documents.
test_pictures_of_a_room_in_use_are_small() {
	local name

	requires_initiator
	show_fleet 24 </dev/null
	use_disk pc3 mine
	start_watch
	expect 0 glue keep --note "with the printer of room 12" pc3
	expect 0 glue snapshot --note "before the exam" exam pc3
	expect 0 glue promote masters/win11 2
	# shellcheck disable=SC2046
	expect 0 glue reset --yes pc1 $(seq -f 'pc%g' 5 24)
	browse pictures
	for name in cockpit-room cockpit-machine; do
		[ "$(size_of "$(picture_directory)/$name.png")" -lt 150000 ] ||
			fail "$name.png: expected less than 150000 bytes"
	done
}

run_tests
