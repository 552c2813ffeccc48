#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Kept hostile bytes: the library withstands every input in tests/fuzz/corpus.
# test-fuzz.sh searches for new inputs.
. "${0%/*}/../lib.sh"

corpus=$top_srcdir/tests/fuzz/corpus
replay=$top_builddir/tests/fuzz/replay

# replays TARGET: runs every input of its corpus, and an empty one.
replays() {
	local inputs=("$corpus/$1"/*)

	[ -e "${inputs[0]}" ] || fail "expected inputs in $corpus/$1, found none"
	: >"$scratch/empty"
	"$replay" "$1" "$scratch/empty" "${inputs[@]}"
}

test_every_target_has_kept_inputs() {
	"$replay" --list >"$scratch/targets"
	equal "number of targets" 13 "$(wc -l <"$scratch/targets")"
	while read -r name; do
		grep -q "{ replays $name; }" "$top_srcdir/tests/fuzz/test-corpus.sh"
	done <"$scratch/targets"
}

test_corpus_of_vhd_footer() { replays vhd-footer; }
test_corpus_of_vhd_header() { replays vhd-header; }
test_corpus_of_vhd_map() { replays vhd-map; }
test_corpus_of_vhdx_header() { replays vhdx-header; }
test_corpus_of_vhdx_log() { replays vhdx-log; }
test_corpus_of_vhdx_region() { replays vhdx-region; }
test_corpus_of_vhdx_metadata() { replays vhdx-metadata; }
test_corpus_of_vhdx_locator() { replays vhdx-locator; }
test_corpus_of_vhdx_map() { replays vhdx-map; }
test_corpus_of_probe() { replays probe; }
test_corpus_of_check() { replays check; }
test_corpus_of_chain() { replays chain; }
test_corpus_of_fleet_conf() { replays fleet-conf; }

run_tests
