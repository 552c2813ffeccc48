#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A disk has one writable export: a changed iqn-prefix, foreign targets, and
# other tgtds.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

new_prefix=iqn.2026-02.lan.example

change_prefix() {
	sed -i "s/^iqn-prefix.*/iqn-prefix = $new_prefix/" "$scratch/fleet.conf"
}

# Prints the names of tgtd's targets.
targets() {
	adm --op show --mode target | sed -n 's/^Target [0-9]*: //p' | sort |
		paste -sd ' '
}

# Prints the names of the targets in the targets-file.
listed() {
	sed -n 's/^<target \(.*\)>/\1/p' "$scratch/targets.conf" | sort |
		paste -sd ' '
}

# add_foreign TID PATH [PARAMS]: makes a target by hand, as an administrator
# does.
add_foreign() {
	adm --op new --mode target --tid "$1" -T iqn.2026-01.other:disk
	adm --op new --mode logicalunit --tid "$1" --lun 1 -b "$2"
	[ -z "${3:-}" ] || adm --op update --mode logicalunit --tid "$1" \
		--lun 1 --params "$3"
}

test_changed_prefix_renames_every_target() {
	apply_fleet pc1 pc2
	change_prefix
	expect 0 glue plan
	did "^pc1: target: remove it \($iqn_prefix:pc1: its disk is target $new_prefix:pc1 now\)$"
	expect 0 glue apply
	equal "targets" "$new_prefix:pc1 $new_prefix:pc2" "$(targets)"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	expect 0 glue status
	did 'all is as fleet.conf says'
}

# The serial number of its disk is enough to recognise a target.
test_changed_prefix_renames_targets_without_saved_files() {
	apply_fleet pc1
	rm "$scratch/targets.conf"*
	change_prefix
	expect 0 glue apply
	equal "targets" "$new_prefix:pc1" "$(targets)"
}

test_changed_prefix_and_mount_point_are_applied_together() {
	apply_fleet pc1 pc2
	mkdir "$scratch/mnt2"
	mount --bind "$scratch/mnt" "$scratch/mnt2"
	at_exit "umount -l $scratch/mnt2"
	at_exit end_tgtd
	change_prefix
	sed -i "s|^mount.*|mount = $scratch/mnt2|" "$scratch/fleet.conf"
	expect 0 glue apply
	equal "targets" "$new_prefix:pc1 $new_prefix:pc2" "$(targets)"
	adm --op show --mode target >"$scratch/shown"
	! grep "$scratch/mnt/" "$scratch/shown" ||
		fail "expected no target with a path of the old mount"
}

test_changed_prefix_skips_a_logged_in_client() {
	requires_initiator
	apply_fleet pc1 pc2
	hold_session pc1
	change_prefix
	expect 4 glue apply
	said "^tgt-glue: pc1: skipped: its disk .*/pc1.vhdx.raw is exported for writing by target $iqn_prefix:pc1 of tgtd, logged in: .* from 127.0.0.1; shut it down, then type .tgt-glue apply.$"
	equal "targets" "$iqn_prefix:pc1 $new_prefix:pc2" "$(targets)"
	# A tgtd that starts now exports pc1 under its old name, and only once.
	equal "targets-file" "$iqn_prefix:pc1 $new_prefix:pc2" "$(listed)"
	held write 3 | grep -q 'status 0' ||
		fail "expected the session to continue"
	expect 4 glue apply
	equal "targets" "$iqn_prefix:pc1 $new_prefix:pc2" "$(targets)"
	glue status >"$scratch/stdout"
	did '^ *pc1 +missing '
	did '^ *pc1 +extra '
	equal "agrees" false "$(glue status --json | jq .agrees)"
	end_session
	expect 0 glue apply --wait
	equal "targets" "$new_prefix:pc1 $new_prefix:pc2" "$(targets)"
	equal "targets-file" "$new_prefix:pc1 $new_prefix:pc2" "$(listed)"
}

test_force_renames_the_target_of_a_logged_in_client() {
	requires_initiator
	apply_fleet pc1
	hold_session pc1
	change_prefix
	expect 0 glue apply --force pc1
	equal "targets" "$new_prefix:pc1" "$(targets)"
	end_session
}

# Interrupted after any step, no disk has two exports.
test_interrupted_rename_never_exports_a_disk_twice() {
	local i code

	requires strace
	apply_fleet pc1 pc2
	change_prefix
	for ((i = 1; i < 200; i++)); do
		code=0
		ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null \
			-e trace=connect \
			-e inject=connect:signal=SIGKILL:when="$i" \
			tgt-glue --config "$scratch/fleet.conf" apply \
			>"$scratch/stdout" 2>&1 || code=$?
		[ "$code" != 0 ] || break
		equal "exit status at $i" 137 "$code"
		equal "disks exported twice at $i" "" \
			"$(adm --op show --mode target |
				sed -n 's/.*Backing store path: \(\/.*\)/\1/p' |
				sort | uniq -d)"
	done
	remark "interrupted $((i - 1)) times"
	[ "$i" -gt 5 ] || fail "expected more than 5 interruptions, found $i"
	equal "targets" "$new_prefix:pc1 $new_prefix:pc2" "$(targets)"
}

test_foreign_writable_export_blocks_the_client_and_is_reported() {
	apply_fleet pc1 pc2
	# The state before pc1 had a target.
	tgt-admin -C "$port" --delete "$iqn_prefix:pc1"
	add_foreign 5 "$scratch/mnt/clients/pc1.vhdx.raw"
	adm --op show --mode target --tid 5 >/dev/null
	expect 4 glue apply
	said "^tgt-glue: pc1: skipped: its disk $scratch/mnt/clients/pc1.vhdx.raw is exported for writing by target iqn.2026-01.other:disk of tgtd, which tgt-glue did not make; .tgt-admin -C $port --delete iqn.2026-01.other:disk. removes it, then type .tgt-glue apply.$"
	equal "targets" "$iqn_prefix:pc2 iqn.2026-01.other:disk" "$(targets)"
	equal "targets-file" "$iqn_prefix:pc2" "$(listed)"
	expect 0 glue status
	did '^ +iqn.2026-01.other:disk$'
	did '^ +foreign '
	did '1 not as fleet.conf says|2 not as fleet.conf says'
	glue status --json >"$scratch/json"
	equal "foreign" "iqn.2026-01.other:disk pc1 true" "$(jq -r \
		'.foreign[] | "\(.target) \(.client) \(.writable)"' "$scratch/json")"
	equal "agrees" false "$(jq .agrees "$scratch/json")"
	glue status --prometheus | grep -x 'tgt_glue_foreign_targets 1' >/dev/null ||
		fail "expected a metric of the foreign export"
	tgt-admin -C "$port" --delete iqn.2026-01.other:disk
	expect 0 glue apply
	equal "targets" "$iqn_prefix:pc1 $iqn_prefix:pc2" "$(targets)"
}

test_foreign_export_of_an_exported_disk_is_reported() {
	apply_fleet pc1
	add_foreign 5 "$scratch/mnt/clients/pc1.vhdx.raw"
	expect 4 glue apply
	said "^tgt-glue: pc1: skipped: its disk .* is exported for writing by target iqn.2026-01.other:disk"
	equal "targets" "$iqn_prefix:pc1 iqn.2026-01.other:disk" "$(targets)"
	equal "targets-file" "$iqn_prefix:pc1" "$(listed)"
}

test_foreign_read_only_export_is_only_listed() {
	start_server
	write_fleet pc1 </dev/null
	add_image_of pc1
	add_foreign 5 "$scratch/mnt/clients/pc1.vhdx.raw" readonly=1
	expect 0 glue apply
	expect 0 glue status
	did '^ +foreign '
	did 'all is as fleet.conf says'
	equal "foreign" false "$(glue status --json | jq '.foreign[].writable')"
}

# add_image_of CLIENT: exports the client's image, and its view in the mount.
add_image_of() {
	mkdir -p "$scratch/store/clients"
	vhdfs-img create --parent "$scratch/store/masters/win11.vhdx" \
		"$scratch/store/clients/$1.vhdx"
	wait_until 20 test -e "$scratch/mnt/clients/$1.vhdx.raw"
}

test_export_by_another_path_is_recognised() {
	local path

	start_server
	write_fleet pc1 </dev/null
	add_image_of pc1
	ln -s "$scratch/mnt/clients/pc1.vhdx.raw" "$scratch/link"
	mkdir "$scratch/bind" "$scratch/second"
	mount --bind "$scratch/mnt" "$scratch/bind"
	at_exit "umount -l $scratch/bind"
	mount_store "$scratch/store/clients" "$scratch/second" -o \
		"parents=$scratch/store/masters"
	at_exit end_tgtd
	for path in "$scratch/link" "$scratch/bind/clients/pc1.vhdx.raw" \
		"$scratch/second/pc1.vhdx.raw" "$scratch/store/clients/pc1.vhdx"; do
		add_foreign 5 "$path"
		expect 4 glue apply
		said "pc1: skipped: its disk $path is exported for writing by target iqn.2026-01.other:disk"
		equal "targets" "iqn.2026-01.other:disk" "$(targets)"
		adm --op delete --force --mode target --tid 5
	done
	expect 0 glue apply
}

test_second_lun_of_a_foreign_target_is_recognised() {
	start_server
	write_fleet pc1 </dev/null
	add_image_of pc1
	truncate -s 1M "$scratch/other"
	add_foreign 5 "$scratch/other"
	adm --op new --mode logicalunit --tid 5 --lun 2 \
		-b "$scratch/mnt/clients/pc1.vhdx.raw"
	expect 4 glue apply
	said "pc1: skipped: its disk .* by target iqn.2026-01.other:disk"
}

# After a change of control-port the old tgtd keeps all of its targets.
test_export_by_another_tgtd_blocks_the_client() {
	local first first_pid

	first=$(free_port)

	make_store
	mount_store "$scratch/store" "$scratch/mnt"
	port=$first start_tgtd
	first_pid=$tgtd_pid
	port=$first write_fleet pc1 </dev/null
	expect 0 glue apply
	port=
	tgtd_ends=yes start_tgtd
	at_exit end_tgtd
	at_exit "port=$first tgtd_pid=$first_pid end_tgtd"
	sed -i "s/^control-port.*/control-port = $port/" "$scratch/fleet.conf"
	expect 4 glue apply
	said "^tgt-glue: pc1: skipped: its disk .*/pc1.vhdx.raw is exported for writing by another tgtd \(process $first_pid\), which is not of this fleet; .*type .tgt-glue apply.$"
	equal "targets" "" "$(targets)"
	(port=$first && adm --op delete --force --mode target \
		--tid "$(adm --op show --mode target | sed -n 's/^Target \([0-9]*\):.*/\1/p')")
	wait_until 20 glue apply
	equal "targets" "$iqn_prefix:pc1" "$(targets)"
}

test_foreign_target_with_the_fleets_prefix_is_kept() {
	start_server
	adm --op new --mode target --tid 5 -T "$iqn_prefix:by-hand"
	write_fleet pc1 </dev/null
	expect 0 glue apply
	equal "targets" "$iqn_prefix:by-hand $iqn_prefix:pc1" "$(targets)"
}

test_two_clients_with_one_image_are_refused() {
	make_store
	mkdir "$scratch/store/clients"
	touch "$scratch/store/clients/pc1.vhdx"
	ln -s pc1.vhdx "$scratch/store/clients/pc2.vhdx"
	write_fleet pc1 pc2 </dev/null
	expect_error 1 "client pc2: expected an image of its own, found clients/pc2.vhdx, which is client pc1's .*clients/pc1.vhdx" \
		glue check
}

# After a snapshot the view keeps the number of the file in which its disk was
# first, and another client's image may get this number when that file is removed.
test_client_whose_image_has_the_number_of_anothers_disk_is_not_blocked() {
	local i number file=

	requires_initiator
	apply_fleet pc1 pc2
	number=$(stat -c %i "$scratch/store/clients/pc2.vhdx")
	vhdfs-img snapshot "$scratch/store/clients/pc2.vhdx" s
	vhdfs-img delete-snapshot "$scratch/store/clients/pc2.vhdx" s
	equal "number of the view" "$number" \
		"$(stat -c %i "$scratch/mnt/clients/pc2.vhdx.raw")"
	for ((i = 0; i < 500; i++)); do
		: >"$scratch/store/clients/file$i"
		[ "$(stat -c %i "$scratch/store/clients/file$i")" != "$number" ] ||
			file=$scratch/store/clients/file$i
		[ -z "$file" ] || break
	done
	[ -n "$file" ] || skip "the file system does not use a number again"
	cat "$scratch/store/clients/pc1.vhdx" >"$file"
	adm --op delete --mode target --tid "$(shown pc1 |
		sed -n 's/^Target \([0-9]*\):.*/\1/p')"
	mv "$file" "$scratch/store/clients/pc1.vhdx"
	expect 0 glue apply
	admits login "$(url pc1)"
}

run_tests
