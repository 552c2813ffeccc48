#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Open files across the death of a worker and an upgrade: they stay open even if the
# names and permissions of the images change.  A handle that cannot be reopened
# answers EIO.
. "${0%/*}/../lib.sh"
. "${0%/*}/../kill/kill.sh"
. "${0%/*}/supervise.sh"

# Causes two new workers: one after a death, one after an upgrade.
next_worker() {
	local pid

	kill_worker "$mnt"
	pid=$(worker "$mnt")
	kill -HUP "${mount_pid[$mnt]}"
	wait_until 30 another_serves "$mnt" "$pid"
	has_no_line 'not upgraded' "$mnt.log"
}

# with_open_child COMMAND...: a writer and a reader have the child open.
# Between two writes COMMAND runs, and then new workers start.
with_open_child() {
	exec 7<>"$child" 8<"$child"
	printf before >&7
	"$@"
	next_worker
	printf after >&7
	head -c 1048592 <&8 >"$scratch/seen"
	equal "reader" beforeafter "$(head -c 11 "$scratch/seen")"
	equal "bytes of the parent" "of the master" "$(tail -c 16 "$scratch/seen" |
		tr -d '\0')"
	equal "bytes of the reader that are in no cache" 4096 \
		"$(head -c 4096 <&8 | wc -c)"
	exec 7>&- 8<&-
}

# As simple_store, with data in the master.
reopen_store() {
	simple_store
	rm "$store/child.vhdx"
	chmod u+w "$store/master.vhdx"
	file-io "$mnt/master.vhdx.raw" rw write 1048576 "of the master"
	unmount "$mnt"
	vhdfs-img create --parent "$store/master.vhdx" "$store/child.vhdx"
	mount_store "$store" "$mnt"
}

test_renamed_leaf_stays_open() {
	reopen_store
	with_open_child mv "$store/child.vhdx" "$store/other.vhdx"
	unmount "$mnt"
	vhdfs-img check "$store/other.vhdx"
	equal "written" beforeafter "$(disk-io "$store/other.vhdx" read 0 11)"
}

test_leaf_moved_out_of_the_store_stays_open() {
	reopen_store
	with_open_child mv "$store/child.vhdx" "$scratch/child.vhdx"
	unmount "$mnt"
	mv "$scratch/child.vhdx" "$store/"
	vhdfs-img check "$store/child.vhdx"
	equal "written" beforeafter "$(disk-io "$store/child.vhdx" read 0 11)"
}

test_unlinked_leaf_stays_open() {
	reopen_store
	with_open_child rm "$store/child.vhdx"
	unmount "$mnt"
}

test_renamed_parent_stays_open() {
	reopen_store
	with_open_child mv "$store/master.vhdx" "$store/elsewhere.vhdx"
	unmount "$mnt"
}

test_unlinked_parent_stays_open() {
	reopen_store
	with_open_child rm "$store/master.vhdx"
	unmount "$mnt"
}

test_parent_replaced_by_rename_stays_open() {
	reopen_store
	with_open_child replace_master
	unmount "$mnt"
}

replace_master() {
	vhdfs-img create --size 16M "$store/.new.vhdx"
	mv -f "$store/.new.vhdx" "$store/master.vhdx"
}

test_leaf_and_parent_without_permissions_stay_open() {
	reopen_store
	with_open_child chmod 0 "$store/master.vhdx" "$store/child.vhdx"
	unmount "$mnt"
}

test_leaf_and_parent_in_a_renamed_directory_stay_open() {
	reopen_store
	unmount "$mnt"
	mkdir "$store/sub"
	mv "$store"/*.vhdx "$store/sub"
	mount_store "$store" "$mnt"
	child=$mnt/sub/child.vhdx.raw
	with_open_child mv "$store/sub" "$store/bus"
	unmount "$mnt"
	vhdfs-img check "$store/bus/child.vhdx"
}

test_unlinked_parent_outside_the_store_stays_open() {
	reopen_store
	unmount "$mnt"
	mkdir "$scratch/parents"
	mv "$store/master.vhdx" "$scratch/parents"
	mount_store "$store" "$mnt" -o "parents=$scratch/parents"
	with_open_child rm "$scratch/parents/master.vhdx"
	unmount "$mnt"
}

test_unlinked_parents_of_two_levels_stay_open() {
	reopen_store
	unmount "$mnt"
	vhdfs-img create --parent "$store/child.vhdx" "$store/leaf.vhdx"
	mount_store "$store" "$mnt"
	child=$mnt/leaf.vhdx.raw
	with_open_child rm "$store/master.vhdx" "$store/child.vhdx"
	unmount "$mnt"
}

# The lock belongs to the descriptor of the writer that closes.
test_reader_stays_open_when_a_writer_closes() {
	local n

	simple_store
	exec 8<"$child"
	for n in 1 2 3 5 8; do
		die_at fdatasync,fcntl,ftruncate,pwrite64 $n
		file-io "$child" answers rw write 0 text >"$scratch/said" || true
		died || true
		equal "reader, death at call $n" text "$(dd bs=4 count=1 \
			iflag=direct status=none <"$child" || true)"
		equal "reader's handle, death at call $n" "" \
			"$(dd bs=4096 count=1 status=none <&8 >/dev/null 2>&1 ||
				echo failed)"
	done
	! grep 'cannot reopen' "$mnt.log" || fail "expected no lost handle"
	exec 8<&-
	unmount "$mnt"
}

# Zeros overwrite the image: reads must not return an end of file, and writes must
# not succeed.
test_lost_handles_answer_eio() {
	local said

	simple_store
	mkfifo "$scratch/go"
	file-io "$child" answers rw write 0 text hold read 0 4 write 0 more fsync \
		fallocate 3 0 4096 holes <"$scratch/go" >"$scratch/said" &
	exec 9>"$scratch/go"
	wait_until 30 grep -q holding "$scratch/said"
	exec 8<"$child"
	kill -STOP "$(worker "$mnt")"
	dd if=/dev/zero of="$store/child.vhdx" bs=1M count=3 conv=notrunc \
		status=none
	kill -KILL "$(worker "$mnt")"
	wait_until 30 grep -q 'cannot reopen' "$mnt.log"
	exec 9>&-
	wait $! || true
	said=$(sed '1,/ok holding\|holding/d' "$scratch/said" | xargs)
	equal "answers" "ok EIO EIO EIO EIO EIO EIO" "$said"
	said=$(dd bs=4096 count=1 <&8 2>&1 >/dev/null || true)
	[[ $said == *"Input/output error"* ]] ||
		fail "reader: expected an I/O error, found: $said"
	exec 8<&-
	unmount "$mnt" || true
}

run_tests
