#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs is killed under fio, which then verifies the data that it wrote and
# flushed, on the mount and through tgtd.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/kill.sh"

requires fio

# The total size of the even pieces of a disk of 16 MiB.
even_bytes=$((16 * 1024 * 1024 / 12288 * 6144))

# fio_on CLIENT WHICH SEED OPTION...: runs fio on every other piece of the disk;
# WHICH is 0 for the even and 1 for the odd pieces.
fio_on() {
	local client=$1 which=$2 random=$3

	shift 3
	# Pieces of 6 KiB begin and end inside pages and blocks.
	fio --name="$client" --thread --output-format=json --bs=6k \
		--rw=write:6k --offset=$((which * 6144)) \
		--size=$((16 * 1024 * 1024 / 12288 * 12288 - which * 6144)) \
		--verify=crc32c --verify_fatal=1 --randseed="$random" \
		--allrandrepeat=1 --verify_state_save=0 "${fio_disk[@]}" "$@" \
		>"$scratch/fio.$client" 2>&1
}

# Prints fio's error messages without their numbers.
complaint() {
	sed '/^{/,/^}/d' "$scratch/fio.$1"
}

on_the_mount() {
	fio_disk=(--ioengine=psync --filename="$(view "$1")" --allow_file_create=0)
}

# The even pieces are written and flushed; then vhdfs is killed while fio writes
# the odd pieces, which are in the same blocks.
fio_round() {
	local client pids=() random=$((load_seed += 1)) ended

	for client in $clients; do
		"$1" "$client"
		fio_on "$client" 0 $random --do_verify=0 --end_fsync=1 ||
			fail "round $rounds, client $client, writing:" \
				"$(complaint "$client")"
	done
	for client in $clients; do
		"$1" "$client"
		fio_on "$client" 1 $random --do_verify=0 --fsync=16 --time_based \
			--runtime=30 --loops=1000 &
		pids+=($!)
	done
	sleep "0.$((RANDOM % 6 + 1))"
	kill -9 "${mount_pid[$mnt]}"
	for ended in "${pids[@]}"; do
		! wait "$ended" ||
			fail "expected an error of fio after vhdfs was killed"
	done
	after_kill
	remove_killed_mount
	check_images
	mount_store "$store" "$mnt"
	for client in $clients; do
		on_the_mount "$client"
		fio_on "$client" 0 $random --verify_only ||
			fail "round $rounds, client $client, verifying:" \
				"$(complaint "$client")" "$(cat "$mnt.log")"
		# fio reports success also when it reads nothing.
		equal "bytes that fio verified" $((even_bytes)) \
			"$(sed -n '/^{/,$p' "$scratch/fio.$client" |
				jq '.jobs[0].read.io_bytes')"
		verified=$((verified + even_bytes))
	done
	equal "the masters' hash" "$masters" "$(masters_sum)"
}

after_kill() {
	:
}

fio_rounds() {
	verified=0
	while more "$1" 3; do
		"${before_round:-true}"
		fio_round "$2"
	done
	unmount "$mnt"
	check_images replayed
	remark "$kills kills under fio, $((verified / 512)) sectors verified"
}

test_vhd_keeps_flushed_data_on_the_mount() {
	begin
	make_clients vhd --block-size 512K
	fio_rounds 1 on_the_mount
}

test_vhdx_keeps_flushed_data_on_the_mount() {
	begin
	make_clients vhdx --block-size 1M
	fio_rounds 1 on_the_mount
}

# fio has no iSCSI initiator: qemu-nbd makes an NBD socket of each disk.
through_tgtd() {
	fio_disk=(--ioengine=nbd --uri="nbd+unix:///$1?socket=$scratch/$1.nbd")
}

start_exports() {
	local client

	export_clients
	bridge=()
	for client in $clients; do
		rm -f "$scratch/$client.nbd"
		qemu-nbd -f raw -t -k "$scratch/$client.nbd" -x "$client" "$(url "$client")" \
			>"$scratch/$client.qemu-nbd" 2>&1 &
		bridge+=($!)
		at_exit "kill $! 2>/dev/null"
	done
	for client in $clients; do
		wait_until 10 test -S "$scratch/$client.nbd"
	done
}

stop_exports() {
	local pid

	for pid in "${bridge[@]}"; do
		kill -9 "$pid"
		wait "$pid" || true
	done
	kill_tgtd
}

test_vhdx_keeps_flushed_data_through_tgtd() {
	requires_tgtd
	requires qemu-nbd
	begin
	make_clients vhdx --block-size 1M
	before_round=start_exports
	after_kill() {
		stop_exports
	}
	fio_rounds 2 through_tgtd
}

run_tests
