# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Works through tgtd: a private one, with the same backing store type (rdwr) for
# all sides; the program storm is the initiator, on the same machine.

# The parameters that tgt-glue sets.
tgt_parameters="MaxRecvDataSegmentLength MaxXmitDataSegmentLength FirstBurstLength"
tgt_parameter_value=262144
tgt_prefix=iqn.2026-01.lan.example:bench

# Prints a free TCP port of 127.0.0.1.
free_port() {
	local port

	while :; do
		port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		(: <"/dev/tcp/127.0.0.1/$port") 2>>"$work/undo.log" || break
	done
	echo "$port"
}

# start_tgtd: sets tgtd_pid and tgt_port, which is its control port too.
start_tgtd() {
	tgt_port=$(free_port)
	setsid tgtd -f -C "$tgt_port" -t "$threads" \
		--iscsi "portal=127.0.0.1:$tgt_port" >>"$work/tgtd.log" 2>&1 &
	tgtd_pid=$!
	at_end end_tgtd "$tgt_port" "$tgtd_pid"
	wait_until 10 adm "$tgt_port" --op show --mode sys
}

adm() {
	tgtadm -C "$1" --lld iscsi "${@:2}"
}

# Ends tgtd after its last target is removed; it does not end before.
end_tgtd() {
	local tid

	for tid in $(adm "$1" --op show --mode target |
		sed -n 's/^Target \([0-9]*\):.*/\1/p'); do
		adm "$1" --op delete --force --mode target --tid "$tid"
	done
	adm "$1" --op delete --mode system || kill -9 "$2"
	wait "$2"
}

# export_files PORT FIRST FILE...: makes targets with numbers from FIRST; adds
# to urls.
export_files() {
	local port=$1 tid=$2 file pid pids=()

	for file in "${@:3}"; do
		export_file "$port" "$tid" "$file" &
		pids+=($!)
		urls+=("iscsi://127.0.0.1:$port/$tgt_prefix$tid/1")
		[ $((tid++ % 8)) != 0 ] || wait_all || return
	done
	wait_all
}

# Waits for the processes in pids, and empties it.
wait_all() {
	local status=0

	for pid in "${pids[@]}"; do
		wait "$pid" || status=1
	done
	pids=()
	return "$status"
}

# export_file PORT TID FILE: makes one target.
export_file() {
	local name

	adm "$1" --op new --mode target --tid "$2" -T "$tgt_prefix$2" || return
	for name in $tgt_parameters; do
		adm "$1" --op update --mode target --tid "$2" \
			-n "$name" -v "$tgt_parameter_value" || return
	done
	adm "$1" --op new --mode logicalunit --tid "$2" --lun 1 --bstype rdwr -b "$3" &&
		adm "$1" --op bind --mode target --tid "$2" -I ALL
}

# A real initiator is another computer: here it has the last processor alone,
# and all servers, of every side, have the others.  With free scheduling of five
# threads on two processors one run has twice the rate of the next.
initiator=(storm)
initiator_alone() {
	local last=$(($(nproc) - 1))

	[ "$last" -gt 0 ] || return 0
	at_end servers_on "0-$last"
	servers_on "0-$((last - 1))"
	initiator=(taskset -c "$last" storm)
}

# servers_on PROCESSORS: moves the processes whose command line contains $work,
# and tgtd, to these processors.
servers_on() {
	local pid

	for pid in $(pgrep -f -- "$work/") "$tgtd_pid"; do
		taskset -acp "$1" "$pid" >>"$work/undo.log" 2>&1 || true
	done
}

# One disk of each side, one kind of command at a time.
work_tgt() {
	local side urls tid=1 rounds=$many_rounds seconds=$brief
	local -A read_url=() written_url=()

	need_written
	step "through tgtd: 4 KiB and 256 KiB, warm"
	start_tgtd || { missing tgt tgtd "it did not start"; return; }
	for side in "${sides[@]}"; do
		urls=()
		if ! export_files "$tgt_port" "$tid" "${read_file[$side]}" \
			${written_file[$side]:+"${written_file[$side]}"}; then
			missing tgt "$side" "tgtd does not take its files"
			continue
		fi
		tid=$((tid + 2))
		read_url[$side]=${urls[0]}
		written_url[$side]=${urls[1]:-}
	done
	initiator_alone
	for ((round = 1; round <= rounds; round++)); do
		commands_in_turn tgt-read-4k-1 read_url read random 4096 1
		commands_in_turn tgt-read-4k-32 read_url read random 4096 32
		commands_in_turn tgt-read-256k read_url read sequential 262144 4
		commands_in_turn tgt-write-4k-1 written_url write random 4096 1
		commands_in_turn tgt-write-4k-32 written_url write random 4096 32
		commands_in_turn tgt-write-256k written_url write sequential 262144 4
	done
}

# commands_in_turn WORK URLS OP PATTERN SIZE DEPTH: measures all sides in turn.
commands_in_turn() {
	local side result
	local -n of=$2

	for side in "${sides[@]}"; do
		[ -n "${of[$side]:-}" ] || continue
		result=$("${initiator[@]}" "$3" "$4" "$5" "$6" "$seconds" "$region_start" \
			"$region_size" "${of[$side]}" 2>"$work/storm.log") ||
			result=
		record_commands "$1" "$side" "$5" "$result"
		[ "$3" = read ] || sync "${written_file[$side]}"
	done
}

# record_commands WORK SIDE SIZE JSON: records commands per second, or MB per
# second for large ones.
record_commands() {
	local errors

	errors=$(jq -r .errors <<<"$4")
	if [ "$errors" != 0 ]; then
		missing "$1" "$2" "${errors:-no} errors: $(tail -n 1 "$work/storm.log")"
		return
	fi
	if [ "$3" = 4096 ]; then
		record "$1" "$2" "$round" "$(jq '.commands / .seconds' <<<"$4")" 1/s
	else
		record "$1" "$2" "$round" "$(jq '.bytes / .seconds / 1e6' <<<"$4")" MB/s
	fi
}
