#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random operations on views, compared with a flat file, the model: each type of
# image, with one thread and with several.  After each round the store is unmounted;
# the image must be sound, leak no space and equal the model, and its parents must
# be unchanged.
#
# VHDFS_SEED repeats the operations of the rounds with one thread; VHDFS_OPS is the
# number of operations of each round.  With VHDFS_LONG=MINUTES all tests together
# take about that time.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "$top_srcdir/tests/mount/common.sh"

requires jq qemu-img
tests_of_images=18
[ -z "${VHDFS_LONG:-}" ] || test_timeout=$((VHDFS_LONG * 60 / tests_of_images * 2 + 600))

# make_chain SIZE FORMAT DEPTH [OPTION...]: creates an image with DEPTH parents that
# hold data, all with these options of create.  Sets $image, $view, its view, and
# $model.
make_chain() {
	local size=$1 format=$2 depth=$3 i name parent='' options

	shift 3
	empty_store
	choose_seed
	model=$scratch/model parents=()
	make_model "$model" "$size"
	for ((i = depth; i >= 0; i--)); do
		name=disk$i.$format
		options=(--size "$size")
		if [ -n "$parent" ]; then
			put_random "$store/$parent" "$model" 40
			parents+=("$store/$parent")
			options=(--parent "$store/$parent")
		fi
		vhdfs-img create "$@" "${options[@]}" "$store/$name"
		parent=$name
	done
	image=$store/disk0.$format view=$mnt/disk0.$format.raw
	# No parent may change from now on.
	for i in "${parents[@]}"; do
		sha256_of "$i"
	done >"$scratch/parents"
}

# Expects, after an unmount, that the image is sound and its parents are unchanged.
image_is_sound() {
	local leaked parent

	expect 0 vhdfs-img check --json "$image"
	leaked=$(jq .leaked "$scratch/stdout")
	equal "leaked bytes" 0 "$leaked"
	for parent in "${parents[@]}"; do
		sha256_of "$parent"
	done | cmp - "$scratch/parents" || fail "expected unchanged parents"
}

# Expects that vhdfs-img convert and qemu-img read the model from the image.
other_programs_read_the_model() {
	local raw format=vhdx

	raw=$scratch/raw
	rm -f "$raw"
	vhdfs-img convert --format raw "$image" "$raw"
	cmp "$raw" "$model" ||
		fail "expected the bytes of the model from vhdfs-img convert"
	rm "$raw"
	# qemu supports no children and no sectors of 4096 bytes.
	[ "${#parents[@]}" = 0 ] && [ "$(key "$image" sector-size)" = 512 ] ||
		return 0
	[[ $image != *.vhd ]] || format=vpc
	qemu-img compare -q -f "$format" -F raw "$image" "$model" ||
		fail "expected the bytes of the model from qemu-img"
}

remount() {
	unmount "$mnt"
	image_is_sound
	[ -z "${VHDFS_LONG:-}" ] || other_programs_read_the_model
	mount_store "$store" "$mnt"
	cmp "$view" "$model" ||
		fail "expected the bytes of the model after a remount"
}

end_exercise() {
	[ -z "$exercise_pid" ] || kill "$exercise_pid"
}

# run_exercise OPTION...: runs the program exercise; after each of its rounds the
# store is remounted and the image checked.
run_exercise() {
	local line status=0 to from

	rm -f "$scratch/to" "$scratch/from"
	mkfifo "$scratch/to" "$scratch/from"
	exercise "$@" "$view" "$model" <"$scratch/to" >"$scratch/from" &
	exercise_pid=$!
	at_exit end_exercise
	exec {to}>"$scratch/to" {from}<"$scratch/from"
	while read -r line <&"$from"; do
		echo "$line"
		[[ $line == round* ]] || continue
		remount
		echo go >&"$to"
	done
	exec {to}>&- {from}<&-
	wait "$exercise_pid" || status=$?
	exercise_pid=
	equal "exit status of exercise" 0 "$status"
}

# Exercises the image of make_chain in rounds of each kind: with one thread; with
# several threads, each with a part of the disk, with sectors in turn, or with parts
# of sectors; with the page cache and without.
exercise_disk() {
	local sector block threads ops=200 long=()

	[ -z "${VHDFS_SAMPLE:-}" ] || ops=100
	block=$(key "$image" block-size)
	sector=$(key "$image" sector-size)
	[ "$block" -gt 0 ] 2>/dev/null || block=1048576
	threads=1,4/$sector,1,4/100,4+
	if [ -n "${VHDFS_LONG:-}" ]; then
		threads+=,4/100+,1,4,4/$sector+,12/512
		long=(--seconds $((VHDFS_LONG * 60 / tests_of_images)))
	fi
	mount_store "$store" "$mnt"
	run_exercise --seed "$VHDFS_SEED" --block "$block" \
		--ops "${VHDFS_OPS:-$ops}" --threads "$threads" "${long[@]}"
	remount
	unmount "$mnt"
	other_programs_read_the_model
}

test_dynamic_vhd_equals_its_model() {
	make_chain $((21 * 1048576 + 1536)) vhd 0
	exercise_disk
}

test_dynamic_vhd_with_small_blocks_equals_its_model() {
	make_chain $((9 * 1048576 + 512)) vhd 0 --block-size 512K
	exercise_disk
}

test_fixed_vhd_equals_its_model() {
	make_chain $((9 * 1048576 + 512)) vhd 0 --fixed
	exercise_disk
}

test_vhd_child_equals_its_model() {
	make_chain $((21 * 1048576 + 1536)) vhd 1
	exercise_disk
}

test_vhd_child_with_small_blocks_equals_its_model() {
	make_chain $((9 * 1048576 + 512)) vhd 1 --block-size 512K
	exercise_disk
}

test_vhd_chain_of_three_equals_its_model() {
	make_chain $((21 * 1048576 + 1536)) vhd 2
	exercise_disk
}

test_vhd_chain_of_three_with_small_blocks_equals_its_model() {
	make_chain $((9 * 1048576 + 512)) vhd 2 --block-size 512K
	exercise_disk
}

# Disks of two blocks and a half.  The child below has VHDX's blocks of 32 MiB.
test_dynamic_vhdx_equals_its_model() {
	make_chain $((21 * 1048576 + 512)) vhdx 0 --block-size 8M
	exercise_disk
}

test_dynamic_vhdx_with_small_blocks_equals_its_model() {
	make_chain $((17 * 1048576 + 512)) vhdx 0 --block-size 1M
	exercise_disk
}

test_dynamic_vhdx_with_4k_sectors_equals_its_model() {
	make_chain $((21 * 1048576 + 4096)) vhdx 0 --block-size 8M \
		--sector-size 4096
	exercise_disk
}

test_dynamic_vhdx_with_small_blocks_and_4k_sectors_equals_its_model() {
	make_chain $((17 * 1048576 + 4096)) vhdx 0 --block-size 1M \
		--sector-size 4096
	exercise_disk
}

test_fixed_vhdx_equals_its_model() {
	make_chain $((17 * 1048576 + 512)) vhdx 0 --fixed
	exercise_disk
}

test_fixed_vhdx_with_4k_sectors_equals_its_model() {
	make_chain $((17 * 1048576 + 4096)) vhdx 0 --fixed --sector-size 4096
	exercise_disk
}

test_vhdx_child_equals_its_model() {
	make_chain $((80 * 1048576 + 512)) vhdx 1
	exercise_disk
}

test_vhdx_child_with_small_blocks_equals_its_model() {
	make_chain $((17 * 1048576 + 512)) vhdx 1 --block-size 1M
	exercise_disk
}

test_vhdx_child_with_small_blocks_and_4k_sectors_equals_its_model() {
	make_chain $((17 * 1048576 + 4096)) vhdx 1 --block-size 1M \
		--sector-size 4096
	exercise_disk
}

test_vhdx_chain_of_three_equals_its_model() {
	make_chain $((21 * 1048576 + 512)) vhdx 2 --block-size 8M
	exercise_disk
}

test_vhdx_chain_of_three_with_small_blocks_and_4k_sectors_equals_its_model() {
	make_chain $((17 * 1048576 + 4096)) vhdx 2 --block-size 1M \
		--sector-size 4096
	exercise_disk
}

# The tests from here on show that exercise detects errors.

# make_disk_with_data LEN: mounts a store with a disk of 4 MiB, with data in its
# first LEN bytes, and makes its model.
make_disk_with_data() {
	rm -rf "$scratch/store" "$scratch/model"
	empty_store
	view=$mnt/a.vhd.raw model=$scratch/model
	make_model "$model" 4M
	vhdfs-img create --size 4M --block-size 512K "$store/a.vhd"
	put "$store/a.vhd" "$model" write 0 "$1" 1
	mount_store "$store" "$mnt"
}

# finds PATTERN OPTION...: expects that exercise with these options fails, with an
# error that matches and a list of the last operations.
finds() {
	local pattern=$1

	shift
	expect 1 exercise --seed 1 --block 524288 "$@" "$view" "$model"
	grep -q "$pattern" "$scratch/stderr" ||
		fail "exercise $*: expected '$pattern', found:" \
			"$(head -n 5 "$scratch/stderr")"
	grep -q '^the last operations:' "$scratch/stderr" ||
		fail "exercise $*: expected a list of the last operations"
}

test_each_read_operation_detects_a_wrong_byte() {
	local name

	make_disk_with_data 2000000
	printf '\377' | dd of="$model" bs=1 seek=9000 conv=notrunc status=none
	for name in read read-cached map-shared map-private; do
		finds '[a-z]: byte 9000: expected ff, found' --only "$name"
	done
	grep -q 'byte 9000 was changed by none of the last [0-9]* operations' \
		"$scratch/stderr"
	finds 'the whole disk: byte 9000: expected' --only fsync --ops 2
	finds 'the whole disk: byte 9000: expected' --only fsync --ops 2 \
		--threads 4
}

test_false_hole_is_detected() {
	local name

	make_disk_with_data 2000000
	printf '\1' | dd of="$model" bs=1 seek=3000000 conv=notrunc status=none
	for name in seek holes; do
		finds 'call a hole: byte 3000000: expected 01, found 00' \
			--only "$name"
	done
}

test_lost_change_is_detected() {
	local name

	for name in write punch zero copy across-end; do
		make_disk_with_data 4194304
		finds ': byte' --only "$name" --ops 1 --lose 1
		grep -q "^ .* thread 0: $name " "$scratch/stderr" ||
			fail "expected a $name, found: $(cat "$scratch/stderr")"
		unmount "$mnt"
	done
}

test_change_lost_by_one_of_several_threads_is_detected() {
	local threads

	for threads in 4 4/512 4/100+; do
		make_disk_with_data 4194304
		finds ': byte' --only write --ops 25 \
			--threads "$threads" --lose 104
		unmount "$mnt"
	done
}

run_tests
