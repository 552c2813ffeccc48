#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Several clients in one command: names, patterns, groups and --all, and the
# question before several are changed; secrets for many.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# start_room: clients with a secret-file each in $scratch/secrets.
start_room() {
	name_store
	write_fleet pc01 pc02 pc03 lab1 <<-END
		[group room]
		match = pc02 lab*
		[group empty]
		match = none
	END
	sed -i 's/^\[defaults\]/&\nsecret-dir = secrets/' "$scratch/fleet.conf"
}

# secrets: prints the names of the secret-files in one line.
secrets() {
	[ -d "$scratch/secrets" ] || return 0
	find "$scratch/secrets" -type f -printf '%f\n' | sort | paste -s -d ' '
}

# selects EXPECTED WORD...: these words select the clients whose secret-files
# are expected.
selects() {
	rm -rf "$scratch/secrets"
	expect 0 glue secret --yes "${@:2}"
	equal "${*:2}" "$1" "$(secrets)"
}

test_names_patterns_groups_and_all_select_clients() {
	start_room
	selects "pc01.secret" pc01
	selects "pc01.secret pc02.secret pc03.secret" 'pc0*'
	selects "pc01.secret pc02.secret" 'pc0[12]' pc01
	selects "lab1.secret pc02.secret" @room
	selects "lab1.secret pc01.secret pc02.secret" @room pc01
	selects "lab1.secret pc01.secret pc02.secret pc03.secret" --all
}

test_each_word_that_selects_no_client_is_named() {
	start_room
	expect 1 glue secret --yes pc01 pc9 'x*' @none @empty 'pc0*'
	said "secret: expected a client of $scratch/fleet.conf, found 'pc9'"
	said "secret: expected a pattern that matches a client of .*, found 'x\*'"
	said "secret: expected a group of .*, found '@none'"
	said "secret: expected a group with clients of .*, found '@empty'"
	equal "messages" 4 "$(wc -l <"$scratch/stderr")"
	equal "secrets" "" "$(secrets)"
	expect_error 2 "unexpected operand 'pc01'" \
		tgt-glue --config "$scratch/fleet.conf" secret --all pc01
}

test_several_clients_need_yes_without_a_terminal() {
	local words

	start_room
	for words in 'pc0*' @room --all; do
		expect 2 glue secret "$words" </dev/null
		said "^tgt-glue: expected --yes, because standard input is no terminal: make new secrets for [234] clients: "
		equal "secrets after $words" "" "$(secrets)"
	done
	said 'for 4 clients: pc01 pc02 pc03 lab1$'
	expect 0 glue secret --yes 'pc0*' </dev/null
}

test_names_and_single_clients_need_no_yes() {
	start_room
	expect 0 glue secret pc01 pc02 lab1 </dev/null
	expect 0 glue secret 'pc03*' </dev/null
	equal "secrets" "lab1.secret pc01.secret pc02.secret pc03.secret" \
		"$(secrets)"
}

# answers TEXT COMMAND...: runs the command on a terminal, where this is typed.
answers() {
	script -qec "${*:2}" /dev/null <<<"$1" >"$scratch/terminal" || true
}

test_question_on_a_terminal() {
	local glue="tgt-glue --config '$scratch/fleet.conf'"

	requires script
	start_room
	for answer in n '' yesyes; do
		answers "$answer" "$glue secret --all"
		grep -q 'make new secrets for 4 clients: pc01 pc02 pc03 lab1? \[y/N\]' \
			"$scratch/terminal" ||
			fail "expected a question, found: $(cat "$scratch/terminal")"
		grep -q 'nothing was changed' "$scratch/terminal"
		equal "secrets after '$answer'" "" "$(secrets)"
	done
	answers y "$glue secret --all"
	equal "secrets" "lab1.secret pc01.secret pc02.secret pc03.secret" \
		"$(secrets)"
}

test_missing_secrets_are_made_without_a_question() {
	start_room
	expect 1 glue check
	expect 0 glue secret --all --missing </dev/null
	equal "written" 4 "$(grep -c 'written; `tgt-glue apply. activates it$' \
		"$scratch/stdout")"
	equal "mode" "700 600" "$(stat -c %a "$scratch/secrets" \
		"$scratch/secrets/pc01.secret" | paste -s -d ' ')"
	expect 0 glue check
	cp -r "$scratch/secrets" "$scratch/before"
	echo '[client pc04]' >>"$scratch/fleet.conf"
	expect 0 glue secret --all --missing </dev/null
	equal "written" "$scratch/secrets/pc04.secret" \
		"$(sed 's/: written.*//' "$scratch/stdout")"
	rm "$scratch/secrets/pc04.secret"
	diff -r "$scratch/before" "$scratch/secrets"
	expect 0 glue secret --missing pc01 pc04
	diff "$scratch/before/pc01.secret" "$scratch/secrets/pc01.secret"
	equal "secrets" 5 "$(secrets | wc -w)"
}

test_missing_secrets_without_a_place_for_them_are_reported() {
	start_room
	sed -i '/^secret-dir/d' "$scratch/fleet.conf"
	expect 0 glue secret --all --missing </dev/null
	said "^tgt-glue: secret: 4 clients have \(pc01 and others\) no secret and no place for one: .*add .secret-dir = secrets. to \[defaults\] of $scratch/fleet.conf"
	sed -i 's/^\[client pc03\]/&\nsecret = secretofpc1234/; s/^\[client pc02\]/&\nopen = yes/' \
		"$scratch/fleet.conf"
	expect 0 glue secret --missing 'pc0*' </dev/null
	said '^tgt-glue: secret: 1 client has \(pc01\) no secret '
	sed -i 's/^\[defaults\]/&\nsecret-dir = secrets/' "$scratch/fleet.conf"
	expect 0 glue secret --missing pc01 </dev/null
	[ ! -s "$scratch/stderr" ] || fail "expected no message"
}

test_each_secret_is_another_but_for_the_same_user() {
	start_room
	sed -i 's/^match = pc02.*/&\nuser = room/' "$scratch/fleet.conf"
	expect 0 glue secret --all --yes
	equal "secrets" 3 "$(sort -u "$scratch/secrets/"* | wc -l)"
	cmp "$scratch/secrets/pc02.secret" "$scratch/secrets/lab1.secret"
	expect 0 glue check
}

test_secret_dir_in_a_section_replaces_a_secret_further_away() {
	name_store
	write_fleet pc1 pc2 <<-END
		[group dir]
		match = pc2
		secret-dir = secrets
	END
	sed -i 's/^\[defaults\]/&\nsecret = secretofall12/' "$scratch/fleet.conf"
	expect_error 1 "secret-dir: expected a readable file, found $scratch/secrets/pc2.secret: No such" \
		glue check
	expect 0 glue secret pc2
	expect 0 glue generate
	did 'incominguser pc1 secretofall12$'
	did "incominguser pc2 $(cat "$scratch/secrets/pc2.secret")$"
	sed -i 's/^secret-dir.*/&\nsecret-file = x/' "$scratch/fleet.conf"
	expect_error 1 'client pc2: expected one of secret, secret-file and secret-dir' \
		glue check
}

test_reset_takes_patterns() {
	apply_fleet pc01 pc02 other
	for client in pc01 pc02 other; do
		echo x | dd of="$scratch/mnt/clients/$client.vhdx.raw" bs=512 \
			conv=notrunc,fsync,sync status=none
	done
	expect 2 glue reset 'pc*' </dev/null
	said 'reset 2 clients: pc01 pc02$'
	expect 1 glue reset --yes 'pc*' pc9
	said "reset: expected a client of .*, found 'pc9'"
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no reset, found: $(cat "$scratch/stdout")"
	expect 0 glue reset --yes 'pc*' </dev/null
	did '^pc01: image: .* is fresh'
	did '^pc02: image: .* is fresh'
	! grep other "$scratch/stdout" ||
		fail "expected no reset of the other client"
}

# Exactly the clients that the question named are reset.
test_change_of_fleet_conf_during_the_question_adds_no_client() {
	requires script
	apply_fleet pc01 pc02 other
	for client in pc01 pc02 other; do
		echo x | dd of="$scratch/mnt/clients/$client.vhdx.raw" bs=512 \
			conv=notrunc,fsync,sync status=none
	done
	mkfifo "$scratch/type"
	printf '[group room]\nmatch = pc*\n' >>"$scratch/fleet.conf"
	script -qefc "tgt-glue --config '$scratch/fleet.conf' reset @room" \
		/dev/null <"$scratch/type" >"$scratch/terminal" &
	exec 9>"$scratch/type"
	wait_until 10 grep -q 'reset 2 clients: pc01 pc02? \[y/N\]' \
		"$scratch/terminal"
	# The lock is free meanwhile.
	sed -i 's/^match = pc\*/match = */' "$scratch/fleet.conf"
	expect 0 glue apply
	echo y >&9
	wait $! || fail "expected success, found: $(cat "$scratch/terminal")"
	exec 9>&-
	grep -q '^pc02: image: .* is fresh' "$scratch/terminal"
	! grep '^other: image' "$scratch/terminal" ||
		fail "expected no reset of a client that the question did not name"
}

run_tests
