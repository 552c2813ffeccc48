#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The command warn of fleet.conf.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# write_command [LINES]: $scratch/tell writes its arguments to $scratch/told.
write_command() {
	printf '#!/bin/sh\necho "$*" >>%s\n%s\n' "$scratch/told" "${1:-}" \
		>"$scratch/tell"
	chmod +x "$scratch/tell"
}

# start_watch: watch, with warn in fleet.conf.
start_watch() {
	sed -i "s,^mount,warn = $scratch/tell a  b\n&," "$scratch/fleet.conf"
	tgt-glue --config "$scratch/fleet.conf" watch \
		>"$scratch/watch.out" 2>&1 &
	watch_pid=$!
	at_exit 'kill $watch_pid; wait $watch_pid'
	wait_until 10 is_open pc1
}

was_told() {
	grep -Eqx "$1" "$scratch/told"
}

test_warn_of_low_space() {
	start_server
	write_fleet pc1 </dev/null
	sed -i 's/^mount/min-free = 100%\n&/' "$scratch/fleet.conf"
	write_command
	start_watch
	wait_until 10 was_told "a b low-space $scratch/store [0-9]+"
}

test_warn_of_a_quota_that_is_nearly_used_up() {
	start_server
	write_fleet pc1 pc2 </dev/null
	expect 0 glue apply
	dd if=/dev/urandom of="$scratch/mnt/clients/pc2.vhdx.raw" bs=1M count=8 \
		conv=notrunc,fsync status=none
	sed -i 's/^master/quota = 8M\n&/' "$scratch/fleet.conf"
	write_command
	start_watch
	wait_until 10 was_told "a b quota pc2 [0-9]{7}"
	equal "warnings" 1 "$(wc -l <"$scratch/told")"
	equal "events" pc2 "$(jq -r 'select(.event == "quota-short") | .client' \
		"$scratch/fleet.log")"
}

test_warn_of_a_reset_that_failed() {
	requires_initiator
	start_server
	write_fleet <<-END
		[client pc1]
		reset = boot
	END
	write_command
	start_watch
	hold_session pc1
	works write 5
	wait_until 10 grep -q '"login"' "$scratch/fleet.log"
	chmod a-w "$scratch/store/clients/pc1.vhdx"
	end_session
	wait_until 20 was_told "a b reset-failed pc1 .*expected write permission.*"
}

# Both are given, one after the other, though the first one fails.
test_warnings_wait_for_the_command() {
	start_server
	write_fleet pc1 </dev/null
	sed -i 's/^mount/min-free = 100%\n&/; s/^master/quota = 1\n&/' \
		"$scratch/fleet.conf"
	write_command "while [ ! -e $scratch/go ]; do sleep 0.1; done; exit 3"
	start_watch
	wait_until 10 test -s "$scratch/told"
	equal "warnings" 1 "$(wc -l <"$scratch/told")"
	touch "$scratch/go"
	wait_until 10 was_told "a b quota pc1 [0-9]+"
	was_told "a b low-space $scratch/store [0-9]+"
	wait_until 10 grep -q 'warn: .*/tell a  b: exit status 3$' \
		"$scratch/watch.out"
}

test_command_that_does_not_exist_is_reported() {
	start_server
	write_fleet pc1 </dev/null
	sed -i 's/^mount/min-free = 100%\n&/' "$scratch/fleet.conf"
	start_watch
	wait_until 10 grep -q 'warn: .*/tell a  b: No such file' \
		"$scratch/watch.out"
	kill -0 "$watch_pid" || fail "expected watch to continue"
}

run_tests
