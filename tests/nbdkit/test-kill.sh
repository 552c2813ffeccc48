#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The nbdkit plugin: nbdkit in the background, and kills of nbdkit under clients.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "$top_srcdir/tests/nbdkit/common.sh"

has_ended() {
	! kill -0 "$1"
}

# The paths are relative to the current directory.
test_background_server_leaves_a_clean_image() {
	local pid

	cd "$scratch"
	mkdir -p store/clients
	vhdfs-img create --size 8M store/m.vhdx
	disk-io store/m.vhdx write 0 100000 1
	vhdfs-img create --parent store/m.vhdx store/clients/c.vhdx
	"${nbdkit[@]}" -U "$scratch/nbd.sock" -P nbd.pid "$plugin" \
		store=store clients/c.vhdx
	wait_until 10 test -s nbd.pid
	pid=$(cat nbd.pid)
	at_exit "kill $pid 2>/dev/null"
	qemu_io "$(uri_of "")" "write -P 5 4096 4096" "read -P 5 4096 4096"
	kill "$pid"
	wait_until 10 has_ended "$pid"
	equal "dirty" false \
		"$(vhdfs-img check --json store/clients/c.vhdx | jq .dirty)"
	disk-io store/clients/c.vhdx verify 0 4096 1
	disk-io store/clients/c.vhdx read 4096 4096 |
		cmp - <(printf '\5%.0s' {1..4096})
}

# Without store=, and through a symbolic link to the image.
test_background_server_serves_a_link() {
	local pid

	cd "$scratch"
	vhdfs-img create --size 8M d.vhdx
	ln -s d.vhdx link
	"${nbdkit[@]}" -U "$scratch/nbd.sock" -P nbd.pid "$plugin" \
		link
	wait_until 10 test -s nbd.pid
	pid=$(cat nbd.pid)
	at_exit "kill $pid 2>/dev/null"
	equal "size" $((8 << 20)) "$(nbdinfo --size "$(uri_of "")")"
	kill "$pid"
	wait_until 10 has_ended "$pid"
}

# fio_pieces FIRST SEED OPTION...: fio on every second piece of 6 KiB, from number
# FIRST on.
fio_pieces() {
	fio --name=try --ioengine=nbd --uri="$uri" --bs=6k --rw=write:6k \
		--offset=$(($1 * 6144)) --size=$((16773120 - $1 * 6144)) \
		--verify=crc32c --verify_fatal=1 --randseed="$2" \
		--allrandrepeat=1 --verify_state_save=0 "${@:3}" \
		>"$scratch/fio.$1" 2>&1
}

# Writes and flushes the even pieces, and kills nbdkit while the odd pieces, in the
# same blocks, are written.
killed_under_fio() {
	local round seed=$RANDOM before

	requires fio
	fio --enghelp | grep -qw nbd || skip "fio without the nbd engine"
	vhdfs-img create --size 16M "$scratch/m.$1"
	disk-io "$scratch/m.$1" write 0 10000000 1
	vhdfs-img create --parent "$scratch/m.$1" "$scratch/c.$1"
	before=$(sha256sum "$scratch/m.$1")
	for round in 1 2 3; do
		serve "$scratch/c.$1"
		fio_pieces 0 $((seed + round)) --do_verify=0 --end_fsync=1 ||
			fail "expected success of fio: $(cat "$scratch/fio.0")"
		fio_pieces 1 $((seed + round)) --do_verify=0 --fsync=16 \
			--time_based --runtime=30 --loops=1000 &
		pause "0.$((RANDOM % 5 + 2))"
		kill_server
		! wait $! || fail "expected an error of fio after the kill"
		vhdfs-img check "$scratch/c.$1" || [ $? = 3 ]
		serve "$scratch/c.$1"
		fio_pieces 0 $((seed + round)) --verify_only ||
			fail "round $round: expected all flushed data:" \
				"$(cat "$scratch/fio.0")"
		stop_serving
		vhdfs-img check "$scratch/c.$1"
	done
	equal "parent" "$before" "$(sha256sum "$scratch/m.$1")"
}

test_kill_loses_no_flushed_data() {
	for_each_format killed_under_fio
}

run_tests
