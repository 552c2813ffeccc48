#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The nbdkit plugin: writes, zeroing, trimming, flushes, and several clients.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "$top_srcdir/tests/nbdkit/common.sh"

# Overwrites the whole disk with another one.
copy_into_a_child() {
	local before

	random_chain "$1"
	before=$(parents_sum)
	make_model "$scratch/other" 20M
	disk-io "$scratch/other" write 0 3000000 5 write 9000000 5000 6
	with_disk 'nbdcopy '"$scratch/other"' "$uri"' store="$store" \
		image="$image"
	same_disk "$store/$image" "$scratch/other"
	equal "parents" "$before" "$(parents_sum)"
}

test_nbdcopy_overwrites_a_child() {
	for_each_format copy_into_a_child
}

# random_commands N: sets $commands to N commands of qemu-io: writes, zeroing and
# discards on a disk of 20 MiB.
random_commands() {
	local size=$((20 * 1024 * 1024)) off len kind

	commands=()
	for _ in $(seq "$1"); do
		random_below "$size"
		off=$random
		random_below 17
		random_below $((1 << (5 + random)))
		len=$((random + 1))
		[ $((off + len)) -le "$size" ] || len=$((size - off))
		random_below 6
		case $random in
		0) kind="write -z" ;;
		1) kind="write -z -u" ;;
		2) kind="write -f -P $((RANDOM % 256))" ;;
		*) kind="write -P $((RANDOM % 256))" ;;
		esac
		commands+=("$kind $off $len")
	done
}

# Runs the same commands of qemu-io on the plugin and on a raw file.
same_as_a_raw_file() {
	local before commands

	random_chain "$1"
	before=$(parents_sum)
	random_commands 60
	serve store="$store" image="$image"
	qemu_io "$uri" "${commands[@]}"
	stop_serving
	qemu_io "$scratch/model" "${commands[@]}"
	same_disk "$store/$image" "$scratch/model"
	equal "parents" "$before" "$(parents_sum)"
}

test_writes_and_zeroing_equal_those_of_a_raw_file() {
	for_each_format same_as_a_raw_file
}

# The same writes through the mount and through the plugin.
test_writes_equal_those_of_a_mount() {
	local commands image

	requires_fuse
	choose_seed
	mkdir "$scratch/store"
	vhdfs-img create --size 20M "$scratch/store/m.vhdx"
	disk-io "$scratch/store/m.vhdx" write 0 9000000 1
	for image in a b; do
		vhdfs-img create --parent "$scratch/store/m.vhdx" \
			"$scratch/store/$image.vhdx"
	done
	random_commands 60
	mount_store "$scratch/store" "$scratch/mnt"
	qemu_io "$scratch/mnt/a.vhdx.raw" "${commands[@]}"
	unmount "$scratch/mnt"
	serve "$scratch/store/b.vhdx"
	qemu_io "$uri" "${commands[@]}"
	stop_serving
	disk-io "$scratch/store/a.vhdx" read 0 - |
		cmp - <(disk-io "$scratch/store/b.vhdx" read 0 -)
	vhdfs-img check "$scratch/store/b.vhdx"
}

blocks_of() {
	stat -c %b "$1"
}

test_trim_frees_space() {
	local full

	vhdfs-img create --size 32M --block-size 1M "$scratch/d.vhdx"
	serve "$scratch/d.vhdx"
	qemu_io "$uri" "write -P 1 0 16M" flush
	full=$(blocks_of "$scratch/d.vhdx")
	[ "$full" -ge $((16 * 2048)) ] || fail "expected 16 MiB, found $full"
	qemu_io "$uri" "discard 0 12M" flush "read -P 0 0 12M" \
		"read -P 1 12M 4M"
	stop_serving
	[ "$(blocks_of "$scratch/d.vhdx")" -le $((full - 11 * 2048)) ] ||
		fail "expected 11 MiB less than $full blocks, found" \
			"$(blocks_of "$scratch/d.vhdx")"
	vhdfs-img check "$scratch/d.vhdx"
}

# The parent's data does not appear again.
trim_over_parent() {
	vhdfs-img create --size 8M "$scratch/m.$1"
	disk-io "$scratch/m.$1" write 0 8388608 1
	vhdfs-img create --parent "$scratch/m.$1" "$scratch/c.$1"
	serve "$scratch/c.$1"
	qemu_io "$uri" "discard 4096 5M" flush "read -P 0 4096 5M"
	stop_serving
	disk-io "$scratch/c.$1" verify 0 4096 1 verify 5246976 3141632 1
	disk-io "$scratch/c.$1" read 4096 5242880 |
		cmp -n 5242880 - /dev/zero
	vhdfs-img check "$scratch/c.$1"
}

test_trim_hides_the_parent() {
	for_each_format trim_over_parent
}

# The client forbids holes; zeroing by a client that allows them frees the space.
test_zero_without_holes_keeps_the_space() {
	vhdfs-img create --size 8M --block-size 1M "$scratch/d.vhdx"
	serve "$scratch/d.vhdx"
	qemu_io "$uri" "write -P 1 0 8M" flush "write -z 0 4M" flush
	[ "$(blocks_of "$scratch/d.vhdx")" -ge $((8 * 2048)) ] ||
		fail "expected 8 MiB, found $(blocks_of "$scratch/d.vhdx")"
	qemu_io "$uri" "write -z -u 4M 4M" flush "read -P 0 0 8M"
	[ "$(blocks_of "$scratch/d.vhdx")" -le $((7 * 2048)) ] ||
		fail "expected a hole, found $(blocks_of "$scratch/d.vhdx")"
	stop_serving
	vhdfs-img check "$scratch/d.vhdx"
}

test_extents_show_writes_at_once() {
	vhdfs-img create --size 16M --block-size 1M "$scratch/d.vhdx"
	serve "$scratch/d.vhdx"
	qemu_io "$uri" "write -P 1 2M 3M" "write -z -u 3M 1M"
	equal "map" "2097152 3,1048576 0,1048576 3,1048576 0,11534336 3" "$(
		nbdinfo --map --json "$uri" |
			jq -r 'map("\(.length) \(.type)") | join(",")')"
	stop_serving
}

# The server continues; the image is closed, clean and unlocked.
test_last_client_leaves_a_clean_image() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	serve "$scratch/d.vhdx"
	qemu_io "$uri" "write -P 1 0 1M"
	wait_until 10 is_free "$scratch/d.vhdx"
	equal "dirty" false \
		"$(vhdfs-img check --json "$scratch/d.vhdx" | jq .dirty)"
	disk-io "$scratch/d.vhdx" write 0 4096 9
	qemu_io "$uri" "read -P 1 4096 4096"
	stop_serving
}

is_free() {
	[ "$(key "$1" in-use)" = false ]
}

# After a signal nbdkit ends when its clients have disconnected.
test_end_of_the_server_leaves_a_clean_image() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	serve "$scratch/d.vhdx"
	client_begins "write -P 1 0 1M"
	kill "$nbd_pid"
	client_ends
	wait "$nbd_pid" || fail "nbdkit: expected exit status 0, found $?"
	nbd_pid=
	equal "dirty" false \
		"$(vhdfs-img check --json "$scratch/d.vhdx" | jq .dirty)"
	qemu_io_on_image "read -P 1 0 1M"
}

qemu_io_on_image() {
	vhdfs-img convert --format raw "$scratch/d.vhdx" "$scratch/d.raw"
	qemu_io "$scratch/d.raw" "$@"
}

# A flush of one client makes the writes of another durable.
test_flush_covers_all_connections() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	serve "$scratch/d.vhdx"
	nbdinfo --can multi-conn "$uri" || fail "expected multi-conn"
	client_begins "write -P 1 0 1M"
	qemu_io "$uri" flush
	kill_server
	vhdfs-img check --repair "$scratch/d.vhdx"
	qemu_io_on_image "read -P 1 0 1M"
}

test_write_with_fua_is_durable() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	serve "$scratch/d.vhdx"
	nbdinfo --can fua "$uri" || fail "expected FUA"
	client_begins "write -f -P 1 0 1M"
	kill_server
	vhdfs-img check --repair "$scratch/d.vhdx"
	qemu_io_on_image "read -P 1 0 1M"
}

# fio_on NAME OPTION...: runs fio with the nbd engine.
fio_on() {
	requires fio
	fio --enghelp | grep -qw nbd || skip "fio without the nbd engine"
	fio --name="$1" --ioengine=nbd --uri="$uri" --iodepth=16 \
		--verify=crc32c --verify_fatal=1 --verify_state_save=0 \
		"${@:2}" >"$scratch/fio" 2>&1 ||
		fail "expected success of fio: $(cat "$scratch/fio")"
}

fio_verifies() {
	vhdfs-img create --size 32M "$scratch/m.$1"
	disk-io "$scratch/m.$1" write 0 20000000 1
	vhdfs-img create --parent "$scratch/m.$1" "$scratch/c.$1"
	serve "$scratch/c.$1"
	fio_on try --rw=randwrite --bsrange=512-64k --blockalign=512 --size=32M
	stop_serving
	vhdfs-img check "$scratch/c.$1"
}

test_fio_verifies_what_it_wrote() {
	for_each_format fio_verifies
}

# Each client has its own part of the disk; the parts share blocks.
test_many_clients_write_at_the_same_time() {
	vhdfs-img create --size 32M "$scratch/m.vhdx"
	disk-io "$scratch/m.vhdx" write 0 20000000 1
	vhdfs-img create --parent "$scratch/m.vhdx" "$scratch/c.vhdx"
	serve "$scratch/c.vhdx"
	fio_on try --rw=randwrite --bs=4k --numjobs=16 --thread \
		--size=1900k --offset_increment=1900k --fsync=50
	stop_serving
	vhdfs-img check "$scratch/c.vhdx"
}

test_parameter_reserve_leaves_space_free() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	serve "$scratch/d.vhdx" reserve=8000T
	! qemu-io -f raw -c "write 0 1M" "$uri" >"$scratch/out" 2>&1 ||
		! grep -q '^wrote' "$scratch/out" || fail "expected no write"
	has_line -i 'no space left' "$scratch/out"
	has_line 'nbdkit: .*error: d\.vhdx: .*reserve' "$scratch/nbd.log"
	stop_serving
}

# The client then writes the zeros itself.
test_fast_zero_is_refused_and_the_server_continues() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	serve "$scratch/d.vhdx"
	qemu-io -f raw -c "write -z -n 0 1M" "$uri" >"$scratch/out" 2>&1 || true
	has_line -i 'not supported' "$scratch/out"
	qemu_io "$uri" "write -P 7 0 2M" "write -z 0 1M" "read -P 0 0 1M" \
		"read -P 7 1M 1M"
	stop_serving
}

run_tests
