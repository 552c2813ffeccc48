# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For tests in shell, after lib.sh: things to put into disks, and a flat file,
# the model, that says what must be there.

# make_model FILE SIZE
make_model() {
	truncate -s "$2" "$1"
}

# put IMAGE MODEL COMMAND...: the same commands of disk-io to both.
put() {
	disk-io "$1" "${@:3}"
	disk-io "$2" "${@:3}"
}

# The seed that VHDFS_SEED names, or a new one.
choose_seed() {
	: "${VHDFS_SEED:=$((RANDOM * 32768 + RANDOM))}"
	echo "VHDFS_SEED=$VHDFS_SEED"
	RANDOM=$VHDFS_SEED
}

# random_below LIMIT: into $random; a subshell would not go on in the sequence.
random_below() {
	random=$(((RANDOM << 30 | RANDOM << 15 | RANDOM) % $1))
}

# put_random IMAGE MODEL COUNT: writes of any offset and length, and zeros, all
# over the disk; its first and last bytes are always written.
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

# same_disk IMAGE MODEL: the merged disk is the model, byte for byte; the image
# is sound.
same_disk() {
	disk-io "$1" read 0 - | cmp - "$2" ||
		fail "$1: the disk differs from the model"
	vhdfs-img check "$1"
}

# key IMAGE KEY: of info's JSON.
key() {
	vhdfs-img info --json "$1" | jq -r ".[\"$2\"]"
}

# hold IMAGE COMMAND: a process that has the image open, writable when COMMAND
# is "open", for reading when it is "verify 0 0 0"; until the test ends.
hold() {
	mkfifo "$scratch/hold.fifo"
	# shellcheck disable=SC2086
	disk-io "$1" $2 hold <"$scratch/hold.fifo" >"$scratch/hold.out" &
	hold_pid=$!
	exec {hold_fd}>"$scratch/hold.fifo"
	wait_until 10 grep -q holding "$scratch/hold.out"
}

# Ends what hold started.
release() {
	exec {hold_fd}>&-
	wait "$hold_pid"
	rm "$scratch/hold.fifo"
}
