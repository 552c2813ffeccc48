#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# [group NAME] of fleet.conf: the clients that it matches, and the nearest
# section that sets a key.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

refused() {
	expect_error 1 "^$scratch/fleet.conf:[0-9]+: $1" glue check
}

# line_of TEXT [NTH]: prints the number of the first, or NTH, line of fleet.conf
# that is this text.
line_of() {
	local line

	line=$(grep -Fxn -e "$1" "$scratch/fleet.conf" | sed -n "${2:-1}s/:.*//p")
	[ -n "$line" ] || fail "expected a line '$1' in fleet.conf"
	echo "$line"
}

# block CLIENT: prints its target in the targets-file.
block() {
	glue generate | sed -n "/^<target $iqn_prefix:$1>/,/^<.target>/p"
}

# addresses CLIENT: prints its addresses in one line.
addresses() {
	block "$1" | sed -n 's/.*initiator-address //p' | paste -s -d ' '
}

test_group_sets_keys_of_the_clients_that_it_matches() {
	name_store
	write_fleet pc01 pc02 lab-a other <<-END
		[group room]
		match = nothing
		match = pc0* lab-[ab]
		address = 10.0.0.1
		address = 10.0.0.2
	END
	for client in pc01 pc02 lab-a; do
		equal "$client" "10.0.0.1 10.0.0.2" "$(addresses $client)"
	done
	equal "other" "127.0.0.1" "$(addresses other)"
}

test_patterns_distinguish_upper_and_lower_case() {
	name_store
	write_fleet PC01 <<-END
		[group room]
		match = pc*
		address = 10.0.0.1
	END
	equal "PC01" "127.0.0.1" "$(addresses pc01)"
}

test_nearest_section_that_sets_a_key_is_used() {
	name_store
	# The last group in the file is the nearest, also before the clients.
	write_fleet <<-END
		[group first]
		match = pc1 pc2 pc3
		address = 10.0.0.1
		readonly = yes
		[group last]
		match = pc2 pc3
		address = 10.0.0.2
		[machines]
		pc3 = 52:54:00:00:00:03 10.0.0.3
		[client pc1]
		[client pc2]
		[client pc4]
	END
	equal "pc1" "10.0.0.1" "$(addresses pc1)"
	equal "pc2" "10.0.0.2" "$(addresses pc2)"
	equal "pc3" "10.0.0.3" "$(addresses pc3)"
	equal "pc4" "127.0.0.1" "$(addresses pc4)"
	for client in pc1 pc2 pc3; do
		block $client | grep -q 'readonly' ||
			fail "$client: expected read-only"
	done
}

test_secret_and_secret_file_are_one_choice() {
	name_store
	(umask 077 && echo secretinfile1 >"$scratch/room.secret")
	write_fleet <<-END
		[group all]
		match = *
		secret = secretofall12
		[group room]
		match = pc1 pc2
		user = room
		secret-file = room.secret
		[client pc1]
		[client pc2]
		secret = secretofpc212
		user = pc2
		[client pc3]
	END
	block pc1 | grep -q 'incominguser room secretinfile1$'
	block pc2 | grep -q 'incominguser pc2 secretofpc212$'
	block pc3 | grep -q 'incominguser pc3 secretofall12$'
	sed -i 's/^user = room/&\nsecret = secretofroom1/' "$scratch/fleet.conf"
	refused "client pc1: expected one of secret, secret-file and secret-dir, found several"
}

test_mistakes_of_groups_are_named() {
	name_store
	write_fleet pc1 <<-END
		[group a b]
		[group none]
		thin = yes
		[group room]
		match = pc/1
		match = pc*
		mac = 52:54:00:00:00:01
		colour = red
		keep = many
		[group room]
		match = x
	END
	expect 1 glue check
	said "fleet.conf:$(line_of '[group a b]'): \[group NAME\]: expected a name .*, found .a b.$"
	said "fleet.conf:$(line_of '[group none]'): \[group none\]: expected its clients, found none; add .match = "
	said "fleet.conf:$(line_of 'match = pc/1'): match: expected names of clients, .*, found 'pc/1'$"
	said "fleet.conf:$(line_of 'mac = 52:54:00:00:00:01'): mac: expected in \[client NAME\], found in \[group room\]"
	said "fleet.conf:$(line_of 'colour = red'): expected a client's key"
	said "fleet.conf:$(line_of 'keep = many'): keep: expected .*, found 'many'"
	said "fleet.conf:$(line_of '[group room]' 2): \[group room\]: expected once, found again; first on line $(line_of '[group room]')$"
	equal "mistakes" 7 "$(wc -l <"$scratch/stderr")"
}

test_group_that_matches_no_client_is_accepted() {
	name_store
	write_fleet pc1 <<-END
		[group later]
		match = new*
		reset = boot
	END
	expect 0 glue check
	[ ! -s "$scratch/stderr" ] ||
		fail "expected no message, found: $(cat "$scratch/stderr")"
}

# explained KEY VALUE FROM: expects this line of check --explain.
explained() {
	grep -Eq "^$1 += $2${3:+ +}$3\$" "$scratch/stdout" ||
		fail "expected $1 = $2 from $3, found: $(cat "$scratch/stdout")"
}

test_explain_says_where_each_value_comes_from() {
	local conf=$scratch/fleet.conf machine

	name_store
	write_fleet <<-END
		include_here
		[group last]
		match = pc*
		address = 10.0.0.1
		address = 10.0.0.2
		mutual-user = server
		mutual-secret = serversecret12
		[group empty]
		match = none
		[machines]
		pc1 = 52:54:00:00:00:01
		[client pc1]
		secret = secretofpc1234
		keep = 7
		[client other]
	END
	sed -i -e '/include_here/d' -e '1s/$/\ninclude = more.conf/' "$conf"
	printf '[group first]\nmatch = pc1\nthin = yes\nsecret-file = x\n' \
		>"$scratch/more.conf"
	expect 0 glue check --explain pc1
	machine=$(line_of 'pc1 = 52:54:00:00:00:01')
	did "^client pc1 \($conf:$machine\), then \[group last\], \[group first\], \[defaults\]$"
	explained master masters/win11 "$conf:$(line_of 'master = masters/win11') \[defaults\]"
	explained address 10.0.0.1 "$conf:$(line_of 'address = 10.0.0.1') \[group last\]"
	explained address 10.0.0.2 "$conf:$(line_of 'address = 10.0.0.2') \[group last\]"
	explained thin yes "$scratch/more.conf:3 \[group first\]"
	explained mac 52:54:00:00:00:01 "$conf:$machine"
	explained keep 7 "$conf:$(line_of 'keep = 7')"
	explained readonly no default
	explained user pc1 default
	explained shard 0 default
	explained secret '\(set\)' "$conf:$(line_of 'secret = secretofpc1234')"
	explained mutual-secret '\(set\)' "$conf:$(line_of 'mutual-secret = serversecret12') \[group last\]"
	# The client's secret replaces it.
	explained secret-file '\(not set\)' ''
	did "^\[group empty\] matches no client  $conf:$(line_of '[group empty]')$"
	! grep -Eq 'secretof|serversecret' "$scratch/stdout" ||
		fail "expected no secret, found: $(cat "$scratch/stdout")"
	expect 0 glue check --explain other
	explained keep 1 default
	explained address 127.0.0.1 "$conf:$(line_of 'address = 127.0.0.1') \[defaults\]"
	expect_error 1 "check: expected a client of .*, found 'none'" \
		glue check --explain none
}

# titles: prints the clients that check --explain showed, in one line.
titles() {
	sed -n 's/^client \([^ ]*\) (.*/\1/p' "$scratch/stdout" | paste -sd ' '
}

test_explain_takes_patterns_and_groups() {
	name_store
	write_fleet pc1 pc2 other <<-END
		[group room]
		match = pc2 other
	END
	expect 0 glue check --explain 'pc*'
	equal "clients" "pc1 pc2" "$(titles)"
	expect 0 glue check --explain @room
	equal "clients" "pc2 other" "$(titles)"
	expect_error 1 "check: expected a group of .*, found '@none'" \
		glue check --explain @none
	equal "offered" "@room" \
		"$(tgt-glue --complete --config "$scratch/fleet.conf" check --explain @r)"
}

test_explain_shows_a_client_with_mistakes() {
	name_store
	write_fleet pc1 <<-END
		keep = many
	END
	expect 1 glue check --explain pc1
	said "fleet.conf:[0-9]+: keep: expected"
	explained keep '\(invalid\)' "$scratch/fleet.conf:$(line_of 'keep = many')"
}

run_tests
