#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Images with random changes in their structures: every subcommand ends with one of
# its exit codes, prints one line if it fails, and never crashes or hangs.  Commands
# that read do not change the image.  An image that --repair reports as sound is sound
# and can be read.
#
# VHDFS_ROUNDS is the number of images for each type; VHDFS_SEED repeats a run.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

ROUNDS=${VHDFS_ROUNDS:-12}

# Prints the offsets and lengths of the structures of an image.
structures() {
	case $1 in
	*.vhd)
		echo "0 512 512 1024 1536 1024 4096 4096 8192 1024"
		echo "$(($(size_of "$1") - 512)) 512"
		;;
	*.vhdx)
		echo "0 16 65536 96 131072 96 196608 128 262144 128"
		echo "1048576 8192 2097152 256 2162688 512 3145728 256"
		echo "4194304 1024"
		;;
	esac
}

# Changes one to four bytes in the structures of an image.
mutate() {
	local places n at off byte

	read -r -d '' -a places < <(structures "$1") || true
	random_below 4
	for ((n = random; n >= 0; n--)); do
		random_below $((${#places[@]} / 2))
		at=$random
		random_below "${places[2 * at + 1]}"
		off=$((places[2 * at] + random))
		# All bits 0 or 1 reveal the most defects.
		random_below 4
		case $random in
		0) byte=00 ;;
		1) byte=ff ;;
		*) byte=$(printf %02x $((RANDOM % 256))) ;;
		esac
		# shellcheck disable=SC2059
		printf "\\x$byte" | dd of="$1" bs=1 seek="$off" conv=notrunc \
			status=none
		echo "$1: byte $off is $byte"
	done
}

# try STATUSES COMMAND...: COMMAND ends with one of these exit codes.
try() {
	local allowed=$1 status=0

	shift
	timeout "$hang_seconds" "$@" >"$scratch/stdout" 2>"$scratch/stderr" || status=$?
	[[ " $allowed " == *" $status "* ]] ||
		fail "$*: expected exit status $allowed, found $status:" \
			"$(head -n 20 "$scratch/stderr")"
	[ "$status" != 1 ] || [ "$(wc -l <"$scratch/stderr")" = 1 ] ||
		fail "$*: expected one line of error, got" \
			"$(cat "$scratch/stderr")"
	result=$status
}

# read_image IMAGE: runs the subcommands that read.
read_image() {
	local before

	before=$(sha256_of "$1")
	try "0 1" vhdfs-img info --json --chain "$1"
	try "0 1" vhdfs-img map --json "$1"
	try "0 1 3" vhdfs-img check --json "$1"
	rm -f "$scratch/out.raw"
	try "0 1" vhdfs-img convert "$1" "$scratch/out.raw"
	equal "the image" "$before" "$(sha256_of "$1")"
}

# repair IMAGE: repairs the image; if that succeeds, the image must be sound.
repair() {
	try "0 1 3" vhdfs-img check --repair "$1"
	[ "$result" = 0 ] || return 0
	try "0" vhdfs-img check "$1"
	rm -f "$scratch/out.raw"
	try "0" vhdfs-img convert "$1" "$scratch/out.raw"
}

# write_to IMAGE: writes through the library.
write_to() {
	try "0 1" disk-io "$1" write 1000 5000 1 punch 2097152 2097152 flush
}

# rounds_of ENDING BLOCK_SIZE WHICH: mutates a parent (WHICH p) or its child (c), and
# runs the subcommands, again and again.
rounds_of() {
	local image=$1 i

	choose_seed
	vhdfs-img create --size 9M --block-size "$2" "$scratch/p.$image"
	disk-io "$scratch/p.$image" write 0 3000000 1
	vhdfs-img create --parent "$scratch/p.$image" --block-size "$2" \
		"$scratch/c.$image"
	disk-io "$scratch/c.$image" write 2000000 1500000 2 write 9000000 700 3
	for ((i = 0; i < ROUNDS; i++)); do
		cp "$scratch/${3}.$image" "$scratch/m.$image"
		mutate "$scratch/m.$image"
		read_image "$scratch/m.$image"
		cp "$scratch/m.$image" "$scratch/w.$image"
		repair "$scratch/m.$image"
		write_to "$scratch/w.$image"
	done
}

test_subcommands_survive_a_mutated_dynamic_vhd() {
	rounds_of vhd 512K p
}

test_subcommands_survive_a_mutated_differencing_vhd() {
	rounds_of vhd 512K c
}

test_subcommands_survive_a_mutated_dynamic_vhdx() {
	rounds_of vhdx 1M p
}

test_subcommands_survive_a_mutated_differencing_vhdx() {
	rounds_of vhdx 1M c
}

run_tests
