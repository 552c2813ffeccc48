#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# apply and plan: they change a running tgtd from one fleet.conf to the next.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

test_second_apply_does_nothing() {
	start_server
	write_fleet pc1 pc2 <<-END
		[client pc3]
		secret = secretsecret1
		write-cache = no
		thin = yes
		readonly = yes
	END
	expect 0 glue apply
	everything >"$scratch/before"
	ls -l --full-time "$scratch/targets.conf"* "$scratch/store"/* \
		>"$scratch/files"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	everything | cmp - "$scratch/before"
	ls -l --full-time "$scratch/targets.conf"* "$scratch/store"/* |
		cmp - "$scratch/files"
}

# The mount's attributes name parents in escaped form.
test_master_with_an_unprintable_name_is_exported() {
	local odd n=0

	start_server
	for odd in $'new\nline' $'rtl\342\200\256x' $'esc\033[1m'; do
		vhdfs-img create --size 64M "$scratch/store/masters/$odd.vhdx"
		ln -sfn "$odd.vhdx" "$scratch/store/masters/link.vhdx"
		write_fleet pc$((++n)) </dev/null
		sed -i 's,^master = .*,master = masters/link,' "$scratch/fleet.conf"
		expect 0 glue apply
		expect 0 glue apply
		[ ! -s "$scratch/stdout" ] ||
			fail "expected no change, found: $(cat "$scratch/stdout")"
	done
}

# Prints the parameters that tgtd offers to the initiators of pc1.
offered() {
	local tid

	tid=$(adm --op show --mode target |
		sed -n "s/^Target \([0-9]*\): $iqn_prefix:pc1\$/\1/p")
	adm --op show --mode target --tid "$tid" |
		grep -E '^(Max(Recv|Xmit)DataSegment|FirstBurst|MaxBurst)Length='
}

# apply and tgt-admin set the same values.
test_apply_and_tgt_admin_set_large_segments_and_bursts() {
	local wanted

	wanted=$(printf '%s\n' MaxRecvDataSegmentLength=262144 \
		FirstBurstLength=262144 MaxBurstLength=262144 \
		MaxXmitDataSegmentLength=262144 | sort)
	apply_fleet pc1
	equal "what is offered" "$wanted" "$(offered | sort)"
	end_tgtd
	start_tgtd
	tgt-admin -C "$port" -e -c "$scratch/targets.conf"
	equal "what is offered" "$wanted" "$(offered | sort)"
	# A targets-file of an earlier version, which tgt-admin read.
	sed -i '/FirstBurst/d' "$scratch/targets.conf"
	end_tgtd
	start_tgtd
	tgt-admin -C "$port" -e -c "$scratch/targets.conf"
	expect 0 glue apply
	equal "what is offered" "$wanted" "$(offered | sort)"
}

test_plan_changes_nothing_and_prints_no_secret() {
	start_server
	write_fleet <<-END
		[client pc1]
		secret = secretsecret1
	END
	everything >"$scratch/before"
	expect 0 glue plan
	did '^pc1: image: make clients/pc1.vhdx, a child of masters/win11.vhdx$'
	did '^pc1: target: make it'
	! grep secretsecret "$scratch/stdout" ||
		fail "expected no secret in the plan"
	everything | cmp - "$scratch/before"
	[ ! -e "$scratch/store/clients" ] ||
		fail "expected no images after plan"
	[ ! -e "$scratch/targets.conf" ] ||
		fail "expected no targets-file after plan"
}

test_targets_file_equals_the_output_of_generate() {
	start_server
	write_fleet pc1 pc2 </dev/null
	umask 0
	expect 0 glue apply
	glue generate | cmp - "$scratch/targets.conf"
	equal "mode" 600 "$(stat -c %a "$scratch/targets.conf")"
	equal "files" "targets.conf targets.conf.applied targets.conf.fleet targets.conf.opened" \
		"$(cd "$scratch" && echo targets.conf*)"
	equal "mode" 600 "$(stat -c %a "$scratch/targets.conf.applied")"
	chmod 644 "$scratch/targets.conf"
	expect 0 glue apply
	equal "mode" 600 "$(stat -c %a "$scratch/targets.conf")"
}

test_no_command_line_contains_a_secret() {
	requires strace
	start_server
	write_fleet <<-END
		[client pc1]
		secret = secretsecret1
	END
	ASAN_OPTIONS=detect_leaks=0 strace -f -qq -e trace=execve -o "$scratch/trace" \
		tgt-glue --config "$scratch/fleet.conf" apply
	equal "programs started" 1 "$(grep -c execve "$scratch/trace")"
	is_there pc1
}

test_master_loses_its_write_bits() {
	apply_fleet pc1
	equal "mode" 444 "$(stat -c %a "$scratch/store/masters/win11.vhdx")"
}

test_block_size_option_sets_the_block_size_of_the_child() {
	start_server
	write_fleet <<-END
		[client pc1]
		block-size = 1M
		[client pc2]
	END
	expect 0 glue apply
	equal "block size" 1048576 "$(vhdfs-img info --json \
		"$scratch/store/clients/pc1.vhdx" | jq '."block-size"')"
}

test_removed_client_loses_its_target_but_not_its_image() {
	apply_fleet pc1 pc2
	write_fleet pc1 </dev/null
	expect 0 glue apply
	did '^pc2: target: removed'
	is_gone pc2
	is_there pc1
	[ -f "$scratch/store/clients/pc2.vhdx" ] ||
		fail "expected the image of pc2"
}

test_removed_client_loses_its_account() {
	start_server
	write_fleet pc1 <<-END
		[client pc2]
		secret = secretsecret1
	END
	expect 0 glue apply
	write_fleet pc1 </dev/null
	expect 0 glue apply
	! adm --op show --mode account | grep pc2 ||
		fail "expected no account of pc2"
}

test_foreign_targets_and_accounts_are_not_changed() {
	start_server
	truncate -s 1M "$scratch/other"
	adm --op new --mode target --tid 5 -T iqn.2026-01.other:disk
	adm --op new --mode logicalunit --tid 5 --lun 1 -b "$scratch/other"
	adm --op new --mode target --tid 6 -T "${iqn_prefix}x:disk"
	adm --op new --mode account --user other --password secretsecret9
	adm --op bind --mode account --tid 5 --user other
	everything >"$scratch/before"
	write_fleet pc1 </dev/null
	expect 0 glue apply
	write_fleet </dev/null
	expect 0 glue apply
	everything | diff "$scratch/before" -
}

test_account_of_another_fleet_is_not_reused() {
	start_server
	adm --op new --mode target --tid 5 -T iqn.2026-01.other:disk
	adm --op new --mode account --user me --password secretsecret9
	adm --op bind --mode account --tid 5 --user me
	write_fleet pc2 <<-END
		[client pc1]
		user = me
		secret = secretsecret1
	END
	expect 4 glue apply
	said 'pc1: skipped: user me is in use by target iqn.2026-01.other:disk'
	is_gone pc1
	is_there pc2
	adm --op show --mode target | grep -A99 'other:disk' | grep -q '  me$'
}

test_used_target_number_is_refused() {
	start_server
	adm --op new --mode target --tid 77 -T iqn.2026-01.other:disk
	write_fleet pc2 <<-END
		[client pc1]
		tid = 77
	END
	expect 1 glue apply
	said 'pc1: target: number 77 belongs to target iqn.2026-01.other:disk'
	is_there pc2
}

test_two_targets_exchange_their_numbers() {
	start_server
	write_fleet <<-END
		[client pc1]
		tid = 11
		[client pc2]
		tid = 12
	END
	expect 0 glue apply
	sed -i 's/tid = 11/tid = 13/; s/tid = 12/tid = 11/; s/tid = 13/tid = 12/' \
		"$scratch/fleet.conf"
	expect 0 glue apply
	adm --op show --mode target | grep -q "^Target 12: $iqn_prefix:pc1$"
	adm --op show --mode target | grep -q "^Target 11: $iqn_prefix:pc2$"
}

test_changed_access_rules_are_applied() {
	requires_initiator
	start_server
	write_fleet <<-END
		[client pc1]
	END
	expect 0 glue apply
	admits login "$(url pc1)"
	echo "address = 10.0.0.1" >>"$scratch/fleet.conf"
	expect 0 glue apply
	did '^pc1: target: changed its access rules'
	refuses login "$(url pc1)"
	echo "initiator = iqn.2026-01.lan:one" >>"$scratch/fleet.conf"
	expect 0 glue apply
	admits -i iqn.2026-01.lan:one login "$(url pc1)"
	refuses login "$(url pc1)"
}

test_changed_secret_is_applied() {
	requires_initiator
	start_server
	write_fleet <<-END
		[client pc1]
		user = me
		secret = secretsecret1
		[client pc2]
		user = me
		secret = secretsecret1
	END
	expect 0 glue apply
	admits login "$(url pc1 me%secretsecret1@)"
	sed -i 's/secretsecret1/secretsecret2/' "$scratch/fleet.conf"
	expect 0 glue apply
	for client in pc1 pc2; do
		admits login "$(url $client me%secretsecret2@)"
		refuses login "$(url $client me%secretsecret1@)"
		refuses login "$(url $client)"
	done
}

test_removed_and_added_secrets_are_applied() {
	requires_initiator
	apply_fleet pc1
	admits login "$(url pc1)"
	echo "secret = secretsecret1" >>"$scratch/fleet.conf"
	expect 0 glue plan
	grep -F 'users: expected pc1, mutual none; found none, mutual none' \
		"$scratch/stdout"
	expect 0 glue apply
	refuses login "$(url pc1)"
	admits login "$(url pc1 pc1%secretsecret1@)"
	sed -i '/^secret/d' "$scratch/fleet.conf"
	echo "address = 127.0.0.1" >>"$scratch/fleet.conf"
	expect 0 glue plan
	grep -F 'users: expected none, mutual none; found pc1, mutual none' \
		"$scratch/stdout"
	expect 0 glue apply
	sed -i 's/^address.*/address = 127.0.0.0\/8/' "$scratch/fleet.conf"
	expect 0 glue plan
	grep -F 'access: expected 127.0.0.0/8, found 127.0.0.1' "$scratch/stdout"
	expect 0 glue apply
	admits login "$(url pc1)"
}

# All changes that a session delays.
test_logged_in_client_is_skipped() {
	local change

	requires_initiator
	start_server
	write_fleet pc2 <<-END
		[client pc1]
		secret = secretsecret1
	END
	expect 0 glue apply
	hold_session pc1 pc1%secretsecret1@
	shown pc1 >"$scratch/before"
	cp "$scratch/fleet.conf" "$scratch/fleet.old"
	for change in '$ a thin = yes' '$ a address = 10.0.0.1' \
		'$ a write-cache = no' \
		's/secretsecret1/secretsecret2\naddress = 10.0.0.1/' \
		'$ a tid = 5' '/client pc1/,$ d'; do
		sed "$change" "$scratch/fleet.old" >"$scratch/fleet.conf"
		expect 4 glue apply
		said 'pc1: skipped: logged in: iqn.* from 127.0.0.1'
		expect 4 glue apply
		shown pc1 | cmp - "$scratch/before"
		is_there pc2
	done
	cp "$scratch/fleet.old" "$scratch/fleet.conf"
	expect 0 glue apply
	shown pc1 | cmp - "$scratch/before"
	sed -i 's/secretsecret1/&\nthin = yes/' "$scratch/fleet.conf"
	expect 4 glue apply
	end_session
	expect 0 glue apply
	shown pc1 | grep -iq 'thin-provisioning: yes'
}

# admits_only SECRET USER CLIENT...: each client admits the user with this
# secret, and neither with the others nor without one.
admits_only() {
	local client secret

	for client in "${@:3}"; do
		admits login "$(url "$client" "$2%$1@")"
		for secret in secretsecret1 secretsecret2 secretsecret3; do
			[ "$secret" = "$1" ] ||
				refuses login "$(url "$client" "$2%$secret@")"
		done
		refuses login "$(url "$client")"
	done
}

test_new_secret_holds_from_the_next_login() {
	requires_initiator
	start_server
	write_fleet <<-END
		[client pc1]
		secret = secretsecret1
		[client pc2]
		user = shared
		secret = secretsecret1
		[client pc3]
		user = shared
		secret = secretsecret1
	END
	expect 0 glue apply
	hold_session pc1 pc1%secretsecret1@
	works write 5
	adm --op show --mode conn --tid "$(tid_of pc1)" >"$scratch/sessions"
	sed -i 's/secretsecret1/secretsecret2/' "$scratch/fleet.conf"
	expect 0 glue plan
	did '^pc1: target: change its users .*, while its session goes on$'
	expect 0 glue apply
	did '^pc1: target: changed its users'
	adm --op show --mode conn --tid "$(tid_of pc1)" |
		cmp - "$scratch/sessions"
	works write 6
	admits_only secretsecret2 pc1 pc1
	admits_only secretsecret2 shared pc2 pc3
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	end_session
	# A user that a client shares with one that is logged in.
	hold_session pc2 shared%secretsecret2@
	sed -i 's/secretsecret2/secretsecret3/' "$scratch/fleet.conf"
	expect 0 glue apply
	works write 7
	admits_only secretsecret3 shared pc2 pc3
	# Without a secret, and with one again.
	sed -i '/^\(secret\|user\) = /d' "$scratch/fleet.conf"
	expect 0 glue apply
	admits login "$(url pc2)"
	printf '[client pc4]\n[group all]\nmatch = pc2\nsecret = secretsecret1\n' \
		>>"$scratch/fleet.conf"
	expect 0 glue apply
	works write 8
	admits_only secretsecret1 pc2 pc2
	end_session
}

tid_of() {
	shown "$1" | sed -n 's/^Target \([0-9]*\):.*/\1/p'
}

test_account_shared_with_a_skipped_client_is_skipped() {
	requires_initiator
	start_server
	write_fleet <<-END
		[client pc1]
		user = me
		secret = secretsecret1
		[client pc2]
		user = me
		secret = secretsecret1
	END
	expect 0 glue apply
	hold_session pc1 me%secretsecret1@
	sed -i -e 's/secretsecret1/secretsecret2/' \
		-e 's/^\[client pc1\]/&\nthin = yes/' "$scratch/fleet.conf"
	expect 4 glue apply
	said 'pc2: skipped: user me is in use by target .*:pc1'
	for client in pc1 pc2; do
		admits login "$(url $client me%secretsecret1@)"
		refuses login "$(url $client)"
	done
	end_session
	expect 0 glue apply
	admits login "$(url pc2 me%secretsecret2@)"
}

test_force_ends_the_session_of_that_client_only() {
	requires_initiator
	start_server
	write_fleet <<-END
		[client pc1]
		[client pc2]
	END
	expect 0 glue apply
	hold_session pc1
	sed -i 's/^master.*/&\nthin = yes/' "$scratch/fleet.conf"
	expect 4 glue apply --force pc2
	said 'pc1: skipped'
	expect 0 glue apply --force pc1
	wait_until 5 grep -q 'cut off' "$scratch/hold-pc1.out"
	shown pc1 | grep -q 'Thin-provisioning: Yes'
	admits login "$(url pc1)"
	end_session
}

# --force does not end a session that does not block a change.
test_force_does_not_end_a_session_without_a_change() {
	requires_initiator
	apply_fleet pc1
	hold_session pc1
	expect 0 glue apply --force pc1
	! grep 'cut off' "$scratch/hold-pc1.out" ||
		fail "expected the session to continue, found it cut off"
	end_session
}

test_force_of_an_unknown_client_is_refused() {
	start_server
	write_fleet pc1 </dev/null
	expect 1 glue apply --force pc9
	said "^tgt-glue: --force: expected a client .*, found 'pc9'; .tgt-glue status. shows them\$"
	is_gone pc1
}

test_master_with_a_broken_chain_gets_no_child() {
	start_server
	vhdfs-img create --parent "$scratch/store/masters/win11.vhdx" \
		"$scratch/store/masters/office.vhdx"
	mv "$scratch/store/masters/win11.vhdx" "$scratch/"
	vhdfs-img create --size 1M "$scratch/store/masters/win11.vhdx"
	write_fleet <<-END
		[client pc1]
		master = masters/office
		[client pc2]
	END
	expect 1 glue apply
	said '^tgt-glue: pc1: .*parent'
	[ ! -e "$scratch/store/clients/pc1.vhdx" ] || fail "expected no child"
	is_gone pc1
	is_there pc2
}

test_wait_continues_until_the_client_has_logged_out() {
	local pid

	requires_initiator
	apply_fleet pc1
	hold_session pc1
	echo "thin = yes" >>"$scratch/fleet.conf"
	glue apply --wait >"$scratch/wait.out" 2>&1 {holder}>&- &
	pid=$!
	wait_until 10 grep -q 'pc1: skipped' "$scratch/wait.out"
	kill -0 "$pid" || fail "expected apply --wait to wait"
	end_session
	wait "$pid" ||
		fail "expected exit status 0, found: $(cat "$scratch/wait.out")"
	shown pc1 | grep -q 'Thin-provisioning: Yes'
}

# At boot, the mount and tgtd may start in either order.
test_wait_continues_until_mount_and_tgtd_have_started() {
	local pid

	requires_tgtd
	make_store
	port=$(free_port)
	write_fleet pc1 </dev/null
	mkdir "$scratch/mnt"
	glue apply --wait >"$scratch/wait.out" 2>&1 &
	pid=$!
	wait_until 10 grep -q 'no tgtd answers' "$scratch/wait.out"
	start_tgtd
	wait_until 10 grep -q 'nothing is mounted' "$scratch/wait.out"
	mount_store "$scratch/store" "$scratch/mnt"
	wait "$pid" ||
		fail "expected exit status 0, found: $(cat "$scratch/wait.out")"
	is_there pc1
	end_tgtd
}

test_client_without_a_disk_gets_no_target() {
	make_store
	start_tgtd
	write_fleet pc1 </dev/null
	mkdir "$scratch/mnt"
	expect 1 glue apply
	said "pc1: target: nothing is mounted at $scratch/mnt; type .mount $scratch/mnt. "
	is_gone pc1
	end_tgtd
	mount_store "$scratch/store" "$scratch/mnt"
	start_tgtd
	expect 0 glue apply
	is_there pc1
}

# tgtd started before the mount: tgt-admin made the target without a disk, and
# printed no error.
test_target_without_a_disk_gets_its_disk() {
	make_store
	start_tgtd
	write_fleet pc1 </dev/null
	mkdir "$scratch/mnt"
	glue apply || true
	tgt-admin -C "$port" -c "$scratch/targets.conf" --execute
	is_there pc1
	! shown pc1 | grep -q 'LUN: 1' || fail "expected no disk"
	mkdir -p "$scratch/elsewhere"
	mount_store "$scratch/store" "$scratch/mnt"
	expect 0 glue apply
	shown pc1 | grep -q 'LUN: 1'
	end_tgtd
}

test_damaged_image_gets_no_target() {
	apply_fleet pc1 pc2
	adm --op delete --force --mode target --tid "$(glue generate |
		sed -n 's/.*controller_tid //p' | head -n 1)"
	truncate -s 100K "$scratch/store/clients/pc1.vhdx"
	expect 1 glue apply
	said '^tgt-glue: pc1: target: .*pc1.vhdx'
	is_gone pc1
	is_there pc2
}

# tgtd opens a file that it may not write for reading, and reports no error.
test_disk_that_tgtd_cannot_write_is_refused() {
	start_server
	write_fleet pc1 </dev/null
	mkdir "$scratch/store/clients"
	vhdfs-img create --parent "$scratch/store/masters/win11.vhdx" \
		"$scratch/store/clients/pc1.vhdx"
	chmod a-w "$scratch/store/clients/pc1.vhdx"
	expect 1 glue apply
	said 'pc1: target: .*expected writable, found read-only'
	is_gone pc1
}

test_client_with_snapshots_is_on_its_master() {
	local image=$scratch/store/clients/pc1.vhdx

	start_server
	write_fleet pc1 pc2 </dev/null
	expect 0 glue apply
	vhdfs-img snapshot "$image" one
	vhdfs-img snapshot "$image" two
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	end_tgtd
	unmount "$scratch/mnt"
	# Without the mount the files are read.
	expect 1 glue apply
	! grep -q 'pc1: skipped: its image' "$scratch/stderr" ||
		fail "expected no message about the image of pc1"
}

test_child_of_another_master_is_skipped() {
	local before

	start_server
	vhdfs-img create --size 64M "$scratch/store/masters/win12.vhdx"
	write_fleet pc1 pc2 </dev/null
	expect 0 glue apply
	before=$(sha256_of "$scratch/store/clients/pc1.vhdx")
	sed -i 's/client pc1./&\nmaster = masters\/win12/' "$scratch/fleet.conf"
	expect 4 glue apply
	said 'pc1: skipped: its image clients/pc1.vhdx: parent: expected masters/win12.vhdx, found masters/win11.vhdx'
	equal "the image" "$before" \
		"$(sha256_of "$scratch/store/clients/pc1.vhdx")"
	# Without a mount and a tgtd the result is the same.
	end_tgtd
	unmount "$scratch/mnt"
	expect 1 glue apply
	said 'pc1: skipped: its image clients/pc1.vhdx: parent: expected masters/win12'
}

test_image_without_a_parent_is_skipped() {
	start_server
	mkdir "$scratch/store/clients"
	vhdfs-img create --size 64M "$scratch/store/clients/pc1.vhdx"
	write_fleet pc1 </dev/null
	expect 4 glue apply
	said 'pc1: skipped: .*clients/pc1.vhdx'
}

test_without_tgtd_images_and_targets_file_are_made() {
	make_store
	port=$(free_port)
	write_fleet pc1 </dev/null
	expect 1 glue apply
	said 'tgtd: no tgtd answers at its management socket .*socket.[0-9]+'
	[ -f "$scratch/store/clients/pc1.vhdx" ] || fail "expected an image"
	[ -f "$scratch/targets.conf" ] || fail "expected a targets-file"
}

test_another_program_at_the_management_socket_is_reported() {
	requires perl
	make_store
	port=7
	write_fleet pc1 </dev/null
	export TGT_IPC_SOCKET=$scratch/sock
	perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 5)
			or die;
		while (my $c = $s->accept) {
			sysread $c, my $request, 120;
			syswrite $c, pack("VV", 0, 12) . "what";
		}' "$scratch/sock.7" &
	at_exit kill $!
	wait_until 5 test -S "$scratch/sock.7"
	expect 1 glue apply
	said 'tgtd: .*answers, but not as the tgt that tgt-glue knows'
}

test_tgtd_restarted_with_the_targets_file_needs_no_change() {
	requires_initiator
	start_server
	write_fleet <<-END
		[client pc1]
		secret = secretsecret1
		write-cache = no
	END
	expect 0 glue apply
	everything >"$scratch/before"
	kill_tgtd
	start_tgtd
	tgt-admin -C "$port" -c "$scratch/targets.conf" --execute
	everything | cmp - "$scratch/before"
	expect 0 glue plan
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	# A secret that changes after the restart is set.
	sed -i 's/secretsecret1/secretsecret2/' "$scratch/fleet.conf"
	expect 0 glue apply
	admits login "$(url pc1 pc1%secretsecret2@)"
	refuses login "$(url pc1 pc1%secretsecret1@)"
}

test_tgtd_restarted_without_the_targets_file_gets_all_targets() {
	start_server
	write_fleet pc1 pc2 <<-END
		[client pc3]
		secret = secretsecret1
	END
	expect 0 glue apply
	everything >"$scratch/before"
	kill_tgtd
	start_tgtd
	expect 0 glue apply
	everything | cmp - "$scratch/before"
}

test_changes_by_hand_are_corrected() {
	local tid

	apply_fleet pc1 pc2
	everything >"$scratch/before"
	tid=$(glue generate | sed -n 's/.*controller_tid //p' | head -n 1)
	adm --op bind --mode target --tid "$tid" -I ALL
	expect 0 glue apply
	everything | cmp - "$scratch/before"
	adm --op update --mode logicalunit --tid "$tid" --lun 1 \
		--params readonly=1
	expect 0 glue apply
	adm --op new --mode account --user spy --password secretsecret9
	adm --op bind --mode account --tid "$tid" --user spy
	expect 0 glue apply
	adm --op delete --mode account --user spy
	adm --op delete --force --mode target --tid "$tid"
	expect 0 glue apply
	everything | sort | cmp - <(sort "$scratch/before")
}

test_account_made_by_hand_after_its_removal_is_kept() {
	start_server
	write_fleet pc1 <<-END
		user = me
		secret = rightsecret123
	END
	expect 0 glue apply
	adm --op show --mode account | grep -q me
	write_fleet pc1 </dev/null
	expect 0 glue apply
	! adm --op show --mode account | grep me ||
		fail "expected apply to delete the account"
	adm --op new --mode account --user me --password secretsecret9
	expect 0 glue apply
	adm --op show --mode account | grep -q me ||
		fail "expected the account that was made by hand"
}

test_concurrent_applies_succeed() {
	local pids=() pid

	start_server
	write_fleet $(seq -f 'pc%g' 1 20) </dev/null
	for _i in 1 2 3; do
		glue apply >>"$scratch/all.out" 2>&1 &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" ||
			fail "expected every apply to succeed, found: $(cat "$scratch/all.out")"
	done
	equal "targets" 20 "$(adm --op show --mode target | grep -c '^Target')"
}

test_portal_without_a_listening_tgtd_is_reported() {
	start_server
	write_fleet pc1 </dev/null
	sed -i "s/^mount/portal = 127.0.0.1:$port\n&/" "$scratch/fleet.conf"
	expect 0 glue apply
	[ ! -s "$scratch/stderr" ] ||
		fail "expected no message, found: $(cat "$scratch/stderr")"
	sed -i "s/^portal.*/portal = 10.9.8.7/" "$scratch/fleet.conf"
	expect 0 glue apply
	said 'warning: tgtd does not listen on portal 10.9.8.7'
}

# The cost of an apply is its requests to tgtd, which is one process for all.
test_apply_sends_few_requests_to_tgtd() {
	local few idle many

	requires strace
	start_server
	write_fleet $(seq -f 'pc%g' 1 4) </dev/null
	few=$(requests_of apply)
	idle=$(requests_of apply)
	write_fleet $(seq -f 'pc%g' 1 24) </dev/null
	many=$(requests_of apply)
	remark "$idle requests with nothing to do," \
		"$(((many - few) / 20)) for each new client"
	[ $((many - few)) -le $((20 * 7)) ] ||
		fail "expected no more requests for each new client, found $few requests for 4 clients, $many for 20 more"
	equal "requests of 24 clients with nothing to do" "$idle" \
		"$(requests_of apply)"
	[ "$idle" -le 3 ] ||
		fail "expected at most 3 requests without a change, found $idle"
	write_fleet $(seq -f 'pc%g' 1 25) </dev/null
	many=$(requests_of apply)
	[ "$many" -le 13 ] ||
		fail "expected at most 13 requests for one new client, found $many"
}

# apply asks for accounts and portals only if fleet.conf has any.
test_accounts_and_portals_are_asked_for_only_if_configured() {
	local idle

	requires strace
	start_server
	write_fleet pc1 <<-END
		user = me
		secret = rightsecret123
	END
	expect 0 glue apply
	idle=$(requests_of apply)
	[ "$idle" -le 3 ] ||
		fail "expected at most 3 requests without a change, found $idle"
	sed -i "s/^mount/portal = 127.0.0.1:$port\n&/" "$scratch/fleet.conf"
	idle=$(requests_of apply)
	[ "$idle" -le 4 ] ||
		fail "expected at most 4 requests without a change, found $idle"
}

test_256_clients_log_in() {
	clients 256
}

run_tests
