#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The units in a running systemd: a systemd of the test starts them together with tgt.
. "${0%/*}/../lib.sh"
. "${0%/*}/../mount/common.sh"
. "${0%/*}/systemd.sh"

iqn=iqn.2026-01.lan.example:pc

# make_server: starts a systemd, with a store of a pair in /srv/images, the settings
# of the unit, and a target of tgt on the child.  No unit is started yet.
make_server() {
	make_units
	store_of_pair
	start_systemd
	mv "$store" "$scratch/srv/images"
	mkdir "$scratch/srv/disks"
	inside bash -c 'echo STORE=/srv/images >/etc/vhdfs/srv-disks.mount'
	inside tee /etc/tgt/conf.d/vhdfs.conf >"$scratch/targets.conf" <<-END
		<target $iqn>
			<backing-store /srv/disks/clients/pc.vhdx.raw>
				lun 1
				allow-in-use yes
			</backing-store>
		</target>
	END
	child=/srv/disks/clients/pc.vhdx.raw
}

start() {
	inside systemctl start "$@" ||
		fail "expected a start of $*: $(say_systemd "$@")"
}

main_pid() {
	inside systemctl show -P MainPID "$1"
}

# Does tgt export the view of the child?
exported() {
	inside tgtadm --lld iscsi --op show --mode target |
		grep "Backing store path: $child"
}

test_mount_is_in_the_mount_namespace_of_the_machine() {
	make_server
	start vhdfs@srv-disks
	[ "$(inside readlink "/proc/$(main_pid vhdfs@srv-disks)/ns/mnt")" = \
		"$(inside readlink /proc/1/ns/mnt)" ] ||
		fail "expected the service in the machine's mount namespace"
	inside mountpoint -q /srv/disks || fail "expected a mount on /srv/disks:" \
		"$(say_systemd vhdfs@srv-disks)"
	inside file-io "$child" rw write 4096 hello fsync
	equal "written data" hello "$(inside file-io "$child" ro read 4096 5)"
	inside systemctl stop vhdfs@srv-disks
	! inside mountpoint -q /srv/disks || fail "expected no mount on /srv/disks"
	equal "result" success \
		"$(inside systemctl show -P Result vhdfs@srv-disks)"
}

test_service_runs_with_its_hardening() {
	local ours

	make_server
	start vhdfs@srv-disks
	inside cat "/proc/$(main_pid vhdfs@srv-disks)/status" >"$scratch/status"
	grep -q '^NoNewPrivs:	1$' "$scratch/status"
	grep -q '^Seccomp:	2$' "$scratch/status"
	# DAC_OVERRIDE, DAC_READ_SEARCH, SYS_PTRACE, SYS_ADMIN and SYS_RESOURCE, if
	# this computer's own bounding set has them.
	ours=$(sed -n 's/^CapBnd:	//p' /proc/self/status)
	equal "capabilities" "$(printf '%016x' $((0x$ours & 0x1280006)))" \
		"$(sed -n 's/^CapBnd:	//p' "$scratch/status")"
}

test_store_is_mounted_before_tgt_starts() {
	make_server
	inside systemctl enable vhdfs@srv-disks
	# The start of tgt must start the mount.
	start tgt
	exported || fail "expected an export of the child:" \
		"$(say_systemd tgt vhdfs@srv-disks)"
	# A shutdown stops tgt before the mount.
	inside systemctl stop tgt vhdfs@srv-disks
	equal "tgt's result" success "$(inside systemctl show -P Result tgt)"
	[ "$(stopped_at tgt)" -le "$(stopped_at vhdfs@srv-disks)" ] ||
		fail "expected tgt to have ended before the mount"
}

test_unit_of_a_shard_starts_a_second_tgtd() {
	local file=/etc/tgt/conf.d/vhdfs.conf

	requires qemu-io
	make_server
	inside systemctl enable vhdfs@srv-disks
	inside mv $file $file.1
	inside tee $file.1.env >"$scratch/env" <<-END
		CONTROL_PORT=1
		ISCSI=portal=127.0.0.1:3261
		TARGETS_FILE=$file.1
	END
	# The unit of the shard must start tgt, and so the mount.
	start vhdfs-tgtd@1
	inside tgtadm -C 1 --lld iscsi --op show --mode target |
		grep "Backing store path: $child" ||
		fail "expected an export of the child by the second tgtd:" \
			"$(say_systemd vhdfs-tgtd@1 tgt vhdfs@srv-disks)"
	inside tgtadm -C 1 --op show --mode sys | grep 'State: ready'
	inside tgtadm -C 1 --lld iscsi --op show --mode portal |
		grep '127.0.0.1:3261'
	! exported || fail "expected no such target of the first tgtd"
	# The sandbox of the unit permits tgtd to serve.
	inside qemu-io -f raw -c 'write -P 7 0 64k' -c flush -c 'read -P 7 0 64k' \
		"iscsi://127.0.0.1:3261/$iqn/1" >"$scratch/qemu-io" 2>&1 ||
		fail "expected success of qemu-io: $(cat "$scratch/qemu-io")"
	inside systemctl stop vhdfs-tgtd@1
	equal "result of vhdfs-tgtd@1" success \
		"$(inside systemctl show -P Result vhdfs-tgtd@1)"
	# Without its settings the unit of a shard does not start.
	inside rm $file.1.env
	start vhdfs-tgtd@1
	equal "state" inactive \
		"$(inside systemctl show -P ActiveState vhdfs-tgtd@1)"
}

stopped_at() {
	inside systemctl show -P InactiveEnterTimestampMonotonic "$1"
}

mounted_anew() {
	[ "$(main_pid vhdfs@srv-disks)" != "$1" ] &&
		inside test -e "$child" &&
		[ "$(inside systemctl is-active vhdfs@srv-disks)" = active ]
}

test_killed_mount_is_restarted_and_tgtd_continues() {
	local pid tgtd

	make_server
	inside systemctl enable vhdfs@srv-disks
	start tgt
	tgtd=$(main_pid tgt)
	for _ in 1 2 3 4 5 6; do
		pid=$(main_pid vhdfs@srv-disks)
		inside kill -KILL "$pid"
		wait_until 20 mounted_anew "$pid"
	done
	equal "tgtd's process" "$tgtd" "$(main_pid tgt)"
	equal "mounts" 1 \
		"$(inside grep -c ' /srv/disks fuse.vhdfs ' /proc/mounts)"
	# tgtd can open the view again.
	inside tgtadm --lld iscsi --op update --mode logicalunit --tid 1 \
		--lun 1 --params online=0
	inside tgtadm --lld iscsi --op update --mode logicalunit --tid 1 \
		--lun 1 --params "path=$child"
	exported
}

# hold_writes: starts a process that has the child's view open, and has written at 200
# offsets without a flush.
hold_writes() {
	local i commands=()

	for ((i = 0; i < 200; i++)); do
		commands+=(write $((i * 65536)) "written at $i")
	done
	mkfifo "$scratch/hold"
	inside file-io "$child" rw "${commands[@]}" hold write 65536 "later at 1" \
		<"$scratch/hold" >"$scratch/held" 2>&1 &
	holder_pid=$!
	exec {holder}>"$scratch/hold"
	wait_until 10 grep -q holding "$scratch/held"
}

# kill_all: kills all processes of the unit, and waits until the next ones serve.
kill_all() {
	local pid

	pid=$(main_pid vhdfs@srv-disks)
	inside systemctl kill --signal=KILL vhdfs@srv-disks
	wait_until 30 mounted_anew "$pid"
}

state_of_mount() {
	inside getfattr --only-values --absolute-names -n user.vhdfs.state \
		/srv/disks
}

test_answered_writes_survive_the_death_of_all_processes() {
	local state i commands=()

	printf '6.9\n%s\n' "$(uname -r)" | sort -C -V ||
		skip "a kernel that has no FUSE_NOTIFY_RESEND"
	make_server
	start vhdfs@srv-disks
	state=$(state_of_mount)
	hold_writes
	kill_all
	kill_all
	equal "state" "$state" "$(state_of_mount)"
	for ((i = 0; i < 200; i++)); do
		commands+=(read $((i * 65536)) $((11 + ${#i})))
	done
	inside file-io "$child" ro "${commands[@]}" >"$scratch/found"
	printf 'written at %d' {0..199} | cmp - "$scratch/found" ||
		fail "expected all answered writes: $(say_systemd vhdfs@srv-disks)"
	# The handle stays open.
	exec {holder}>&-
	wait "$holder_pid" ||
		fail "expected success of the client: $(cat "$scratch/held")"
	equal "later" "later at 1" "$(inside file-io "$child" ro read 65536 10)"
	equal "restarts" 2 "$(inside systemctl show -P NRestarts vhdfs@srv-disks)"
	equal "mounts" 1 "$(inside grep -c ' /srv/disks ' /proc/self/mounts)"
	grep 'resumed .*, with all open files' "$scratch/services.log"
	inside systemctl stop vhdfs@srv-disks
	! inside mountpoint -q /srv/disks || fail "expected no mount on /srv/disks"
	equal "descriptors that systemd holds" 0 \
		"$(inside systemctl show -P NFileDescriptorStore vhdfs@srv-disks)"
	inside vhdfs-img check /srv/images/clients/pc.vhdx >"$scratch/check" 2>&1
	has_no_line 'in use' "$scratch/check"
}

# The stop comes while no process serves: systemd drops the stored descriptors, and the
# next start replaces the dead mount.
test_stop_after_the_death_of_all_processes_drops_the_descriptors() {
	local state

	make_server
	inside mkdir -p /etc/systemd/system/vhdfs@.service.d
	inside bash -c 'printf "[Service]\nRestartSec=1h\n" \
		>/etc/systemd/system/vhdfs@.service.d/later.conf'
	inside systemctl daemon-reload
	start vhdfs@srv-disks
	state=$(state_of_mount)
	hold_writes
	inside systemctl kill --signal=KILL vhdfs@srv-disks
	wait_until 30 waits_to_be_started
	# systemd must not wait for the mount.
	inside timeout 60 systemctl daemon-reload
	inside timeout 60 systemctl stop vhdfs@srv-disks
	exec {holder}>&-
	wait "$holder_pid" || true
	start vhdfs@srv-disks
	[ "$(state_of_mount)" != "$state" ] || fail "expected a new state"
	inside file-io "$child" rw write 4096 hello fsync
	equal "mounts" 1 "$(inside grep -c ' /srv/disks ' /proc/self/mounts)"
}

waits_to_be_started() {
	[ "$(inside systemctl show -P SubState vhdfs@srv-disks)" = auto-restart ]
}

# systemd executes itself again, and keeps the stored descriptors.
test_stored_descriptors_survive_a_reexec_of_systemd() {
	make_server
	start vhdfs@srv-disks
	hold_child
	inside systemctl daemon-reexec
	wait_until 30 systemd_answers
	kill_all
	holder_writes "after the death"
}

test_open_files_survive_a_reload_and_the_death_of_all_processes() {
	make_server
	start vhdfs@srv-disks
	hold_child
	inside systemctl reload vhdfs@srv-disks
	wait_until 60 grep -q 'upgraded to version' "$scratch/services.log"
	kill_all
	holder_writes "after the death"
	# The message names vhdfs as the holder of the image, not systemd, which has
	# its descriptor, too.
	inside file-io "$child" rw hold <"$scratch/hold" >"$scratch/held" 2>&1 &
	holder_pid=$!
	exec {holder}>"$scratch/hold"
	wait_until 10 grep -q holding "$scratch/held"
	inside vhdfs-img check /srv/images/clients/pc.vhdx >"$scratch/check" 2>&1
	has_line 'in use by vhdfs' "$scratch/check"
	exec {holder}>&-
	wait "$holder_pid"
}

test_usage_error_causes_no_restart() {
	make_server
	inside bash -c 'echo OPTIONS=nonsense >>/etc/vhdfs/srv-disks.mount'
	! inside systemctl start vhdfs@srv-disks || fail "expected it to fail"
	equal "state" failed \
		"$(inside systemctl show -P ActiveState vhdfs@srv-disks)"
	equal "restarts" 0 "$(inside systemctl show -P NRestarts vhdfs@srv-disks)"
}

test_unit_without_its_settings_does_not_start() {
	make_server
	inside rm /etc/vhdfs/srv-disks.mount
	inside systemctl enable vhdfs@srv-disks
	inside systemctl start multi-user.target
	! inside systemctl start vhdfs@srv-disks >"$scratch/out" 2>&1 ||
		fail "expected it to fail"
	has_line 'Assertion failed' "$scratch/out"
	inside systemctl status vhdfs@srv-disks >"$scratch/out" 2>&1 || true
	grep -q '/etc/vhdfs/srv-disks.mount' "$scratch/out" ||
		fail "expected the file to be named: $(cat "$scratch/out")"
	equal "restarts" 0 "$(inside systemctl show -P NRestarts vhdfs@srv-disks)"
}

# The unit unmounts only a mount of vhdfs.
test_failed_unit_does_not_unmount_another_file_system() {
	make_server
	inside mount -t tmpfs others /srv/disks
	inside bash -c 'echo OPTIONS=nonsense >>/etc/vhdfs/srv-disks.mount'
	! inside systemctl start vhdfs@srv-disks || fail "expected it to fail"
	equal "mounted file system" others \
		"$(inside findmnt -n -o SOURCE /srv/disks)"
}

# hold_child: starts a process that has the child's view open, and writes when
# holder_writes sends it a text.
hold_child() {
	mkfifo "$scratch/hold"
	inside bash -euc 'exec 5<>"$1"; echo open; read -r text
		printf "%s" "$text" >&5; echo written' - "$child" \
		<"$scratch/hold" >"$scratch/held" 2>&1 &
	holder_pid=$!
	exec {holder}>"$scratch/hold"
	wait_until 10 grep -q open "$scratch/held"
}

# holder_writes TEXT: lets that process write the text with its open descriptor, and
# expects the text in the view.
holder_writes() {
	echo "$1" >&"$holder"
	exec {holder}>&-
	wait "$holder_pid" ||
		fail "expected success of the client: $(cat "$scratch/held")"
	equal "written data" "$1" \
		"$(inside file-io "$child" ro read 0 "${#1}")"
}

test_open_files_survive_a_reload() {
	local pid

	make_server
	start vhdfs@srv-disks
	pid=$(main_pid vhdfs@srv-disks)
	hold_child
	inside systemctl reload vhdfs@srv-disks ||
		fail "expected success of reload: $(say_systemd vhdfs@srv-disks)"
	holder_writes "after the reload"
	equal "main process" "$pid" "$(main_pid vhdfs@srv-disks)"
	equal "restarts" 0 "$(inside systemctl show -P NRestarts vhdfs@srv-disks)"
}

# Without procps a system has no program kill.
test_reload_needs_no_kill_program() {
	local pid dir

	make_server
	for dir in /bin /usr/bin /usr/local/bin; do
		[ ! -e $dir/kill ] || inside mount --bind /dev/null $dir/kill
	done
	start vhdfs@srv-disks
	pid=$(main_pid vhdfs@srv-disks)
	inside systemctl reload vhdfs@srv-disks ||
		fail "expected success of reload: $(say_systemd vhdfs@srv-disks)"
	# systemctl reload returns after the hand-over.
	grep -q 'upgraded to version' "$scratch/services.log" ||
		fail "expected the hand-over to be done: $(say_systemd vhdfs@srv-disks)"
	equal "main process" "$pid" "$(main_pid vhdfs@srv-disks)"
	equal "restarts" 0 "$(inside systemctl show -P NRestarts vhdfs@srv-disks)"
}

# with_watchdog SECONDS UNIT: sets WatchdogSec= of the unit.
with_watchdog() {
	inside mkdir -p "/etc/systemd/system/$2.d"
	inside bash -c "printf '[Service]\nWatchdogSec=$1\n' \
		>'/etc/systemd/system/$2.d/watchdog.conf'"
	inside systemctl daemon-reload
}

# The watchdog must not restart a mount that serves, busy or idle.
test_watchdog_restarts_a_hung_mount() {
	local pid

	printf '6.9\n%s\n' "$(uname -r)" | sort -C -V ||
		skip "a kernel that has no FUSE_NOTIFY_RESEND"
	make_server
	with_watchdog 10s vhdfs@.service
	start vhdfs@srv-disks
	pid=$(main_pid vhdfs@srv-disks)
	hold_child
	sleep 15
	equal "main process" "$pid" "$(main_pid vhdfs@srv-disks)"
	inside pkill -STOP -P "$pid"
	wait_until 120 has_been_restarted 1
	holder_writes "after the hang"
	grep 'resumed .*, with all open files' "$scratch/services.log"
}

has_been_restarted() {
	[ "$(inside systemctl show -P NRestarts vhdfs@srv-disks)" = "$1" ] &&
		[ "$(inside systemctl show -P ActiveState vhdfs@srv-disks)" = active ]
}

# A vhdfs outside the unit has mounted the store: the unit ends with success.
test_unit_accepts_a_store_that_is_mounted_already() {
	make_server
	inside "$top_builddir/vhdfs/vhdfs" /srv/images /srv/disks
	start vhdfs@srv-disks
	wait_until 60 has_ended vhdfs@srv-disks
	equal "result" success \
		"$(inside systemctl show -P Result vhdfs@srv-disks)"
	equal "restarts" 0 "$(inside systemctl show -P NRestarts vhdfs@srv-disks)"
	has_line '/srv/disks: /srv/images is mounted there already' \
		"$scratch/services.log"
	equal "mounts" 1 "$(inside grep -c ' /srv/disks ' /proc/self/mounts)"
	inside file-io "$child" rw write 4096 hello fsync
}

# The unit of one store must not unmount another store.
test_unit_does_not_unmount_another_store() {
	make_server
	mkdir "$scratch/srv/other"
	inside "$top_builddir/vhdfs/vhdfs" /srv/other /srv/disks
	inside systemctl start --no-block vhdfs@srv-disks
	wait_until 60 grep -q 'another store is mounted there: expected /srv/images, found /srv/other' \
		"$scratch/services.log"
	inside systemctl stop vhdfs@srv-disks
	equal "mounted" /srv/other \
		"$(inside findmnt -n -o SOURCE /srv/disks)"
}

has_ended() {
	[ "$(inside systemctl show -P ActiveState "$1")" = inactive ]
}

test_unit_replaces_a_dead_mount() {
	make_server
	inside "$top_builddir/vhdfs/vhdfs" /srv/images /srv/disks
	inside pkill -KILL -o -f "^$top_builddir/vhdfs/vhdfs /srv/images"
	wait_until 30 is_dead
	inside systemctl start --no-block vhdfs@srv-disks
	wait_until 60 inside systemctl is-active vhdfs@srv-disks
	equal "mounts" 1 "$(inside grep -c ' /srv/disks ' /proc/self/mounts)"
	inside file-io "$child" rw write 4096 hello fsync
}

is_dead() {
	! inside ls /srv/disks
}

# The main process of the unit is the supervisor.
test_unit_continues_when_its_worker_is_killed() {
	local pid workers

	printf '6.9\n%s\n' "$(uname -r)" | sort -C -V ||
		skip "a kernel that has no FUSE_NOTIFY_RESEND"
	make_server
	start vhdfs@srv-disks
	pid=$(main_pid vhdfs@srv-disks)
	workers=$(inside cat "/proc/$pid/task/$pid/children")
	[ -n "$workers" ] || fail "expected a worker below $pid, found none"
	hold_child
	for worker in $workers; do
		inside kill -KILL "$worker"
	done
	holder_writes "after the kill"
	equal "main process" "$pid" "$(main_pid vhdfs@srv-disks)"
	equal "restarts" 0 "$(inside systemctl show -P NRestarts vhdfs@srv-disks)"
}

# The unit of watch runs "tgt-glue apply", in the sandbox of watch.
test_sandbox_of_watch_permits_an_apply() {
	make_server
	inside tee /etc/vhdfs/fleet.conf >/dev/null <<-END
		[fleet]
		store = /srv/images
		mount = /srv/disks
		iqn-prefix = iqn.2026-01.lan.example
		[defaults]
		master = master
		address = 127.0.0.1
		[client new]
	END
	# PrivateTmp may hide the build directory.
	cp "$top_builddir/tgt-glue/tgt-glue" "$scratch/srv/"
	inside mkdir /etc/systemd/system/tgt-glue-watch.service.d
	inside tee /etc/systemd/system/tgt-glue-watch.service.d/apply.conf \
		>/dev/null <<-END
		[Service]
		Type=oneshot
		Restart=no
		ExecStart=
		ExecStart=/srv/tgt-glue apply
	END
	start vhdfs@srv-disks tgt
	start tgt-glue-watch
	inside tgtadm --lld iscsi --op show --mode target >"$scratch/targets"
	grep -q 'iqn.2026-01.lan.example:new' "$scratch/targets" ||
		fail "expected the target of the client new:" \
			"$(cat "$scratch/targets"; say_systemd tgt-glue-watch)"
	[ -e "$scratch/srv/images/clients/new.vhdx" ] ||
		fail "expected the child new.vhdx"
	inside grep -q :new /etc/tgt/conf.d/vhdfs.conf
}

# user_command GROUP: sets $user to the command that runs another as a user with
# this group besides its own; it is one process, whose end is the other's.
user_command() {
	user=(nsenter -t "$systemd_pid" --mount --pid --no-fork --net --cgroup
		setpriv --reuid=65534 --regid=65534 --groups="$1")
}

# status_of_user GROUP
status_of_user() {
	user_command "$1"
	"${user[@]}" /srv/tgt-glue status --json
}

# start_answering: a server whose socket answers readers, in the sandbox of the
# unit, with tgtd and a mount.
start_answering() {
	make_server
	inside tee /etc/vhdfs/fleet.conf >"$scratch/fleet.conf" <<-END
		[fleet]
		store = /srv/images
		mount = /srv/disks
		iqn-prefix = iqn.2026-01.lan.example
		[defaults]
		address = 127.0.0.1
		master = master.vhdx
		[client pc]
	END
	inside chmod 600 /etc/vhdfs/fleet.conf
	inside mkdir '/etc/systemd/system/tgt-glue-status@.service.d'
	# The machine's log.conf takes the output of all services.
	inside tee '/etc/systemd/system/tgt-glue-status@.service.d/log.conf' \
		>/dev/null <<<$'[Service]\nStandardOutput=socket'
	# PrivateTmp may hide the build directory.
	cp "$top_builddir/tgt-glue/tgt-glue" "$scratch/srv/"
	sed "s|^ExecStart=.*|ExecStart=/srv/tgt-glue answer|" \
		"$units/tgt-glue-status@.service" |
		inside tee '/etc/systemd/system/tgt-glue-status@.service' >/dev/null
	inside systemctl daemon-reload
	start vhdfs@srv-disks tgt tgt-glue-status.socket
}

expect_answer() {
	status_of_user adm >"$scratch/status" 2>"$scratch/stderr" ||
		fail "expected an answer: $(cat "$scratch/stderr";
			say_systemd tgt-glue-status.socket 'tgt-glue-status@*')"
	equal "client, tgtd" "pc true" \
		"$(jq -r '"\(.clients[0].name) \(.tgtd)"' "$scratch/status")"
}

test_socket_lets_members_of_adm_read_the_fleet() {
	start_answering
	expect_answer
	! status_of_user users >"$scratch/status" 2>"$scratch/stderr" ||
		fail "expected a refusal of another user"
	grep -q 'adduser USER adm' "$scratch/stderr"
}

connections() {
	inside systemctl show -P NConnections tgt-glue-status.socket
}

# follow_as_readers COUNT: that many readers follow, into $scratch/follow-N;
# their processes are ${readers[N]}.
follow_as_readers() {
	local i

	readers=()
	user_command adm
	for ((i = 1; i <= $1; i++)); do
		"${user[@]}" /srv/tgt-glue status --json --follow \
			>"$scratch/follow-$i" 2>&1 &
		readers[i]=$!
		at_exit "kill $! || true"
	done
	for ((i = 1; i <= $1; i++)); do
		wait_until 20 grep -q '"name":"pc"' "$scratch/follow-$i"
	done
}

has_told() {
	tail -n +2 "$scratch/follow-$1" | grep -q '"client":.*"new"'
}

test_reader_17_is_told_why_and_the_first_16_go_on() {
	local i

	start_answering
	follow_as_readers 16
	equal "connections" 16 "$(connections)"
	# Often: systemd may close the connection before or after the request.
	for i in {1..8}; do
		! status_of_user adm >"$scratch/stdout" 2>"$scratch/stderr" ||
			fail "expected a refusal of reader 17"
		grep -q 'too many may be open at once' "$scratch/stderr" ||
			fail "reader 17: expected the reason, found:" \
				"$(cat "$scratch/stderr")"
	done
	inside tee -a /etc/vhdfs/fleet.conf >/dev/null <<<'[client new]'
	for i in {1..16}; do
		wait_until 20 has_told "$i"
	done
	kill "${readers[3]}"
	wait "${readers[3]}" || true
	# The place of one that has ended is free.
	wait_until 20 status_of_user adm
}

# hold_connections COUNT SEND: that many connections, which send this and
# read nothing.
hold_connections() {
	nsenter -t "$systemd_pid" --mount --pid --no-fork python3 - "$1" "$2" \
		>"$scratch/held" 2>&1 <<-'END' &
		import socket, sys, time
		held = [socket.socket(socket.AF_UNIX) for i in range(int(sys.argv[1]))]
		for s in held:
		    s.connect("/run/tgt-glue/status")
		    s.sendall(sys.argv[2].replace("@", "\0").encode())
		print("held", flush=True)
		time.sleep(86400)
	END
	at_exit "kill $! || true"
	wait_until 20 grep -q held "$scratch/held"
}

test_silent_and_slow_readers_hold_no_other() {
	requires python3
	start_answering
	hold_connections 15 "status@--json@--follow@@"
	expect_answer
	hold_connections 1 ""
	wait_until 20 has_accepted 17
	# The silent one is ended, as its request has a time: its place is free.
	wait_until 30 eval '[ "$(connections)" = 15 ]'
	expect_answer
}

has_accepted() {
	[ "$(inside systemctl show -P NAccepted tgt-glue-status.socket)" -ge "$1" ]
}

run_tests
