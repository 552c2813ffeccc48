#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What watch notices of others: deaths of the mount's workers, and the refused
# logins that tgtd reports in the journal.  A journalctl of the test's own prints
# the messages of a real tgtd.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/events.sh"
. "${0%/*}/journal.sh"
. "${0%/*}/../supervise/supervise.sh"

start_secret_fleet() {
	make_journal
	start_fleet pc1 <<-END
		[defaults]
		secret = secretsecret1
		[client pc2]
		initiator = iqn.2026-01.lan:windows
	END
}

last_refusal() {
	glue status --json | jq -r "$1"
}

test_wrong_secret_is_logged_with_the_reason_and_shown_in_status() {
	start_secret_fleet
	wrong_secret pc1 "$iqn_prefix:initiator:pc1"
	wait_until 10 has_event refused
	equal "client" pc1 "$(field refused client)"
	equal "initiator" "$iqn_prefix:initiator:pc1" "$(field refused initiator)"
	equal "reason" "the secret is wrong" "$(field refused reason)"
	wait_until 10 test -s "$scratch/targets.conf.noticed"
	equal "status of pc1" "the secret is wrong" "$(last_refusal \
		'.clients[0]."last-refusal".reason')"
	equal "status of pc2" null "$(last_refusal \
		'.clients[1]."last-refusal"')"
	equal "metric" "$(field refused when)" "$(glue status --prometheus |
		sed -n 's/^tgt_glue_client_last_refusal_time_seconds{client="pc1"} //p' |
		awk '{ printf "%d", $1 }')"
	expect 0 glue status
	did '^1 client was refused a login in the last day; `tgt-glue log. says why'
	expect 0 glue log pc1
	did "  pc1: a login was refused of $iqn_prefix:initiator:pc1: the secret is wrong\$"
	stop_watch
}

test_unknown_user_name_is_another_reason() {
	start_secret_fleet
	entry 'tgtd: chap_initiator_auth_check_response(422) No valid user/pass combination for initiator iqn.2026-01.lan:windows found'
	wait_until 10 has_event refused
	equal "client" pc2 "$(field refused client)"
	equal "reason" "the user name is not one of the target" \
		"$(field refused reason)"
	stop_watch
}

test_refusal_of_an_unknown_initiator_has_no_client() {
	start_secret_fleet
	wrong_secret pc1 iqn.2026-01.lan:stranger
	wait_until 10 has_event refused
	equal "client" null "$(field refused client)"
	equal "initiator" iqn.2026-01.lan:stranger "$(field refused initiator)"
	wait_until 10 test -s "$scratch/targets.conf.noticed"
	equal "status" iqn.2026-01.lan:stranger \
		"$(last_refusal '."last-refusal".initiator')"
	stop_watch
}

# A Windows initiator chooses its name itself.
test_refused_initiator_is_known_by_its_earlier_login() {
	make_journal
	start_fleet pc1 pc2 </dev/null
	initiator_options=(-i iqn.1991-05.com.microsoft:desk)
	hold_session pc2
	wait_until 10 has_event login
	end_session
	entry 'CHAP initiator auth.: authentication of iqn.1991-05.com.microsoft:desk failed (wrong secret!?)'
	wait_until 10 has_event refused
	equal "client" pc2 "$(field refused client)"
	# A name of two clients is of none.
	hold_session pc1
	wait_until 10 eval '[ "$(count login pc1)" = 1 ]'
	end_session
	entry 'No valid user/pass combination for initiator iqn.1991-05.com.microsoft:desk found'
	wait_until 10 has_refusals \
		"iqn.1991-05.com.microsoft:desk iqn.1991-05.com.microsoft:desk"
	equal "client" null "$(field refused client)"
	stop_watch
}

refusals() {
	events 'select(.event == "refused") | .initiator' | paste -sd ' '
}

has_refusals() {
	[ "$(refusals)" = "$1" ]
}

# An initiator tries again every few seconds.
test_the_same_refusal_is_logged_once_a_minute() {
	local wrong='CHAP initiator auth.: authentication of %s failed (wrong secret!?)'

	start_secret_fleet
	for _i in 1 2 3; do
		# shellcheck disable=SC2059
		entry "$(printf "$wrong" iqn.2026-01.lan:windows)"
	done
	# shellcheck disable=SC2059
	entry "$(printf "$wrong" iqn.2026-01.lan:last)"
	wait_until 10 has_refusals \
		"iqn.2026-01.lan:windows iqn.2026-01.lan:last"
	stop_watch
}

test_another_watch_continues_behind_the_last_entry() {
	local wrong='CHAP initiator auth.: authentication of iqn.2026-01.lan:%s failed (wrong secret!?)'

	start_secret_fleet
	entry "${wrong/\%s/one}"
	wait_until 10 has_refusals "iqn.2026-01.lan:one"
	stop_watch
	entry "${wrong/\%s/two}"
	start_watch
	wait_until 10 has_refusals "iqn.2026-01.lan:one iqn.2026-01.lan:two"
	stop_watch
	grep -qx -e --after-cursor=c1 "$scratch/journalctl.args" ||
		fail "expected a cursor, found: $(cat "$scratch/journalctl.args")"
	grep -qx _UID=0 "$scratch/journalctl.args" ||
		fail "expected entries of root alone"
}

# Lines of another program, of a hostile initiator, and of no form at all.
test_hostile_entries_are_skipped() {
	start_secret_fleet
	{
		printf '\0\377{"MESSAGE":1}\n[]\n{"MESSAGE":{}}\n{}\nnull\n'
		printf '{"__CURSOR":"c6","__REALTIME_TIMESTAMP":"x","MESSAGE":null}\n'
		head -c 200000 /dev/zero | tr '\0' x
		echo
		printf '{"__CURSOR":"c8","__REALTIME_TIMESTAMP":"1","MESSAGE":"authentication of %s failed"}\n' \
			"$(head -c 70000 /dev/zero | tr '\0' x)"
	} >>"$scratch/journal"
	entry 'CHAP initiator auth.: authentication of  failed (wrong secret!?)'
	entry 'CHAP initiator auth.: authentication of x" failed (wrong secret!?)'
	wait_until 10 has_refusals 'null x"'
	kill -0 "$watch_pid" || fail "expected watch to go on"
	stop_watch
}

test_journalctl_ends_with_watch_and_starts_again_after_its_own_end() {
	start_secret_fleet
	wait_until 10 test -s "$scratch/journalctl.pid"
	kill "$(cat "$scratch/journalctl.pid")"
	wait_until 10 grep -q 'journalctl ended' "$scratch/watch.out"
	stop_watch
	start_watch
	wait_until 10 has_lines 2 "$scratch/journalctl.pid"
	stop_watch
	! kill -0 "$(tail -n 1 "$scratch/journalctl.pid")" 2>/dev/null ||
		fail "expected the end of journalctl"
}

# A journal that was removed does not have the place any more.
test_cursor_that_is_refused_does_not_stop_the_log() {
	start_secret_fleet
	wait_until 10 test -s "$scratch/journalctl.pid"
	stop_watch
	sed -i 's/--after-cursor=\*)/& exit 1;/' \
		"$scratch/journal-bin/journalctl"
	echo '{"cursor":"c1"}' >"$scratch/targets.conf.noticed"
	start_watch
	wait_until 10 has_lines 2 "$scratch/journalctl.pid"
	entry 'CHAP initiator auth.: authentication of iqn.x:y failed (wrong secret!?)'
	wait_until 10 has_refusals iqn.x:y
	stop_watch
}

has_lines() {
	[ "$(wc -l <"$2")" = "$1" ]
}

test_watch_works_without_journalctl() {
	mkdir "$scratch/bin"
	for program in $(compgen -c); do
		[ "$program" = journalctl ] || [[ $program == */* ]] ||
			! type -P "$program" >/dev/null ||
			ln -sf "$(type -P "$program")" "$scratch/bin/$program"
	done
	PATH=$scratch/bin
	start_fleet pc1 </dev/null
	kill_worker "$scratch/mnt"
	wait_until 10 has_event worker-death
	stop_watch
	! grep -q journalctl "$scratch/watch.out" ||
		fail "expected no message: $(cat "$scratch/watch.out")"
}

deaths() {
	events 'select(.event == "worker-death") | .signal' | paste -sd ' '
}

has_deaths() {
	[ "$(deaths)" = "$1" ]
}

test_each_death_of_a_worker_is_logged_once_with_its_signal() {
	start_fleet pc1 </dev/null
	kill_worker "$scratch/mnt"
	wait_until 10 has_deaths 9
	equal "mount" "$scratch/mnt" "$(field worker-death mount)"
	[ "$(field worker-death when)" -le "$(date +%s)" ] ||
		fail "expected the time of the death"
	kill_worker "$scratch/mnt" SEGV
	kill_worker "$scratch/mnt" KILL
	wait_until 10 has_deaths "9 11 9"
	stop_watch
	expect 0 glue log
	did "$scratch/mnt: a worker process was killed by signal 11 \(Segmentation fault\), and another one continues\$"
	equal "status" 3 "$(glue status --json | jq '."worker-deaths"')"
	equal "metric" "tgt_glue_worker_deaths_total 3" \
		"$(glue status --prometheus | grep '^tgt_glue_worker')"
}

test_death_while_watch_did_not_run_is_logged_and_none_twice() {
	start_fleet pc1 </dev/null
	kill_worker "$scratch/mnt"
	wait_until 10 has_deaths 9
	stop_watch
	kill_worker "$scratch/mnt" BUS
	start_watch
	wait_until 10 has_deaths "9 7"
	stop_watch
}

test_another_mount_counts_anew() {
	start_fleet pc1 </dev/null
	kill_worker "$scratch/mnt"
	wait_until 10 has_deaths 9
	lose_mount "$scratch/mnt"
	wait_until 10 has_event mount-down
	return_mount
	kill_worker "$scratch/mnt" BUS
	wait_until 10 has_deaths "9 7"
	stop_watch
}

run_tests
