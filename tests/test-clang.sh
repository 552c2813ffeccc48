#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Warnings of clang in any C file.  clang only checks the files; test-build.sh
# builds the programs with clang.
. "${0%/*}/lib.sh"

libraries="fuse3 uuid jansson libnbd nbdkit cmocka libiscsi"

test_clang_finds_no_warning_in_any_c_file() {
	local flags

	requires clang pkg-config
	# shellcheck disable=SC2086
	pkg-config --exists $libraries ||
		skip "no headers of one of: $libraries"
	# shellcheck disable=SC2086
	read -ra flags < <(pkg-config --cflags $libraries)
	cd "$top_srcdir"
	find vhdfs tgt-glue tests -name '*.c' >"$scratch/files"
	[ -s "$scratch/files" ] || fail "expected C files, found none"
	xargs -n 16 -P "$(nproc)" clang -fsyntax-only -DHAVE_CONFIG_H \
		-I"$top_builddir" -Ivhdfs -Itests -I. -DCONFDIR='"/etc/vhdfs"' \
		-DLOGDIR='"/var/log/vhdfs"' -DPKGLIBEXECDIR='"/usr/libexec/vhdfs"' \
		-DWITH_ISCSI -pthread -Wall -Wextra -Wshadow -Wvla -Werror \
		"${flags[@]}" <"$scratch/files" >"$scratch/log" 2>&1 ||
		fail "expected no warning, found: $(tail -n 60 "$scratch/log")"
}

run_tests
