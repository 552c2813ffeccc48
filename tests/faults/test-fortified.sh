#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# faults.so with programs built with _FORTIFY_SOURCE, as in packages: these programs
# call some functions by other names.
. "${0%/*}/../lib.sh"
. "${0%/*}/faults.sh"

# fortified_program CODE [FLAG...]: compiles $scratch/program, whose main is the code.
fortified_program() {
	requires gcc
	cat >"$scratch/program.c" <<-END
		#include <fcntl.h>
		#include <stdio.h>
		#include <unistd.h>
		static char buf[16];
		int main(int argc, char **argv)
		{
			$1
		}
	END
	gcc -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -D_GNU_SOURCE "${@:2}" \
		-o "$scratch/program" "$scratch/program.c"
}

# fails KIND NAME [AT]: expects that the program calls NAME, and exits with 1 if the
# call number AT, by default the last one, fails, and with 0 if none fails.
fails() {
	nm -D "$scratch/program" | grep -q " U $2@" ||
		fail "expected a call of $2, found: $(nm -D "$scratch/program")"
	under "$1" once 1000000 "$scratch/program" "$scratch/program.c"
	equal "$2: exit status without a failure" 0 "$status"
	under "$1" once "${3:-$seen}" "$scratch/program" "$scratch/program.c"
	equal "$2: exit status" 1 "$status"
	equal "$2: calls that failed" 1 "$fired"
}

test_fortified_open_can_fail() {
	requires_faults
	for bits in 32 64; do
		fortified_program 'return open(argv[1], argc - 2) < 0;' \
			-D_FILE_OFFSET_BITS=$bits
		fails EIO "__open$([ $bits = 32 ] || echo 64)_2"
		fortified_program \
			'return openat(AT_FDCWD, argv[1], argc - 2) < 0;' \
			-D_FILE_OFFSET_BITS=$bits
		fails EIO "__openat$([ $bits = 32 ] || echo 64)_2"
	done
}

test_fortified_read_can_fail() {
	requires_faults
	for bits in 32 64; do
		fortified_program 'return pread(open(argv[1], O_RDONLY), buf,
				argc * 4, 0) < 0;' -D_FILE_OFFSET_BITS=$bits
		fails EIO "__pread$([ $bits = 32 ] || echo 64)_chk"
	done
}

test_fortified_asprintf_can_fail() {
	requires_faults
	fortified_program 'char *text; return asprintf(&text, "%s", argv[1]) < 0;'
	fails ENOMEM __asprintf_chk 1
}

# faults.so must also replace functions that the programs may call in future by another
# name.
test_each_fortified_call_of_the_programs_is_replaced() {
	local name plain

	requires nm
	nm -D --defined-only "$faults_so" | sed 's/.* \([^@]*\).*/\1/' |
		sort -u >"$scratch/replaced"
	grep -qx openat "$scratch/replaced" ||
		fail "expected openat among the functions of faults.so"
	nm -D --undefined-only "$(command -v vhdfs)" "$(command -v vhdfs-img)" |
		sed -n 's/^ *U \(__[a-z0-9]*\(_2\|_chk\)\)@.*/\1/p' | sort -u |
		while read -r name; do
			plain=${name#__}
			plain=${plain%_*}
			! grep -qx "$plain" "$scratch/replaced" ||
				grep -qx "$name" "$scratch/replaced" ||
				fail "expected $name, as $plain, in faults.so"
		done
}

run_tests
