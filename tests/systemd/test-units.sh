#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The unit files of systemd: valid, hardened, and with the permissions that their
# programs need.
. "${0%/*}/../lib.sh"
. "${0%/*}/../mount/common.sh"
. "${0%/*}/systemd.sh"

# All directives of systemd.exec(5) that give a unit a mount namespace, or that newer
# versions implement with one.
mount_namespace="BindPaths BindReadOnlyPaths DynamicUser ExecPaths
ExtensionDirectories ExtensionImages ImportCredential InaccessiblePaths
IPCNamespacePath LoadCredential LoadCredentialEncrypted LogNamespace MountAPIVFS
MountFlags MountImages NoExecPaths PrivateDevices PrivateIPC PrivateMounts
PrivateNetwork PrivatePIDs PrivateTmp PrivateUsers ProcSubset
ProtectControlGroups ProtectHome ProtectHostname ProtectKernelLogs
ProtectKernelModules ProtectKernelTunables ProtectProc ProtectSystem
ReadOnlyPaths ReadWritePaths RootDirectory RootEphemeral RootImage
SetCredential SetCredentialEncrypted TemporaryFileSystem"

verify() {
	systemd-analyze verify --man=no "$@" >"$scratch/verify" 2>&1 &&
		[ ! -s "$scratch/verify" ]
}

test_systemd_analyze_verifies_the_units() {
	make_units
	cp "$units/vhdfs@.service" "$units/vhdfs@srv-disks.service"
	cp "$units/vhdfs-tgtd@.service" "$units/vhdfs-tgtd@1.service"
	cp "$units/tgt-glue-status@.service" "$units/tgt-glue-status@1.service"
	verify "$units/vhdfs@srv-disks.service" "$units/vhdfs-tgtd@1.service" \
		"$units/tgt-glue-status@1.service" \
		"$units/tgt-glue-watch.service" \
		"$units/tgt-glue-scrub.service" \
		"$top_srcdir/contrib/systemd/tgt-glue-scrub.timer" \
		"$units/tgt-glue-metrics.service" \
		"$units/tgt-glue-metrics.timer" \
		"$units/tgt-glue-status.socket" ||
		fail "expected valid units: $(cat "$scratch/verify")"
	sed 's/^KillMode=/KilMode=/' "$units/vhdfs@.service" \
		>"$units/vhdfs@wrong.service"
	! verify "$units/vhdfs@wrong.service" ||
		fail "expected a mistake in a unit to be found"
}

# As systemd does: $$ is $, and ${NAME} is the variable.
test_commands_of_the_metrics_unit_write_the_file() {
	local line

	make_units
	mkdir -p "$scratch/store/masters"
	touch "$scratch/store/masters/win11.vhdx"
	printf '[fleet]\nstore = %s\nmount = %s\niqn-prefix = iqn.2026-01.lan:x\ntargets-file = %s\ncontrol-port = 9\n' \
		"$scratch/store" "$scratch/mnt" "$scratch/targets.conf" \
		>"$scratch/fleet.conf"
	export TEXTFILES=$scratch
	while read -r line; do
		line=${line//\$\$/\$}
		eval "${line//tgt-glue status/tgt-glue --config $scratch/fleet.conf status}"
	done < <(sed -n 's/^ExecStart=//p' "$units/tgt-glue-metrics.service")
	has_line '^tgt_glue_tgtd_up 0$' "$scratch/tgt-glue.prom"
	[ ! -e "$scratch/.tgt-glue.new" ] || fail "expected no other file"
}

# metrics_may_run DIRECTORY: the condition of the unit.
metrics_may_run() {
	local condition

	condition=$(directive tgt-glue-metrics.service ExecCondition)
	[ -n "$condition" ] || fail "expected a condition of the unit"
	export TEXTFILES=$1
	eval "${condition//\$\$/\$}"
}

test_metrics_unit_does_nothing_without_the_directory() {
	make_units
	mkdir "$scratch/there"
	metrics_may_run "$scratch/there" ||
		fail "expected the unit to run where the directory exists"
	! metrics_may_run "$scratch/missing" ||
		fail "expected the unit not to run without the directory"
}

# exposed UNIT TENTHS: is the exposure of the unit at most TENTHS / 10?
exposed() {
	systemd-analyze security --offline=true --no-pager --threshold="$2" \
		"$units/$1" >"$scratch/exposure" 2>&1
}

test_exposure_is_below_its_limit() {
	make_units
	# NotifyAccess=all, which the descriptor store needs, adds 0.2; permitting
	# setuid, which the unit has no capability for, adds 0.1.
	exposed vhdfs@.service 44 ||
		fail "expected at most 4.4: $(cat "$scratch/exposure")"
	remark "$(tail -n 1 "$scratch/exposure")"
	exposed tgt-glue-watch.service 20 ||
		fail "expected at most 2.0: $(cat "$scratch/exposure")"
	remark "$(tail -n 1 "$scratch/exposure")"
	exposed tgt-glue-scrub.service 20 ||
		fail "expected at most 2.0: $(cat "$scratch/exposure")"
	exposed tgt-glue-metrics.service 20 ||
		fail "expected at most 2.0: $(cat "$scratch/exposure")"
	remark "$(tail -n 1 "$scratch/exposure")"
	exposed tgt-glue-status@.service 20 ||
		fail "expected at most 2.0: $(cat "$scratch/exposure")"
	remark "$(tail -n 1 "$scratch/exposure")"
	exposed vhdfs-tgtd@.service 48 ||
		fail "expected at most 4.8: $(cat "$scratch/exposure")"
	remark "$(tail -n 1 "$scratch/exposure")"
	sed -i '/^CapabilityBoundingSet=/d' "$units/tgt-glue-watch.service"
	! exposed tgt-glue-watch.service 20 ||
		fail "expected a unit with all capabilities above the limit"
}

# namespaces_of UNIT: prints the directives in the unit that make a mount namespace.
namespaces_of() {
	local name

	for name in $mount_namespace; do
		grep -o "^$name=" "$units/$1" || true
	done
}

test_units_of_vhdfs_and_tgtd_make_no_mount_namespace() {
	make_units
	equal "directives that make a mount namespace" "" \
		"$(namespaces_of vhdfs@.service)"
	equal "directives of vhdfs-tgtd@ that make a mount namespace" "" \
		"$(namespaces_of vhdfs-tgtd@.service)"
	# The list must find directives where a unit has them.
	namespaces_of tgt-glue-watch.service | grep -q ProtectSystem
}

test_system_call_filter_permits_the_calls_of_vhdfs() {
	requires strace file-io getfattr findmnt
	make_units
	store_of_pair
	mkdir "$mnt"
	strace -f -qq -o "$scratch/trace" vhdfs -f "$store" "$mnt" \
		>"$scratch/log" 2>&1 &
	local strace_pid=$!
	at_exit "umount -l -q $mnt"
	wait_until 20 mountpoint -q "$mnt"
	work_on_view
	umount "$mnt"
	wait "$strace_pid"
	mount -t tmpfs none "$mnt"
	strace -f -qq -o "$scratch/trace.umount" \
		sh -c 'findmnt -n -c -t tmpfs -M "$1" && umount -l "$1"' - "$mnt"
	called "$scratch/trace" "$scratch/trace.umount" >"$scratch/called"
	[ "$(wc -l <"$scratch/called")" -ge 30 ] ||
		fail "expected system calls, found: $(cat "$scratch/called")"
	grep -qx mount "$scratch/called" || fail "expected it to mount"
	permitted_calls vhdfs@.service >"$scratch/may"
	remark "$(wc -l <"$scratch/called") calls used," \
		"$(wc -l <"$scratch/may") permitted"
	# RestrictSUIDSGID also forbids openat2.
	equal "RestrictSUIDSGID" "" "$(directive vhdfs@.service RestrictSUIDSGID)"
	equal "calls that the unit does not permit" "" \
		"$(comm -23 "$scratch/called" "$scratch/may")"
	# Calls of a hand-over, and of newer versions of libfuse.
	for call in clone clone3 execve memfd_create openat2 fallocate fsopen \
		kill pidfd_open pidfd_send_signal recvmsg sendmsg signalfd4 \
		setuid timerfd_create wait4 waitid; do
		grep -qx "$call" "$scratch/may" ||
			fail "expected the unit to permit $call"
	done
	! grep -qx -e reboot -e init_module -e chroot "$scratch/may" ||
		fail "expected the unit to forbid reboot, init_module and chroot"
}

# Sends the requests of clients, tgtd and an administrator to the mount.
work_on_view() {
	file-io "$child" rw write 4096 hello fsync fallocate 3 0 4096 \
		holes
	file-io "$master" ro read 0 4096 map shared 0 4096 >/dev/null
	getfattr -d "$child"
	ls -lR "$mnt"
	df "$mnt"
	vhdfs-img create --size 4M "$store/new.vhdx"
	wait_until 10 test -e "$mnt/new.vhdx.raw"
}

run_tests
