#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# libiscsi's test suite, iscsi-test-cu: a vhdfs disk gets the same verdicts as a
# plain raw file in the same tgtd, test by test and word by word.  Many of its
# tests fail or are skipped on any disk of tgt; the remarks show which ones;
# only differences are failures.
#
# With VHDFS_LONG every combination of format, kind and sector size runs, which
# takes some minutes; else only those of children, the images of a fleet.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

test_timeout=${VHDFS_TEST_TIMEOUT:-1800}
# Limits in seconds for a whole suite and for a single test, which take about 15
# and 1.
whole_limit=240
single_limit=30

# start_pair FORMAT KIND SECTOR: an image of that format and kind (child, plain,
# which is dynamic, or fixed), and a raw file $raw of the same bytes.
start_pair() {
	local format=$1 kind=$2 options=(--size 64M) first

	sector=$3
	pair="$format $kind, sectors of $sector"
	requires iscsi-test-cu stdbuf
	mkdir "$scratch/store"
	image=$scratch/store/disk.$format raw=$scratch/raw
	master=$scratch/store/master.$format
	[ "$sector" = 512 ] || options+=(--sector-size "$sector")
	case $kind in
	fixed) options+=(--fixed) ;;
	*) options+=(--block-size 1M) ;;
	esac
	first=$image
	[ "$kind" != child ] || first=$master
	vhdfs-img create "${options[@]}" "$first"
	# The tests write at the start and at the end; blocks are partly
	# allocated, and a child has some sectors of its own.
	disk-io "$first" write 0 700000 1 write 3000000 9000000 2 \
		write 60000000 - 3
	if [ "$kind" = child ]; then
		vhdfs-img create --parent "$master" "$image"
		disk-io "$image" write 5000 70000 4 write 66000000 800000 5
		sha256_of "$master" >"$scratch/master.sha256"
	fi
	disk-io "$image" read 0 - >"$raw"
	mount_store "$scratch/store" "$scratch/mnt"
	start_tgtd # after the mount: it ends first
	at_exit end_running
	export_file 1 raw "$raw"
	export_file 2 view "$scratch/mnt/disk.$format.raw"
}

# export_file TID NAME FILE: makes a target of the file.
export_file() {
	adm --op new --mode target --tid "$1" -T "$iqn_prefix:$2"
	adm --op new --mode logicalunit --tid "$1" --lun 1 -b "$3" \
		--bstype rdwr --blocksize "$sector"
	adm --op bind --mode target --tid "$1" -I 127.0.0.1
}

thin() {
	# The sense in tgtd's answer to an UNMAP is stale memory.
	stale='s/ sense key [A-Z_]*(0x..) / stale sense /; s/ASCQ [A-Z_]*(0x....)//'
	adm --op update --mode logicalunit --tid 1 --lun 1 \
		--params thin_provisioning=1
	adm --op update --mode logicalunit --tid 2 --lun 1 \
		--params thin_provisioning=1
}

# run_on_both LIMIT TESTS: runs them on both disks at once; the verdicts are
# appended to $scratch/raw.verdicts and $scratch/view.verdicts.
run_on_both() {
	local name

	for name in raw view; do
		# Line buffering keeps all output of a run that is killed.
		timeout --foreground -k 5 "$1" stdbuf -oL iscsi-test-cu --dataloss \
			--test="$2" "$(url "$name")" \
			>"$scratch/$name.said" 2>&1 &
		running[$name]=$!
	done
	for name in raw view; do
		add_verdicts "$name" "$2"
	done
}

# add_verdicts NAME TESTS: appends the verdicts after the end of the suite on
# that disk.
add_verdicts() {
	local status=0 unfinished='broke off'

	wait "${running[$1]}" || status=$?
	unset "running[$1]"
	[ "$status" != 124 ] || unfinished='timed out'
	awk -f "$top_srcdir/tests/tgt/verdicts.awk" -v tests="$2" \
		-v unfinished="$unfinished" "$scratch/$1.said" |
		sed "${stale:-}" >>"$scratch/$1.verdicts"
}

# The processes of running suites, for a test that fails or is interrupted.
declare -A running=()
end_running() {
	local pid

	# Ends each by its id: tgtd and vhdfs, which are children too, end
	# later.
	for pid in "${running[@]}"; do
		kill "$pid"
		wait "$pid"
	done
}

# Prints the names of the tests whose verdicts differ.
differing() {
	awk -F '\t' '
		NR == FNR { raw[$1] = $0; next }
		raw[$1] != $0 { print $1 }
		{ delete raw[$1] }
		END { for (name in raw) print name }
	' "$scratch/raw.verdicts" "$scratch/view.verdicts" | sort
}

# differs_again LIMIT TESTS NAME: runs these tests twice more on both disks.
# Succeeds if the test differs again in one of them.
differs_again() {
	for _ in 1 2; do
		rm "$scratch"/{raw,view}.verdicts
		run_on_both "$1" "$2"
		differing >"$scratch/again"
		! grep -Fqx -e "$3" "$scratch/again" || return 0
	done
	return 1
}

# both_verdicts NAME: prints the verdicts of that test on both disks.
both_verdicts() {
	local side

	for side in raw view; do
		awk -F '\t' -v side="$side" -v name="$1" \
			'$1 == name { print side ": " $0 }' "$scratch/$side.first"
	done
}

# names VERDICT: prints the tests with that verdict on the raw file, as
# SUITE.{TEST TEST}.
names() {
	awk -F '\t' -v verdict="$1" '
		$2 != verdict { next }
		{
			split($1, name, ".")
			if (name[1] != suite)
				line = line close_suite " " name[1] ".{" name[2]
			else
				line = line " " name[2]
			suite = name[1]
			close_suite = "}"
		}
		END { print substr(line close_suite, 2) }
	' "$scratch/raw.first"
}

# how_many VERDICT: counts the tests with that verdict on the raw file.
how_many() {
	awk -F '\t' -v verdict="$1" '$2 == verdict { n++ } END { print n + 0 }' \
		"$scratch/raw.first"
}

# report WHAT: prints the verdicts of the raw file as remarks.
report() {
	local verdict

	remark "$pair, $1:"
	cut -f 2 "$scratch/raw.first" | sort -u | while read -r verdict; do
		remark "$(how_many "$verdict") $verdict: $(names "$verdict")"
	done
}

# judge WHAT PASSED LIMIT SUITE|TEST: fails when verdicts differ, or when fewer
# than PASSED tests pass on the raw file, because then little is compared.  A
# test that differs runs again, with its suite or alone.
judge() {
	local name found

	differing >"$scratch/differing"
	for name in raw view; do
		cp "$scratch/$name.verdicts" "$scratch/$name.first"
	done
	report "$1"
	[ "$(how_many passed)" -ge "$2" ] ||
		fail "expected at least $2 tests to pass on a raw file:" \
			"$(cat "$scratch/raw.said")"
	while read -r name; do
		both_verdicts "$name"
	done <"$scratch/differing"
	# More than 20 differences are a failure without a second run.
	[ "$(wc -l <"$scratch/differing")" -gt 20 ] ||
		leave_out_unstable "$3" "$4"
	found=$(xargs <"$scratch/differing")
	[ -z "$found" ] ||
		fail "$pair: expected the verdicts of a raw file, found: $found"
}

# leave_out_unstable LIMIT SUITE|TEST: ignores at most three tests that differ
# once and not again.
leave_out_unstable() {
	local name tests unstable=0 names=()

	mapfile -t names <"$scratch/differing"
	for name in "${names[@]}"; do
		tests=ALL.$name
		[ "$2" = TEST ] || tests=${tests%.*}
		! differs_again "$1" "$tests" "$name" || continue
		remark "unstable: $name differed once, and twice not"
		[ $((unstable += 1)) -le 3 ] ||
			fail "$pair: expected at most 3 unstable tests, found $unstable"
		sed -i "/^$name\$/d" "$scratch/differing"
	done
}

# The bytes that the tests wrote are the same, also on disk; the image has no
# errors, and its master is unchanged.
end_pair() {
	end_tgtd
	unmount "$scratch/mnt"
	expect 0 vhdfs-img check "$image"
	disk-io "$image" read 0 - | cmp - "$raw" ||
		fail "$pair: expected the bytes of the raw file"
	[ ! -f "$scratch/master.sha256" ] ||
		equal "the master" "$(cat "$scratch/master.sha256")" \
			"$(sha256_of "$master")"
}

# The whole suite without thin provisioning.
compare_suite() {
	start_pair "$@"
	run_on_both "$whole_limit" ALL
	judge "not thin" 150 "$whole_limit" SUITE
	end_pair
}

# The tests that unmap, or ask for it, one at a time: tgtd's answer to an UNMAP
# has stale sense bytes, which mislead the rest of a whole run.
compare_unmap() {
	local name

	start_pair "$@"
	thin
	iscsi-test-cu --list | grep -E '^ALL\.(Unmap|GetLBAStatus|Inquiry|WriteSame1[06])\..' \
		>"$scratch/list"
	while read -r name; do
		run_on_both "$single_limit" "$name"
	done <"$scratch/list"
	judge thin 20 "$single_limit" TEST
	end_pair
}

# both NAME FORMAT KIND SECTOR: defines the two tests of a combination.
both() {
	eval "test_$1() { compare_suite $2 $3 $4; }"
	eval "test_$1_unmaps() { compare_unmap $2 $3 $4; }"
}

both vhdx_child vhdx child 512
both vhdx_child_of_4096 vhdx child 4096
both vhd_child vhd child 512
if [ -n "${VHDFS_LONG:-}" ]; then
	both vhdx vhdx plain 512
	both vhdx_of_4096 vhdx plain 4096
	both vhdx_fixed vhdx fixed 512
	both vhdx_fixed_of_4096 vhdx fixed 4096
	both vhd vhd plain 512
	both vhd_fixed vhd fixed 512
fi

run_tests
