# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Works on snapshots, and on other parents: what they cost the clients, and how
# long they take.  Each work mounts a store of its own.

snapshots_each=8 # of a client in the storm
busy_rate=20     # writes a second of each client
busy_length=$((16 * mib))
client_rate=200 # writes a second of the client whose snapshot is removed
latency_rate=50 # MiB a second of delete-snapshot

# image_of SIDE NAME: prints the path of the image.
image_of() {
	echo "$store/clients/$1-$2.${1%-*}"
}

# make_images SIDE NAME...: as make_kind; snapshots are removed with the images.
make_images() {
	local name

	for name in "${@:2}"; do
		at_end rm -f "$store/clients/$1-$name@*"
	done
	make_kind "$@"
}

# take_snapshots SIDE SNAPSHOT NAME...: of each image.
take_snapshots() {
	local name

	for name in "${@:3}"; do
		vhdfs-img snapshot "$(image_of "$1" "$name")" "$2" || return
	done
}

# in_both_orders COMMAND ARGUMENT...: runs the command for each argument; in
# rounds with an even number for the last argument first.
in_both_orders() {
	local command=$1 arguments=("${@:2}") i n=$(($# - 1))

	for ((i = 0; i < n; i++)); do
		if [ $((round % 2)) = 1 ]; then
			in_turn "$command" "${arguments[i]}"
		else
			in_turn "$command" "${arguments[n - 1 - i]}"
		fi
	done
}

work_snapshots() {
	local ours rounds=$rounds held=$work/raw/held held_size=$gib

	mapfile -t ours < <(chosen vhdx-dynamic vhd-dynamic)
	[ ${#ours[@]} != 0 ] || return 0
	[ "$quick" = no ] || held_size=$region_size rounds=$(((rounds + 2) / 3))
	at_end rm -f "$held"
	head -c "$held_size" /dev/urandom >"$held"
	! wanted vhdx-dynamic || ! has_trace || in_turn snapshot_storms vhdx-dynamic
	snapshots_of_busy_images
	deletions
	latencies
	rebases
}

# --- the storm: clients with snapshots, and clients without

# Both have written the same before they boot: 64 KiB at each of some places
# that the boot writes.  Clients with snapshots wrote one place before each
# snapshot, and have an empty leaf.
snapshot_storms() {
	local side=$1 deep=() fresh=() places=() place

	step "boot storm of $clients clients with $snapshots_each snapshots each, and with none"
	start_kind "$side" || {
		missing storm-snapshots "$side" "no store"
		return 0
	}
	mapfile -t deep < <(seq -f deep%g "$clients")
	mapfile -t fresh < <(seq -f fresh%g "$clients")
	mapfile -t places < <(boot_places "$snapshots_each")
	make_images "$side" "${deep[@]}" || return 0
	for place in "${!places[@]}"; do
		write_place "${places[place]}" &&
			take_snapshots "$side" "before$place" "${deep[@]}" || {
			missing storm-snapshots "$side" "no snapshots"
			return 0
		}
	done
	for ((round = 1; round <= rounds; round++)); do
		in_both_orders snapshot_storm no with
	done
}

# boot_places COUNT: prints offsets that the recorded boot writes, spread over
# the disk.
boot_places() {
	boot_ranges W | awk -v count="$1" '{ start[NR - 1] = $1 }
		END { for (i = 0; i < count; i++)
			printf "%d\n", start[int(i * NR / count)] * 4096 }'
}

# write_place OFFSET: writes 64 KiB of all files in made.
write_place() {
	syncer 0 60 16 again "$1" 65536 "${made[@]}" >"$work/syncer.log" 2>&1
}

disks_no() {
	local place

	make_kind "$side" "${fresh[@]}" || return
	for place in "${places[@]}"; do
		write_place "$place" || return
	done
}

# Without what they wrote in the round before.
disks_with() {
	local name

	for name in "${deep[@]}"; do
		vhdfs-img revert --discard "$(image_of "$side" "$name")" \
			"before$((snapshots_each - 1))" || return
	done
	made=("${deep[@]/#/$views/clients/$side-}")
	made=("${made[@]/%/.${side%-*}.raw}")
}

# snapshot_storm with|no
snapshot_storm() {
	local urls=() result

	if ! "disks_$1" || ! export_storm 1; then
		missing "storm-$1-snapshots" "$side" "no disks"
		return 0
	fi
	drop_caches
	replay_storm
	! take_storm_seconds "storm-$1-snapshots" "$side" ||
		record "storm-$1-snapshots" "$side" "$round" "$storm_seconds" s
}

# --- snapshots of images that clients write

snapshots_of_busy_images() {
	local side

	step "a snapshot of each of $clients images, each written $busy_rate times a second"
	for ((round = 1; round <= rounds; round++)); do
		for side in "${ours[@]}"; do
			in_turn busy_images "$side"
		done
	done
}

busy_images() {
	local side=$1 names=()

	mapfile -t names < <(seq -f busy%g "$clients")
	if ! start_kind "$side" || ! make_images "$side" "${names[@]}"; then
		missing snapshot-busy "$side" "no disks"
		return 0
	fi
	in_both_orders clients_write calm snapshot
}

# clients_write calm|snapshot: the longest write of each client, in calm and
# while snapshots are taken.
clients_write() {
	start_writes "$busy_rate" "$region_start" "${made[@]}" || {
		missing "pause-$1" "$side" "$(tail -n 1 "$work/pacer.log")"
		return 0
	}
	if [ "$1" = calm ]; then
		sleep "$(calc "8 * $seconds")"
	else
		timed snapshot-busy "$side" take_snapshots "$side" one "${names[@]}"
	fi
	end_writes "pause-$1"
	[ -z "$pauses" ] || record "pause-$1-median" "$side" "$round" \
		"$(jq '.median * 1000' <<<"$pauses")" ms
}

# start_writes RATE OFFSET FILE...: each file is written RATE times a second by
# a client of its own.
start_writes() {
	pacer "$1" 600 "$2" "$busy_length" "${@:3}" \
		>"$work/pacer" 2>"$work/pacer.log" &
	writes_pid=$!
	at_end end_process "$writes_pid"
	wait_until 60 grep -q begun "$work/pacer"
}

# end_writes WORK: records the longest write of all, and sets pauses, which is
# empty if the writes failed.
end_writes() {
	pauses=
	end_process "$writes_pid" && pauses=$(tail -n 1 "$work/pacer")
	if [ -z "$pauses" ]; then
		missing "$1" "$side" "$(tail -n 1 "$work/pacer.log")"
		return 0
	fi
	record "$1" "$side" "$round" "$(jq '.longest * 1000' <<<"$pauses")" ms
}

# --- removal of a snapshot, and cp of what only it holds

# make_held SIDE: the image `held' with a snapshot `one', which holds the data
# of the file held; sets image and view.
make_held() {
	start_kind "$1" && make_images "$1" held || return
	image=$(image_of "$1" held) view=${made[0]}
	dd if="$held" of="$view" bs=1M seek=$((region_start / mib)) \
		conv=notrunc status=none && take_snapshots "$1" one held || return
	# Nothing is left to be written of the work before.
	sync
}

deletions() {
	local side works=(delete_cp)

	for side in "${ours[@]}"; do
		works+=("delete_offline $side" "delete_online $side")
	done
	step "delete-snapshot of a snapshot that alone holds $((held_size / mib)) MiB, and cp of these"
	for ((round = 1; round <= rounds; round++)); do
		in_both_orders eval "${works[@]}"
	done
}

delete_cp() {
	at_end rm -f "$work/raw/copied"
	sync
	timed delete-cp raw copy_held
}

copy_held() {
	cp "$held" "$work/raw/copied" && sync "$work/raw/copied"
}

delete_offline() {
	local image view

	make_held "$1" || {
		missing delete-offline "$1" "no snapshot"
		return 0
	}
	end_store
	sync
	timed delete-offline "$1" vhdfs-img delete-snapshot "$image" one
}

# While a client writes, elsewhere on the disk.
delete_online() {
	local side=$1 image view

	if ! make_held "$side" || ! start_writes "$client_rate" \
		$((region_start - busy_length)) "$view"; then
		missing delete-online "$side" "no snapshot, or no writes"
		return 0
	fi
	timed delete-online "$side" vhdfs-img delete-snapshot "$image" one
	end_writes delete-online-pause
}

# --- a client's writes beside the removal

latencies() {
	local side longer times=16

	[ "$quick" = no ] || times=8
	longer=$(calc "$times * $seconds")
	local seconds=$longer
	choose_rate
	step "4 KiB random writes beside delete-snapshot --rate ${latency_rate}M, and without"
	for ((round = 1; round <= rounds; round++)); do
		for side in "${ours[@]}"; do
			in_both_orders latency alone beside
		done
	done
}

# The removal must take longer than fio, which is slow to begin on a busy
# machine.
choose_rate() {
	local allowed

	allowed=$(calc "int($held_size / $mib / (3 * $seconds + 5))")
	[ "$allowed" -ge "$latency_rate" ] || latency_rate=$((allowed + 1))
}

# latency alone|beside: two writers of the same kind of disk, a fresh leaf over
# a snapshot; only one snapshot is removed.
latency() {
	local image view json

	make_held "$side" || {
		missing "delete-p99-$1" "$side" "no snapshot"
		return 0
	}
	[ "$1" = alone ] || start_removal
	json=$(fio_json "$view" randwrite 4k 1 --time_based --norandommap \
		--size="$held_size") || {
		missing "delete-p99-$1" "$side" "fio: $(tail -n 1 "$work/fio.log")"
		return 0
	}
	if [ "$1" = beside ] && ! kill -0 "$removal" 2>>"$work/undo.log"; then
		missing "delete-p99-$1" "$side" "the removal ended before the writes"
		return 0
	fi
	record_latency "$1" "$(jq '.jobs[0].write.clat_ns' <<<"$json")"
}

start_removal() {
	vhdfs-img delete-snapshot --rate "${latency_rate}M" "$image" one \
		>"$work/removal.log" 2>&1 &
	removal=$!
	at_end end_process "$removal"
}

# record_latency alone|beside JSON: in milliseconds.
record_latency() {
	record "delete-p99-$1" "$side" "$round" \
		"$(jq '.percentile."99.000000" / 1e6' <<<"$2")" ms
	record "delete-longest-$1" "$side" "$round" "$(jq '.max / 1e6' <<<"$2")" ms
}

# --- a parent with equal contents

rebases() {
	local side copy

	step "rebase to a copy of the master"
	for side in "${ours[@]}"; do
		copy=$store/masters/$side-copy.${side%-*}
		at_end rm -f "$copy"
		make_kind_master "$side" &&
			cp "$store/masters/$side.${side%-*}" "$copy" || continue
		for ((round = 1; round <= rounds; round++)); do
			in_turn rebase_to_copy "$side"
		done
	done
}

# A client has the view open.
rebase_to_copy() {
	local client

	if ! start_kind "$1" || ! make_kind "$1" rebased ||
		! fill "${made[0]}" "$mib"; then
		missing rebase-equal "$1" "no disk"
		return 0
	fi
	exec {client}<>"${made[0]}"
	timed rebase-equal "$1" vhdfs-img rebase --json --parent "$copy" \
		"$(image_of "$1" rebased)"
	exec {client}>&-
	record rebase-equal-copied "$1" "$round" \
		"$(jq '.copied / 1048576' "$work/timed.log")" MiB
}
