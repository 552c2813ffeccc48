#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A device fails a sync, and the worker is killed during that sync.  The kernel
# reports a failure once to each open file description, so the next sync of the
# same descriptor succeeds although data is lost: the next worker must not trust
# it.
#
# The device is a loop device on a sparse file on a full tmpfs: a write to a
# block that was punched out of that file fails in the block layer.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/../kill/kill.sh"
. "${0%/*}/supervise.sh"
. "${0%/*}/../mount/common.sh"

# A mount namespace of its own: mount namespaces of other tests would keep a
# file system busy that is unmounted here.
[ -n "${IN_NAMESPACE:-}" ] || IN_NAMESPACE=1 exec unshare -m "$0" "$@"

# begin_device FORMAT: a store on such a device, with a fixed image whose view
# was written and synced once.
begin_device() {
	begin
	requires_resend
	requires losetup mkfs.ext4 filefrag strace
	tmpfs=$scratch/tmpfs fs=$scratch/fs
	mkdir "$tmpfs" "$fs"
	mount -t tmpfs -o size=64M none "$tmpfs"
	at_exit "umount -l $tmpfs"
	truncate -s 48M "$tmpfs/disk"
	mkfs.ext4 -q -m 0 \
		-E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$tmpfs/disk"
	mount -o loop "$tmpfs/disk" "$fs"
	at_exit "umount -l $fs"
	store=$fs/store view=$mnt/pc.$1.raw
	mkdir "$store"
	vhdfs-img create --size 8M --fixed "$store/pc.$1"
	mount_store "$store" "$mnt"
	# So later writes allocate no blocks of the file system.
	dd if=/dev/urandom of="$view" bs=1M count=8 conv=notrunc,fsync \
		status=none
	hold_view "$view" rw write 0 first fsync
}

# break_device FORMAT: the device has no space for the byte 4000000 of the disk.
break_device() {
	local page at

	page=$(vhdfs-img map --json "$store/pc.$1" 2>/dev/null |
		jq '[.[] | select(.offset)][0] | .offset - .start')
	page=$(((page + 4000000) / 4096))
	sync -f "$fs"
	# Extents in pages: N: FIRST..LAST: AT..: LENGTH: ...
	at=$(filefrag -v -b4096 "$store/pc.$1" | tr -d ' ' |
		awk -F'[:.]+' -v page=$page '/^[0-9]+:/ && $2 <= page &&
			page <= $3 { print $4 + page - $2 }')
	fallocate -p -o $((at * 4096)) -l 4096 "$tmpfs/disk"
	dd if=/dev/zero of="$tmpfs/ballast" bs=64k status=none 2>/dev/null ||
		true
}

repair_device() {
	rm "$tmpfs/ballast"
}

# kill_during CALL DELAY PATTERN: a client syncs, and the worker is killed when
# the trace of CALL shows the pattern.  DELAY delay_exit: the call has returned
# in the kernel, but not in the worker; delay_enter: the worker is about to
# call.  The kernel sends the sync again, to the next worker.
kill_during() {
	local worker go

	mkfifo "$scratch/go"
	file-io "$view" answers rw write 4000000 second hold fsync fsync \
		<"$scratch/go" >"$scratch/answers" &
	client=$!
	exec {go}>"$scratch/go"
	wait_until 30 grep -q holding "$scratch/answers"
	worker=$(worker "$mnt")
	strace -f -qq -o "$scratch/trace" -p "$worker" -e "trace=$1" \
		-e "inject=$1:$2=60000000" {go}>&- 2>/dev/null &
	tracer=$!
	at_exit "kill -KILL $tracer 2>/dev/null || true"
	wait_until 30 grep -q "^TracerPid:[[:space:]]*[1-9]" \
		"/proc/$worker/status"
	exec {go}>&-
	wait_until 60 grep -Eq "$3" "$scratch/trace"
	kill -KILL "$worker" "$tracer"
	wait "$tracer" 2>/dev/null || true
	wait_until 60 another_serves "$mnt" "$worker"
	repair_device
	wait "$client" || true
}

failed_sync_is_reported() {
	begin_device "$1"
	break_device "$1"
	kill_during "${@:2}"
	# The error of the device, or EIO because the failure is known.
	equal "open, write, hold, the sync sent again, the next sync, close" \
		"ok ok ok EIO EIO EIO" "$(sed '/^hold/d; 4,$s/ENOSPC/EIO/' \
			"$scratch/answers" | paste -sd ' ')"
}

test_failed_sync_of_a_vhd_is_reported_after_the_death_of_the_worker() {
	failed_sync_is_reported vhd fdatasync delay_exit 'fdatasync.* = -1 E.*DELAYED'
}

test_failed_sync_of_a_vhdx_is_reported_after_the_death_of_the_worker() {
	failed_sync_is_reported vhdx fdatasync delay_exit 'fdatasync.* = -1 E.*DELAYED'
}

# The pattern: the error in the answer's header, -EIO or -ENOSPC.
test_failed_sync_is_reported_when_the_worker_dies_before_its_answer() {
	failed_sync_is_reported vhd writev delay_enter '(373|344).377.377.377'
}

run_tests
