#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Values of fleet.conf: quotes, comments, non-ASCII letters, names in upper case,
# portals, and the mode of files with secrets.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# set_fleet KEY VALUE: sets the key in [fleet], instead of its old value.
set_fleet() {
	sed -i "/^$1 =/d" "$scratch/fleet.conf"
	K=$1 V=$2 perl -pi -e 's/^\[fleet\]/[fleet]\n$ENV{K} = $ENV{V}/' \
		"$scratch/fleet.conf"
}

refused() {
	expect_error 1 "^$scratch/fleet.conf:[0-9]+: $1" glue check
}

generates() {
	expect 0 glue generate
	grep -qxF -e "$1" "$scratch/stdout" ||
		fail "expected a line '$1', found: $(cat "$scratch/stdout")"
}

tab=$'\t'

test_comments_and_quotes_are_removed_from_values() {
	name_store "$scratch/my #1; store"
	write_fleet <<-END
		[client pc1]
		address = "10.0.0.1"    # the first
		address = 10.0.0.2	#the second
		initiator = iqn.2026-01.lan:x ; the third
		[machines]
		pc2 = 52:54:00:00:00:02 10.0.0.3 # the fourth
	END
	set_fleet store "\"$scratch/my #1; store\" # quoted"
	expect 0 glue check
	for address in 10.0.0.1 10.0.0.2 10.0.0.3; do
		generates "${tab}initiator-address $address"
	done
	generates "${tab}initiator-name iqn.2026-01.lan:x"
}

test_ambiguous_comment_is_refused() {
	name_store
	write_fleet pc1 </dev/null
	set_fleet store "$scratch/store #1"
	refused "store: expected a space after # .for a comment. or the value in double quotes .for a path with #., found '$scratch/store #1'"
	set_fleet store "$scratch/store # 1"
	expect 0 glue check
	set_fleet store "$scratch/none # 1"
	refused "store: expected a directory"
	set_fleet store "$scratch/store"
	echo 'address = 10.0.0 # .1' >>"$scratch/fleet.conf"
	refused "address: expected .*, found '10.0.0'; text after # or ; is a comment: put a value that contains them in double quotes"
}

test_unclosed_quote_is_refused() {
	name_store
	write_fleet pc1 </dev/null
	set_fleet store "\"$scratch/store"
	refused "expected a quote at the value's end, found none"
	set_fleet store "\"$scratch/store\" x"
	refused "expected the end of the line after the closing quote, found more text"
}

test_byte_order_mark_and_crlf_are_accepted() {
	name_store
	write_fleet <<-END
		[client pc1]
		secret-file = pc1.secret
	END
	sed -i 's/$/\r/; 1s/^/\xef\xbb\xbf/' "$scratch/fleet.conf"
	(umask 077 && printf '\xef\xbb\xbfsecretinfile1 \r\n' >"$scratch/pc1.secret")
	generates "${tab}incominguser pc1 secretinfile1"
	printf '\xff\xfes\0e\0' >"$scratch/pc1.secret"
	refused "secret-file: expected a file in UTF-8"
	printf '\xff\xfe[\0f\0' >"$scratch/fleet.conf"
	expect 1 glue check
	grep -q "fleet.conf:1: expected text in UTF-8, found UTF-16; save it as UTF-8" \
		"$scratch/stderr" ||
		fail "expected UTF-16 in the message, found: $(cat "$scratch/stderr")"
	equal "lines" 1 "$(wc -l <"$scratch/stderr")"
}

# All commands, with such names of the mount, the store and the master.
test_paths_with_spaces_and_non_ascii_letters_work() {
	local odd="Bilder für  Räume; (1) & 画像"

	start_tgtd
	mkdir -p "$scratch/$odd/masters/große Räume" "$scratch/m $odd"
	vhdfs-img create --size 64M \
		"$scratch/$odd/masters/große Räume/win 11 日本.vhdx"
	mount_store "$scratch/$odd" "$scratch/m $odd"
	at_exit end_tgtd
	write_fleet pc1 <<-END
		[client pc2]
		master = "masters/große Räume/win 11 日本.vhdx"
		[client pc3]
		secret-file = "pc 3 #ü.secret"
	END
	(umask 077 && echo secretsecret1 >"$scratch/pc 3 #ü.secret")
	set_fleet store "\"$scratch/$odd\""
	set_fleet mount "\"$scratch/m $odd\""
	set_fleet targets-file "\"$scratch/targets $odd.conf\""
	sed -i 's/^master = masters.win11/master = masters\/große Räume\/win 11 日本/' \
		"$scratch/fleet.conf"
	expect 0 glue apply
	equal "files" 3 "$(adm --op show --mode target |
		grep -cF "Backing store path: $scratch/m $odd/clients/pc")"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	everything >"$scratch/before"
	kill_tgtd
	start_tgtd
	tgt-admin -C "$port" -e -c "$scratch/targets $odd.conf"
	everything | diff "$scratch/before" -
	expect 0 glue status
	grep -q 'all is as fleet.conf says' "$scratch/stdout"
	equal "mount" "$scratch/m $odd" "$(glue status --json | jq -r .mount)"
	equal "master" "masters/große Räume/win 11 日本.vhdx" \
		"$(glue status --json | jq -r '.clients[0].master')"
	glue status --prometheus | grep 'master="masters/große Räume/' >/dev/null
}

# tgt-admin would read other paths.
test_paths_that_tgt_admin_cannot_read_are_refused() {
	local path

	name_store
	for path in '/a#b' "/a'b" '/a$b' '/a`b' '/a,b' '/HASH' '/a<b' \
		$'/a\xff' $'/a\tb'; do
		write_fleet pc1 </dev/null
		set_fleet mount "\"$path\""
		refused "mount: expected an absolute path .* that tgt-admin can read: without"
	done
	for path in '/a*b' '/[a]' '/a#b'; do
		write_fleet pc1 </dev/null
		set_fleet targets-file "\"$path\""
		refused "targets-file: expected an absolute path"
	done
	for path in "/a'b" '/a#b' '/a,b' '/a*b'; do
		name_store "$scratch$path"
		write_fleet pc1 </dev/null
		set_fleet store "\"$scratch$path\""
		expect 0 glue check
	done
}

test_environment_file_quotes_spaces() {
	name_store
	write_fleet pc1 </dev/null
	set_fleet shards 2
	set_fleet targets-file "\"$scratch/ä b.conf\""
	glue apply >"$scratch/out" 2>&1 || true
	# shellcheck disable=SC1091
	. "$scratch/ä b.conf.1.env"
	equal "file" "$scratch/ä b.conf.1" "$TARGETS_FILE"
}

test_name_is_folded_in_the_target_only() {
	requires_initiator
	apply_fleet PC_1 pc2.LAN
	[ -e "$scratch/store/clients/PC_1.vhdx" ] ||
		fail "expected an image with that name"
	admits login "$(url pc-1)"
	admits login "$(url pc2.lan)"
	expect 0 glue status
	grep -q '^ *PC_1 *ok ' "$scratch/stdout"
	grep -q 'initiator-iqn iqn.2026-01.lan.example:initiator:pc-1$' \
		<(glue ipxe PC_1)
	expect 0 glue reset PC_1
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
}

test_target_number_follows_from_the_folded_name() {
	name_store
	write_fleet pc-1 </dev/null
	glue generate >"$scratch/lower"
	write_fleet PC_1 </dev/null
	glue generate | sed 's/PC_1/pc-1/' | diff "$scratch/lower" -
}

test_names_with_the_same_target_are_refused() {
	name_store
	write_fleet pc-1 PC_1 </dev/null
	refused "client PC_1: expected a unique target name .upper case becomes lower case, '_' becomes '-'., found $iqn_prefix:pc-1, which client pc-1 "
	write_fleet pc1 </dev/null
	printf '[machines]\nPc1 = 52:54:00:00:00:01\n' >>"$scratch/fleet.conf"
	refused "client Pc1: expected a unique target name"
}

test_misspelt_image_is_refused() {
	local name

	name_store
	mkdir "$scratch/store/clients"
	for name in pc_1.vhdx PC-1.vhd pc-1.VHDX; do
		touch "$scratch/store/clients/$name"
		write_fleet pc-1 </dev/null
		refused "client pc-1: expected its image clients/pc-1.vhdx, found clients/$name, which differs only in case, '_' or '-'"
		touch "$scratch/store/clients/pc-1.vhdx"
		expect 0 glue check
		rm "$scratch/store/clients/"*
	done
}

test_portal_accepts_address_port_ipv6_and_host_name() {
	name_store
	write_fleet pc1 </dev/null
	# A boot script contains the address of the server.
	while read -r portal uri; do
		set_fleet portal "$portal"
		expect 0 glue ipxe pc1
		grep -q "^sanboot $uri:1:$iqn_prefix:pc1 ||" "$scratch/stdout" ||
			fail "$portal: expected $uri, found: $(cat "$scratch/stdout")"
	done <<-END
		fd00::1 iscsi:\[fd00::1\]::3260
		FD00:0::1 iscsi:\[fd00::1\]::3260
		[fd00::1] iscsi:\[fd00::1\]::3260
		[fd00::1]:3261 iscsi:\[fd00::1\]::3261
		10.0.0.1 iscsi:10.0.0.1::3260
		server.lab iscsi:server.lab::3260
		boot-1:3270 iscsi:boot-1::3270
	END
	for portal in 10.0.0 10.0.0.300 fd00::x '[fd00::1' '[10.0.0.1]' \
		'[fd00::1]x' server_1 -x x:0 'a b' :3260; do
		set_fleet portal "$portal"
		refused "portal: expected ADDRESS"
	done
}

test_tgtd_listens_on_a_name_and_on_ipv6() {
	requires_tgtd
	port=$(free_port)
	tgtd -f -C "$port" -t 2 \
		--iscsi "portal=localhost:$port,portal=[::1]:$port" \
		>>"$scratch/tgtd.log" 2>&1 &
	tgtd_pid=$!
	at_exit end_tgtd
	wait_until 20 adm --op show --mode sys
	make_store
	mount_store "$scratch/store" "$scratch/mnt"
	at_exit end_tgtd
	write_fleet pc1 </dev/null
	set_fleet portal "localhost:$port\nportal = [0::1]:$port"
	sed -i 's/\\n/\n/' "$scratch/fleet.conf"
	expect 0 glue apply
	[ ! -s "$scratch/stderr" ] ||
		fail "unexpected warning: $(cat "$scratch/stderr")"
	set_fleet portal "localhost:$((port + 1))"
	expect 0 glue apply
	grep -q "does not listen on portal localhost:$((port + 1))" \
		"$scratch/stderr" || fail "expected a warning"
}

test_secret_file_readable_by_others_is_refused() {
	local mode

	name_store
	write_fleet pc1 </dev/null
	chmod 644 "$scratch/fleet.conf"
	expect 0 glue check
	echo "secret = secretsecret1" >>"$scratch/fleet.conf"
	for mode in 644 640 604 660; do
		chmod "$mode" "$scratch/fleet.conf"
		expect_error 1 "^$scratch/fleet.conf: mode: expected no access for group and others \(the file holds secrets\), found $mode; run: chmod 600 $scratch/fleet.conf$" \
			glue check
		expect 1 glue apply
	done
	chmod 600 "$scratch/fleet.conf"
	expect 0 glue check
	write_fleet <<-END
		[client pc1]
		secret-file = pc1.secret
	END
	expect 0 glue secret pc1
	expect 0 glue check
	chmod 644 "$scratch/pc1.secret"
	refused "secret-file: expected no access for group and others, found mode 644; run: chmod 600 $scratch/pc1.secret"
}

run_tests
