#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# contrib/bench: its options, its evaluation of measurements, and the smallest
# run of all works.  Speed is not tested.
. "${0%/*}/../lib.sh"

# The variables of the make that runs this test must not reach make runs of the
# benchmark.
unset MAKEFLAGS MFLAGS MAKELEVEL

command=$top_srcdir/contrib/bench
here=$top_srcdir/tests/bench

test_help_lists_every_option() {
	"$command" --help >"$scratch/help"
	sed -n '/^while /,/^done/p' "$command" | grep -v misused |
		grep -Eo -e '--[a-z]+' | sort -u >"$scratch/options"
	grep -q -e --quick "$scratch/options"
	while read -r option; do
		grep -Eq "^  (-h, )?$option( |\$)" "$scratch/help" ||
			fail "expected $option in the output of --help"
	done <"$scratch/options"
}

test_bad_options_are_refused() {
	local words

	while read -r words; do
		# shellcheck disable=SC2086
		expect 2 "$command" $words
		grep -q "^contrib/bench: " "$scratch/stderr" ||
			fail "$words: expected a reason, found: $(cat "$scratch/stderr")"
	done <<-'END'
		--fast
		--rounds
		--rounds none
		--only everything
		--sides windows
		--seconds long
		stray
	END
}

# measured WORK SIDE UNIT VALUE...: prints measurements, one round for each
# value.
measured() {
	local round=0 value

	for value in "${@:4}"; do
		round=$((round + 1))
		echo "{\"work\":\"$1\",\"side\":\"$2\",\"round\":$round,\"value\":$value,\"unit\":\"$3\"}"
	done
}

# Sets bench, out and work for report.sh, and sources it.
use_report() {
	bench=$scratch out=$scratch work=$scratch
	cp "$here/report.jq" "$here/plot.gp" "$scratch"
	. "$here/report.sh"
}

# reported PATTERN: expects a matching line in the table.
reported() {
	grep -Eq -e "$1" "$scratch/table" ||
		fail "expected a line '$1', found: $(cat "$scratch/table")"
}

test_medians_and_ratios_of_known_values() {
	requires jq
	use_report
	{
		measured read passthrough-example 1/s 50 40 30 20 10
		measured read passthrough-plain 1/s 100 300 200 500 400
		measured read qemu 1/s 100 100 100 100
		measured read vhdx-fixed 1/s 300 270 240 600 290
		measured read vhd-dynamic 1/s 200 150
		measured storm passthrough-example s 10 12 11
		measured storm passthrough-plain s 20 20 20
		measured storm vhdx-fixed s 11 13.2 12.5
		measured memory vhdx-fixed MiB 96
		measured "then" vhdx-fixed 1/s 58
		echo '{"work":"read","side":"reflink","missing":"broken"}'
	} >"$scratch/measurements.jsonl"
	cat >"$scratch/requirements" <<-'END'
		# a comment
		to the limit | read | read | limit | min | 0.95
		to qemu | read | read | qemu | min | 2
		storm's time | storm | storm | limit | max | 1.1
		itself | then | read | - | min | 0.2
		MiB | memory | - | - | max | 96
		unmeasured | nothing | nothing | limit | min | 1
	END
	make_report '{"cpu": "made up", "quick": true}'
	print_table >"$scratch/table"
	equal "medians" "300 30 100 290 175" "$(jq -r '[.results[] |
		select(.work == "read")] | map({key: .side, value: .median}) |
		from_entries | [."passthrough-plain", ."passthrough-example",
			.qemu, ."vhdx-fixed", ."vhd-dynamic"] | map(tostring) |
		join(" ")' "$scratch/report.json")"
	reported '^ +passthrough-plain +300[.0]* +100[.0]*, 500[.0]* 1/s +5$'
	equal "ratios" \
		"to the limit, vhd-dynamic: 0.583 by passthrough-plain, false
to the limit, vhdx-fixed: 0.966 by passthrough-plain, true
to qemu, vhd-dynamic: 1.75 by qemu, false
to qemu, vhdx-fixed: 2.9 by qemu, true
storm's time, vhdx-fixed: 1.136 by passthrough-example, false
itself, vhdx-fixed: 0.2 by vhdx-fixed, true
MiB, vhdx-fixed: 96 by null, true
unmeasured, null: null by null, null" \
		"$(jq -r '.requirements | sort_by([.name, .side // ""] as [$n, $s] |
			[(["to the limit", "to qemu", "storm'"'"'s time", "itself",
			"MiB", "unmeasured"] | index($n)), $s]) | .[] |
			"\(.name), \(.side): \(if .ratio then
			(.ratio * 1000 | floor / 1000) else null end) by \(.base), \(.reached)"' \
			"$scratch/report.json")"
	reported '^to the limit: at least 0.95$'
	reported '^ +vhdx-fixed +0.967 +\(0.725 to 3, by passthrough-plain\) +yes$'
	reported '^ +vhdx-fixed +1.14 +\(1.1 to 1.14, by passthrough-example\) +NO$'
	reported '^not measured: read, reflink: broken$'
	reported "^ +unmeasured$"
	reported '^QUICK'
}

test_every_requirement_has_six_fields() {
	requires jq
	grep -v '^#' "$here/requirements" | while read -r line; do
		echo "$line" | grep -Eq '^[^|]+( *\|[^|]+){3}\| *(min|max) *\| *[0-9.]+$' ||
			fail "expected six fields, found: $line"
	done
}

test_pacer_reports_the_longest_write_of_each_file() {
	requires jq
	[ -x "$top_builddir/tests/bench/pacer" ] || skip "pacer was not built"
	truncate -s 1M "$scratch/one" "$scratch/two"
	"$top_builddir/tests/bench/pacer" 100 600 524288 65536 "$scratch/one" \
		"$scratch/two" >"$scratch/out" &
	wait_until 60 grep -q begun "$scratch/out"
	kill "$!"
	wait "$!" || fail "expected success, found: $(cat "$scratch/out")"
	equal "the last line" true "$(tail -n 1 "$scratch/out" | jq '.writes >= 2
		and .median > 0 and .longest >= .median')"
	for file in one two; do
		cmp -n 524288 "$scratch/$file" /dev/zero ||
			fail "expected no write before the range"
		! cmp -s -n 65536 -i 524288:0 "$scratch/$file" /dev/zero ||
			fail "expected a write to $file"
	done
}

# A recorded boot of a few commands.
make_trace() {
	mkdir -p "$scratch/shared/data"
	cat >"$scratch/shared/data/boot-debian12.csv" <<-'END'
		# usec,op,offset,length
		0,R,32768,2048
		5,W,1048576,16384
		6,R,4194304,131072
		7,W,1052672,512
		8,F,0,0
		9,R,1048576,16384
	END
	export VHDFS_SHARED=$scratch/shared
}

requires_bench() {
	requires_fuse
	requires fio gnuplot jq file qemu-storage-daemon mkfs.xfs vhdimount tgtd strace
	[ -x "$top_builddir/tests/bench/storm" ] || skip "no libiscsi"
	[ -e /dev/loop-control ] || skip "no loop devices"
	make_trace
	export TMPDIR=$scratch
}

# small_run OPTION...: runs the benchmark with results in $scratch/out.
small_run() {
	"$command" --build "$top_builddir" --out "$scratch/out" --quick \
		--rounds 1 --seconds 0.05 --region 16 --clients 2 "$@" \
		>"$scratch/log" 2>&1 || fail "$(cat "$scratch/log")"
	jq -e . "$scratch/out/report.json" >/dev/null
}

nothing_is_left() {
	! grep "$scratch" /proc/self/mounts ||
		fail "expected no mounts after the run"
	[ -z "$(ls -d "$scratch"/vhdfs-bench.* 2>/dev/null)" ] ||
		fail "expected no work directory after the run"
	# The brackets exclude this grep's own command line.
	! grep -lsa "$scratch/[v]hdfs-bench" /proc/[0-9]*/cmdline ||
		fail "expected no processes after the run"
}

sides_of() {
	jq -r --arg work "$1" '[.results[] | select(.work == $work) | .side] |
		join(" ")' "$scratch/out/report.json"
}

test_every_side_is_measured() {
	requires_bench
	local sides="raw passthrough-example passthrough-plain qemu reflink vhdimount vhdx-dynamic vhdx-fixed vhd-dynamic vhd-fixed"

	small_run --only read --sides "${sides// /,}"
	equal "sides" "$sides" "$(sides_of read-4k-16)"
	nothing_is_left
}

test_every_work_is_measured() {
	requires_bench
	small_run --sides passthrough-plain,qemu,reflink,vhdx-dynamic
	equal "missing" 0 "$(jq '.missing | length' "$scratch/out/report.json")"
	equal "not measured" "" "$(jq -r '.requirements[] |
		select(.ratio == null) | .name' "$scratch/out/report.json")"
	equal "the storm's sides" "passthrough-plain vhdx-dynamic reflink qemu" \
		"$(sides_of storm)"
	grep -q '^boot storm' "$scratch/out/table.txt" || fail "expected a table"
	for file in works.png growth.png; do
		file "$scratch/out/$file" | grep -q 'PNG image' ||
			fail "expected a picture, $file"
	done
	nothing_is_left
}

test_interrupted_run_removes_everything() {
	requires_bench
	"$command" --build "$top_builddir" --out "$scratch/out" --quick \
		--only tgt --region 16 >"$scratch/log" 2>&1 &
	wait_until 60 grep -q 'through tgtd' "$scratch/log"
	kill "$!"
	! wait "$!" ||
		fail "expected a nonzero exit status of the interrupted run"
	nothing_is_left
}

run_tests
