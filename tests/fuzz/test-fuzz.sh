#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hostile bytes: the library withstands new inputs.  The search takes two seconds
# for each target.  VHDFS_LONG=MINUTES is about the total time of the search,
# VHDFS_SEED=NUMBER repeats a search.
#
# A failing input is printed in base64; to run it again:
#
#     base64 -d >FILE; tests/fuzz/replay TARGET FILE
. "${0%/*}/../lib.sh"

corpus=$top_srcdir/tests/fuzz/corpus
replay=$top_builddir/tests/fuzz/replay
targets=13
seconds=2
[ -z "${VHDFS_LONG:-}" ] || seconds=$((VHDFS_LONG * 60 / targets))
test_timeout=$((seconds + 300))

# Builds the fuzzers once for all tests.
build_fuzzers() {
	[ ! -x "$lib_dir/fuzzers/live" ] || return 0
	requires clang
	echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' >"$scratch/try.c"
	clang -fsanitize=fuzzer,address -o "$scratch/try" "$scratch/try.c" \
		2>/dev/null || skip "clang has no libFuzzer"
	"$top_srcdir/tests/fuzz/build-live" "$lib_dir/fuzzers"
}

# fuzzes TARGET: searches, starting with its corpus.
fuzzes() {
	local seed=${VHDFS_SEED:-$RANDOM$RANDOM}

	build_fuzzers
	mkdir "$scratch/new"
	echo "VHDFS_SEED=$seed"
	nice "$lib_dir/fuzzers/live" "$1" -seed=$((seed % 2000000000 + 1)) \
		-max_total_time="$seconds" -timeout=60 -rss_limit_mb=1500 \
		-malloc_limit_mb=128 -max_len=1200 -print_final_stats=1 \
		-artifact_prefix="$scratch/" "$scratch/new" "$corpus/$1" \
		>"$scratch/log" 2>&1 || {
		tail -n 60 "$scratch/log"
		fail "$1: expected no failing input, found one"
	}
	grep -a executed_units "$scratch/log"
}

test_every_target_is_searched() {
	"$replay" --list >"$scratch/targets"
	equal "number of targets" "$targets" "$(wc -l <"$scratch/targets")"
	while read -r name; do
		grep -q "{ fuzzes $name; }" "$top_srcdir/tests/fuzz/test-fuzz.sh"
	done <"$scratch/targets"
}

test_new_inputs_of_vhd_footer() { fuzzes vhd-footer; }
test_new_inputs_of_vhd_header() { fuzzes vhd-header; }
test_new_inputs_of_vhd_map() { fuzzes vhd-map; }
test_new_inputs_of_vhdx_header() { fuzzes vhdx-header; }
test_new_inputs_of_vhdx_log() { fuzzes vhdx-log; }
test_new_inputs_of_vhdx_region() { fuzzes vhdx-region; }
test_new_inputs_of_vhdx_metadata() { fuzzes vhdx-metadata; }
test_new_inputs_of_vhdx_locator() { fuzzes vhdx-locator; }
test_new_inputs_of_vhdx_map() { fuzzes vhdx-map; }
test_new_inputs_of_probe() { fuzzes probe; }
test_new_inputs_of_check() { fuzzes check; }
test_new_inputs_of_chain() { fuzzes chain; }
test_new_inputs_of_fleet_conf() { fuzzes fleet-conf; }

run_tests
