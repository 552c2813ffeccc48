#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# watch: changes of fleet.conf are applied, and a reset follows the end of a
# session.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

start_watch() {
	without_holder watch_in_background
	at_exit 'kill $watch_pid; wait $watch_pid'
	wait_until 10 socket_was_told READY=1
}

# watch in the background; its messages to systemd go to $scratch/told.
watch_in_background() {
	requires perl
	rm -f "$scratch/notify" "$scratch/told"
	perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Local => $ARGV[0],
			Type => SOCK_DGRAM) or die;
		open my $f, ">>", $ARGV[1] or die;
		$f->autoflush;
		while (defined $s->recv(my $text, 1000)) {
			print $f "$text\n";
		}' "$scratch/notify" "$scratch/told" &
	at_exit kill $!
	wait_until 5 test -S "$scratch/notify"
	NOTIFY_SOCKET=$scratch/notify tgt-glue --config "$scratch/fleet.conf" \
		watch >>"$scratch/watch.out" 2>&1 &
	watch_pid=$!
}

socket_was_told() {
	grep -q "^$1" "$scratch/told"
}

stop_watch() {
	kill "$watch_pid"
	wait "$watch_pid" || fail "expected exit status 0 of watch, found $?"
}

says() {
	wait_until "${2:-10}" grep -Eq -e "$1" "$scratch/watch.out"
}

# said_times N PATTERN: expects the message N times.  It is printed after the
# change is made.
said_times() {
	wait_until 10 said_at_least "$@"
	equal "times that it said '$2'" "$1" \
		"$(grep -Ec -e "$2" "$scratch/watch.out")"
}

said_at_least() {
	[ "$(grep -Ec -e "$2" "$scratch/watch.out")" -ge "$1" ]
}

wrote() {
	! dd if="$scratch/mnt/clients/$1.vhdx.raw" bs=512 skip=7 count=1 \
		status=none | tr -d '\0' | cmp -s - /dev/null
}

fresh() {
	! wrote "$1"
}

start_fleet() {
	requires_initiator
	start_server
	write_fleet "$@"
	start_watch
}

has_rule() {
	shown "$1" | grep -q " $2\$"
}

# No step makes an image: a change in the store makes a pass too.
test_changes_of_included_files_are_applied() {
	start_fleet pc1 </dev/null
	# The directory of a pattern may be made later.
	sed -i "s|^\[fleet\]|&\ninclude = one\ninclude = conf.d/*.conf|" \
		"$scratch/fleet.conf"
	says 'include: expected a readable file, found .*/one'
	printf '[group one]\nmatch = *\naddress = 127.0.0.2\n' >"$scratch/one"
	wait_until 10 has_rule pc1 127.0.0.2
	mkdir "$scratch/conf.d"
	printf '[group a]\nmatch = *\naddress = 127.0.0.3\n' \
		>"$scratch/conf.d/a.conf"
	wait_until 10 has_rule pc1 127.0.0.3
	printf '[group b]\nmatch = *\naddress = 127.0.0.4\n' \
		>"$scratch/conf.d/b.conf"
	wait_until 10 has_rule pc1 127.0.0.4
	echo 'address = 127.0.0.5' >>"$scratch/conf.d/b.conf"
	wait_until 10 has_rule pc1 127.0.0.5
	rm "$scratch/conf.d/b.conf"
	wait_until 10 has_rule pc1 127.0.0.3
	echo 'initiator = iqn.2026-01.lan:x' >>"$scratch/one"
	wait_until 10 has_rule pc1 iqn.2026-01.lan:x
	stop_watch
}

test_new_and_removed_lines_are_applied() {
	local i

	start_fleet pc1 </dev/null
	is_there pc1 || fail "expected the target of pc1 when watch is ready"
	for i in 2 3 4; do
		echo "[client pc$i]" >>"$scratch/fleet.conf"
		wait_until 10 is_there "pc$i"
	done
	# Editors replace a file by rename.
	sed '/client pc3/d' "$scratch/fleet.conf" >"$scratch/new"
	mv "$scratch/new" "$scratch/fleet.conf"
	wait_until 3 is_gone pc3
	is_there pc4
	stop_watch
	socket_was_told STOPPING=1 ||
		fail "expected the message STOPPING=1 to systemd"
	socket_was_told 'STATUS=3 clients'
	[ ! -s "$scratch/watch.err" ] ||
		fail "unexpected messages: $(cat "$scratch/watch.err")"
}

# The first new client may create the directory of the images, which adds a
# watch.  The second one changes no directory.
test_new_line_adds_no_watch() {
	requires strace
	start_fleet pc1 </dev/null
	echo "[client pc2]" >>"$scratch/fleet.conf"
	wait_until 10 is_there pc2
	ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o "$scratch/trace" \
		-e trace=inotify_add_watch,flock \
		-p "$watch_pid" &
	wait_until 5 grep -q '^TracerPid:.[1-9]' "/proc/$watch_pid/status"
	echo "[client pc3]" >>"$scratch/fleet.conf"
	wait_until 10 is_there pc3
	wait_until 10 grep -q flock "$scratch/trace"
	! grep inotify_ "$scratch/trace" || fail "expected no new inotify watch"
}

test_burst_of_changes_is_one_pass() {
	local i

	requires strace
	start_fleet pc0 </dev/null
	ASAN_OPTIONS=detect_leaks=0 strace -f -qq -e trace=flock \
		-o "$scratch/trace" -p "$watch_pid" &
	wait_until 5 grep -q '^TracerPid:.[1-9]' "/proc/$watch_pid/status"
	for i in $(seq 30); do
		echo "[client pc$i]" >>"$scratch/fleet.conf"
	done
	wait_until 10 is_there pc30
	# A pass takes the lock.  The new images in the store cause another pass.
	[ "$(grep -c flock "$scratch/trace")" -le 3 ] ||
		fail "expected at most 3 passes, found $(grep -c flock "$scratch/trace")"
}

# The line of pc2 is removed again while watch waits for the lock.
test_pass_reads_fleet_conf_after_its_wait_for_the_lock() {
	requires flock
	start_fleet pc1 </dev/null
	exec {lock}<"$scratch"
	flock "$lock"
	echo '[client pc2]' >>"$scratch/fleet.conf"
	# Until watch waits.  If it does not, pc3 is the first that it reads.
	for _ in {1..400}; do
		! waits_for_lock || break
		pause 0.05
	done
	sed 's/client pc2/client pc3/' "$scratch/fleet.conf" >"$scratch/new"
	mv "$scratch/new" "$scratch/fleet.conf"
	exec {lock}<&-
	wait_until 10 is_there pc3
	stop_watch
	! grep pc2 "$scratch/watch.out" ||
		fail "expected no target of pc2, whose line was gone under the lock"
}

waits_for_lock() {
	grep -q -e "-> FLOCK .*:$(stat -c %i "$scratch") " /proc/locks
}

test_mistakes_keep_the_last_fleet_and_are_reported_once() {
	start_fleet pc1 </dev/null
	everything >"$scratch/before"
	printf '[client pc2]\nmaster = nowhere\nfrob = 1\n' \
		>>"$scratch/fleet.conf"
	says 'fleet.conf:[0-9]+: .*frob'
	says 'the fleet stays as it was'
	touch "$scratch/store/masters/other.vhdx"
	rm "$scratch/store/masters/other.vhdx"
	# The checks of tgtd and the mount continue meanwhile.
	lose_mount "$scratch/mnt"
	return_mount
	says '^pc1: disk: given its file again'
	everything | cmp - "$scratch/before"
	said_times 1 'frob'
	sed -i '/frob/d;s/nowhere/masters\/win11/' "$scratch/fleet.conf"
	wait_until 5 is_there pc2
}

test_starts_with_mistakes_in_fleet_conf() {
	requires_initiator
	start_server
	echo nonsense >"$scratch/fleet.conf"
	start_watch
	says 'fleet.conf:1: '
	write_fleet pc1 </dev/null
	wait_until 5 is_there pc1
	stop_watch
}

test_new_master_is_noticed() {
	start_fleet <<-END
		[client pc1]
		master = new/office
	END
	says 'expected an image new/office'
	mkdir "$scratch/store/new"
	vhdfs-img create --size 64M "$scratch/store/new/office.vhdx"
	wait_until 5 is_there pc1
	stop_watch
}

test_changed_secret_file_is_noticed() {
	(umask 077 && echo secretsecret1 >"$scratch/pc1.secret")
	start_fleet <<-END
		[client pc1]
		secret-file = pc1.secret
	END
	admits login "$(url pc1 pc1%secretsecret1@)"
	(umask 077 && echo secretsecret2 >"$scratch/new")
	mv "$scratch/new" "$scratch/pc1.secret"
	says '^pc1: target: changed its users'
	admits login "$(url pc1 pc1%secretsecret2@)"
	refuses login "$(url pc1 pc1%secretsecret1@)"
	stop_watch
}

test_skipped_target_is_changed_after_the_logout() {
	start_fleet pc1 </dev/null
	hold_session pc1
	echo 'thin = yes' >>"$scratch/fleet.conf"
	says '^tgt-glue: pc1: skipped: logged in'
	end_session
	says '^pc1: target: made again' 5
	said_times 1 'pc1: skipped'
	stop_watch
}

test_start_and_restart_of_tgtd_are_noticed() {
	requires_initiator
	make_store
	mount_store "$scratch/store" "$scratch/mnt"
	port=$(free_port)
	write_fleet pc1 </dev/null
	start_watch
	says 'no tgtd answers'
	start_tgtd
	# It says so at the end of the pass, which the kill would interrupt.
	says '^pc1: target: made'
	kill_tgtd
	start_tgtd
	wait_until 5 is_there pc1
	said_times 2 'pc1: target: made'
	stop_watch
	end_tgtd
}

# While tgt-admin creates the targets of a tgtd, watch creates none.
test_starting_tgtd_is_not_changed() {
	requires_initiator
	start_server
	adm --op update --mode sys --name State -v offline
	write_fleet pc1 </dev/null
	start_watch
	echo '[client pc2]' >>"$scratch/fleet.conf"
	wait_until 5 grep -q pc2 "$scratch/fleet.conf"
	is_gone pc1 || fail "expected no target of pc1 while tgtd starts"
	adm --op update --mode sys --name State -v ready
	wait_until 5 is_there pc2
	stop_watch
}

test_files_are_opened_again_after_a_restart_of_the_mount() {
	start_fleet pc1 </dev/null
	hold_session pc1
	works write 7
	stop_mount "$scratch/mnt"
	says 'nothing is mounted'
	return_mount
	says '^pc1: disk: given its file again'
	works read 7
	! grep 'cut off' "$held_out" ||
		fail "expected the session to continue, found it cut off"
	end_session
	stop_watch
}

test_client_with_lost_writes_is_reported_until_its_login() {
	start_fleet pc1 </dev/null
	hold_session pc1
	works write 7
	lose_mount "$scratch/mnt"
	says 'nothing is mounted'
	return_mount
	says '^tgt-glue: pc1: restart it: '
	wait_until 30 grep -q 'cut off' "$held_out"
	end_session
	grep -q "^restart $iqn_prefix:pc1$" "$scratch/targets.conf.opened" ||
		fail "expected a line about lost writes"
	rm "$scratch/hold-pc1"
	hold_session pc1
	wait_until 30 is_forgotten pc1
	end_session
	stop_watch
	said_times 1 'restart it'
}

is_forgotten() {
	! grep -q "^restart $iqn_prefix:$1$" "$scratch/targets.conf.opened"
}

test_reset_after_each_session() {
	start_fleet <<-END
		[client pc1]
		reset = boot
		[client pc2]
	END
	for _i in 1 2; do
		hold_session pc1
		works write 7
		wrote pc1 || fail "expected data on the disk of pc1"
		# watch asks tgtd every second.
		wait_until 5 grep -q "^$iqn_prefix:pc1 " \
			"$scratch/targets.conf.sessions"
		end_session
		rm "$scratch/hold-pc1"
		wait_until 15 fresh pc1
		wait_until 5 is_open pc1
	done
	hold_session pc2
	works write 7
	end_session
	said_times 2 '^pc1: image: .* is fresh; the old one is'
	wrote pc2 || fail "expected the old disk of pc2, found it reset"
	stop_watch
}

# watch asks tgtd every second; this session is shorter.
test_data_disk_reset_after_each_session() {
	start_fleet <<-END
		[client pc1]
		disks = games home
		[disk games]
		lun = 2
		master = masters/win11
		reset = boot
		[disk home]
		lun = 3
		size = 1M
	END
	for lun in 1 2 3; do
		hold_session pc1
		works write 7
		wait_until 5 grep -q "^$iqn_prefix:pc1 " \
			"$scratch/targets.conf.sessions"
		end_session
		wait_until 15 is_logged_out pc1
		rm "$scratch/hold-pc1"
	done
	says '^pc1: disk games: image: disks/games/pc1.vhdx is fresh' 15
	wait_until 5 is_open pc1
	said_times 1 'is fresh; the old one is'
	stop_watch
	wrote pc1 || fail "expected the system disk as it was"
	! dd if="$scratch/mnt/disks/home/pc1.vhdx.raw" bs=512 skip=7 count=1 \
		status=none | tr -d '\0' | cmp -s - /dev/null ||
		fail "expected the disk home as it was"
}

is_logged_out() {
	! grep -q "^$iqn_prefix:$1 " "$scratch/targets.conf.sessions"
}

test_reset_after_an_unseen_session() {
	start_fleet <<-END
		[client pc1]
		reset = boot
		[client pc2]
	END
	hold_session pc2
	# watch has checked the images of all clients.
	wait_until 5 grep -q "^$iqn_prefix:pc2 " "$scratch/targets.conf.sessions"
	# The write does not use tgtd, so that no session exists.
	for client in pc1 pc2; do
		printf w | dd of="$scratch/mnt/clients/$client.vhdx.raw" bs=512 \
			seek=7 conv=notrunc,sync,fsync status=none
	done
	wait_until 15 has_old_image pc1
	wait_until 5 is_there pc1
	wait_until 5 fresh pc1
	wrote pc2 || fail "expected the old disk of pc2, found it reset"
	! has_old_image pc2 || fail "expected no old image of pc2"
	stop_watch
}

has_old_image() {
	[ -n "$(find "$scratch/store/clients" -name ".$1.vhdx.*Z")" ]
}

# A client that logs in again at once keeps its disk.
test_no_reset_of_a_client_that_logs_in_again() {
	start_fleet <<-END
		[client pc1]
		reset = boot
	END
	hold_session pc1
	works write 7
	wait_until 5 grep -q "^$iqn_prefix:pc1 " "$scratch/targets.conf.sessions"
	end_session
	rm "$scratch/hold-pc1"
	hold_session pc1
	echo '[client pc9]' >>"$scratch/fleet.conf"
	wait_until 5 is_there pc9
	sleep 5 # longer than the time in which a login prevents the reset
	wrote pc1 ||
		fail "expected the old disk, found it reset under a session"
	wait_until 5 grep -q "^$iqn_prefix:pc1 " "$scratch/targets.conf.sessions"
	end_session
	wait_until 15 fresh pc1
	stop_watch
}

# All clients log in again after it, because their systems are running.
test_no_reset_after_a_restart_of_tgtd() {
	start_fleet <<-END
		[client pc1]
		reset = boot
	END
	hold_session pc1
	works write 7
	wait_until 5 grep -q ':pc1 iqn' "$scratch/targets.conf.sessions"
	kill_tgtd
	without_holder start_tgtd
	wait_until 5 grep -Eq '^# ended .*:pc1 [0-9]+ 60$' \
		"$scratch/targets.conf.sessions"
	wait_until 5 is_there pc1
	end_session
	rm "$scratch/hold-pc1"
	sleep 5 # longer than the time for a login to a running tgtd
	wrote pc1 || fail "expected the old disk, found it reset"
	hold_session pc1
	wait_until 5 bash -c "! grep ended '$scratch/targets.conf.sessions'"
	end_session
	wait_until 15 fresh pc1
	stop_watch
}

test_reset_after_a_session_that_ended_without_watch() {
	start_fleet <<-END
		[client pc1]
		reset = boot
	END
	hold_session pc1
	works write 7
	wait_until 5 grep -q ':pc1 ' "$scratch/targets.conf.sessions"
	stop_watch
	end_session
	wrote pc1 || fail "expected the old disk, found it reset"
	start_watch
	wait_until 15 fresh pc1
	stop_watch
}

# The directory of the targets-file becomes read-only, so that the pass that is
# to reset the client ends before it changes tgtd.
test_due_reset_survives_a_pass_that_fails_before_its_execution() {
	local conf=$scratch/etc/targets.conf

	requires_initiator
	start_server
	mkdir "$scratch/etc"
	mount -t tmpfs tmpfs "$scratch/etc"
	at_exit umount -l "$scratch/etc"
	write_fleet <<-END
		[client pc1]
		reset = boot
	END
	sed -i "s,^targets-file = .*,targets-file = $conf," "$scratch/fleet.conf"
	start_watch
	hold_session pc1
	works write 7
	wait_until 5 grep -q "^$iqn_prefix:pc1 " "$conf.sessions"
	mount -o remount,ro "$scratch/etc"
	end_session
	says '^tgt-glue: .*conf\.opened: Read-only'
	wrote pc1 || fail "expected the old disk, found it reset"
	mount -o remount,rw "$scratch/etc"
	wait_until 30 fresh pc1
	wait_until 5 is_open pc1
	stop_watch
}

# The clock was ahead when the session ended.
test_reset_does_not_depend_on_the_clock() {
	start_fleet <<-END
		[client pc1]
		reset = boot
	END
	stop_watch
	printf '%s' used | dd of="$scratch/mnt/clients/pc1.vhdx.raw" bs=512 \
		seek=7 conv=notrunc,fsync,sync status=none
	! fresh pc1 || fail "expected the old disk before the reset"
	echo "# ended $iqn_prefix:pc1 99999999999 3" \
		>>"$scratch/targets.conf.sessions"
	start_watch
	wait_until 60 fresh pc1
	stop_watch
}

test_login_time_survives_a_restart_of_watch() {
	local before started

	started=$(date +%s)
	start_fleet pc1 </dev/null
	hold_session pc1
	wait_until 5 grep -q ':pc1 ' "$scratch/targets.conf.sessions"
	grep -Eq "^$iqn_prefix:pc1 iqn[^ ]* 127.0.0.1 [0-9]+ [0-9]+\$" \
		"$scratch/targets.conf.sessions"
	equal "mode" 600 "$(stat -c %a "$scratch/targets.conf.sessions")"
	before=$(grep ':pc1 ' "$scratch/targets.conf.sessions")
	[ "${before##* }" -ge "$started" ] && [ "${before##* }" -le "$(date +%s)" ] ||
		fail "expected a time since $started, found $before"
	stop_watch
	start_watch
	equal "the session" "$before" \
		"$(grep ':pc1 ' "$scratch/targets.conf.sessions")"
	end_session
	wait_until 5 bash -c "! grep ':pc1 ' '$scratch/targets.conf.sessions'"
	stop_watch
}

run_tests
