# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Works that sync: the program syncer writes 4 KiB and syncs, in a loop; one
# client, or sixteen with a file each.

sync_clients=16
sync_length=$((8 * mib))

# First writes have a limit of writes, not of time: the next first write costs
# less the more sectors copy-up has stored already.
work_sync() {
	[ "$quick" = no ] || sync_length=$((sync_length / 4))
	local first_pieces=$((sync_length / 4096 / 2))
	local plain=${passthrough_dir[passthrough-plain]:-}

	step "4 KiB write and fdatasync, in place and first writes"
	in_turn sync_rounds
	[ -z "$plain" ] || passthrough_dir[passthrough-plain]=$plain
	[ -z "$plain" ] || read_file[passthrough-plain]=$plain/master.raw
}

sync_rounds() {
	local side count names=()
	local -A placed=() syncs=()

	mapfile -t names < <(seq "$sync_clients")
	place_files
	for side in $(up "${kinds[@]}"); do
		for count in 1 "$sync_clients"; do
			in_turn count_syncs "$side" "$count"
		done
	done
	for ((round = 1; round <= rounds; round++)); do
		for count in 1 "$sync_clients"; do
			for side in "${sides[@]}"; do
				sync_in_place "$side" "$count"
			done
			for side in $(up "${limits[@]}" qemu "${kinds[@]}"); do
				in_turn sync_first "$side" "$count"
			done
			in_turn sync_filled "$count"
			# Last: the file system is still busy when its clones are
			# removed.
			for side in $(up reflink); do
				in_turn sync_first "$side" "$count"
			done
		done
	done
}

# Makes files whose blocks are allocated: placed[SIDE], a directory of N.
place_files() {
	local side i

	for side in raw $(up qemu reflink "${kinds[@]}"); do
		if ! "make_$side" "${names[@]/#/place}"; then
			missing sync-place-1 "$side" "no disks"
			continue
		fi
		for ((i = 0; i < sync_clients; i++)); do
			placed[$side $((i + 1))]=${made[i]}
			fill "${made[i]}" "$sync_length"
		done
	done
	# These requests wait for the disk, so the side gets more threads.
	! wanted passthrough-plain || start_passthrough-plain 10
	for side in $(up "${limits[@]}"); do
		for i in "${names[@]}"; do
			placed[$side $i]=${passthrough_dir[$side]}/place$i.raw
		done
	done
}

# syncer_on WORK SIDE SYNCS again|once|filled FILE...: records the writes per
# second.
syncer_on() {
	local value limits=("$seconds" 1000000000)

	[ "$4" = again ] || limits=(60 "$first_pieces")
	# Data and removed disks of the side before are still to be written.
	sync
	value=$(syncer "$3" "${limits[@]}" "$4" "$region_start" \
		"$sync_length" "${@:5}" 2>"$work/syncer.log") || {
		missing "$1" "$2" "$(tail -n 1 "$work/syncer.log")"
		return 0
	}
	record "$1" "$2" "$round" "$value" 1/s
}

sync_in_place() {
	local i files=()

	[ -n "${placed[$1 1]:-}" ] || return 0
	for ((i = 1; i <= $2; i++)); do
		files+=("${placed[$1 $i]}")
	done
	syncer_on "sync-place-$2" "$1" 1 again "${files[@]}"
}

# Fresh disks; and for each of vhdfs's disks a fresh raw file, with as many
# syncs for each write as vhdfs makes.  A passthrough syncs fresh raw files
# once, which is less than vhdfs must do.
sync_first() {
	local side=$1 count=$2

	"make_$side" "${names[@]:0:count}" || {
		missing "sync-first-$count" "$side" "no disks"
		return 0
	}
	syncer_on "sync-first-$count" "$side" 1 once "${made[@]}"
	[ -n "${syncs[$side $count]:-}" ] || return 0
	make_raw "${names[@]:0:count}"
	syncer_on "sync-first-raw-$count" "$side" "${syncs[$side $count]}" once \
		"${made[@]}"
}

# Raw files with two syncs that both have data to write, as vhdfs's have: the
# cost of the syncs alone.
sync_filled() {
	make_raw "${names[@]:0:$1}"
	syncer_on "sync-first-filled-$1" raw 2 filled "${made[@]}"
}

# count_syncs SIDE CLIENTS: sets syncs to the number of syncs that vhdfs makes
# for each synced first write, by a mount of its own, in a short run that is not
# timed.
count_syncs() {
	local side=$1 count=$2 pid calls
	local mnt=$work/counted

	"make_$side" "${names[@]:0:count}" || return 0
	made=("${made[@]/#$views/$mnt}")
	mkdir -p "$mnt"
	strace -f --seccomp-bpf -qq -o "$work/syncs" \
		-e trace=fdatasync,fsync,sync_file_range,syncfs,sync,msync \
		vhdfs "$store" "$mnt" -f >"$work/strace.log" 2>&1 &
	pid=$!
	at_end wait "$pid"
	at_end umount "$mnt"
	wait_until 20 mountpoint -q "$mnt" || {
		missing sync-count "$side" "$(tail -n 1 "$work/strace.log")"
		return 0
	}
	syncer 1 60 "$first_pieces" once "$region_start" "$sync_length" "${made[@]}" \
		>"$work/syncer.log" 2>&1
	calls=$(grep -c '(' "$work/syncs")
	syncs[$side $count]=$(calc "$calls / ($first_pieces * $count)")
	round=1
	record "sync-count-$count" "$side" 1 "${syncs[$side $count]}" "each write"
}
