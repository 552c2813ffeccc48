#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shards: several tgtds, each with a part of the fleet.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/shards.sh"

everything_of_both() {
	on_shard 0 everything
	on_shard 1 everything
}

# names_in K: prints the clients in the targets-file of shard K.
names_in() {
	local file=$scratch/targets.conf

	[ "$1" = 0 ] || file=$file.$1
	sed -n "s/^<target $iqn_prefix:\(.*\)>/\1/p" "$file" | sort |
		paste -sd ' '
}

wait_in_background() {
	tgt-glue --config "$scratch/fleet.conf" apply --wait \
		>"$scratch/waiting" 2>&1 &
	waiting=$!
}

test_each_shard_admits_its_clients_only() {
	local client

	start_servers
	# shellcheck disable=SC2086
	write_shards 2 $on_0 $on_1 </dev/null
	expect 0 glue apply
	# shellcheck disable=SC2086
	is_on 0 $on_0
	# shellcheck disable=SC2086
	is_on 1 $on_1
	for client in $on_0; do
		admits login "$(url_on 0 "$client")"
		! initiator login "$(url_on 1 "$client")" 2>/dev/null ||
			fail "expected shard 1 to refuse $client"
	done
	for client in $on_1; do
		admits login "$(url_on 1 "$client")"
		! initiator login "$(url_on 0 "$client")" 2>/dev/null ||
			fail "expected shard 0 to refuse $client"
	done
	equal "file of shard 0" "$on_0" "$(names_in 0)"
	equal "file of shard 1" "$on_1" "$(names_in 1)"
}

test_second_apply_does_nothing() {
	start_servers
	write_shards 2 pc1 pc2 <<-END
		[client pc3]
		secret = secretsecret1
		write-cache = no
		thin = yes
	END
	expect 0 glue apply
	everything_of_both >"$scratch/before"
	ls -l --full-time "$scratch/targets.conf"* >"$scratch/files"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	everything_of_both | cmp - "$scratch/before"
	ls -l --full-time "$scratch/targets.conf"* | cmp - "$scratch/files"
	expect 0 glue plan
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
}

test_generate_prints_the_targets_files_of_the_shards() {
	start_servers
	write_shards 2 pc1 pc3 </dev/null
	expect 0 glue apply
	glue generate --shard 0 | cmp - "$scratch/targets.conf"
	glue generate --shard 1 | cmp - "$scratch/targets.conf.1"
	glue generate |
		cmp - <(cat "$scratch/targets.conf" "$scratch/targets.conf.1")
	expect_error 1 "--shard: expected a number from 0 to 1, found '2'" \
		glue generate --shard 2
	equal "mode" 600 "$(stat -c %a "$scratch/targets.conf.1")"
}

# After a reboot only tgt-admin and the environment of the unit make the
# targets.
test_targets_file_alone_restores_a_shard() {
	start_servers
	write_shards 2 pc1 pc3 <<-END
		[client pc5]
		secret = secretsecret1
	END
	expect 0 glue apply
	on_shard 1 everything | sort >"$scratch/before"
	end_shard 1
	(
		# shellcheck disable=SC1091
		. "$scratch/targets.conf.1.env"
		equal "control port" $((first_port + 1)) "$CONTROL_PORT"
		equal "portals" "portal=127.0.0.1:$((first_port + 1))" "$ISCSI"
		equal "file" "$scratch/targets.conf.1" "$TARGETS_FILE"
	)
	start_shard 1
	tgt-admin -C $((first_port + 1)) -e -c "$scratch/targets.conf.1"
	on_shard 1 everything | sort | cmp - "$scratch/before"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
}

test_changed_number_of_shards_migrates_clients() {
	start_servers
	write_shards 1 pc1 <<-END
		[client pc3]
		secret = secretsecret1
	END
	expect 0 glue apply
	is_on 0 pc1 pc3
	set_shards 2
	expect 0 glue plan
	did '^pc3: target: remove it \(it moves from shard 0 to 1\)$'
	did '^pc3: target: make it'
	is_on 0 pc1 pc3
	expect 0 glue apply
	did '^pc3: target: removed \(it moves from shard 0 to 1\)$'
	! grep 'new, and takes up' "$scratch/stderr" ||
		fail "expected that pc3 is not new"
	is_on 0 pc1
	is_on 1 pc3
	admits login "$(on_shard 1 url pc3 pc3%secretsecret1@)"
	set_shards 1
	expect 0 glue apply
	did "^$scratch/targets.conf.1: removed$"
	is_on 0 pc1 pc3
	admits login "$(on_shard 0 url pc3 pc3%secretsecret1@)"
	[ -z "$(find "$scratch" -maxdepth 1 -name 'targets.conf.1*')" ] ||
		fail "expected no files of shard 1, found: $(ls "$scratch")"
	# Its account was removed with its target.
	on_shard 1 everything >"$scratch/rest"
	! grep pc3 "$scratch/rest" ||
		fail "expected no pc3 on shard 1, found: $(cat "$scratch/rest")"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
}

test_data_disks_migrate_with_their_client() {
	start_servers
	# shellcheck disable=SC2086
	write_shards 1 $on_0 $on_1 <<-END
		[disk home]
		lun = 2
		size = 1M
	END
	sed -i '/^\[defaults\]/a disks = home' "$scratch/fleet.conf"
	expect 0 glue apply
	equal "data disks on shard 0" 4 "$(data_disks 0)"
	set_shards 2
	expect 0 glue apply
	equal "data disks on shard 0" 2 "$(data_disks 0)"
	equal "data disks on shard 1" 2 "$(data_disks 1)"
	grep -q disks/home/pc3 "$scratch/targets.conf.1" ||
		fail "expected the disk in the targets-file of shard 1"
	! grep -q disks/home/pc3 "$scratch/targets.conf" ||
		fail "expected the disk in one targets-file"
}

# data_disks SHARD: prints how many targets have a LUN 2.
data_disks() {
	on_shard "$1" adm --op show --mode target | grep -c 'LUN: 2$'
}

test_logged_in_client_migrates_after_its_logout() {
	start_servers
	write_shards 1 pc1 pc3 pc5 </dev/null
	expect 0 glue apply
	on_shard 0 hold_session pc3
	set_shards 2
	expect 4 glue apply
	said '^tgt-glue: pc3: skipped: logged in: .* from 127.0.0.1; .*tgt-glue apply --force pc3. \(it moves from shard 0 to 1\)$'
	is_on 0 pc1 pc3
	is_on 1 pc5
	# A tgtd that starts now makes the target where the client is logged in.
	equal "file of shard 0" "pc1 pc3" "$(names_in 0)"
	equal "file of shard 1" "pc5" "$(names_in 1)"
	held write 3 | grep -q 'status 0' ||
		fail "expected the session to continue"
	without_holder wait_in_background
	wait_until 10 grep -q 'pc3: skipped' "$scratch/waiting"
	end_session
	wait "$waiting" ||
		fail "expected exit status 0, found $?: $(cat "$scratch/waiting")"
	is_on 1 pc3 pc5
	equal "file of shard 0" "pc1" "$(names_in 0)"
	# And back, when fleet.conf no longer has the client's shard.
	on_shard 1 hold_session pc5
	set_shards 1
	expect 4 glue apply
	is_on 0 pc1 pc3
	is_on 1 pc5
	equal "file of shard 1" "pc5" "$(names_in 1)"
	glue status --json >"$scratch/status"
	equal "difference" "shard: expected 0, found 1" \
		"$(jq -r '.clients[] | select(.name == "pc5") | .difference' \
			"$scratch/status")"
	end_session
	expect 0 glue apply --wait
	is_on 0 pc1 pc3 pc5
}

test_force_migrates_a_logged_in_client() {
	start_servers
	write_shards 1 pc3 pc5 </dev/null
	expect 0 glue apply
	on_shard 0 hold_session pc3
	set_shards 2
	expect 0 glue apply --force pc3
	is_on 1 pc3 pc5
	end_session
}

# After an interruption at any step at most one shard has the client, and the
# next apply completes the migration.
test_interrupted_migration_never_exports_a_disk_twice() {
	local i files code

	requires strace
	start_servers
	write_shards 1 pc1 pc3 pc5 </dev/null
	expect 0 glue apply
	set_shards 2
	for ((i = 1; i < 200; i++)); do
		# The process ends at its Nth request to a tgtd.
		code=0
		ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null \
			-e trace=connect \
			-e inject=connect:signal=SIGKILL:when="$i" \
			tgt-glue --config "$scratch/fleet.conf" apply \
			>"$scratch/stdout" 2>&1 || code=$?
		[ "$code" != 0 ] || break
		equal "exit status at $i" 137 "$code"
		if [ -n "$(on_shard 0 shown pc3)" ]; then
			[ -z "$(on_shard 1 shown pc3)" ] ||
				fail "at $i: expected pc3 on at most one shard, found it on both"
		fi
		files=$(cat "$scratch/targets.conf" "$scratch/targets.conf.1" \
			2>/dev/null | grep -c "^<target $iqn_prefix:pc3>" || true)
		[ "$files" -le 1 ] ||
			fail "at $i: expected pc3 in at most one targets-file, found it in both"
		if grep -q ":pc3>" "$scratch/targets.conf.1" 2>/dev/null; then
			[ -z "$(on_shard 0 shown pc3)" ] ||
				fail "at $i: expected shard 1's targets-file without the target of shard 0"
		fi
	done
	remark "interrupted $((i - 1)) times"
	[ "$i" -gt 5 ] || fail "expected more than 5 interruptions, found $i"
	[ "$i" -lt 200 ] ||
		fail "expected apply to complete within 200 interruptions"
	is_on 0 pc1
	is_on 1 pc3 pc5
}

test_shard_without_a_tgtd_does_not_block_the_others() {
	start_servers
	write_shards 2 pc1 </dev/null
	expect 0 glue apply
	end_shard 1
	write_shards 2 pc1 pc2 pc3 </dev/null
	expect 1 glue apply
	said "^tgt-glue: tgtd: no tgtd answers at its management socket .*socket.$((first_port + 1)): .*; it is the tgtd of shard 1; .systemctl start vhdfs-tgtd@1. starts it, then type .tgt-glue apply.$"
	on_shard 0 shown pc2 | grep -q 'Backing store type: rdwr' ||
		fail "expected the target of pc2"
	equal "file of shard 1" pc3 "$(names_in 1)"
	expect 1 glue status
	said 'it is the tgtd of shard 1'
	did '^ *pc1  *0 ok '
	did '^ *pc3  *1 unknown '
	did '^shard 0: 2 clients, 0 sessions, at 127.0.0.1:'
	did '^shard 1: 1 client, its tgtd does not answer$'
	# The tgtd of the other shard starts.
	wait_in_background
	wait_until 10 grep -q 'no tgtd answers' "$scratch/waiting"
	start_shard 1
	wait "$waiting" ||
		fail "expected exit status 0, found $?: $(cat "$scratch/waiting")"
	is_on 1 pc3
}

test_client_never_migrates_to_a_tgtd_that_is_down() {
	start_servers
	write_shards 1 pc1 pc3 pc5 </dev/null
	expect 0 glue apply
	end_shard 1
	on_shard 0 everything >"$scratch/before"
	set_shards 2
	expect 1 glue apply
	equal "words on standard error" 1 "$(wc -l <"$scratch/stderr")"
	said 'it is the tgtd of shard 1'
	on_shard 0 everything | cmp - "$scratch/before"
	equal "file of shard 0" "pc1 pc3 pc5" "$(names_in 0)"
	equal "file of shard 1" "" "$(names_in 1)"
	[ -s "$scratch/targets.conf.1.env" ] ||
		fail "expected the environment file of shard 1"
	admits login "$(url_on 0 pc3)"
	start_shard 1
	expect 0 glue apply
	is_on 0 pc1
	is_on 1 pc3 pc5
}

# A tgtd that does not answer may export its clients still: no other tgtd gets
# them.
test_clients_of_an_unresponsive_tgtd_are_not_migrated() {
	requires perl
	start_servers
	write_shards 2 pc3 pc5 </dev/null
	expect 0 glue apply
	cp "$scratch/targets.conf.1" "$scratch/before"
	set_shards 1
	# A program that closes every connection without an answer.
	end_shard 1
	rm -f "/var/run/tgtd/socket.$((first_port + 1))"
	perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 9)
			or die;
		close $_ while $_ = $s->accept' \
		"/var/run/tgtd/socket.$((first_port + 1))" &
	silent=$!
	at_exit kill "$silent"
	at_exit rm -f "/var/run/tgtd/socket.$((first_port + 1))"
	wait_until 10 test -S "/var/run/tgtd/socket.$((first_port + 1))"
	expect 1 glue apply
	said 'it is the tgtd of shard 1'
	equal "targets of shard 0" "" "$(on_shard 0 shown pc3)$(on_shard 0 shown pc5)"
	equal "file of shard 0" "" "$(names_in 0)"
	equal "file of shard 1" "pc3 pc5" "$(names_in 1)"
	# New clients are not made either, because the unresponsive tgtd may
	# have them.
	write_shards 1 pc1 pc3 pc5 </dev/null
	expect 1 glue apply
	said 'pc1: target: the tgtd of shard 1 does not answer, and may have it; type .systemctl start vhdfs-tgtd@1. and then .tgt-glue apply.$'
}

test_tgtd_that_does_not_listen_on_its_portal_is_reported() {
	start_servers
	write_shards 2 pc1 pc3 </dev/null
	sed -i "s/^portal = .*/portal = 127.0.0.2:$first_port/" \
		"$scratch/fleet.conf"
	expect 0 glue apply
	said "warning: tgtd of shard 1 does not listen on portal 127.0.0.2:$((first_port + 1));"
}

test_reset_resets_clients_on_every_shard() {
	start_servers
	write_shards 2 pc1 pc3 pc5 </dev/null
	expect 0 glue apply
	on_shard 1 hold_session pc3
	held write 3 >/dev/null
	expect 4 glue reset pc1 pc3 pc5
	said '^tgt-glue: pc3: skipped: logged in: .*'
	! grep -q '^pc3' "$scratch/stdout" ||
		fail "expected no change of pc3, found: $(cat "$scratch/stdout")"
	end_session
	expect 0 glue reset pc3
	did '^pc3: image: clients/pc3.vhdx is fresh; the old one is '
	is_on 1 pc3 pc5
	admits login "$(url_on 1 pc3)"
}

# The client is logged in on the shard from which it is to migrate.
test_reset_finds_the_session_on_the_old_shard() {
	start_servers
	write_shards 1 pc1 pc3 pc5 </dev/null
	expect 0 glue apply
	on_shard 0 hold_session pc3
	held write 3 >/dev/null
	printf used | dd of="$scratch/mnt/clients/pc5.vhdx.raw" bs=512 \
		conv=notrunc,fsync,sync status=none
	set_shards 2
	expect 4 glue reset pc3 pc5
	said '^tgt-glue: pc3: skipped: logged in: .*'
	did '^pc5: image: clients/pc5.vhdx is fresh'
	# Only apply migrates clients.
	is_on 0 pc3 pc5
	end_session
	expect 0 glue reset pc3
	did '^pc3: image: clients/pc3.vhdx is fresh'
	is_on 0 pc3
	expect 0 glue apply
	is_on 1 pc3 pc5
}

test_reset_without_the_tgtd_of_the_shard_is_refused() {
	start_servers
	write_shards 2 pc1 pc3 </dev/null
	expect 0 glue apply
	printf used | dd of="$scratch/mnt/clients/pc3.vhdx.raw" bs=512 \
		conv=notrunc,fsync,sync status=none
	end_shard 1
	expect 0 glue reset pc3
	said 'no tgtd of shard 1 runs: the images alone are reset'
	did '^pc3: image: clients/pc3.vhdx is fresh'
	# The reset of a client on the other shard works.
	expect 0 glue reset pc1
	! grep -q shard "$scratch/stderr" ||
		fail "expected no message about a shard, found: $(cat "$scratch/stderr")"
}

# The earlier target is on a shard before that of the new name, and after it.
test_renamed_client_goes_to_the_shard_of_its_name() {
	start_servers
	write_shards 2 pc1 pc3 </dev/null
	expect 0 glue apply
	for client in pc1 pc3; do
		printf %s "$client" |
			dd of="$scratch/mnt/clients/$client.vhdx.raw" bs=512 \
				seek=9 conv=notrunc,fsync,sync status=none
	done
	write_shards 2 pc5 pc3 </dev/null
	expect 0 glue rename pc1 pc5
	is_on 1 pc5
	write_shards 2 pc5 pc2 </dev/null
	expect 0 glue rename pc3 pc2
	is_on 0 pc2
	is_nowhere pc1
	is_nowhere pc3
	grep -q pc1 "$scratch/mnt/clients/pc5.vhdx.raw"
	grep -q pc3 "$scratch/mnt/clients/pc2.vhdx.raw"
	admits login "$(url_on 0 pc2)"
	admits login "$(url_on 1 pc5)"
}

test_boot_scripts_name_the_port_of_the_shard() {
	mkdir -p "$scratch/store/masters" "$scratch/tftp"
	touch "$scratch/store/masters/win11.vhdx"
	first_port=3260
	write_shards 2 <<-END
		[machines]
		pc1 = 52:54:00:00:00:01
		pc3 = 52:54:00:00:00:03
	END
	sed -i 's/^portal = .*/portal = 10.0.0.1\nportal = [fd00::1]:4000/' \
		"$scratch/fleet.conf"
	expect 0 glue ipxe pc1
	did "^sanboot iscsi:10.0.0.1::3260:1:$iqn_prefix:pc1 iscsi:\[fd00::1\]::4000:1:"
	expect 0 glue ipxe pc3
	did "^sanboot iscsi:10.0.0.1::3261:1:$iqn_prefix:pc3 iscsi:\[fd00::1\]::4001:1:"
	expect 0 glue ipxe --all "$scratch/tftp"
	grep -q '::3261:1:' "$scratch/tftp/52-54-00-00-00-03.ipxe"
	grep -q '::3260:1:' "$scratch/tftp/52-54-00-00-00-01.ipxe"
	# Without a portal: the address from which iPXE booted.
	sed -i '/^portal/d' "$scratch/fleet.conf"
	expect 0 glue ipxe pc3
	did "^sanboot iscsi:\\$\{next-server\}::3261:1:$iqn_prefix:pc3 "
}

test_status_shows_all_shards() {
	start_servers
	write_shards 2 pc1 pc3 </dev/null
	expect 0 glue apply
	on_shard 1 hold_session pc3
	held write 5 >/dev/null
	expect 0 glue status
	did '^CLIENT +SH TARGET'
	did '^  pc1 +0 ok '
	did '^  pc3 +1 ok .*127.0.0.1'
	did '^shard 0: 1 client, 0 sessions, at 127.0.0.1:'
	did '^shard 1: 1 client, 1 session, at 127.0.0.1:'
	did '^all is as fleet.conf says$'
	[ "$(awk '{ if (length > n) n = length } END { print n }' \
		"$scratch/stdout")" -le 79 ] ||
		fail "expected at most 79 columns"
	glue status --json >"$scratch/json"
	equal "shards" "0 true 1 0,1 true 1 1" \
		"$(jq -r '[.shards[] | "\(.shard) \(.tgtd) \(.clients) \(.sessions)"] | join(",")' \
			"$scratch/json")"
	equal "where pc3 is" "1 127.0.0.1 1" \
		"$(jq -r '.clients[] | select(.name == "pc3") | "\(.shard) \(.sessions[0].address) \(.sessions[0]["write-commands"])"' \
			"$scratch/json")"
	equal "control port" "$((first_port + 1))" \
		"$(jq '.shards[1]["control-port"]' "$scratch/json")"
	expect 0 glue status --prometheus
	did '^tgt_glue_tgtd_up 1$'
	did '^tgt_glue_shard_sessions\{shard="1"\} 1$'
	did '^tgt_glue_client_shard\{client="pc3"\} 1$'
	did '^tgt_glue_client_sessions\{client="pc3"\} 1$'
	end_session
	end_shard 1
	expect 0 glue status --prometheus
	did '^tgt_glue_tgtd_up 0$'
	did '^tgt_glue_shard_tgtd_up\{shard="0"\} 1$'
	did '^tgt_glue_shard_tgtd_up\{shard="1"\} 0$'
	did '^tgt_glue_client_sessions\{client="pc1"\} 0$'
	! grep -q '^tgt_glue_client_sessions{client="pc3"}' "$scratch/stdout" ||
		fail "expected no values of a shard without a tgtd"
}

test_key_shard_chooses_the_shard() {
	start_servers
	write_shards 2 pc3 <<-END
		[client pc1]
		shard = 1
	END
	expect 0 glue apply
	is_on 1 pc1 pc3
	sed -i 's/^shard = 1/shard = 0/' "$scratch/fleet.conf"
	expect 0 glue apply
	is_on 0 pc1
	is_on 1 pc3
}

test_files_are_opened_again_on_both_shards() {
	start_servers
	write_shards 2 pc1 pc3 </dev/null
	expect 0 glue apply
	lose_mount "$scratch/mnt"
	mount_store "$scratch/store" "$scratch/mnt"
	at_exit end_shard 0
	at_exit end_shard 1
	expect 0 glue apply
	did '^pc1: disk: given its file again'
	did '^pc3: disk: given its file again'
	admits login "$(url_on 0 pc1)"
	admits login "$(url_on 1 pc3)"
}

test_watch_reconciles_both_shards() {
	start_servers
	write_shards 2 pc1 <<-END
		[client pc3]
		reset = boot
	END
	tgt-glue --config "$scratch/fleet.conf" watch >"$scratch/watch.out" 2>&1 &
	watch_pid=$!
	at_exit 'kill $watch_pid; wait $watch_pid'
	wait_until 10 grep -q 'pc3: target: made' "$scratch/watch.out"
	is_on 1 pc3
	on_shard 1 hold_session pc3
	held write 3 >/dev/null
	wait_until 10 grep -q ':pc3 ' "$scratch/targets.conf.1.sessions"
	# One shard: the logged-in client is skipped until its logout, then it
	# migrates, and is reset.
	set_shards 1
	wait_until 10 grep -q 'pc3: skipped: logged in' "$scratch/watch.out"
	end_session
	wait_until 20 grep -q 'pc3: image: clients/pc3.vhdx is fresh' \
		"$scratch/watch.out"
	is_on 0 pc1 pc3
	# The tgtd of a restarted shard gets its clients.
	set_shards 2
	wait_until 10 grep -q 'it moves from shard 0 to 1' "$scratch/watch.out"
	wait_until 10 on_shard_1_is pc3
	end_shard 1
	start_shard 1
	wait_until 10 on_shard_1_is pc3
}

on_shard_1_is() {
	[ -n "$(on_shard 1 shown "$1")" ]
}

test_apply_without_a_change_sends_few_requests_to_each_tgtd() {
	local i asked

	requires strace
	start_servers
	write_shards 2 <<-END
		[machines]
		$(for ((i = 0; i < 256; i++)); do
			printf 'pc%03d = 52:54:00:00:%02x:%02x\n' "$i" \
				$((i / 256)) $((i % 256))
		done)
	END
	expect 0 glue apply
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	asked=$(requests_of apply)
	remark "$(names_in 0 | wc -w) and $(names_in 1 | wc -w) of them"
	[ "$asked" -le 6 ] ||
		fail "expected at most 3 requests for each of two tgtds," \
			"found $asked in all"
}

run_tests
