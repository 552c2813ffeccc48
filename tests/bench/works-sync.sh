# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Works that sync: syncer of this directory writes 4 KiB and waits for it, again
# and again; one client, and sixteen that each have a file of their own.

sync_clients=16
sync_length=$((8 * mib))

# First writes are counted, not timed: the more there are already, the less the
# next one costs who stores more than was written.
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
			# Last: it is still busy with its clones when they are gone.
			for side in $(up reflink); do
				in_turn sync_first "$side" "$count"
			done
		done
	done
}

# Files whose blocks are there already: placed[SIDE], a directory of N.
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
	# Here requests wait for the disk.
	! wanted passthrough-plain || start_passthrough-plain 10
	for side in $(up "${limits[@]}"); do
		for i in "${names[@]}"; do
			placed[$side $i]=${passthrough_dir[$side]}/place$i.raw
		done
	done
}

# syncer_on WORK SIDE SYNCS again|once|filled FILE...
syncer_on() {
	local value limits=("$seconds" 1000000000)

	[ "$4" = again ] || limits=(60 "$first_pieces")
	# What the side before left, its disks taken away too, on its filesystem.
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

# Fresh disks; and beside those of vhdfs fresh raw files, that sync as often for
# each write as vhdfs does with its files.  Through a passthrough fresh raw files
# sync once, which is less than vhdfs has to do.
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

# Raw files again, with two syncs that both have something to write, as those of
# vhdfs have: what that alone costs.
sync_filled() {
	make_raw "${names[@]:0:$1}"
	syncer_on "sync-first-filled-$1" raw 2 filled "${made[@]}"
}

# count_syncs SIDE CLIENTS: how often vhdfs syncs a file of its own for each
# first write that is synced, into syncs: by a mount of its own, in a short run
# that is not timed.
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
