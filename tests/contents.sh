# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Contents of disks, for shell tests; to be sourced after lib.sh.  The model is a
# flat file that holds the bytes that the disk must have.

# make_model FILE SIZE: creates a model that holds zeros.
make_model() {
	truncate -s "$2" "$1"
}

# put IMAGE MODEL COMMAND...: runs the same commands of disk-io on both.
put() {
	disk-io "$1" "${@:3}"
	disk-io "$2" "${@:3}"
}

# Sets RANDOM from VHDFS_SEED, or from a new seed, and prints the seed.
choose_seed() {
	: "${VHDFS_SEED:=$((RANDOM * 32768 + RANDOM))}"
	echo "VHDFS_SEED=$VHDFS_SEED"
	RANDOM=$VHDFS_SEED
}

# random_below LIMIT: sets $random to a number from 0 to LIMIT - 1.  It prints
# nothing, because a subshell would not advance RANDOM of its caller.
random_below() {
	random=$(((RANDOM << 30 | RANDOM << 15 | RANDOM) % $1))
}

# put_random IMAGE MODEL COUNT: puts COUNT writes, zeroings and punches of random
# offset and length; the first and the last bytes of the disk are always written.
put_random() {
	local image=$1 model=$2 count=$3 size off len command seed
	local commands=()

	size=$(size_of "$model")
	while [ "$count" -gt 0 ]; do
		count=$((count - 1))
		random_below "$size"
		off=$random
		random_below 17
		random_below $((1 << (5 + random)))
		len=$((random + 1))
		[ $((off + len)) -le "$size" ] || len=$((size - off))
		random_below 8
		case $random in
		0) commands+=(zero "$off" "$len") ;;
		1) commands+=(punch "$off" "$len") ;;
		2) # Whole sectors, as file systems write.
			off=$((off / 4096 * 4096))
			[ "$size" -lt $((off + 4096)) ] ||
				commands+=(write "$off" 4096 "$RANDOM")
			;;
		*) commands+=(write "$off" "$len" "$RANDOM") ;;
		esac
	done
	commands+=(write 0 1000 "$RANDOM" write $((size - 700)) 700 "$RANDOM")
	put "$image" "$model" "${commands[@]}"
}

# same_disk IMAGE MODEL: expects that the merged disk equals the model, and that
# the image is sound.
same_disk() {
	disk-io "$1" read 0 - | cmp - "$2" ||
		fail "$1: expected the bytes of the model $2, found others"
	vhdfs-img check "$1"
}

# unlike_both FILE OLD NEW: prints the sectors of the file that have neither the old nor
# the new content.
unlike_both() {
	comm -12 <(sectors_unlike "$1" "$2") <(sectors_unlike "$1" "$3")
}

# sectors_unlike FILE OTHER: prints the sectors that differ.
sectors_unlike() {
	{
		cmp -l "$1" "$2" || true
	} | awk '{ print int(($1 - 1) / 512) }' | sort -u
}

# key IMAGE KEY: prints the value of the key in the JSON of info.
key() {
	vhdfs-img info --json "$1" | jq -r ".[\"$2\"]"
}

# hold IMAGE COMMAND: starts a process that keeps the image open until release or
# the test's end: for writing if COMMAND is "open", for reading if it is
# "verify 0 0 0".  Sets $hold_pid.
hold() {
	rm -f "$scratch/hold.out"
	mkfifo "$scratch/hold.fifo"
	# shellcheck disable=SC2086
	disk-io "$1" $2 hold <"$scratch/hold.fifo" >"$scratch/hold.out" &
	hold_pid=$!
	exec {hold_fd}>"$scratch/hold.fifo"
	wait_until 10 grep -q holding "$scratch/hold.out"
}

# Ends the process that hold started.
release() {
	exec {hold_fd}>&-
	wait "$hold_pid"
	rm "$scratch/hold.fifo"
}
