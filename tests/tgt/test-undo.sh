#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Earlier states of a client's disk: disks lists them, snapshot makes one,
# revert and restore bring one back, keep makes a reset go back to one.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/states.sh"

# use_disk CLIENT TEXT: writes to the client's disk, as its machine does.
use_disk() {
	printf %s "$2" | dd of="$scratch/mnt/clients/$1.vhdx.raw" \
		bs=512 seek=9 conv=notrunc,fsync,sync status=none
}

# disk_has CLIENT TEXT: the client's disk, as tgtd exports it, has this text.
disk_has() {
	equal "disk of $1" "$2" "$(qemu-img dd -O raw if="$(url "$1")" \
		of="$scratch/read" bs=512 skip=9 count=10 >/dev/null &&
		tr -d '\0' <"$scratch/read")"
}

start_fleet() {
	requires_initiator
	requires jq
	store=$scratch/store
	apply_fleet "$@"
}

snapshot_of() {
	vhdfs-img snapshot "${@:3}" "$store/clients/$1.vhdx" "$2"
}

test_disks_lists_each_state_with_its_size_note_and_master() {
	local old

	start_fleet pc1 pc11
	use_disk pc1 first
	snapshot_of pc1 monday --note 'before the update'
	use_disk pc1 second
	expect 0 glue reset pc1
	old=$(old_images pc1)
	expect 0 glue disks pc1
	did "^WHICH +DATE +SIZE +MASTER +NOTE$"
	did "^now +20[0-9-]{8}T[0-9:]{8}Z +[0-9.]+[KM] +masters/win11.vhdx$"
	did "^monday +20.*Z +[0-9.]+[KM] +masters/win11.vhdx  before the update$"
	did "^$old +20.*Z +[0-9.]+[KM] +masters/win11.vhdx$"
	equal "states" 4 "$(wc -l <"$scratch/stdout")"
	equal "kind of $old" put-aside "$(state pc1 "$old" kind)"
	equal "file" "clients/.pc1.vhdx.$old" "$(state pc1 "$old" file)"
	equal "note" "before the update" "$(state pc1 monday note)"
	equal "size" "$(($(stat -c %b "$store/clients/pc1@monday.vhdx") * 512))" \
		"$(state pc1 monday size)"
	equal "states of pc11" now "$(glue disks --json pc11 | jq -r '.[].which')"
}

test_disks_names_the_missing_parent_of_a_state() {
	local old

	start_fleet pc1
	vhdfs-img create --size 64M "$store/masters/old.vhdx"
	use_disk pc1 first
	expect 0 glue reset pc1
	old=$(old_images pc1)
	vhdfs-img rebase --unsafe --parent "$store/masters/old.vhdx" \
		"$store/clients/.pc1.vhdx.$old"
	equal "master" masters/old.vhdx "$(state pc1 "$old" master)"
	rm "$store/masters/old.vhdx"
	expect 0 glue disks pc1
	did "^$old .* -  +cannot be restored: .*old.vhdx"
	equal "master" null "$(state pc1 "$old" master)"
}

test_disks_of_an_unknown_client_is_refused() {
	start_fleet pc1
	expect 1 glue disks pc9
	said "expected one of fleet.conf, found 'pc9'"
}

test_snapshot_of_a_logged_in_client_has_its_answered_writes() {
	start_fleet pc1 pc2
	hold_session pc1
	works write 9
	expect 0 glue snapshot --note 'before the update' monday pc1 pc2
	did '^pc1: snapshot: monday$'
	did '^pc2: snapshot: monday$'
	works write 10
	works read 9
	end_session
	equal "note" "before the update" "$(state pc1 monday note)"
	equal "kind" snapshot "$(state pc2 monday kind)"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
}

test_snapshot_that_fails_for_one_client_is_made_for_the_others() {
	start_fleet pc1 pc2 pc3
	expect 0 glue snapshot monday pc2
	expect 1 glue snapshot monday pc1 pc2 pc3
	said '^tgt-glue: pc2: snapshot: .*exist'
	equal "of pc1" snapshot "$(state pc1 monday kind)"
	equal "of pc3" snapshot "$(state pc3 monday kind)"
}

test_snapshot_names_of_other_states_are_refused() {
	local name

	start_fleet pc1
	for name in now kept kept-3 20260131T235959.000001Z 7 test a/b; do
		expect 1 glue snapshot "$name" pc1
		said "^tgt-glue: snapshot name: expected .*found '$name'"
	done
	equal "states" now "$(glue disks --json pc1 | jq -r '.[].which')"
	expect 1 glue snapshot monday pc1 pc9
	said "^tgt-glue: snapshot: expected a client of .*, found 'pc9'"
	equal "states" now "$(glue disks --json pc1 | jq -r '.[].which')"
}

test_revert_gives_tgtd_the_disk_of_the_snapshot() {
	start_fleet pc1 pc2 pc3
	everything | sort >"$scratch/before"
	use_disk pc1 good
	use_disk pc2 good2
	expect 0 glue snapshot monday pc1 pc2
	use_disk pc1 bad
	use_disk pc2 bad2
	use_disk pc3 other
	expect 0 glue revert monday pc1 pc2
	did '^pc1: image: clients/pc1.vhdx is monday again; the one before is clients/\.pc1\.vhdx\.20.*Z$'
	disk_has pc1 good
	disk_has pc2 good2
	disk_has pc3 other
	everything | sort | diff "$scratch/before" -
	glue generate | cmp - "$scratch/targets.conf"
	# What was there is put aside, and can be had again.
	expect 0 glue restore pc1 "$(old_images pc1)"
	disk_has pc1 bad
}

test_revert_skips_a_logged_in_client_and_names_its_initiator() {
	start_fleet pc1 pc2
	use_disk pc2 good
	expect 0 glue snapshot monday pc1 pc2
	use_disk pc2 bad
	hold_session pc1
	expect 4 glue revert monday pc1 pc2
	said '^tgt-glue: pc1: skipped: logged in: iqn.* from 127.0.0.1; shut it down, then type .tgt-glue restore pc1 monday.$'
	equal "old images of pc1" "" "$(old_images pc1)"
	disk_has pc2 good
	end_session
}

test_revert_without_the_snapshot_fails_for_that_client_alone() {
	start_fleet pc1 pc2
	use_disk pc2 good
	expect 0 glue snapshot monday pc2
	use_disk pc2 bad
	use_disk pc1 mine
	expect 1 glue revert monday pc1 pc2
	said "^tgt-glue: pc1: restore: expected the name of one earlier state of its disk, found 'monday'; .tgt-glue disks pc1. lists them$"
	disk_has pc2 good
	disk_has pc1 mine
}

test_revert_to_a_disk_that_shows_the_snapshot_changes_nothing() {
	start_fleet pc1
	use_disk pc1 good
	expect 0 glue snapshot monday pc1
	expect 0 glue revert monday pc1
	did '^pc1: image: clients/pc1.vhdx is monday already$'
	equal "old images" "" "$(old_images pc1)"
	disk_has pc1 good
}

# With one old image kept: what the restore puts aside takes the place of what
# it brings back, and a snapshot stays one.
test_restore_brings_back_an_old_image_and_puts_the_present_one_aside() {
	local first second

	start_fleet pc1
	everything | sort >"$scratch/before"
	use_disk pc1 first
	expect 0 glue reset pc1
	first=$(old_images pc1)
	use_disk pc1 second
	expect 0 glue snapshot monday pc1
	use_disk pc1 third
	expect 0 glue restore pc1 "$first"
	did "^pc1: image: clients/pc1.vhdx is $first again; the one before is clients/\.pc1\.vhdx\.20.*Z\$"
	disk_has pc1 first
	everything | sort | diff "$scratch/before" -
	second=$(old_images pc1)
	[ "$second" != "$first" ] || fail "expected another date"
	# By a part of its date.
	expect 0 glue restore pc1 "${second%???}"
	disk_has pc1 third
	equal "old images" 1 "$(old_images pc1 | wc -l)"
	expect 0 glue restore pc1 monday
	disk_has pc1 second
	equal "old images" 2 "$(old_images pc1 | wc -l)"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
}

test_restore_skips_a_logged_in_client() {
	start_fleet pc1
	use_disk pc1 first
	expect 0 glue reset pc1
	hold_session pc1
	expect 4 glue restore pc1 "$(old_images pc1)"
	said '^tgt-glue: pc1: skipped: logged in: '
	end_session
	disk_has pc1 ''
}

test_restore_of_an_image_without_its_parent_is_refused() {
	local old

	start_fleet pc1
	vhdfs-img create --size 64M "$store/masters/old.vhdx"
	use_disk pc1 first
	expect 0 glue reset pc1
	old=$(old_images pc1)
	use_disk pc1 second
	vhdfs-img rebase --unsafe --parent "$store/masters/old.vhdx" \
		"$store/clients/.pc1.vhdx.$old"
	rm "$store/masters/old.vhdx"
	everything | sort >"$scratch/before"
	expect 1 glue restore pc1 "$old"
	said '^tgt-glue: pc1: restore: .*parent .*old.vhdx is missing'
	everything | sort | diff "$scratch/before" -
	disk_has pc1 second
	equal "old images" "$old" "$(old_images pc1)"
}

test_restore_of_the_parent_of_another_image_is_skipped() {
	local old

	start_fleet pc1
	use_disk pc1 first
	expect 0 glue reset pc1
	old=$(old_images pc1)
	vhdfs-img create --parent "$store/clients/.pc1.vhdx.$old" \
		"$store/clients/more.vhdx"
	chmod u+w "$store/clients/.pc1.vhdx.$old"
	expect 4 glue restore pc1 "$old"
	said 'pc1: skipped: .*it is the parent of clients/more.vhdx'
	equal "old images" "$old" "$(old_images pc1)"
}

test_restore_of_no_state_is_refused() {
	start_fleet pc1
	use_disk pc1 first
	expect 1 glue restore pc1 tuesday
	said "found 'tuesday'; .tgt-glue disks pc1. lists them"
	expect 1 glue restore pc1 now
	said 'now is the present state'
	expect 1 glue restore pc1 ''
	disk_has pc1 first
}

test_restore_without_tgtd_changes_the_image() {
	start_fleet pc1
	use_disk pc1 first
	expect 0 glue reset pc1
	end_tgtd
	expect 0 glue restore pc1 "$(old_images pc1)"
	said '^tgt-glue: no tgtd runs: the images alone are restored$'
	start_tgtd
	expect 0 glue apply
	disk_has pc1 first
}

# kill_at CALL KIND: ends restore, or the program that it runs, at each call of
# that kind, the first to the last, and runs it again.
kill_at() {
	local call=$1 n=0 status=137

	while [ "$status" != 0 ]; do
		next_call "$([ "$call" != connect ] || echo 5)"
		"$2_before"
		status=0
		strace -f -qq -o "$scratch/trace" -e trace="$call" \
			-e inject="$call:signal=SIGKILL:when=$n" \
			tgt-glue --config "$scratch/fleet.conf" \
			restore pc1 "$which" >"$scratch/killed.out" 2>&1 ||
			status=$?
		[ -f "$store/clients/pc1.vhdx" ] ||
			fail "killed at $call $n: expected an image of pc1"
		expect 0 glue restore pc1 "$which"
		disk_has pc1 wanted
		everything | sort | diff "$scratch/wanted" -
		expect 0 glue restore pc1 "$("$2_other")"
		disk_has pc1 "present$n"
	done
	echo "killed up to call $n of $call"
}

old_before() {
	find "$store/clients" -name '.pc1.*' -delete
	expect 0 glue reset pc1
	find "$store/clients" -name '.pc1.*' -delete
	use_disk pc1 wanted
	expect 0 glue reset pc1
	which=$(old_images pc1)
	use_disk pc1 "present$n"
}

# The only old image.
old_other() {
	equal "old images" 1 "$(old_images pc1 | wc -l)"
	old_images pc1
}

test_interrupted_restore_of_an_old_image_is_completed_by_the_next() {
	local call n which

	choose_calls
	requires strace
	start_fleet pc1
	export ASAN_OPTIONS=detect_leaks=0
	everything | sort >"$scratch/wanted"
	for call in linkat renameat fsetxattr fsync connect; do
		kill_at "$call" old
	done
}

snapshot_before() {
	find "$store/clients" -name '.pc1.*' -delete
	use_disk pc1 "present$n"
}

snapshot_other() {
	equal "old images" 1 "$(old_images pc1 | wc -l)"
	old_images pc1
}

test_interrupted_restore_of_a_snapshot_is_completed_by_the_next() {
	local call n which=monday

	choose_calls
	requires strace
	start_fleet pc1
	export ASAN_OPTIONS=detect_leaks=0
	everything | sort >"$scratch/wanted"
	use_disk pc1 wanted
	expect 0 glue snapshot monday pc1
	for call in execve ioctl connect; do
		kill_at "$call" snapshot
	done
}

# parent_of IMAGE: prints the path of its parent, without directories.
parent_of() {
	vhdfs-img info --json "$store/clients/$1" | jq -r '.parent | split("/")[-1]'
}

test_reset_goes_back_to_the_kept_state() {
	start_fleet pc1 pc2
	use_disk pc1 joined
	expect 0 glue keep --note 'joined to the domain' pc1
	did '^pc1: image: a reset goes back to clients/pc1@kept-1.vhdx$'
	equal "note" "joined to the domain" "$(state pc1 kept note)"
	equal "kind" kept "$(state pc1 kept kind)"
	use_disk pc1 spoilt
	use_disk pc2 spoilt
	expect 0 glue reset pc1 pc2
	disk_has pc1 joined
	disk_has pc2 ''
	expect 0 glue reset pc1
	equal "old images" 1 "$(old_images pc1 | wc -l)"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	# An image that apply makes is a child of it, too.
	end_tgtd
	rm "$store/clients/pc1.vhdx"
	start_tgtd
	expect 0 glue apply
	disk_has pc1 joined
}

test_second_keep_replaces_the_kept_state() {
	start_fleet pc1
	use_disk pc1 first
	expect 0 glue keep pc1
	use_disk pc1 second
	expect 0 glue keep pc1
	equal "states" "kept now" "$(glue disks --json pc1 |
		jq -r '[.[].which] | sort | join(" ")')"
	equal "file" clients/pc1@kept-2.vhdx "$(state pc1 kept file)"
	use_disk pc1 spoilt
	expect 0 glue reset pc1
	disk_has pc1 second
	# Nothing was written since: the kept state is the same.
	expect 0 glue keep pc1
	equal "file" clients/pc1@kept-2.vhdx "$(state pc1 kept file)"
	equal "parent" masters/win11.vhdx "$(state pc1 kept master)"
}

# An old image is a child of the first kept state.
test_earlier_kept_state_stays_as_long_as_images_need_it() {
	start_fleet pc1
	use_disk pc1 first
	expect 0 glue keep pc1
	use_disk pc1 spoilt
	expect 0 glue reset pc1
	use_disk pc1 second
	expect 0 glue keep pc1
	said '^tgt-glue: pc1: keep: kept-1 stays as a snapshot: 2 images need it$'
	equal "kind" snapshot "$(state pc1 kept-1 kind)"
	expect 0 glue restore pc1 "$(old_images pc1)"
	disk_has pc1 spoilt
	expect 0 glue reset pc1
	disk_has pc1 second
	expect 0 glue restore pc1 kept-1
	disk_has pc1 first
}

test_reset_takes_another_master_instead_of_the_kept_state() {
	start_fleet pc1
	use_disk pc1 joined
	expect 0 glue keep pc1
	vhdfs-img create --size 64M "$store/masters/win12.vhdx"
	sed -i 's/client pc1./&\nmaster = masters\/win12/' "$scratch/fleet.conf"
	expect 0 glue reset pc1
	equal "parent" win12.vhdx "$(parent_of pc1.vhdx)"
	disk_has pc1 ''
	expect 0 glue keep --forget pc1
	sed -i '/win12/d' "$scratch/fleet.conf"
	expect 0 glue reset pc1
	equal "parent" win11.vhdx "$(parent_of pc1.vhdx)"
}

test_forgotten_kept_state_is_no_longer_used() {
	start_fleet pc1
	use_disk pc1 first
	expect 0 glue keep pc1
	use_disk pc1 second
	expect 0 glue keep pc1
	use_disk pc1 third
	expect 0 glue reset pc1
	expect 0 glue keep --forget pc1
	did '^pc1: image: a reset goes back to masters/win11.vhdx$'
	disk_has pc1 second
	equal "kept" "" "$(state pc1 kept kind)"
	expect 0 glue reset pc1
	disk_has pc1 ''
	expect 0 glue keep --forget pc1
}

test_keep_of_a_logged_in_client_says_so() {
	start_fleet pc1
	hold_session pc1
	works write 9
	expect 0 glue keep pc1
	said '^tgt-glue: pc1: keep: warning: it is logged in, .*type .tgt-glue keep pc1.'
	works read 9
	end_session
	expect 0 glue keep pc1
	[ ! -s "$scratch/stderr" ] ||
		fail "expected no warning, found: $(cat "$scratch/stderr")"
}

keep_at() {
	local call=$1 n=0 status=137

	while [ "$status" != 0 ]; do
		next_call
		use_disk pc1 "wanted$n"
		status=0
		strace -f -qq -o "$scratch/trace" -e trace="$call" \
			-e inject="$call:signal=SIGKILL:when=$n" \
			tgt-glue --config "$scratch/fleet.conf" keep pc1 \
			>"$scratch/killed.out" 2>&1 || status=$?
		[ -n "$(state pc1 kept file)" ] ||
			fail "killed at $call $n: expected a kept state"
		expect 0 glue keep pc1
		use_disk pc1 spoilt
		expect 0 glue reset pc1
		disk_has pc1 "wanted$n"
		find "$store/clients" -name '.pc1.*' -delete
		equal "kept" 1 "$(find "$store/clients" -name 'pc1@kept*' |
			wc -l)"
	done
	echo "killed up to call $n of $call"
}

test_interrupted_keep_is_completed_by_the_next() {
	local call

	choose_calls
	requires strace
	start_fleet pc1
	export ASAN_OPTIONS=detect_leaks=0
	use_disk pc1 first
	expect 0 glue keep pc1
	for call in execve fsetxattr ioctl rename; do
		keep_at "$call"
	done
}

test_names_of_snapshots_that_tgt_glue_makes_are_refused() {
	local name

	start_fleet pc1
	for name in publishing-win11 tgt-glue-backup tgt-glue-backup-2; do
		expect_error 1 "snapshot name: expected one that does not begin with .*, found '$name'" \
			glue snapshot "$name" pc1
	done
	expect 0 glue snapshot publishing pc1
}

# The client's master was in another format before.
test_snapshot_of_an_image_in_another_format_is_listed_and_removed() {
	local file

	start_fleet pc1
	file=clients/pc1@monday.vhd
	cd "$store/clients" || exit
	vhdfs-img create --size 64M base.vhd
	vhdfs-img create --parent base.vhd pc1.vhd
	vhdfs-img snapshot --note before pc1.vhd monday
	cp -a pc1@monday.vhd pc1@copy.vhdx
	rm pc1.vhd
	cd - >/dev/null || exit
	equal "states" "monday.vhd now" "$(states pc1)"
	equal "file" "$file" "$(state pc1 monday.vhd file)"
	equal "note" before "$(state pc1 monday.vhd note)"
	equal "related" false "$(state pc1 monday.vhd related)"
	expect 1 glue restore pc1 monday.vhd
	said "$file: expected the format of clients/pc1.vhdx, found another"
	vhdfs-img create --parent "$store/$file" "$store/clients/kid.vhd"
	expect 1 glue disks --remove pc1 monday.vhd
	said "parent of clients/kid.vhd"
	rm "$store/clients/kid.vhd"
	expect 0 glue disks --remove pc1 monday.vhd
	did "^pc1: $file: removed$"
	equal "states" now "$(states pc1)"
}

# A snapshot monday.vhd, and a snapshot monday of the earlier image pc1.vhd.
test_name_of_two_states_removes_none() {
	start_fleet pc1
	cd "$store/clients" || exit
	vhdfs-img create --size 64M pc1.vhd
	vhdfs-img snapshot pc1.vhd monday
	rm pc1.vhd
	cd - >/dev/null || exit
	expect 0 glue snapshot monday.vhd pc1
	equal "states" "monday.vhd monday.vhd now" "$(states pc1)"
	expect 1 glue disks --remove pc1 monday.vhd
	said "found 'monday.vhd', which clients/pc1@monday.vhd.* and another one have"
	equal "states" "monday.vhd monday.vhd now" "$(states pc1)"
	expect 0 glue restore pc1 monday.vhd
	vhdfs-img delete-snapshot --unrelated "$store/clients/pc1.vhdx" monday.vhd
	expect 0 glue disks --remove pc1 monday.vhd
	did "^pc1: clients/pc1@monday.vhd: removed$"
}

run_tests
