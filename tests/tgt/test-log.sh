#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The event log: what watch, reset and apply write to it, and the command log.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/events.sh"
. "${0%/*}/versions.sh"

# write_log: a log of known events, the last one a minute ago.
write_log() {
	make_store
	write_fleet pc1 pc2 </dev/null
	cat >"$scratch/fleet.log" <<-END
		{"time":1700000000,"event":"login","client":"pc1","message":"first"}
		{"time":1750000000,"event":"login","client":"pc2","message":"second"}
		{"time":1750000001,"event":"mount-down","message":"third"}
		{"time":$(($(date +%s) - 60)),"event":"logout","client":"pc1","message":"last"}
	END
}

messages() {
	sed 's/.* //' "$scratch/stdout" | paste -sd ' '
}

test_login_and_logout_are_logged() {
	start_fleet pc1 </dev/null
	hold_session pc1
	wait_until 10 has_event login
	equal "client" pc1 "$(field login client)"
	equal "address" 127.0.0.1 "$(field login address)"
	equal "initiator" "$iqn_prefix:initiator" "$(field login initiator)"
	! has_event logout || fail "expected no logout under a session"
	end_session
	wait_until 10 has_event logout
	equal "session" "$(field login session)" "$(field logout session)"
	equal "logins, logouts" "1 1" "$(count login pc1) $(count logout pc1)"
	stop_watch
	expect 0 glue log
	did "^[0-9-]{10} [0-9:]{8}  pc1: logged in from 127.0.0.1 as $iqn_prefix:initiator\$"
	did '^[0-9-]{10} [0-9:]{8}  pc1: logged out after [0-9]+s; read [0-9]'
}

# tgtd's counters end with the session.  The login of pc2 is logged by a check
# that reads the counters of both.
test_logout_has_the_bytes_of_the_session() {
	local second second_pid

	start_fleet pc1 pc2 </dev/null
	hold_session pc1
	works write 5
	works write 6
	works read 5
	mkfifo "$scratch/second"
	initiator hold "$(url pc2)" <"$scratch/second" {holder}>&- &
	second_pid=$!
	exec {second}>"$scratch/second"
	wait_until 10 logged_in_times 1 pc2
	exec {second}>&-
	wait "$second_pid"
	end_session
	wait_until 10 logged_out_times 1 pc1
	# One check may see the end of both sessions.
	bytes() {
		events "select(.event == \"logout\" and .client == \"pc1\") |
			.\"$1-bytes\""
	}
	equal "written" 1024 "$(bytes written)"
	[ "$(bytes read)" -ge 512 ] ||
		fail "expected at least 512 bytes read"
	stop_watch
}

logged_in_times() {
	[ "$(count login "$2")" = "$1" ]
}

logged_out_times() {
	[ "$(count logout "$2")" = "$1" ]
}

test_another_watch_does_not_log_a_login_again() {
	start_fleet pc1 </dev/null
	hold_session pc1
	wait_until 10 has_event login
	stop_watch
	start_watch
	end_session
	wait_until 10 has_event logout
	equal "logins" 1 "$(count login pc1)"
	equal "tgtd-up" 1 "$(events 'select(.event == "tgtd-up") | 1' | wc -l)"
	[ "$(field logout seconds)" -ge 0 ] ||
		fail "expected the time since the login"
	stop_watch
}

test_logout_while_watch_did_not_run_is_logged() {
	start_fleet pc1 </dev/null
	hold_session pc1
	wait_until 10 has_event login
	stop_watch
	end_session
	start_watch
	wait_until 10 has_event logout
	equal "written" null "$(field logout written-bytes)"
	stop_watch
}

test_end_of_tgtd_and_of_the_mount_are_logged() {
	start_fleet pc1 </dev/null
	hold_session pc1
	wait_until 10 has_event login
	kill_tgtd
	wait_until 10 has_event tgtd-down
	without_holder start_tgtd
	wait_until 20 logged_out_times 1 pc1
	equal "shard" 0 "$(field tgtd-up shard)"
	equal "tgtd-up" 2 "$(events 'select(.event == "tgtd-up") | 1' | wc -l)"
	end_session
	! has_event mount-down || fail "expected no loss of the mount yet"
	lose_mount "$scratch/mnt"
	wait_until 10 has_event mount-down
	return_mount
	wait_until 10 has_event mount-up
	stop_watch
}

test_reset_is_logged_by_reset_and_by_watch() {
	start_fleet pc1 <<-END
		[client pc2]
		reset = boot
	END
	printf used | dd of="$scratch/mnt/clients/pc1.vhdx.raw" bs=512 \
		conv=notrunc,fsync,sync status=none
	expect 0 glue reset pc1
	equal "resets" 1 "$(count reset pc1)"
	equal "old" "$(cd "$scratch/store" && echo clients/.pc1.vhdx.*)" \
		"$(field reset old)"
	wait_until 10 is_open pc2
	hold_session pc2
	works write 5
	wait_until 10 logged_in_times 1 pc2
	end_session
	wait_until 20 was_reset pc2
	equal "image" clients/pc2.vhdx "$(field reset image)"
	stop_watch
}

was_reset() {
	[ "$(count reset "$1")" = 1 ]
}

# watch tries again, and logs it once.
test_failed_reset_is_logged_once_with_its_reason() {
	start_fleet pc1 </dev/null
	printf used | dd of="$scratch/mnt/clients/pc1.vhdx.raw" bs=512 \
		conv=notrunc,fsync,sync status=none
	chmod a-w "$scratch/store/clients/pc1.vhdx"
	expect 4 glue reset pc1
	equal "failed" 1 "$(count reset-failed pc1)"
	field reset-failed why | grep -q 'expected write permission' ||
		fail "expected the reason, found: $(field reset-failed why)"
	equal "resets" 0 "$(count reset pc1)"
	stop_watch
}

# pc2 has written nothing, and goes over.
test_publish_and_promote_and_who_goes_over_are_logged() {
	start_plain vhdx pc1 pc2 </dev/null
	write_disk clients/pc1.vhdx new
	expect 0 glue publish pc1 masters/win11
	expect 0 glue promote masters/win11
	expect 0 glue apply
	for kind in publish promote; do
		equal "$kind" "masters/win11.vhdx 2" \
			"$(field "$kind" master) $(field "$kind" version)"
	done
	equal "client" pc1 "$(field publish client)"
	equal "reset" "pc2 masters/win11@2.vhdx" \
		"$(field reset client) $(field reset master)"
	expect 0 glue log pc1
	did '  pc1: version 2 of masters/win11.vhdx was made, and is under test$'
	expect 0 glue log
	did '  version 2 of masters/win11.vhdx is in production$'
}

test_removal_of_a_version_is_logged() {
	start_versions pc1 </dev/null
	expect 0 glue retire masters/win11 2
	equal "retire" "masters/win11.vhdx 2" \
		"$(field retire master) $(field retire version)"
}

test_low_space_is_logged() {
	start_fleet pc1 </dev/null
	sed -i 's/^mount/min-free = 100%\n&/' "$scratch/fleet.conf"
	wait_until 10 has_event space-low
	sed -i 's/^min-free.*/min-free = 1/' "$scratch/fleet.conf"
	wait_until 10 has_event space-ok
	equal "min-free" 1 "$(field space-ok min-free)"
	stop_watch
}

test_log_selects_by_client_and_time() {
	write_log
	expect 0 glue log
	equal "all" "first second third last" "$(messages)"
	expect 0 glue log pc1
	equal "of pc1" "first last" "$(messages)"
	expect 0 glue log pc1 pc2 --since 2024-01-01
	equal "of both, since 2024" "second last" "$(messages)"
	expect 0 glue log --since '2025-06-15 15:06'
	equal "since 15:06" "second third last" \
		"$(TZ=UTC glue log --since '2025-06-15 15:06' | sed 's/.* //' |
			paste -sd ' ')"
	expect 0 glue log --since 2h
	equal "of 2 hours" last "$(messages)"
	expect 0 glue log --since 30s
	equal "of 30 seconds" "" "$(messages)"
	equal "local time" '2023-11-14 23:13:20  pc1: first' \
		"$(TZ=CET-1 glue log | head -n 1)"
}

test_log_selects_by_pattern_and_group() {
	write_log
	sed -i '/client pc2/d' "$scratch/fleet.conf"
	printf '[group one]\nmatch = *1\n[group two]\nmatch = pc2\n' \
		>>"$scratch/fleet.conf"
	expect 0 glue log 'pc*'
	equal "events of a pattern" "first second last" "$(messages)"
	expect 0 glue log @one
	equal "events of a group" "first last" "$(messages)"
	expect 0 glue log @two
	equal "events of a client that fleet.conf no longer has" second "$(messages)"
	expect_error 1 "found 'x\*'" glue log 'x*'
	expect_error 1 "found '@none'" glue log @none
}

test_log_of_json_is_the_objects_of_the_file() {
	write_log
	expect 0 glue log --json pc2
	cmp <(sed -n 2p "$scratch/fleet.log") "$scratch/stdout"
}

test_rotated_file_is_read_first() {
	write_log
	mv "$scratch/fleet.log" "$scratch/fleet.log.1"
	sed -n 's/last/newest/p' "$scratch/fleet.log.1" >"$scratch/fleet.log"
	expect 0 glue log
	equal "events" "first second third last newest" "$(messages)"
	rm "$scratch/fleet.log"
	expect 0 glue log
	equal "events" "first second third last" "$(messages)"
}

test_torn_and_foreign_lines_are_skipped_and_counted() {
	write_log
	{
		printf '{"time":1750000000,"event":"log'
		printf '\n[]\n{"time":"1","event":"x","message":"y"}\n'
		printf 'a\0b\n\n'
	} >>"$scratch/fleet.log"
	expect 0 glue log
	equal "events" "first second third last" "$(messages)"
	said "fleet.log: 4 lines skipped: no event"
}

# A crash may leave a line without its end.
test_event_after_a_torn_line_has_a_line_of_its_own() {
	apply_fleet pc1
	printf '{"time":17500' >"$scratch/fleet.log"
	expect 0 glue reset pc1
	equal "lines" 2 "$(wc -l <"$scratch/fleet.log")"
	expect 0 glue log
	equal "events" 1 "$(wc -l <"$scratch/stdout")"
	said "fleet.log: 1 line skipped"
}

test_unknown_client_and_time_are_errors() {
	write_log
	expect 1 glue log pc9
	said "log: expected a client of .*fleet.conf or of .*fleet.log, found 'pc9'"
	expect_error 2 "^tgt-glue: --since: expected a time as .*, found 'soon'" \
		glue log --since soon
	# A client that was removed is in the log.
	sed -i 's/pc2/gone/' "$scratch/fleet.log"
	expect 0 glue log gone
	equal "of gone" second "$(messages)"
}

test_no_log_is_no_error_and_mistakes_in_fleet_conf_do_not_matter() {
	make_store
	write_fleet pc1 </dev/null
	expect 0 glue log
	[ ! -s "$scratch/stdout" ] || fail "expected no event"
	rm -r "$scratch/store"
	write_log
	echo 'nonsense = yes' >>"$scratch/fleet.conf"
	expect 0 glue log
	equal "events" "first second third last" "$(messages)"
}

# The log is no reason to do nothing.
test_reset_works_without_a_log() {
	apply_fleet pc1
	sed -i "s,^mount,log-file = $scratch/none/none/fleet.log\n&," \
		"$scratch/fleet.conf"
	expect 0 glue reset pc1
	said "none/none/fleet.log: the event log cannot be written: No such file"
	# Its directory is made; that of the directory is not.
	sed -i "s,/none/none/,/none/," "$scratch/fleet.conf"
	expect 0 glue reset pc1
	[ -s "$scratch/none/fleet.log" ] || fail "expected a log"
	equal "mode" 640 "$(stat -c %a "$scratch/none/fleet.log")"
}

run_tests
