#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The program load, on plain files: it detects every kind of wrong data.
. "${0%/*}/../lib.sh"

# Makes a disk that was written and flushed, then written again and flushed; the
# content before each is in $scratch/first and $scratch/old.
written_disk() {
	disk=$scratch/disk record=$scratch/record
	truncate -s 8M "$disk"
	load fill "$disk" 5
	cp "$disk" "$scratch/first"
	load record "$record" "$disk" 1
	load run -s 0.2 "$record" "$disk" 11
	load flush "$record" "$disk"
	cp "$disk" "$scratch/old"
	load run -s 0.2 "$record" "$disk" 12
	load flush "$record" "$disk"
	load show "$record" >"$scratch/show"
}

# differing A B: prints the first sector of those on standard input that differs
# between the files and is not zero in B.
differing() {
	local sector

	while read -r sector; do
		cmp -s -i $((sector * 512)) -n 512 "$1" "$2" && continue
		cmp -s -i $((sector * 512)):0 -n 512 "$2" /dev/zero && continue
		echo "$sector"
		return
	done
	fail "expected a sector that differs"
}

# written FILE: prints the sectors with flushed data, from the output of load
# show.
written() {
	awk '$2 > 1 && $5 == "W" { print $1 }' "$1" >"$1.written"
	cat "$1.written"
}

# put SECTOR FILE OTHER [BYTES]: copies the beginning of FILE's sector OTHER to
# the disk's SECTOR.
put() {
	dd if="$2" of="$disk" bs=1 skip=$(($3 * 512)) seek=$(($1 * 512)) \
		count="${4:-512}" conv=notrunc status=none
}

# finds PATTERN: expects this message for the one wrong sector.
finds() {
	local how

	for how in verify exact flush; do
		expect 1 load $how "$record" "$disk"
		grep -q "sector $sector of client 1: .*$1" "$scratch/stderr" ||
			fail "load $how: expected '$1', found:" \
				"$(cat "$scratch/stderr")"
		equal "lines on standard error" 1 "$(wc -l <"$scratch/stderr")"
	done
}

prepare() {
	written_disk
	written "$scratch/show" >"$scratch/written"
	sector=$(differing "$disk" "$scratch/old" <"$scratch/written")
}

test_a_changed_byte_is_found() {
	prepare
	put "$sector" <(printf '\001\002') 0 2
	finds "bytes of no write"
}

test_a_changed_byte_in_the_middle_is_found() {
	prepare
	printf '\000\001\002\003' | dd of="$disk" bs=1 \
		seek=$((sector * 512 + 300)) conv=notrunc status=none
	finds "torn: the beginning of generation .* to byte 296"
}

test_a_torn_sector_is_found() {
	prepare
	put "$sector" "$scratch/old" "$sector" 256
	finds "torn: the beginning of generation"
}

test_an_old_generation_is_found() {
	prepare
	put "$sector" "$scratch/old" "$sector"
	finds "found generation [0-9]* of sector $sector by client 1"
}

test_the_first_content_is_found() {
	prepare
	put "$sector" "$scratch/first" "$sector"
	finds "found \(the first content\|zeros\)"
}

test_lost_data_is_found() {
	prepare
	put "$sector" /dev/zero 0
	finds "found zeros"
}

test_another_sector_is_found() {
	prepare
	other=$(awk -v s="$sector" '$5 == "W" && $1 != s { o = $1 } END { print o }' \
		"$scratch/show")
	put "$sector" "$disk" "$other"
	finds "of sector $other by client 1"
}

test_another_clients_data_is_found() {
	prepare
	cp "$scratch/first" "$scratch/disk2"
	load record "$scratch/record2" "$scratch/disk2" 2
	# The same seed chooses the same sectors.
	load run -s 0.2 "$scratch/record2" "$scratch/disk2" 11
	load flush "$scratch/record2" "$scratch/disk2"
	load show "$scratch/record2" >"$scratch/show2"
	sector=$(awk 'NR == FNR { if ($5 == "W") mine[$1]; next }
		$5 == "W" && $1 in mine { print $1; exit }' \
		"$scratch/show" "$scratch/show2")
	put "$sector" "$scratch/disk2" "$sector"
	finds "of sector $sector by client 2"
}

test_a_generation_that_was_never_begun_is_found() {
	prepare
	cp "$record" "$scratch/record.then"
	cp "$disk" "$scratch/disk.then"
	load run -s 0.2 "$record" "$disk" 13
	load show "$record" >"$scratch/show"
	written "$scratch/show" >"$scratch/written"
	sector=$(differing "$scratch/disk.then" "$disk" <"$scratch/written")
	cp "$disk" "$scratch/later"
	cp "$scratch/disk.then" "$disk"
	cp "$scratch/record.then" "$record"
	put "$sector" "$scratch/later" "$sector"
	finds "found generation"
}

test_a_run_that_reads_wrong_data_ends() {
	prepare
	head -c 8M /dev/zero | tr '\0' '\377' >"$disk"
	expect 1 load run -s 20 "$record" "$disk" 14
	grep -q 'ended by wrong data' "$scratch/stdout" ||
		fail "expected 'ended by wrong data', found: $(cat "$scratch/stdout")"
}

# unflushed_disk: $sector has writes of a killed load that no flush followed;
# its flushed data is in $scratch/then.
unflushed_disk() {
	prepare
	cp "$disk" "$scratch/then"
	# shellcheck disable=SC2016
	load run -F -s 20 -n 400 'kill -9 $PPID' "$record" "$disk" 15 || true
	load show "$record" >"$scratch/now"
	awk 'NR == FNR { was[$1] = $2; next }
		$5 == "W" && $2 == was[$1] && $4 > $2 { print $1 }' \
		"$scratch/show" "$scratch/now" >"$scratch/waiting"
	sector=$(differing "$disk" "$scratch/then" <"$scratch/waiting")
}

test_unflushed_data_may_be_old_or_new() {
	unflushed_disk
	load verify "$record" "$disk"
	put "$sector" "$scratch/then" "$sector"
	load verify "$record" "$disk"
}

test_unflushed_data_older_than_the_flushed_is_found() {
	unflushed_disk
	sector=$(differing "$scratch/then" "$scratch/old" <"$scratch/waiting")
	put "$sector" "$scratch/old" "$sector"
	expect 1 load verify "$record" "$disk"
}

test_data_after_flush_must_stay() {
	unflushed_disk
	load flush "$record" "$disk"
	load verify "$record" "$disk"
	put "$sector" "$scratch/then" "$sector"
	finds "expected generation"
}

# run_with_events SEED: another run, whose events are added to $scratch/events.
run_with_events() {
	load run -s 0.2 -e "$scratch/events" "$record" "$disk" "$1"
	moment=$(load now "$scratch/events")
}

# Makes the copies $scratch/a and $scratch/b of a disk, of the moments $a and $b.
two_moments() {
	written_disk
	load events "$scratch/events" "$record"
	cp "$disk" "$scratch/begin"
	run_with_events 13
	cp "$disk" "$scratch/a"
	a=$moment
	run_with_events 14
	cp "$disk" "$scratch/b"
	b=$moment
	run_with_events 15
}

# moment STATUS FROM TO COPY
moment() {
	expect "$1" load moment "$scratch/events" "$record" "${@:2}"
}

test_copy_of_one_moment_is_accepted() {
	two_moments
	moment 0 "$a" "$a" "$scratch/a"
	moment 0 "$b" "$b" "$scratch/b"
	moment 0 0 "$moment" "$scratch/a"
	moment 0 0 0 "$scratch/begin"
	moment 0 "$moment" "$moment" "$disk"
}

test_copy_without_an_answered_write_is_found() {
	two_moments
	moment 1 "$b" "$moment" "$scratch/a"
	has_line 'expected its content of moment .*, found generation' \
		"$scratch/stderr"
}

test_copy_with_a_write_that_began_later_is_found() {
	two_moments
	moment 1 0 "$a" "$scratch/b"
	has_line 'expected its content of moment' "$scratch/stderr"
}

test_copy_of_two_moments_is_found() {
	two_moments
	head -c 4M "$scratch/b" | dd of="$scratch/a" conv=notrunc status=none
	moment 1 "$a" "$b" "$scratch/a"
	has_line 'expected its content of moment' "$scratch/stderr"
}

test_copy_with_one_old_sector_is_found() {
	two_moments
	load show "$record" >"$scratch/show"
	written "$scratch/show" >"$scratch/written"
	disk=$scratch/b
	sector=$(differing "$disk" "$scratch/begin" <"$scratch/written")
	put "$sector" "$scratch/begin" "$sector"
	moment 1 "$b" "$b" "$scratch/b"
	equal "lines on standard error" 1 "$(wc -l <"$scratch/stderr")"
}

run_tests
