#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# README's commands that build all anew and test it: they work on copies of the
# source.
. "${0%/*}/lib.sh"
. "${0%/*}/readme.sh"

test_the_two_commands() {
	requires_fuse
	cd "$top_srcdir"
	equal "commands" "./contrib/demo
./contrib/check" "$(commands_of "See it work")"
	./contrib/demo
	# All tests would be these tests again.
	./contrib/check TESTS=tests/unit/test-base | tee "$scratch/out"
	grep -Eq '^[0-9]+ passed, 0 failed$' "$scratch/out" ||
		fail "expected the last line to count"
}

test_the_developers_command() {
	requires_fuse
	cd "$top_srcdir"
	commands_of "For developers" >"$scratch/commands"
	equal "number of commands" 1 "$(wc -l <"$scratch/commands")"
	bash -e "$scratch/commands" | tee "$scratch/out"
	grep -Eq '^[1-9][0-9]* passed, 0 failed$' "$scratch/out" ||
		fail "expected the last line to count"
}

run_tests
