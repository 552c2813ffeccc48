#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A name of fleet.conf that is used again: the images of that name are in the
# store, and the administrator is told that the new client takes them up.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# pc9 has a used disk, leaves fleet.conf, and a client of its name comes.
start_fleet() {
	apply_fleet pc1 pc9
	use_disk pc9 private
	leave
}

leave() {
	write_fleet pc1 </dev/null
	expect 0 glue apply
	write_fleet pc1 pc9 </dev/null
}

took='pc9: new, and takes up clients/pc9.vhdx, which exists: [0-9.]+[KM], last written [0-9]{4}-[0-9-]+ [0-9:]+; for a fresh one type .tgt-glue reset pc9.$'

says_nothing() {
	[ ! -s "$scratch/stderr" ] ||
		fail "expected no message, found: $(cat "$scratch/stderr")"
}

test_plan_and_apply_say_that_a_new_client_takes_up_an_image() {
	start_fleet
	for command in plan apply; do
		expect 0 glue "$command"
		said "^tgt-glue: $took"
		equal "messages of $command" 1 "$(wc -l <"$scratch/stderr")"
	done
	expect 0 glue apply
	says_nothing
}

test_client_that_returns_has_its_disk() {
	requires_initiator
	start_fleet
	expect 0 glue apply
	disk_has pc9 private
}

test_reset_gives_another_client_of_the_name_a_fresh_disk() {
	requires_initiator
	start_fleet
	expect 0 glue apply
	expect 0 glue reset pc9
	disk_has pc9 ''
}

# The targets-files name the clients when tgtd starts without targets.
test_client_of_a_targets_file_is_not_new() {
	start_fleet
	expect 0 glue apply
	kill_tgtd
	start_tgtd
	expect 0 glue apply
	! grep 'takes up' "$scratch/stderr" || fail "expected no new client"
}

test_client_with_another_iqn_prefix_is_not_new() {
	start_fleet
	expect 0 glue apply
	sed -i 's/^iqn-prefix = .*/&2/' "$scratch/fleet.conf"
	expect 0 glue apply --remove
	did '^pc9: target: make it|^pc9: target: made'
	! grep 'takes up' "$scratch/stderr" || fail "expected no new client"
}

test_clients_with_fresh_images_are_not_named() {
	start_server
	write_fleet pc1 pc2 </dev/null
	expect 0 glue apply
	says_nothing
}

test_kept_state_of_the_name_is_named() {
	requires_initiator
	start_fleet
	expect 0 glue apply
	expect 0 glue keep pc9
	leave
	expect 0 glue apply
	said '^tgt-glue: pc9: new, and takes up .*; for a fresh one type .tgt-glue keep --forget pc9., for resets go back to clients/pc9@kept-1.vhdx, and .tgt-glue reset pc9.$'
	expect 0 glue keep --forget pc9
	expect 0 glue reset pc9
	disk_has pc9 ''
}

# A reset before the client is admitted takes care of its system disk.
test_data_disk_of_a_client_with_reset_boot_is_named() {
	start_server
	write_fleet pc9 <<-END
		reset = boot
		disks = home
		[disk home]
		lun = 2
		size = 2M
	END
	expect 0 glue apply
	use_disk pc9 private
	cp "$scratch/fleet.conf" "$scratch/with"
	write_fleet </dev/null
	expect 0 glue apply --remove
	cat "$scratch/with" >"$scratch/fleet.conf"
	expect 0 glue apply
	said '^tgt-glue: pc9: disk home: new, and takes up disks/home/pc9.vhdx, .*; for an empty one take pc9 out of fleet.conf, type .tgt-glue apply., and move the file away$'
	! grep 'takes up clients' "$scratch/stderr" ||
		fail "expected that a reset put the system disk aside"
}

test_log_has_the_images_that_were_taken_up() {
	requires jq
	start_fleet
	expect 0 glue plan
	expect 0 glue apply
	equal "events" '["clients/pc9.vhdx"]' "$(glue log --json pc9 |
		jq -c 'select(.event == "images-taken-up") | .images')"
}

# watch makes pass after pass.
test_watch_says_it_once() {
	start_fleet
	tgt-glue --config "$scratch/fleet.conf" watch >"$scratch/watch.out" \
		2>"$scratch/watch.err" &
	watcher=$!
	at_exit 'kill $watcher; wait $watcher'
	wait_until 10 is_open pc9
	echo '[client pc2]' >>"$scratch/fleet.conf"
	wait_until 10 is_open pc2
	equal "messages" 1 "$(grep -c 'takes up' "$scratch/watch.err")"
}

run_tests
