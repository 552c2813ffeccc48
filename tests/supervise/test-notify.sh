#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Messages of the supervisor to its service manager: READY=1, RELOADING=1, and
# WATCHDOG=1 while the worker is alive.
. "${0%/*}/../lib.sh"
. "${0%/*}/supervise.sh"
. "${0%/*}/descriptor-store.sh"

held_store_of_one() {
	store=$scratch/store mnt=$scratch/mnt
	mkdir "$store"
	vhdfs-img create --size 16M "$store/disk.vhdx"
	hold_store "$store" "$mnt"
}

# said PREFIX: prints how many messages begin with it.
said() {
	grep -c "^$1" "$held/log" || true
}

has_said() {
	[ "$(said "$1")" -ge "$2" ]
}

test_reload_sends_its_messages_in_order() {
	held_store_of_one
	kill -HUP "$(held_supervisor)"
	wait_until 30 said_ready 2
	grep -q '^MONOTONIC_USEC=[0-9]*$' "$held/log" ||
		fail "expected MONOTONIC_USEC: $(cat "$held/log")"
	equal "messages" "READY=1 RELOADING=1 READY=1" \
		"$(grep -e '^READY' -e '^RELOADING' "$held/log" | uniq | xargs)"
	unmount "$mnt"
}

# All services of a machine share the socket, which has room for few messages.
test_messages_wait_for_a_busy_manager() {
	held_store_of_one
	touch "$held/deaf"
	wait_until 10 has_said deaf 1
	kill -HUP "$(held_supervisor)"
	# The supervisor waits until the manager has taken RELOADING=1.
	sleep 0.5
	rm "$held/deaf"
	wait_until 30 said_ready 2
	has_said RELOADING 1 || fail "expected RELOADING: $(cat "$held/log")"
	unmount "$mnt"
}

test_failed_upgrade_is_reported_in_the_status() {
	mkdir "$scratch/bin"
	cp "$(command -v vhdfs)" "$scratch/bin/vhdfs"
	HELD_COMMAND="$scratch/bin/vhdfs -f"
	held_store_of_one
	printf '#!/bin/sh\nexit 1\n' >"$scratch/bin/new"
	chmod +x "$scratch/bin/new"
	mv "$scratch/bin/new" "$scratch/bin/vhdfs"
	kill -HUP "$(held_supervisor)"
	wait_until 30 said_ready 2
	grep -q '^STATUS=Not upgraded: .*does not run' "$held/log" ||
		fail "expected why, found: $(cat "$held/log")"
	unmount "$mnt"
}

# No WATCHDOG=1 for three seconds; a live worker causes four a second.
is_silent() {
	local before

	before=$(said WATCHDOG)
	sleep 3
	[ "$(said WATCHDOG)" = "$before" ]
}

test_hung_worker_stops_the_watchdog_messages() {
	local pid

	export WATCHDOG_USEC=1000000
	held_store_of_one
	wait_until 10 has_said WATCHDOG 2
	pid=$(pgrep -P "$(held_supervisor)")
	kill -STOP "$pid"
	at_exit "kill -CONT $pid"
	wait_until 30 is_silent
	# A request to hand over must not make the supervisor send WATCHDOG=1.
	kill -HUP "$(held_supervisor)"
	wait_until 10 has_said RELOADING 1
	wait_until 30 is_silent
	kill -CONT "$pid"
	wait_until 30 said_ready 2
	unmount "$mnt"
}

run_tests
