#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# fleet.conf: accepted and refused files, and the messages.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# mistake LINE PATTERN: expects this message among the reported mistakes.
mistake() {
	grep -Eq "^$scratch/fleet.conf:$1: $2" "$scratch/stderr" ||
		fail "expected line $1: $2, found: $(cat "$scratch/stderr")"
}

# refused PATTERN: expects this mistake and no other.
refused() {
	expect_error 1 "^$scratch/fleet.conf:[0-9]+: $1" glue check
}

line_of() {
	grep -n -m 1 -e "$1" "$scratch/fleet.conf" | cut -d : -f 1
}

test_every_mistake_is_reported_with_its_line() {
	name_store
	cat >"$scratch/fleet.conf" <<-'END'
		early = 1
		[fleet]
		store = relative
		mount = /mnt/x
		iqn-prefix = iqn.2026-1.lan
		portal = 1.2.3.4:99999
		colour = red
		[defaults]
		master = ../x
		open = maybe
		tid = 5
		no equals sign
		[clients pc1]
		[client PC!9]
		[client pc1
		[client pc1]
		address = 10.0.0.300
		initiator = Iqn.2026-01.lan:x
		secret = short
		secret = abcdefghijklm
		keep = many
		block-size = 3M
		[client pc1]
		[machines]
		pc2 = 52:54:00:00:00
		pc3 = 52:54:00:00:00:03 10.0.0.1 more
		Pc*6 = 52:54:00:00:00:06
	END
	expect 1 glue check
	mistake 1 "expected a \[section\] before the first key, found 'early'"
	mistake 3 "store: expected an absolute path.*, found 'relative'"
	mistake 5 "iqn-prefix: expected .*, found 'iqn.2026-1.lan'"
	mistake 6 "portal: expected .*, found '1.2.3.4:99999'"
	mistake 7 "\[fleet\]: expected store, .* or keep-versions, found 'colour'"
	mistake 9 "master: expected .*, found '../x'"
	mistake 10 "open: expected yes or no, found 'maybe'"
	mistake 11 "tid: expected in \[client NAME\], found in \[defaults\]"
	mistake 12 "expected KEY = VALUE, found 'no'"
	mistake 13 "section: expected .*, found \[clients pc1\]"
	mistake 14 "\[client NAME\]: expected a name .*, found 'PC!9'"
	mistake 15 "section: expected '\]' at its end"
	mistake 17 "address: expected .*, found '10.0.0.300'"
	mistake 18 "initiator: expected .*, found 'Iqn.2026-01.lan:x'"
	mistake 19 "secret: expected a secret of 12 to 16 letters and digits"
	mistake 20 "secret: expected once, found again; .*line 19"
	mistake 21 "keep: expected .*, found 'many'"
	mistake 22 "block-size: expected .*, found '3M'"
	mistake 23 "\[client pc1\]: expected once, found again; .*line 16"
	mistake 25 "mac: expected a MAC address .*, found '52:54:00:00:00'"
	mistake 26 "pc3: expected MAC \[ADDRESS\], found"
	mistake 27 "\[machines\]: expected a name .*, found 'Pc\*6'"
	# The mistakes are in the order of lines.
	cut -d : -f 2 "$scratch/stderr" >"$scratch/lines"
	sort -n -c "$scratch/lines" ||
		fail "expected mistakes in the order of lines, found: $(cat "$scratch/stderr")"
}

test_mistakes_do_not_show_secrets() {
	name_store
	write_fleet <<-END
		[client pc1]
		secret = visible
		mutual-secret = visible!visible!
		secret visiblevisible
	END
	expect 1 glue check
	! grep visible "$scratch/stderr" ||
		fail "expected no secret in the output"
}

test_indented_lines_are_read() {
	name_store
	write_fleet <<-END
		[client pc1]
		    master = masters/win11
		    address = 10.0.0.1
		    initiator = iqn.2026-01.lan:x
	END
	expect 0 glue generate
	grep -q 'initiator-address 10.0.0.1$' "$scratch/stdout"
	grep -q 'initiator-name iqn.2026-01.lan:x$' "$scratch/stdout"
}

test_comments_and_crlf_are_read() {
	name_store
	write_fleet <<-END
		# a comment
		; another
		[client pc1]
		address = 10.0.0.1 ; at the end
	END
	sed -i 's/$/\r/; 1s/^/\xef\xbb\xbf/' "$scratch/fleet.conf"
	expect 0 glue generate
	grep -q 'initiator-address 10.0.0.1$' "$scratch/stdout"
}

test_long_lines_and_names_are_refused() {
	name_store
	write_fleet <<-END
		[client pc1]
		secret-file = $(printf '%0300d' 0)
		$(printf '%060d' 0) = 1
		[client $(printf 'a%.0s' {1..60})]
	END
	expect 1 glue check
	mistake "$(line_of '^secret-file')" "expected a line of less than"
	mistake "$(line_of '^0000')" "expected a key of at most 49"
	mistake "$(line_of '^.client aaa')" "section: expected a name of at most 49"
}

test_missing_required_keys_are_reported() {
	echo "[client pc1]" >"$scratch/fleet.conf"
	expect 1 glue check
	for key in store mount iqn-prefix; do
		grep -q "^$scratch/fleet.conf: \[fleet\]: expected $key" \
			"$scratch/stderr" ||
			fail "expected a mistake for $key, found: $(cat "$scratch/stderr")"
	done
}

test_unreadable_file_is_an_error() {
	expect_error 1 "fleet.conf: No such file" glue check
	mkdir "$scratch/fleet.conf"
	expect_error 1 "fleet.conf: " glue check
}

test_store_must_be_a_directory() {
	touch "$scratch/store"
	write_fleet pc1 </dev/null
	refused "store: expected a directory, found $scratch/store"
}

test_unrestricted_client_is_refused() {
	name_store
	write_fleet pc1 </dev/null
	sed -i '/^address/d' "$scratch/fleet.conf"
	refused "client pc1: expected an address, an initiator or a secret"
	echo "open = yes" >>"$scratch/fleet.conf"
	expect 0 glue generate
	grep -q 'initiator-address ALL$' "$scratch/stdout"
}

test_address_that_admits_everything_is_refused() {
	name_store
	write_fleet <<-END
		[client pc1]
		address = 0.0.0.0/0
	END
	refused "address: expected"
	sed -i 's/0.0.0.0.0/ALL/' "$scratch/fleet.conf"
	refused "address: expected"
}

test_user_without_a_secret_is_refused() {
	name_store
	write_fleet <<-END
		[client pc1]
		user = me
	END
	refused "client pc1: expected a secret or secret-file for its user"
}

test_user_with_two_secrets_is_refused() {
	name_store
	write_fleet <<-END
		[client pc1]
		user = me
		secret = secretsecret1
		[client pc2]
		user = me
		secret = secretsecret2
	END
	refused "client pc2: expected one secret for user 'me', found another"
	sed -i 's/secret2/secret1/' "$scratch/fleet.conf"
	expect 0 glue check
}

test_mutual_chap_needs_both_directions() {
	name_store
	write_fleet <<-END
		[client pc1]
		secret = secretsecret1
		mutual-user = server
	END
	refused "client pc1: expected both mutual-user and mutual-secret"
	echo "mutual-secret = secretsecret1" >>"$scratch/fleet.conf"
	refused "client pc1: expected a mutual-secret that differs"
	sed -i 's/^mutual-secret.*/mutual-secret = secretsecret2/' \
		"$scratch/fleet.conf"
	expect 0 glue check
	sed -i '/^secret/d' "$scratch/fleet.conf"
	refused "client pc1: expected a secret too"
}

test_secret_file_is_read_and_checked() {
	name_store
	write_fleet <<-END
		[client pc1]
		secret-file = pc1.secret
	END
	refused "secret-file: expected a readable file, found $scratch/pc1.secret"
	(umask 077 && echo 'too short but longer' >"$scratch/pc1.secret")
	refused "secret-file: expected a secret of 12 to 16"
	echo 'secretinfile1' >"$scratch/pc1.secret"
	expect 0 glue generate
	grep -q 'incominguser pc1 secretinfile1$' "$scratch/stdout"
	echo "secret = secretsecret1" >>"$scratch/fleet.conf"
	refused "client pc1: expected secret or secret-file, found both"
}

test_duplicate_target_number_is_refused() {
	local tid

	name_store
	write_fleet pc1 pc2 </dev/null
	tid=$(glue generate | sed -n 's/.*controller_tid //p' | head -n 1)
	echo "tid = $tid" >>"$scratch/fleet.conf"
	refused "client pc2: expected a unique target number, found $tid"
	sed -i "s/^tid.*/tid = 7/" "$scratch/fleet.conf"
	expect 0 glue generate
	grep -q 'controller_tid 7$' "$scratch/stdout"
	sed -i "s/^tid.*/tid = 268435456/" "$scratch/fleet.conf"
	refused "tid: expected a number from 1 to 268435455"
}

# set_fleet LINE: adds the line to [fleet], instead of that with the same key.
set_fleet() {
	sed -i -e "/^${1%% =*} =/d" -e "s/^\[fleet\]/&\n$1/" \
		"$scratch/fleet.conf"
}

test_shards_must_be_1_to_16() {
	local n

	name_store
	write_fleet pc1 </dev/null
	for n in 0 17 many 1.5 -1; do
		set_fleet "shards = $n"
		refused "shards: expected a number from 1 to 16, found '$n'"
	done
	set_fleet "shards = 16"
	expect 0 glue check
	echo "shard = 16" >>"$scratch/fleet.conf"
	refused "shard: expected a number from 0 to 15, found '16'"
	sed -i 's/^shard = .*/shard = 3/' "$scratch/fleet.conf"
	expect 0 glue check
	set_fleet "shards = 3"
	refused "client pc1: shard: expected a number below shards of \[fleet\], which is 3, found 3"
	mistake "$(line_of 'shard = 3')" "client pc1: shard"
	# An invalid `shards' does not make `shard' a mistake too.
	set_fleet "shards = 33"
	refused "shards: expected a number from 1 to 16"
	set_fleet "shards = 4"
	sed -i 's/^\[defaults\]/&\nshard = 1/' "$scratch/fleet.conf"
	refused "shard: expected in \[client NAME\], found in \[defaults\]"
}

test_overlapping_ports_of_shards_are_refused() {
	name_store
	write_fleet pc1 </dev/null
	set_fleet "shards = 4"
	set_fleet "portal = 10.0.0.1:65533"
	refused "portal: expected a port of at most 65532 \(shards = 4.*, found 65533"
	set_fleet "portal = 10.0.0.1:3260\nportal = 10.0.0.1:3263"
	refused "portal: expected a port at least 4 from that of 10.0.0.1:3260 .*, found 3263"
	mistake "$(line_of ':3263')" "portal"
	sed -i 's/^portal = .*:3263/portal = 0.0.0.0:3262/' "$scratch/fleet.conf"
	refused "portal: expected a port at least 4"
	sed -i 's/^portal = .*:3262/portal = 10.0.0.2:3262/' "$scratch/fleet.conf"
	expect 0 glue check
	sed -i 's/^portal = .*:3262/portal = 10.0.0.1:3264/' "$scratch/fleet.conf"
	expect 0 glue check
	sed -i "s/^control-port.*/control-port = 32765/" "$scratch/fleet.conf"
	refused "control-port: expected at most 32764 \(shards = 4.*, found 32765"
	mistake "$(line_of 'control-port')" "control-port"
}

test_duplicate_mac_is_refused() {
	name_store
	write_fleet <<-END
		[machines]
		pc1 = 52:54:00:AB:00:01
		pc2 = 52-54-00-ab-00-01
	END
	refused "client pc2: expected a unique MAC address"
}

test_ending_of_the_master_may_be_omitted() {
	name_store
	touch "$scratch/store/masters/old.VHD" "$scratch/store/masters/win11.vhd"
	write_fleet <<-END
		[client pc1]
		master = masters/win11.vhd
		[client pc2]
		master = masters/old
		[client pc3]
		format = vhdx
	END
	expect 0 glue generate
	grep -q 'clients/pc1.vhd.raw>' "$scratch/stdout"
	grep -q 'clients/pc2.vhd.raw>' "$scratch/stdout"
	grep -q 'clients/pc3.vhdx.raw>' "$scratch/stdout"
	sed -i '/^format/d' "$scratch/fleet.conf"
	refused "client pc3: master: expected an image masters/win11.*, found .*choose one with .format"
}

test_missing_master_is_refused() {
	name_store
	mkdir "$scratch/store/dir.vhdx"
	ln -s /etc/hostname "$scratch/store/link.vhdx"
	touch "$scratch/outside.vhdx"
	for master in masters/win12 masters/win11.vhd dir.vhdx link; do
		write_fleet <<-END
			[client pc1]
			master = $master
		END
		refused "client pc1: master: expected an image $master"
	done
	for master in /etc/x.vhdx ../outside.vhdx masters/../x .x.vhdx \
		'x"y' 'a$b'; do
		write_fleet <<-END
			[client pc1]
			master = $master
		END
		refused "master: expected an image's path in the store"
	done
}

test_image_of_a_client_as_master_is_refused() {
	name_store
	mkdir "$scratch/store/clients"
	touch "$scratch/store/clients/pc1.vhdx"
	ln -s ../clients/pc1.vhdx "$scratch/store/masters/link.vhdx"
	ln "$scratch/store/clients/pc1.vhdx" "$scratch/store/masters/hard.vhdx"
	for master in clients/pc1 masters/link masters/hard; do
		write_fleet <<-END
			[client pc1]
			[client pc2]
			master = $master
		END
		expect_error 1 "^$scratch/fleet.conf:$(line_of "^master = $master"): client pc2: master: expected an image that is no client's, found $master.vhdx, which client pc1 .line $(line_of '^.client pc1')." \
			glue check
	done
	write_fleet <<-END
		[client pc1]
		master = clients/pc1
	END
	refused "client pc1: master: expected an image that is no client's"
	# pc1 is no longer a client: its image may be a master.
	write_fleet <<-END
		[client pc2]
		master = clients/pc1
	END
	expect 0 glue check
}

test_invalid_iqn_is_refused() {
	local prefix

	name_store
	for prefix in iqn.2026-01.lan_example iqn.2026-01.Lan iqn.26-01.lan \
		2026-01.lan 'iqn.2026-01.lan example' iqn.2026-01.lan: iqn.2026-01. \
		"iqn.2026-01.$(printf 'a%.0s' {1..190})"; do
		write_fleet pc1 </dev/null
		sed -i "s/^iqn-prefix.*/iqn-prefix = $prefix/" \
			"$scratch/fleet.conf"
		expect 1 glue check
		mistake "$(line_of ^iqn-prefix)" \
			"(iqn-prefix: expected a name such as|expected a line of less)"
	done
	for name in 'pc,1' _pc1 'pc 1' "$(printf 'a%.0s' {1..41})"; do
		write_fleet "$name" </dev/null
		refused "\[client NAME\]: expected a name"
	done
}

test_secret_that_windows_refuses_is_refused() {
	name_store
	for secret in elevenchars 17characters12345 'twelve chars' 'twelve#chars'; do
		write_fleet <<-END
			[client pc1]
			secret = $secret
		END
		refused "secret: expected a secret of 12 to 16 letters and digits"
	done
	for secret in twelvechars1 sixteenchars1234; do
		write_fleet <<-END
			[client pc1]
			secret = $secret
		END
		expect 0 glue check
	done
}

test_own_address_replaces_that_of_defaults() {
	name_store
	write_fleet <<-END
		[machines]
		pc1 = 52:54:00:00:00:01 10.0.0.1
		pc2 = 52:54:00:00:00:02
	END
	expect 0 glue generate
	equal "addresses" "10.0.0.1 127.0.0.1" "$(sed -n \
		's/.*initiator-address //p' "$scratch/stdout" | paste -sd ' ')"
}

test_wrong_usage_is_reported() {
	expect_error 2 "unknown command 'frob'" tgt-glue frob
	expect_error 2 "expected a command" tgt-glue
	expect_error 2 "unknown option" tgt-glue --frob check
	expect_error 2 "unexpected operand 'x'" tgt-glue check x
	expect_error 2 "not an option of 'check'" tgt-glue check --json
	expect_error 2 "expected CLIENT, found 0 operands" tgt-glue secret
	expect_error 2 "--config needs a value" tgt-glue --config
	expect 0 tgt-glue --version
	grep -Eqx 'tgt-glue [0-9.]+' "$scratch/stdout" ||
		fail "expected 'tgt-glue VERSION': $(cat "$scratch/stdout")"
}

test_secret_of_an_unknown_client_fails() {
	name_store
	write_fleet pc1 </dev/null
	expect_error 1 "client: expected one of fleet.conf, found 'pc2'" \
		glue secret pc2
}

test_secret_is_random_and_valid() {
	name_store
	write_fleet pc1 </dev/null
	glue secret pc1 >"$scratch/one"
	glue secret pc1 >"$scratch/two"
	! cmp -s "$scratch/one" "$scratch/two" ||
		fail "expected a new secret, found the same one"
	grep -v '^\[' "$scratch/one" >>"$scratch/fleet.conf"
	expect 0 glue check
}

# A fleet.conf with mistakes changes nothing on disk.
test_apply_with_mistakes_changes_nothing() {
	make_store
	write_fleet <<-END
		[client pc1]
		[client pc2]
		master = masters/none
	END
	find "$scratch/store" -printf '%p %m %T@\n' >"$scratch/before"
	expect_error 1 "client pc2: master: expected" glue apply
	find "$scratch/store" -printf '%p %m %T@\n' >"$scratch/after"
	cmp "$scratch/before" "$scratch/after"
	[ ! -e "$scratch/targets.conf" ] || fail "expected no targets-file"
}

test_examples_have_no_mistakes() {
	mkdir -p "$scratch/images/masters"
	touch "$scratch/images/masters/win11.vhdx"
	(umask 077 && echo secretsecret1 >"$scratch/pc018.secret")
	sed -e "s|/srv/images|$scratch/images|" \
		-e "s|/etc/vhdfs/|$scratch/|" \
		"$top_srcdir/contrib/fleet.conf.example" >"$scratch/fleet.conf"
	expect 0 glue check
	sed -n '/^.SH EXAMPLES/,/^.EE/p' "$top_builddir/man/fleet.conf.5" |
		sed -e '/^\.[SE]/d' -e 's/\\-/-/g' \
			-e "s|/srv/images|$scratch/images|" \
			-e "s|/etc/vhdfs/|$scratch/|" >"$scratch/fleet.conf"
	expect 0 glue check
}

run_tests
