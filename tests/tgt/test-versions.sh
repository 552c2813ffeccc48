#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Versions of a master: clients go over to another one, or stay, and a link
# that moves changes no disk.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# write_disk IMAGE TEXT: writes to the disk of an image, through its view.
write_disk() {
	printf %s "$2" | dd of="$scratch/mnt/$1.raw" bs=512 seek=9 \
		conv=notrunc,fsync,sync status=none
}

# disk IMAGE: prints what write_disk wrote.
disk() {
	dd if="$scratch/mnt/$1.raw" bs=512 skip=9 count=1 status=none |
		tr -d '\0'
}

# parent IMAGE: prints its parent's path in the store, as the file says.
parent() {
	realpath --relative-to="$scratch/store" \
		"$(vhdfs-img info --json "$scratch/store/$1" | jq -r .parent)"
}

# make_versions [COUNT]: masters/win11@1.vhdx and so on, the first in
# production; the disk of number N holds "version N".
make_versions() {
	local i

	mkdir -p "$scratch/store/masters"
	mount_store "$scratch/store" "$scratch/mnt"
	for ((i = 1; i <= ${1:-2}; i++)); do
		vhdfs-img create --size 64M "$scratch/store/masters/win11@$i.vhdx"
		wait_until 5 test -s "$scratch/mnt/masters/win11@$i.vhdx.raw"
		write_disk "masters/win11@$i.vhdx" "version $i"
		chmod a-w "$scratch/store/masters/win11@$i.vhdx"
	done
	produce 1
}

# produce NUMBER: that version is in production.
produce() {
	ln -s "win11@$1.vhdx" "$scratch/store/masters/.next"
	mv -T "$scratch/store/masters/.next" "$scratch/store/masters/win11.vhdx"
}

# start_versions CLIENT... <<REST: a server with two versions; fleet.conf with
# these clients and the lines of standard input.
start_versions() {
	requires_initiator
	make_versions 2
	start_tgtd
	write_fleet "$@"
	expect 0 glue apply
}

is_on() {
	equal "the parent of $1" "masters/win11@$2.vhdx" "$(parent "clients/$1.vhdx")"
}

went_over() {
	[ "$(parent "clients/$1.vhdx")" = "masters/win11@$2.vhdx" ]
}

test_child_names_the_file_of_its_version() {
	start_versions pc1 </dev/null
	is_on pc1 1
	vhdfs-img info --json "$scratch/store/clients/pc1.vhdx" |
		jq -e '.parent | endswith("win11@1.vhdx")' >/dev/null ||
		fail "expected the version as the parent, found:" \
			"$(vhdfs-img info "$scratch/store/clients/pc1.vhdx")"
}

test_master_may_be_a_channel_or_a_version() {
	make_versions 3
	ln -s win11@3.vhdx "$scratch/store/masters/win11@test.vhdx"
	start_tgtd
	write_fleet pc1 <<-END
		[client pc2]
		master = masters/win11@test
		[client pc3]
		master = masters/win11@2
		[client pc4]
		master = masters/win11@test.vhdx
	END
	expect 0 glue apply
	is_on pc1 1
	is_on pc2 3
	is_on pc3 2
	is_on pc4 3
	equal "masters" "masters/win11.vhdx masters/win11@test.vhdx masters/win11@2.vhdx masters/win11@test.vhdx" \
		"$(glue status --json | jq -r '[.clients[].master] | join(" ")')"
}

test_link_that_moves_changes_no_disk() {
	start_versions pc1 pc2 </dev/null
	write_disk clients/pc1.vhdx mine
	hold_session pc1
	works write 5
	produce 2
	works read 9
	works write 6
	is_on pc1 1
	equal "the disk" mine "$(disk clients/pc1.vhdx)"
	expect 0 glue apply
	works read 9
	is_on pc1 1
}

test_client_that_never_wrote_goes_over() {
	start_versions pc1 pc2 </dev/null
	produce 2
	expect 0 glue plan
	did '^pc1: target: make it again \(its master is masters/win11@2.vhdx now\)'
	is_on pc1 1
	expect 0 glue apply
	did '^pc1: image: clients/pc1.vhdx is fresh, a child of masters/win11@2.vhdx$'
	is_on pc1 2
	is_on pc2 2
	equal "the disk" "version 2" "$(disk clients/pc1.vhdx)"
	equal "hidden files" "" "$(find "$scratch/store/clients" -name '.pc*')"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	produce 1
	expect 0 glue apply
	is_on pc1 1
}

test_client_with_data_stays_by_default() {
	start_versions pc1 pc2 </dev/null
	write_disk clients/pc1.vhdx mine
	write_disk clients/pc2.vhdx mine
	produce 2
	expect 0 glue apply
	said '2 clients stay on another version of masters/win11.vhdx .update = keep.; `tgt-glue reset CLIENT'
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	is_on pc1 1
	equal "the disk" mine "$(disk clients/pc1.vhdx)"
	expect 0 glue plan
	said '2 clients stay'
	expect 0 glue reset pc1
	is_on pc1 2
	is_on pc2 1
	expect 0 glue apply
	said '1 client stays on'
}

test_client_whose_data_is_in_a_snapshot_stays() {
	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx mine
	vhdfs-img snapshot "$scratch/store/clients/pc1.vhdx" before
	produce 2
	expect 0 glue apply
	said '1 client stays'
	equal "the disk" mine "$(disk clients/pc1.vhdx)"
	# A reset sees the data, too.
	expect 0 glue reset pc1
	is_on pc1 2
	equal "the disk" "version 2" "$(disk clients/pc1.vhdx)"
}

test_client_with_update_reset_goes_over_and_keeps_its_old_image() {
	start_versions pc2 <<-END
		[client pc1]
		update = reset
	END
	write_disk clients/pc1.vhdx mine
	write_disk clients/pc2.vhdx mine
	produce 2
	expect 0 glue apply
	did '^pc1: image: clients/pc1.vhdx is fresh; the old one is clients/\.pc1\.vhdx\.'
	said '1 client stays'
	is_on pc1 2
	is_on pc2 1
	cp "$scratch"/store/clients/.pc1.vhdx.* "$scratch/store/clients/old.vhdx"
	wait_until 5 test -s "$scratch/mnt/clients/old.vhdx.raw"
	equal "the old disk" mine "$(disk clients/old.vhdx)"
}

test_client_that_is_logged_in_goes_over_at_its_logout() {
	start_versions pc3 <<-END
		[client pc1]
		reset = boot
		[client pc2]
		update = reset
	END
	tgt-glue --config "$scratch/fleet.conf" watch >>"$scratch/watch.log" 2>&1 &
	watch_pid=$!
	at_exit 'kill "$watch_pid"; wait "$watch_pid" || true'
	local holders=() pids=() outs=()
	for client in pc1 pc2 pc3; do
		hold_session "$client"
		holders+=("$holder") pids+=("$holder_pid") outs+=("$held_out")
	done
	for i in 0 1; do
		holder=${holders[i]} held_out=${outs[i]}
		works write 5
	done
	wait_until 20 all_are_seen
	produce 2
	for i in 0 1 2; do
		holder=${holders[i]} held_out=${outs[i]}
		works read 9
	done
	expect 0 glue apply
	is_on pc1 1
	is_on pc2 1
	is_on pc3 1
	# An initiator has the pipes of those before it open.
	for i in 2 1 0; do
		holder=${holders[i]} holder_pid=${pids[i]}
		end_session
	done
	wait_until 30 went_over pc1 2
	wait_until 30 went_over pc2 2
	wait_until 30 went_over pc3 2
}

all_are_seen() {
	[ "$(grep -vc '^#' "$scratch/targets.conf.sessions")" = 3 ]
}

run_tests
