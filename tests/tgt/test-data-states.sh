#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# States of data disks: disks lists them, snapshot, revert, restore and keep take
# --disk, disks --remove removes them.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/versions.sh"
. "${0%/*}/states.sh"

# serve: clients pc1 and pc2 with a disk of each kind.
serve() {
	requires_initiator
	requires jq
	start_server
	vhdfs-img create --size 16M "$scratch/store/masters/games.vhdx"
	vhdfs-img create --size 16M "$scratch/store/masters/maps.vhdx"
	write_fleet pc1 pc2 <<-END
		[disk home]
		lun = 2
		size = 20M
		[disk games]
		lun = 3
		master = masters/games
		[disk maps]
		lun = 4
		image = masters/maps
	END
	sed -i '/^\[defaults\]/a disks = home games maps' "$scratch/fleet.conf"
	expect 0 glue apply
	everything | sort >"$scratch/before"
}

write_data() {
	write_disk "disks/$1/$2.vhdx" "$3"
}

# exported CLIENT LUN TEXT: the disk, as tgtd exports it, has this text.
exported() {
	lun=$2
	disk_has "$1" "$3"
	unset lun
}

same_targets() {
	everything | sort | diff "$scratch/before" -
	glue generate | cmp - "$scratch/targets.conf"
}

test_disks_lists_the_states_of_all_disks_by_disk() {
	serve
	write_data home pc1 thesis
	write_data games pc1 level
	expect 0 glue snapshot --disk home --note 'before the exam' monday pc1 pc2
	did '^pc1: disk home: snapshot: monday$'
	expect 0 glue reset --disk games pc1
	equal "states" now "$(states pc1)"
	equal "states" "monday now" "$(states pc1 home)"
	equal "note" "before the exam" "$(state pc1 monday note home)"
	equal "file" disks/home/pc1@monday.vhdx "$(state pc1 monday file home)"
	equal "master" null "$(state pc1 monday master home)"
	equal "kind" put-aside \
		"$(state pc1 "$(old_images pc1 disks/games)" kind games)"
	equal "master" masters/games.vhdx "$(state pc1 now master games)"
	equal "disks" '[null,"games","home"]' \
		"$(glue disks --json pc1 | jq -c '[.[].disk] | unique')"
	equal "order" '[null,"home","home","games","games"]' \
		"$(glue disks --json pc1 | jq -c '[.[].disk]')"
	expect 0 glue disks pc1
	equal "table" "WHICH now disk home: now monday disk games: now" \
		"$(sed 's/^\(disk .*:\)$/\1/; s/^\([^ ]*\)  .*/\1/; /^2/d' \
			"$scratch/stdout" | xargs)"
	expect 0 glue disks --disk home pc1
	equal "lines" 4 "$(wc -l <"$scratch/stdout")"
	expect_error 1 "whose file all clients share" glue disks --disk maps pc1
	nothing_to_do
}

test_revert_of_a_data_disk_leaves_the_others() {
	serve
	write_data home pc1 good
	write_data home pc2 good2
	write_disk clients/pc1.vhdx system
	expect 0 glue snapshot --disk home monday --all --yes
	write_data home pc1 bad
	write_data home pc2 bad2
	expect 0 glue revert --disk home monday pc1 pc2
	did '^pc1: disk home: image: disks/home/pc1.vhdx is monday again; the one before is disks/home/\.pc1\.vhdx\.20.*Z$'
	exported pc1 2 good
	exported pc2 2 good2
	exported pc1 1 system
	same_targets
	expect 0 glue restore --disk home pc1 "$(old_images pc1 disks/home)"
	exported pc1 2 bad
	equal "old images" 1 "$(old_images pc1 disks/home | wc -l)"
	same_targets
	nothing_to_do
}

test_restore_brings_back_the_image_that_a_reset_put_aside() {
	local old

	serve
	write_data games pc1 first
	expect 0 glue reset --disk games pc1
	old=$(old_images pc1 disks/games)
	write_data games pc1 second
	expect 0 glue restore --disk games pc1 "${old%???}"
	exported pc1 3 first
	same_targets
	expect_error 1 "found '$old'; .tgt-glue disks pc1. lists them" \
		glue restore pc1 "$old"
	expect 0 glue restore --disk games pc1 "$(old_images pc1 disks/games)"
	exported pc1 3 second
	nothing_to_do
}

test_restore_of_a_data_disk_skips_a_logged_in_client() {
	serve
	write_data home pc1 good
	expect 0 glue snapshot --disk home monday pc1
	write_data home pc1 bad
	hold_session pc1
	expect 4 glue revert --disk home monday pc1
	said 'shut it down, then type .tgt-glue restore --disk home pc1 monday.$'
	end_session
	exported pc1 2 bad
}

test_reset_of_a_data_disk_goes_back_to_its_kept_state() {
	serve
	write_data games pc1 installed
	write_data games pc2 installed
	expect 0 glue keep --disk games pc1
	did '^pc1: disk games: image: a reset goes back to disks/games/pc1@kept-1.vhdx$'
	write_data games pc1 spoilt
	write_data games pc2 spoilt
	expect 0 glue reset --disk games pc1 pc2
	exported pc1 3 installed
	exported pc2 3 ''
	equal "kind" kept "$(state pc1 kept kind games)"
	expect 0 glue keep --disk games --forget pc1
	expect 0 glue reset --disk games pc1
	exported pc1 3 ''
	same_targets
}

test_disks_without_a_state_to_have_are_refused() {
	serve
	expect_error 1 "keep: expected a disk with a master, found disk home of client pc1, .*snapshot' keeps" \
		glue keep --disk home pc1
	for command in 'snapshot --disk maps monday' 'revert --disk maps monday'; do
		expect_error 1 "expected a disk with an image of the client's own, found disk maps of client pc1" \
			glue $command pc1
	done
	expect_error 1 "restore: expected a data disk of the client, found 'none'" \
		glue restore --disk none pc1 monday
	expect_error 1 "restore: --disk: expected a data disk .*, found 'none'" \
		glue restore --disk none --from "$scratch"
	expect_error 1 "restore: expected a data disk of the client, found 'none'" \
		glue restore --disk none --from "$scratch" pc1
	same_targets
}

test_states_of_a_data_disk_are_removed_by_name() {
	local old

	serve
	write_data home pc1 first
	expect 0 glue snapshot --disk home monday pc1
	write_data home pc1 second
	expect 0 glue revert --disk home monday pc1
	old=$(old_images pc1 disks/home)
	expect_error 1 "found 'monday'" glue disks --remove pc1 monday
	expect_error 1 'now is the present state' \
		glue disks --remove --disk home pc1 now
	expect_error 1 'has 2 children; .*--copy' \
		glue disks --remove --disk home pc1 monday
	expect 0 glue disks --remove --disk home pc1 monday "$old"
	did '^pc1: disk home: disks/home/pc1@monday.vhdx: removed$'
	equal "states" now "$(states pc1 home)"
	equal "files" "pc1.vhdx pc2.vhdx" \
		"$(find "$scratch/store/disks/home" -type f -printf '%f\n' |
			sort | xargs)"
	exported pc1 2 first
	same_targets
}

test_snapshot_is_removed_under_a_session() {
	serve
	write_data home pc1 first
	expect 0 glue snapshot --disk home monday pc1
	lun=2
	hold_session pc1
	works write 20
	expect 0 glue disks --remove --disk home pc1 monday
	works read 20
	works write 21
	end_session
	equal "states" now "$(states pc1 home)"
	exported pc1 2 first
}

# What was removed before is named, and the others are removed.
test_removal_that_was_interrupted_goes_on() {
	serve
	for name in monday tuesday; do
		write_data home pc1 "$name"
		expect 0 glue snapshot --disk home "$name" pc1
	done
	expect 0 glue disks --remove --disk home pc1 tuesday
	expect 1 glue disks --remove --disk home pc1 tuesday monday
	said "found 'tuesday'"
	did 'pc1@monday.vhdx: removed$'
	equal "states" now "$(states pc1 home)"
	exported pc1 2 tuesday
}

# restore_at CALL: ends restore of a snapshot, or the program that it runs, at
# each call of that kind, the first to the last, and runs it again.
restore_at() {
	local call=$1 n=0 status=137

	while [ "$status" != 0 ]; do
		next_call "$([ "$call" != connect ] || echo 5)"
		find "$scratch/store/disks/home" -name '.pc1.*' -delete
		write_data home pc1 "present$n"
		status=0
		strace -f -qq -o "$scratch/trace" -e trace="$call" \
			-e inject="$call:signal=SIGKILL:when=$n" \
			tgt-glue --config "$scratch/fleet.conf" \
			restore --disk home pc1 monday \
			>"$scratch/killed.out" 2>&1 || status=$?
		expect 0 glue restore --disk home pc1 monday
		exported pc1 2 wanted
		same_targets
		equal "old images" 1 "$(old_images pc1 disks/home | wc -l)"
		expect 0 glue restore --disk home pc1 "$(old_images pc1 disks/home)"
		exported pc1 2 "present$n"
	done
	echo "killed up to call $n of $call"
}

test_interrupted_restore_of_a_data_disk_is_completed_by_the_next() {
	choose_calls
	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	serve
	write_data home pc1 wanted
	expect 0 glue snapshot --disk home monday pc1
	for call in execve fsync connect; do
		restore_at "$call"
	done
}

run_tests
