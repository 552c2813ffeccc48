#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# States of clients' disks over a change of master: those of an earlier disk are
# listed, restored and removed, and what was brought back stays.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/versions.sh"
. "${0%/*}/states.sh"

# serve VERSIONS CLIENT... <<REST: version 1 is in production.
serve() {
	requires_initiator
	requires jq
	make_versions "$1"
	start_tgtd
	write_fleet "${@:2}"
	expect 0 glue apply
}

# change_master: pc1, with the snapshot monday and a kept state on version 1, has
# a fresh disk of version 2.
change_master() {
	serve 3 pc1 </dev/null
	write_disk clients/pc1.vhdx first
	expect 0 glue snapshot --note 'before the update' monday pc1
	write_disk clients/pc1.vhdx joined
	expect 0 glue keep pc1
	write_disk clients/pc1.vhdx last
	expect 0 glue promote masters/win11 2
	expect 0 glue reset pc1
	is_on pc1 2
	old=$(old_images pc1)
}

test_states_of_an_earlier_disk_are_listed_with_their_version() {
	change_master
	write_disk clients/pc1.vhdx new
	expect 0 glue snapshot tuesday pc1
	equal "states" "$old kept monday now tuesday" "$(states pc1)"
	equal "version" masters/win11@1.vhdx "$(state pc1 monday master)"
	equal "version" masters/win11@1.vhdx "$(state pc1 kept master)"
	equal "version" masters/win11@2.vhdx "$(state pc1 tuesday master)"
	equal "related" "false false true null" \
		"$(for which in monday kept tuesday now; do
			state pc1 "$which" related
		done | xargs)"
	expect 0 glue disks pc1
	did '^monday .* masters/win11@1.vhdx  before the update  .of an earlier disk.$'
	did '^tuesday .* masters/win11@2.vhdx$'
}

test_states_are_listed_while_the_image_is_missing() {
	change_master
	end_tgtd
	rm "$scratch/store/clients/pc1.vhdx"
	equal "states" "$old kept monday" "$(states pc1)"
}

# A file that only has the name, and one that only has the mark.
test_name_or_mark_alone_makes_no_state() {
	change_master
	vhdfs-img create --parent "$scratch/store/masters/win11@1.vhdx" \
		"$scratch/store/clients/pc1@fake.vhdx"
	cp --preserve=xattr "$scratch/store/clients/pc1@monday.vhdx" \
		"$scratch/store/clients/other.vhdx"
	printf text >"$scratch/store/clients/pc1@text.vhdx"
	equal "states" "$old kept monday now" "$(states pc1)"
}

test_states_of_an_earlier_disk_are_restored() {
	change_master
	write_disk clients/pc1.vhdx new
	expect 0 glue revert monday pc1
	did '^pc1: image: clients/pc1.vhdx is monday again; the one before is '
	disk_has pc1 first
	equal "version" masters/win11@1.vhdx "$(state pc1 now master)"
	expect 0 glue restore pc1 "$(old_images pc1 | tail -n 1)"
	disk_has pc1 new
	expect 0 glue restore pc1 kept
	disk_has pc1 joined
	nothing_to_do
}

test_snapshot_of_a_version_with_another_size_is_restored() {
	serve 1 pc1 </dev/null
	write_disk clients/pc1.vhdx first
	expect 0 glue snapshot monday pc1
	vhdfs-img create --size 96M "$scratch/store/masters/win11@2.vhdx"
	expect 0 glue promote masters/win11 2
	expect 0 glue reset pc1
	write_disk clients/pc1.vhdx new
	expect 0 glue revert monday pc1
	disk_has pc1 first
	shown pc1 | sed -n '/LUN: 1/,$p' | grep -q 'Size: 67 MB' ||
		fail "expected 64 MiB, found: $(shown pc1)"
	expect 0 glue restore pc1 "$(old_images pc1 | tail -n 1)"
	disk_has pc1 new
}

test_states_of_an_earlier_disk_are_removed_by_name() {
	change_master
	expect 0 glue disks --remove pc1 monday
	equal "states" "$old kept now" "$(states pc1)"
	expect 0 glue restore pc1 "$old"
	disk_has pc1 last
	expect 0 glue restore pc1 "$(old_images pc1 | tail -n 1)"
	expect 0 glue disks --remove pc1 kept "$(old_images pc1 | tail -n 1)"
	equal "states" now "$(states pc1)"
	equal "files" pc1.vhdx "$(find "$scratch/store/clients" -name '*pc1*' \
		-printf '%f\n')"
	is_on pc1 2
}

test_old_image_with_a_child_is_not_removed() {
	change_master
	vhdfs-img create --parent "$scratch/store/clients/.pc1.vhdx.$old" \
		"$scratch/store/clients/more.vhdx"
	expect_error 1 "disks: clients/.pc1.vhdx.$old: expected an image without children, .* the parent of clients/more.vhdx" \
		glue disks --remove pc1 "$old"
	equal "states" "$old kept monday now" "$(states pc1)"
}

test_snapshot_with_a_name_in_use_says_which_state_has_it() {
	change_master
	expect 1 glue snapshot monday pc1
	said '^tgt-glue: pc1: snapshot: clients/pc1@monday.vhdx exists: it is the state monday of 20.*Z, on masters/win11@1.vhdx; take another name, or remove that state with `tgt-glue disks --remove pc1 monday.$'
	equal "states" "$old kept monday now" "$(states pc1)"
	echo text >"$scratch/store/clients/pc1@text.vhdx"
	expect 1 glue snapshot text pc1
	said 'pc1@text.vhdx exists, and is no state of this disk; take another name, or move the file away$'
	rm "$scratch/store/clients/pc1@text.vhdx"
	expect 0 glue disks --remove pc1 monday
	expect 0 glue snapshot monday pc1
	equal "version" masters/win11@2.vhdx "$(state pc1 monday master)"
}

test_later_keep_leaves_the_kept_state_of_an_earlier_disk() {
	change_master
	write_disk clients/pc1.vhdx again
	expect 0 glue keep pc1
	said 'kept-1 stays as a snapshot: .*type .tgt-glue disks --remove pc1 kept-1.$'
	equal "file" clients/pc1@kept-2.vhdx "$(state pc1 kept file)"
	equal "kind" snapshot "$(state pc1 kept-1 kind)"
	expect 0 glue restore pc1 kept-1
	disk_has pc1 joined
}

# type_what_is_said: runs the commands in the message of the last expect.
type_what_is_said() {
	local command

	grep -o '`tgt-glue [^`]*'"'" "$scratch/stderr" | tr -d "\`'" \
		>"$scratch/commands"
	[ -s "$scratch/commands" ] ||
		fail "expected commands, found: $(cat "$scratch/stderr")"
	while read -r command; do
		# shellcheck disable=SC2086 # words
		expect 0 glue ${command#tgt-glue }
	done <"$scratch/commands"
}

test_client_that_goes_back_to_its_kept_state_is_told_so() {
	start_versions pc1 <<<'update = reset'
	write_disk clients/pc1.vhdx named
	expect 0 glue keep pc1
	expect 0 glue promote win11 2
	expect 0 glue apply
	expect 0 glue promote win11 --back
	expect 0 glue apply
	did '^pc1: image: clients/pc1.vhdx is fresh, a child of clients/pc1@kept-1.vhdx$'
	equal "the disk" named "$(disk clients/pc1.vhdx)"
}

test_retire_names_the_states_that_need_a_version_and_frees_it() {
	change_master
	expect 0 glue restore pc1 "$old"
	expect 1 glue retire masters/win11 1
	said 'win11@1.vhdx: it is, or may be, the parent of clients/pc1@monday.vhdx; type '
	said '`tgt-glue reset pc1., `tgt-glue disks --remove pc1 kept-1., `tgt-glue disks --remove pc1 monday., first$'
	type_what_is_said
	# The reset has put its image aside.
	expect 1 glue retire masters/win11 1
	said 'type `tgt-glue disks --remove pc1 20.*Z., first$'
	type_what_is_said
	expect 0 glue retire masters/win11 1
	is_on pc1 2
	equal "states" now "$(states pc1)"
}

test_retire_says_to_remove_what_is_no_disk_of_a_client() {
	serve 2 pc1 </dev/null
	expect 0 glue promote masters/win11 2
	expect 0 glue apply
	vhdfs-img create --parent "$scratch/store/masters/win11@1.vhdx" \
		"$scratch/store/clients/other.vhdx"
	expect 1 glue retire masters/win11 1
	said 'the parent of clients/other.vhdx; remove these images, first$'
}

# holds: pc1 is what was brought back, on version 1, while version 2 is wanted,
# and goes over to version 3.
holds() {
	disk_has pc1 first
	expect 0 glue apply
	said '^tgt-glue: 1 client stays on another version of '
	disk_has pc1 first
	hold_session pc1
	works read 9
	end_session
	expect 0 glue apply
	disk_has pc1 first
	expect 0 glue promote masters/win11 3
	did '^2 clients go over before the next boot'
	expect 0 glue apply
	is_on pc1 3
}

test_revert_to_another_version_holds_until_the_master_changes_again() {
	serve 3 pc2 <<-END
		[client pc1]
		update = reset
	END
	write_disk clients/pc1.vhdx first
	expect 0 glue snapshot monday pc1
	expect 0 glue promote masters/win11 2
	expect 0 glue apply
	is_on pc1 2
	expect 0 glue revert monday pc1
	holds
}

test_restored_image_holds_until_the_master_changes_again() {
	serve 3 pc2 <<-END
		[client pc1]
		update = reset
	END
	write_disk clients/pc1.vhdx first
	expect 0 glue promote masters/win11 2
	expect 0 glue apply
	is_on pc1 2
	expect 0 glue restore pc1 "$(old_images pc1)"
	holds
}

# The mark of a version of tgt-glue before this one.
test_image_that_an_earlier_version_restored_holds() {
	serve 3 pc2 <<-END
		[client pc1]
		update = reset
	END
	write_disk clients/pc1.vhdx first
	expect 0 glue promote masters/win11 2
	expect 0 glue apply
	expect 0 glue restore pc1 "$(old_images pc1)"
	setfattr -x user.tgt-glue.wanted "$scratch/store/clients/pc1.vhdx"
	expect 0 glue apply
	disk_has pc1 first
}

# After a revert, the image is no longer the old one of before.
test_old_image_before_a_revert_is_not_brought_back_already() {
	local old

	serve 1 pc1 </dev/null
	write_disk clients/pc1.vhdx monday
	expect 0 glue snapshot monday pc1
	write_disk clients/pc1.vhdx first
	expect 0 glue reset pc1
	old=$(old_images pc1)
	expect 0 glue restore pc1 "$old"
	disk_has pc1 first
	expect 0 glue revert monday pc1
	expect 1 glue restore pc1 "$old"
	said "found '$old'"
	disk_has pc1 monday
}

# marks CLIENT: prints what tgt-glue has marked its image with.
marks() {
	getfattr --absolute-names -d -m '^user.tgt-glue' \
		"$scratch/store/clients/$1.vhdx" | sed '/^#/d; /^$/d'
}

revert_at() {
	local call=$1 n=0 status=137

	while [ "$status" != 0 ]; do
		next_call "$([ "$call" != connect ] || echo 5)"
		expect 0 glue reset pc1
		find "$scratch/store/clients" -name '.pc1.*' -delete
		is_on pc1 2
		write_disk clients/pc1.vhdx "present$n"
		status=0
		strace -f -qq -o "$scratch/trace" -e trace="$call" \
			-e inject="$call:signal=SIGKILL:when=$n" \
			tgt-glue --config "$scratch/fleet.conf" revert monday pc1 \
			>"$scratch/killed.out" 2>&1 || status=$?
		expect 0 glue revert monday pc1
		expect 0 glue apply
		disk_has pc1 first
		everything | sort | diff "$scratch/wanted" -
		equal "old images" 1 "$(old_images pc1 | wc -l)"
		equal "marks" 'user.tgt-glue.wanted="masters/win11@2.vhdx"' \
			"$(marks pc1)"
	done
	echo "killed up to call $n of $call"
}

# The program that reverts ends with an error, or with the disk reverted and the
# one that runs it killed: apply then keeps the disk.
test_revert_that_fails_or_ends_early_is_not_undone() {
	requires strace
	serve 3 pc2 <<-END
		[client pc1]
		update = reset
	END
	write_disk clients/pc1.vhdx first
	expect 0 glue snapshot monday pc1
	expect 0 glue promote masters/win11 2
	expect 0 glue apply
	mkdir "$scratch/bin"
	printf '#!/bin/sh\nexit 1\n' >"$scratch/bin/vhdfs-img"
	chmod +x "$scratch/bin/vhdfs-img"
	PATH=$scratch/bin:$PATH expect 1 glue revert monday pc1
	is_on pc1 2
	equal "marks" "" "$(marks pc1)"
	printf '#!/bin/sh\nPATH=%s\nvhdfs-img "$@"\nkill -9 $PPID\n' \
		"$PATH" >"$scratch/bin/vhdfs-img"
	PATH=$scratch/bin:$PATH tgt-glue --config "$scratch/fleet.conf" \
		revert monday pc1 >"$scratch/killed.out" 2>&1 || true
	expect 0 glue apply
	disk_has pc1 first
}

test_interrupted_revert_to_another_version_is_completed_by_the_next() {
	choose_calls
	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	serve 3 pc2 <<-END
		[client pc1]
		update = reset
	END
	write_disk clients/pc1.vhdx first
	expect 0 glue snapshot monday pc1
	expect 0 glue promote masters/win11 2
	expect 0 glue apply
	everything | sort >"$scratch/wanted"
	for call in execve fsetxattr fsync connect; do
		revert_at "$call"
	done
}

test_rename_takes_the_states_of_an_earlier_disk_with_it() {
	change_master
	sed -i 's/client pc1/client pc7/' "$scratch/fleet.conf"
	expect 0 glue rename pc1 pc7
	equal "states" "$old kept monday now" "$(states pc7)"
	equal "orphans" "[]" "$(glue orphans --json)"
	expect 0 glue restore pc7 monday
	disk_has pc7 first
}

run_tests
