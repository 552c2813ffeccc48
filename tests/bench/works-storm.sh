# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The boot storm: clients that replay a recorded boot at the same time, as fast
# as they are answered, each with four commands in flight and a target of its
# own, in one tgtd or several.  The page cache is empty at the start.

storm_depth=4
storm_threads=10 # of the plain passthrough, of which many wait for a flush

# The passthroughs serve one file to all clients: a copy of the master, whose
# written blocks are all allocated after the first storm.
storm_files() {
	local side=$1 count=$2 i names=()

	case $side in
	raw | passthrough-*)
		[ -f "$work/raw/storm.raw" ] ||
			cp --sparse=always "$master" "$work/raw/storm.raw" || return
		[ "$side" = raw ] || "start_$side" $storm_threads || return
		made=()
		for ((i = 0; i < count; i++)); do
			made+=("${passthrough_dir[$side]:-$work/raw}/storm.raw")
		done
		;;
	*)
		[ "$side" != reflink ] || start_reflink || return
		[[ $side != vhd* ]] || start_kind "$side" || return
		for ((i = 1; i <= count; i++)); do
			names+=("pc$i")
		done
		"make_$side" "${names[@]}"
		;;
	esac
}

# export_storm TGTDS: exports the files of made by that many tgtds; sets urls.
export_storm() {
	local i part=$(((${#made[@]} + $1 - 1) / $1))

	urls=()
	for ((i = 0; i < $1; i++)); do
		start_tgtd &&
			export_files "$tgt_port" 1 "${made[@]:i * part:part}" ||
			return
	done
}

# replay_storm: the clients of urls boot; sets result.
replay_storm() {
	result=$(storm replay "$trace" "$storm_depth" "${urls[@]}" \
		2>"$work/storm.log") || result=
}

# storm_of SIDE CLIENTS TGTDS WORK: runs one storm, and records its time as
# WORK.
storm_of() {
	local side=$1 count=$2 tgtds=$3 work_name=$4 urls=() result

	storm_seconds=
	storm_files "$side" "$count" || {
		missing "$work_name" "$side" "no disks"
		return 0
	}
	export_storm "$tgtds" || {
		missing "$work_name" "$side" "tgtd did not take the disks"
		return 0
	}
	drop_caches
	[[ $side != vhd* ]] || watch_vhdfs
	replay_storm
	[[ $side != vhd* ]] || end_watch
	take_storm_seconds "$work_name" "$side" && record_storm
	return 0
}

# take_storm_seconds WORK SIDE: sets storm_seconds from result.  Errors are
# reported, and the time of a storm with errors is not taken.
take_storm_seconds() {
	local errors

	errors=$(jq -r .errors <<<"$result")
	if [ "$errors" != 0 ]; then
		missing "$1" "$2" \
			"${errors:-no answer,} errors: $(tail -n 1 "$work/storm.log")"
		return 1
	fi
	storm_seconds=$(jq .seconds <<<"$result")
	printf '%s, %s: %s s\n' "$1" "$2" "$storm_seconds"
}

record_storm() {
	[ "$work_name" = growth-storm ] ||
		record "$work_name" "$side" "$round" "$storm_seconds" s
	[ "$tgtds" = 1 ] || return 0
	record "growth-ms-$count" "$side" "$round" \
		"$(calc "$storm_seconds * 1000 / $count")" ms
	[[ $side != vhd* ]] || record "growth-MiB-$count" "$side" "$round" \
		"$(calc "$resident_storm / 1024 / $count")" MiB
	[[ $side != vhd* ]] || [ "$work_name" != storm ] || record_cost
}

# --- resources that vhdfs uses during a storm

vhdfs_pids() {
	echo "$vhdfs_pid"
	cat "/proc/$vhdfs_pid/task/$vhdfs_pid/children"
}

# of_vhdfs KEY: prints the sum of that line of /proc/PID/status over its
# processes.
of_vhdfs() {
	local pid

	for pid in $(vhdfs_pids); do
		sed -n "s/^$1:[[:space:]]*\\([0-9]*\\).*/\\1/p" "/proc/$pid/status"
	done | awk '{ sum += $1 } END { print sum + 0 }'
}

# KiB of page cache of the store's files and of their views.
page_cache() {
	find "$store" "$views" -type f -print0 |
		xargs -0 fincore -b -n -o RES | awk '{ sum += $1 } END { print int(sum / 1024) }'
}

# KiB on disk of all children.
children_on_disk() {
	sync -f "$store"
	du -ck "$store"/clients/*-pc[0-9]* | tail -n 1 | cut -f 1
}

# Samples the number of threads until the storm ends.
watch_vhdfs() {
	disk_before=$(children_on_disk)
	resident_open=$(of_vhdfs VmRSS)
	cache_before=$(page_cache)
	while :; do
		of_vhdfs Threads
		sleep 0.2
	done >"$work/threads" 2>>"$work/undo.log" &
	watch_pid=$!
	at_end end_process "$watch_pid"
}

end_watch() {
	cache_after=$(page_cache)
	resident_storm=$(of_vhdfs VmHWM)
	end_process "$watch_pid" || true
	disk_after=$(children_on_disk)
}

# KiB that the recorded boot reads or writes, each 4 KiB counted once.
boot_size() {
	boot_ranges "$1" | awk '{ sum += $2 } END { print sum * 4 }'
}

record_cost() {
	local written

	written=$(($(boot_size W) * count))
	record_mib cost-resident-open "$resident_open"
	record_mib cost-resident-storm "$resident_storm"
	record cost-threads "$side" "$round" "$(sort -n "$work/threads" | tail -n 1)" threads
	record_mib cost-cache "$((cache_after - cache_before))"
	record_mib cost-cache-expected "$(($(boot_size R) + written))"
	record_mib cost-disk-before "$disk_before"
	record_mib cost-disk-after "$disk_after"
	record_mib cost-written "$written"
}

# record_mib WORK KIB: records it in MiB.
record_mib() {
	record "$1" "$side" "$round" "$(calc "$2 / 1024")" MiB
}

# --- the works

# Sets storm_limit to the faster of the passthroughs, by a small storm.
choose_limit() {
	local side best=

	storm_limit=
	for side in $(chosen "${limits[@]}"); do
		in_turn storm_of "$side" $((clients < 16 ? clients : 16)) 1 storm-small
		if [ -n "$storm_seconds" ] && { [ -z "$best" ] ||
			[ "$(calc "$storm_seconds < $best")" = 1 ]; }; then
			best=$storm_seconds storm_limit=$side
		fi
	done
}

has_trace() {
	[ -z "$trace" ] || return 0
	missing storm "" "no recorded boot: VHDFS_SHARED names no directory with data/boot-debian12.csv"
	return 1
}

work_storm() {
	local side main=()

	has_trace || return 0
	step "boot storm of $clients clients; which passthrough first"
	round=1
	choose_limit
	mapfile -t main < <(chosen vhdx-dynamic reflink qemu)
	for ((round = 1; round <= rounds; round++)); do
		for side in $storm_limit "${main[@]}"; do
			in_turn storm_of "$side" "$clients" 1 storm
		done
	done
}

# The storm with children of other kinds.
work_kinds() {
	local side

	has_trace || return 0
	step "the storm with other kinds of image"
	round=1
	for side in $(chosen vhdx-fixed vhd-dynamic vhd-fixed); do
		storm_once "$side" "$clients" 1 storm
	done
}

# storm_once SIDE CLIENTS TGTDS WORK: runs it unless the time is over.
storm_once() {
	local expected=$(($2 * 16 / 100 + 5)) # measured on a slow machine

	if [ $((SECONDS + expected)) -gt "$time_limit" ]; then
		left_out "$4" "$1" "no time is left for $2 clients"
		return 0
	fi
	in_turn storm_of "$@"
}

# Both sides with two tgtds; vhdfs with fewer and with more clients, the limit
# with fewer.  The storm itself measures the number between those.
work_growth() {
	local count side

	has_trace || return 0
	step "the storm's growth"
	round=1
	[ -n "${storm_limit:-}" ] || choose_limit
	for side in $storm_limit $(chosen vhdx-dynamic); do
		storm_once "$side" "$clients" 2 storm-two-tgtds
	done
	for count in $growth; do
		for side in $storm_limit $(chosen vhdx-dynamic); do
			[ "$side" != "$storm_limit" ] ||
				[ "$count" -le "$clients" ] || continue
			storm_once "$side" "$count" 1 growth-storm
		done
	done
}
