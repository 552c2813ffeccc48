#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# rename: the images of a client get the name that fleet.conf has now.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# The states of a client's disk, without the date of an old image.
states() {
	glue disks --json "$1" | jq -r '[.[] | if .kind == "put-aside"
		then .kind else .which end] | sort | join(" ")'
}

# pc1, with a snapshot, a kept state, an old image and
# a data disk, is called pc2 in fleet.conf.
start_fleet() {
	requires_initiator
	requires jq
	store=$scratch/store
	apply_fleet pc1 other
	fill
}

fill() {
	use_disk pc1 monday
	expect 0 glue snapshot monday pc1
	use_disk pc1 kept
	expect 0 glue keep pc1
	use_disk pc1 old
	expect 0 glue reset pc1
	use_disk pc1 present
	mkdir -p "$store/disks/home"
	vhdfs-img create --size 1M "$store/disks/home/pc1.vhdx"
	write_fleet pc2 other </dev/null
}

has_new_name() {
	disk_has pc2 present
	is_gone pc1 || fail "expected no target of pc1"
	equal "states" "kept monday now put-aside" "$(states pc2)"
	equal "files of pc1" "" "$(find "$store" -name '*pc1[.@]*')"
	[ -f "$store/disks/home/pc2.vhdx" ] || fail "expected the data disk"
	glue generate | cmp - "$scratch/targets.conf"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
}

test_images_of_all_kinds_get_the_new_name() {
	start_fleet
	expect 0 glue rename pc1 pc2
	did '^clients/pc1.vhdx is clients/pc2.vhdx now$'
	did '^disks/home/pc1.vhdx is disks/home/pc2.vhdx now$'
	did '^pc2: its target is iqn.*:pc2; its machine needs .*tgt-glue ipxe pc2'
	has_new_name
	expect 0 glue reset pc2
	disk_has pc2 kept
	expect 0 glue revert monday pc2
	disk_has pc2 monday
	# Again, after it.
	expect 0 glue rename pc1 pc2
	disk_has pc2 monday
}

# As watch does when fleet.conf is written.
test_rename_after_apply_replaces_the_fresh_disk() {
	start_fleet
	expect 0 glue apply
	disk_has pc2 ''
	expect 0 glue rename pc1 pc2
	has_new_name
}

# write_home CLIENT TEXT
write_home() {
	printf %s "$2" | dd of="$scratch/mnt/disks/home/$1.vhdx.raw" bs=512 \
		seek=9 conv=notrunc,fsync,sync status=none
}

home_has() {
	lun=2
	disk_has "$@"
	lun=
}

# pc1 with a home disk, as fleet.conf describes it, is called pc2.
start_with_home() {
	requires_initiator
	store=$scratch/store
	start_server
	write_fleet pc1 </dev/null
	configure_home
	expect 0 glue apply
	use_disk pc1 present
	write_home pc1 mine
	write_fleet pc2 </dev/null
	configure_home
}

configure_home() {
	printf '[disk home]\nlun = 2\nsize = 2M\n' >>"$scratch/fleet.conf"
	sed -i '/^\[defaults\]/a disks = home' "$scratch/fleet.conf"
}

test_data_disk_of_fleet_conf_gets_the_new_name() {
	start_with_home
	expect 0 glue rename pc1 pc2
	disk_has pc2 present
	home_has pc2 mine
}

test_rename_after_apply_replaces_the_empty_data_disk() {
	start_with_home
	expect 0 glue apply
	home_has pc2 ''
	expect 0 glue rename pc1 pc2
	disk_has pc2 present
	home_has pc2 mine
}

test_data_disk_with_data_of_the_new_name_is_not_replaced() {
	start_with_home
	expect 0 glue apply
	write_home pc2 new
	find "$store" | sort >"$scratch/before"
	expect 1 glue rename pc1 pc2
	said '^tgt-glue: pc2: .*disks/home/pc2.vhdx: expected no disk with data, .*type .tgt-glue rename pc1 pc2.'
	find "$store" | sort | diff "$scratch/before" -
	home_has pc2 new
	# Its data is in a snapshot.
	vhdfs-img snapshot "$store/disks/home/pc2.vhdx" new
	find "$store" | sort >"$scratch/before"
	expect 1 glue rename pc1 pc2
	find "$store" | sort | diff "$scratch/before" -
}

test_disk_with_data_of_the_new_name_is_not_replaced() {
	start_fleet
	expect 0 glue apply
	use_disk pc2 mine
	find "$store" | sort >"$scratch/before"
	expect 1 glue rename pc1 pc2
	said '^tgt-glue: pc2: .*clients/pc2.vhdx: expected no disk with data, .*type .tgt-glue rename pc1 pc2.'
	find "$store" | sort | diff "$scratch/before" -
	disk_has pc2 mine
}

test_rename_of_a_logged_in_client_is_skipped() {
	start_fleet
	hold_session pc1
	find "$store" | sort >"$scratch/before"
	expect 4 glue rename pc1 pc2
	said '^tgt-glue: pc1: skipped: logged in: iqn.* from 127.0.0.1; shut it down, then type .tgt-glue rename pc1 pc2.$'
	find "$store" | sort | diff "$scratch/before" -
	works write 9
	end_session
	expect 0 glue rename pc1 pc2
}

test_fleet_conf_must_have_the_new_name_alone() {
	start_fleet
	find "$store" | sort >"$scratch/before"
	expect 1 glue rename pc1 pc3
	said '^tgt-glue: rename: .*fleet.conf: expected a client pc3, found none; write .*\[client pc3\]'
	write_fleet pc1 pc2 </dev/null
	expect 1 glue rename pc1 pc2
	said '^tgt-glue: rename: .*fleet.conf:10: expected the name pc2, found pc1; write pc2 there'
	write_fleet pc2 other </dev/null
	expect 1 glue rename pc7 pc2
	said '^tgt-glue: rename: expected images of pc7 in the store, or an image that was renamed from it, found neither'
	find "$store" | sort | diff "$scratch/before" -
}

test_name_that_was_no_client_is_told_from_a_completed_rename() {
	start_fleet
	expect 0 glue rename pc1 pc2
	expect 0 glue rename pc1 pc2
	expect 1 glue rename pc7 pc2
	said '^tgt-glue: rename: expected images of pc7 .*nothing is renamed; .tgt-glue orphans.'
	disk_has pc2 present
	# A reset has put the renamed image aside.
	expect 0 glue reset pc2
	expect 0 glue rename pc1 pc2
	expect 1 glue rename pc7 pc2
	disk_has pc2 kept
}

# With `reset = boot' the disk of the last session is not what NEW gets: watch
# has noted the session of the earlier name.
test_client_with_reset_boot_gets_a_fresh_disk_with_the_rename() {
	start_fleet
	sed -i 's/^master = .*/&\nreset = boot/' "$scratch/fleet.conf"
	expect 0 glue rename pc1 pc2
	did '^clients/pc1.vhdx is clients/pc2.vhdx now$'
	did '^pc2: image: clients/pc2.vhdx is fresh; the old one is '
	disk_has pc2 kept
	glue generate | cmp - "$scratch/targets.conf"
	[ ! -e "$scratch/targets.conf.resets" ] ||
		fail "expected no record, found: $(cat "$scratch/targets.conf.resets")"
}

# rename_fails: vhdfs-img, which renames images, fails.
rename_fails() {
	mkdir "$scratch/bin"
	printf '#!/bin/sh\necho "vhdfs-img: no room" >&2; exit 1\n' \
		>"$scratch/bin/vhdfs-img"
	chmod +x "$scratch/bin/vhdfs-img"
	PATH=$scratch/bin:$PATH expect 1 glue rename pc1 pc2
}

test_rename_that_fails_says_why_and_admits_no_client() {
	start_fleet
	rename_fails
	said '^tgt-glue: pc2: rename: .*no room'
	is_gone pc2 || fail "expected no target of pc2, found: $(shown pc2)"
	expect 0 glue rename pc1 pc2
	has_new_name
}

test_rename_that_fails_keeps_a_client_with_reset_boot_out() {
	start_fleet
	sed -i 's/^master = .*/&\nreset = boot/' "$scratch/fleet.conf"
	rename_fails
	said '^tgt-glue: pc2: rename: not admitted, .*no room'
	is_gone pc2 || fail "expected no target of pc2, found: $(shown pc2)"
	! grep -q ":pc2>" "$scratch/targets.conf" ||
		fail "expected pc2 in no targets-file"
	expect 0 glue rename pc1 pc2
	disk_has pc2 kept
}

test_names_of_no_client_are_refused() {
	start_fleet
	find "$store" | sort >"$scratch/before"
	expect 1 glue rename ../clients/pc1 pc2
	said "^tgt-glue: rename: expected .*, found '../clients/pc1'$"
	expect 1 glue rename pc2 pc2
	said '^tgt-glue: rename: expected two names, .*, found pc2 twice$'
	find "$store" | sort | diff "$scratch/before" -
}

# kill_at CALL: ends rename, or the program that it runs, at calls of that kind,
# and runs it again.
kill_at() {
	local call=$1 n=0 status=137

	while [ "$status" != 0 ]; do
		next_call "$([ "$call" != connect ] || echo 5)"
		find "$store" -name '*pc[12][.@]*' -delete
		write_fleet pc1 other </dev/null
		expect 0 glue apply
		fill
		expect 0 glue apply
		status=0
		strace -f -qq -o "$scratch/trace" -e trace="$call" \
			-e inject="$call:signal=SIGKILL:when=$n" \
			tgt-glue --config "$scratch/fleet.conf" \
			rename pc1 pc2 >"$scratch/killed.out" 2>&1 ||
			status=$?
		expect 0 glue rename pc1 pc2
		has_new_name
	done
	echo "killed up to call $n of $call"
}

test_interrupted_rename_is_completed_by_the_next() {
	local call

	choose_calls
	requires strace
	start_fleet
	export ASAN_OPTIONS=detect_leaks=0
	for call in execve connect renameat2 linkat unlinkat fsync; do
		kill_at "$call"
	done
}

run_tests
