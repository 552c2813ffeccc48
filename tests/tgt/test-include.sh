#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `include' of fleet.conf: which files are read, and where mistakes are named.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# including VALUE [CLIENT...] <<REST: as write_fleet, with a line `include'.
including() {
	name_store
	write_fleet "${@:2}"
	sed -i "s|^\[fleet\]|&\ninclude = $1|" "$scratch/fleet.conf"
	mkdir -p "$scratch/conf.d"
}

# included NAME <<TEXT: writes an included file.
included() {
	cat >"$scratch/conf.d/$1"
}

# addresses CLIENT: prints its addresses in one line.
addresses() {
	glue generate | sed -n "/^<target $iqn_prefix:$1>/,/^<.target>/p" |
		sed -n 's/.*initiator-address //p' | paste -s -d ' '
}

test_files_that_match_a_pattern_are_read_in_the_order_of_names() {
	including 'conf.d/*.conf' pc1 pc2 </dev/null
	equal "no file" "127.0.0.1" "$(addresses pc1)"
	rmdir "$scratch/conf.d"
	equal "no directory" "127.0.0.1" "$(addresses pc1)"
	mkdir "$scratch/conf.d"
	# The last group is the nearest.
	printf '[group b]\nmatch = *\naddress = 10.0.0.2\n' | included b.conf
	printf '[group a]\nmatch = *\naddress = 10.0.0.1\n' | included a.conf
	for name in .hidden.conf c.conf.bak d.conf~; do
		echo nonsense | included "$name"
	done
	equal "two files" "10.0.0.2" "$(addresses pc1)"
}

test_included_file_is_read_in_the_place_of_the_line() {
	# Without a line end, with a byte-order mark and the line ends of
	# Windows.
	including 'conf.d/a.conf' </dev/null
	printf '\xef\xbb\xbf[fleet]\r\nshards = 2\r\n[client pc1]\r\nshard = 1' |
		included a.conf
	# [fleet] goes on after the line.
	sed -i 's/^include.*/&\nportal = 10.0.0.1/' "$scratch/fleet.conf"
	expect 0 glue check
	did ': 1 client, no mistakes$'
	expect 0 glue generate --shard 1
	did 'clients/pc1.vhdx'
}

test_relative_names_are_relative_to_fleet_conf() {
	including 'conf.d/a.conf' </dev/null
	(umask 077 && echo secretinfile1 >"$scratch/one.secret")
	included a.conf <<-'END'
		[fleet]
		include = conf.d/b.conf
		[client pc1]
		secret-file = one.secret
	END
	printf '[client pc2]\n' | included b.conf
	expect 0 glue generate
	did 'incominguser pc1 secretinfile1$'
	did 'clients/pc2.vhdx'
}

test_mistakes_name_the_file_and_the_line() {
	including 'conf.d/*.conf' pc2 <<-'END'
		nonsense = 1
	END
	included a.conf <<-'END'
		early = 1
		[client pc1]
		keep = many
		[client pc9]
		master = none
	END
	included b.conf <<-'END'
		[client pc1]
	END
	expect 1 glue check
	cut -d ' ' -f 1 "$scratch/stderr" >"$scratch/places"
	cat >"$scratch/expected" <<-END
		$scratch/conf.d/a.conf:1:
		$scratch/conf.d/a.conf:3:
		$scratch/conf.d/a.conf:5:
		$scratch/conf.d/b.conf:1:
		$scratch/fleet.conf:12:
	END
	diff "$scratch/expected" "$scratch/places" ||
		fail "found: $(cat "$scratch/stderr")"
	said "b.conf:1: \[client pc1\]: expected once, found again; first on $scratch/conf.d/a.conf:2$"
	said "fleet.conf:12: .*nonsense"
}

test_files_that_cannot_be_included_are_mistakes() {
	including 'conf.d/none.conf' pc1 </dev/null
	expect 1 glue check
	said "fleet.conf:2: include: expected a readable file, found $scratch/conf.d/none.conf: No such file"
	mkdir "$scratch/conf.d/none.conf"
	expect 1 glue check
	said "fleet.conf:2: include: expected a regular file, found $scratch/conf.d/none.conf"
	rmdir "$scratch/conf.d/none.conf"
	# A pipe without a writer does not block.
	mkfifo "$scratch/conf.d/none.conf"
	expect 1 timeout 20 tgt-glue --config "$scratch/fleet.conf" check
	said "fleet.conf:2: include: expected a regular file"
	rm "$scratch/conf.d/none.conf"
	printf '\xff\xfe[\0' | included none.conf
	expect 1 glue check
	said "none.conf:1: expected text in UTF-8, found UTF-16"
	sed -i 's|^include.*|include = con*.d/a.conf|' "$scratch/fleet.conf"
	expect 1 glue check
	said "fleet.conf:2: include: expected the name of a file, or a pattern"
	sed -i 's|^include.*|include = fleet.conf/*|' "$scratch/fleet.conf"
	expect 1 glue check
	said "fleet.conf:2: include: expected a readable directory, found $scratch/fleet.conf: Not a directory"
}

test_each_file_is_read_once() {
	including 'conf.d/a.conf' pc1 </dev/null
	printf '[fleet]\ninclude = fleet.conf\n' | included a.conf
	expect 1 glue check
	said "a.conf:2: include: expected each file once, found $scratch/fleet.conf again"
	printf '[fleet]\ninclude = conf.d/b.conf\n' | included a.conf
	printf '[fleet]\ninclude = conf.d/a.conf\n' | included b.conf
	expect 1 glue check
	said "b.conf:2: include: expected each file once, found $scratch/conf.d/a.conf again"
	equal "mistakes" 1 "$(wc -l <"$scratch/stderr")"
}

test_files_include_each_other_at_most_8_deep() {
	local i

	including 'conf.d/1.conf' pc1 </dev/null
	for ((i = 1; i <= 7; i++)); do
		printf '[fleet]\ninclude = conf.d/%d.conf\n' "$((i + 1))" |
			included "$i.conf"
	done
	printf '[client pc8]\n' | included 8.conf
	expect 0 glue check
	did ': 2 clients'
	printf '[fleet]\ninclude = conf.d/9.conf\n' | included 8.conf
	printf '[client pc9]\n' | included 9.conf
	expect 1 glue check
	said '8.conf:2: include: expected at most 8 files that include each other'
}

test_included_file_with_a_secret_needs_mode_600() {
	including 'conf.d/*' pc1 </dev/null
	printf '\n' | included a.conf
	chmod 644 "$scratch/conf.d/a.conf"
	expect 0 glue check
	printf '[client pc2]\nsecret = secretsecret1\n' | included b.conf
	chmod 640 "$scratch/conf.d/b.conf"
	expect 1 glue check
	said "^$scratch/conf.d/b.conf: mode: expected no access .*, found 640; run: chmod 600 $scratch/conf.d/b.conf$"
	chmod 600 "$scratch/conf.d/b.conf"
	# The mode of fleet.conf, which has no secret, does not matter.
	chmod 644 "$scratch/fleet.conf"
	expect 0 glue check
}

# TARGETS-FILE.fleet is all that is needed of the last good configuration.
test_last_good_fleet_has_the_included_files() {
	requires_tgtd
	start_server
	including 'conf.d/*.conf' pc1 </dev/null
	sed -i 's/^include.*/&\nmin-free = 1\ninclude = one/' \
		"$scratch/fleet.conf"
	: >"$scratch/one"
	printf '[group g]\nmatch = pc*\nkeep = 7\n[client pc2]' |
		included a.conf
	expect 0 glue apply
	expect 0 glue status
	did '^ *pc2 *ok'
	rm -r "$scratch/conf.d" "$scratch/one"
	echo 'nonsense = 1' >>"$scratch/fleet.conf"
	expect 0 glue status
	did '^ *pc1 *ok'
	did '^ *pc2 *ok'
	expect 0 tgt-glue --config "$scratch/targets.conf.fleet" check
}

run_tests
