#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/lib.sh and contents.sh themselves: a failing test is reported as failed, and
# leaves nothing; the functions for tests do what they say.
. "${0%/*}/lib.sh"
. "${0%/*}/contents.sh"

# script LINE...: runs a test script that consists of these lines.
script() {
	{
		echo ". '$top_srcdir/tests/lib.sh'"
		printf '%s\n' "$@"
		echo run_tests
	} >"$scratch/script.sh"
	bash "$scratch/script.sh" >"$scratch/tap" 2>&1
}

# tap_has PATTERN: expects that a line of the TAP matches.
tap_has() {
	grep -Eq -e "$1" "$scratch/tap" ||
		fail "expected a line '$1', got: $(cat "$scratch/tap")"
}

test_success_prints_ok() {
	script 'test_a() { true; }'
	equal "TAP" "1..1
ok 1 - a" "$(cat "$scratch/tap")"
}

test_failing_command_prints_not_ok() {
	script 'test_a() { false' 'true; }'
	tap_has '^not ok 1 - a$'
	tap_has '^# .*failed: false$'
}

test_failing_command_in_a_pipe_prints_not_ok() {
	script 'test_a() { false | true' 'true; }'
	tap_has '^not ok 1 - a$'
}

test_fail_prints_its_reason() {
	script 'test_a() { fail "the reason"; }'
	tap_has '^not ok 1 - a$'
	tap_has '^# the reason$'
}

test_skip_prints_its_reason() {
	script 'test_a() { requires no-such-program; false; }'
	tap_has '^ok 1 - a # SKIP no no-such-program$'
}

test_remark_is_printed_when_the_test_passes() {
	script "test_a() { remark 3 of 4; }" "test_b() { true; }"
	equal TAP "1..2
ok 1 - a
# 3 of 4
ok 2 - b" "$(cat "$scratch/tap")"
}

test_skip_outside_a_test_skips_the_whole_file() {
	script 'requires no-such-program' 'test_a() { true; }'
	equal TAP "1..0 # SKIP no no-such-program" "$(cat "$scratch/tap")"
}

test_timeout_prints_not_ok() {
	script 'test_timeout=1' 'test_a() { sleep 60; }'
	tap_has '^not ok 1 - a$'
	tap_has '^# stopped after 1 seconds$'
}

test_tests_run_in_source_order_in_separate_processes() {
	script 'test_b() { cd "$scratch"; touch f; x=1; }' \
		'test_a() { [ -z "${x:-}" ]; [ ! -e "$scratch/f" ]; }'
	tap_has '^ok 1 - b$'
	tap_has '^ok 2 - a$'
}

test_at_exit_runs_in_reverse_order_after_a_failure() {
	script "test_a() { at_exit 'echo 1 >>$scratch/trace'" \
		"at_exit 'echo 2 >>$scratch/trace'" 'false; }'
	equal "trace" "2 1" "$(paste -sd ' ' "$scratch/trace")"
}

test_scratch_is_removed() {
	script "test_a() { echo \"\$scratch\" >'$scratch/name'; false; }"
	[ ! -e "$(cat "$scratch/name")" ] ||
		fail "expected no $(cat "$scratch/name")"
}

test_mounts_are_removed_when_a_test_is_killed() {
	requires_root
	script 'test_timeout=5' \
		'test_a() { mkdir "$scratch/m m"; mount -t tmpfs none "$scratch/m m"' \
		"echo \"\$scratch\" >'$scratch/name'" \
		'exec 7>"$scratch/m m/f"; sleep 600; }'
	tap_has '^not ok 1 - a$'
	! grep "$(cat "$scratch/name")" /proc/self/mounts ||
		fail "expected no mount of the killed test"
	[ ! -e "$(cat "$scratch/name")" ] ||
		fail "expected no $(cat "$scratch/name")"
}

test_expect_compares_the_status() {
	script 'test_a() { expect 3 sh -c "exit 3"; }' \
		'test_b() { expect 0 sh -c "exit 3"; }'
	tap_has '^ok 1 - a$'
	tap_has '^not ok 2 - b$'
	tap_has '^# .*expected exit status 0, got 3$'
}

test_has_line_prints_the_pattern_and_the_file() {
	printf 'one\ntwo\n' >"$scratch/file"
	script "test_a() { has_line ^two$ '$scratch/file'; }" \
		"test_b() { has_line -i ^THREE '$scratch/file'; }" \
		"test_c() { has_no_line three '$scratch/file'; }" \
		"test_d() { has_no_line ^one '$scratch/file'; }"
	tap_has '^ok 1 - a$'
	tap_has '^not ok 2 - b$'
	tap_has "^# .*/file: expected a line that matches '\^THREE', found: one$"
	tap_has '^# two$'
	tap_has '^ok 3 - c$'
	tap_has '^not ok 4 - d$'
	tap_has "^# .*/file: expected no line that matches '\^one', found: one$"
}

# The background process truncates the file of the one before only when it runs.
test_hold_does_not_read_the_output_of_the_process_before() {
	echo holding >"$scratch/hold.out"
	mkfifo() {
		[ ! -e "$scratch/hold.out" ] || fail "expected no hold.out"
		command mkfifo "$@"
	}
	disk-io() {
		echo holding
		cat
	}
	hold image open
	release
}

test_expect_error_requires_one_matching_line() {
	script 'test_a() { expect_error 1 "^x$" sh -c "echo x >&2; exit 1"; }' \
		'test_b() { expect_error 1 x sh -c "echo x; echo x >&2; exit 1"; }' \
		'test_c() { expect_error 1 x sh -c "echo x >&2; echo >&2; exit 1"; }' \
		'test_d() { expect_error 1 x sh -c "echo y >&2; exit 1"; }'
	tap_has '^ok 1 - a$'
	tap_has '^not ok 2 - b$'
	tap_has '^not ok 3 - c$'
	tap_has '^not ok 4 - d$'
}

test_interrupt_runs_at_exit_and_removes_scratch() {
	script_pid=
	{
		echo ". '$top_srcdir/tests/lib.sh'"
		echo "test_a() { at_exit 'touch $scratch/cleaned'"
		echo "echo \$scratch >'$scratch/name'; sleep 60; }"
		echo run_tests
	} >"$scratch/script.sh"
	bash "$scratch/script.sh" >"$scratch/tap" 2>&1 &
	script_pid=$!
	wait_until 10 test -s "$scratch/name"
	kill "$script_pid"
	! wait "$script_pid" ||
		fail "expected a failure of the interrupted script, found success"
	[ -e "$scratch/cleaned" ] || fail "expected at_exit's command to run"
	[ ! -e "$(cat "$scratch/name")" ] ||
		fail "expected no $(cat "$scratch/name")"
}

run_tests
