# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests of a boot server in a container; to be sourced after lib.sh,
# readme.sh and debian/debian.sh.  The machine is a Debian that systemd-nspawn boots, with a systemd,
# a journal, a network and cgroups of its own.

# make_machine: makes $root, a Debian of this computer's release, for which the
# programs were built, and installs this build in it.
make_machine() {
	make_bare "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)" service
	make -s -C "$top_builddir" install DESTDIR="$root" \
		>"$scratch/install.log" 2>&1 ||
		fail "expected success of make install:" \
			"$(tail -n 40 "$scratch/install.log")"
}

# make_bare SUITE PARTS: makes $root, an overlay of a Debian of that release, with the
# packages of these parts of contrib/packages.
make_bare() {
	requires_fuse
	requires systemd-nspawn nsenter journalctl
	debian "$1" "$2"
	root=$scratch/root console=$scratch/console.log
	mkdir "$root" "$scratch/upper" "$scratch/work"
	mount -t overlay none "$root" \
		-o "lowerdir=$debian,upperdir=$scratch/upper,workdir=$scratch/work"
	mkdir -p "$root/var/log/journal"
	cgroups=$scratch/cgroup
	cgroup=$cgroups/${lib_dir##*/}
	mkdir "$cgroups"
	mount -t cgroup2 none "$cgroups"
	mkdir "$cgroup"
	at_exit end_machine
}

# boot: boots the machine; returns when it has started all its units.
boot() {
	bash -c 'echo $$ >"$1/cgroup.procs"
		exec unshare --mount bash -euc "$2" - "${@:3}"' - "$cgroup" '
		mount --make-rprivate /
		umount -l /sys/fs/cgroup
		mount -t cgroup2 none /sys/fs/cgroup
		exec systemd-nspawn --quiet --directory="$1" --boot \
			--register=no --keep-unit --private-network \
			--console=pipe --resolv-conf=off --timezone=off \
			--machine=boot-server --bind=/dev/fuse' \
		"$root" >>"$console" 2>&1 </dev/null &
	nspawn_pid=$!
	wait_until 60 has_booted_or_ended
	[ "$(inside systemctl is-system-running)" = running ] ||
		fail "expected a running system, found failed units:" \
			"$(inside systemctl --failed)"
}

has_booted_or_ended() {
	kill -0 "$nspawn_pid" || return 0
	init_pid=$(cat "/proc/$nspawn_pid/task/$nspawn_pid/children") || return
	init_pid=${init_pid%% *}
	[[ $(inside systemctl is-system-running) =~ ^(running|degraded)$ ]]
}

# inside COMMAND...: runs the command as root on the machine.
inside() {
	nsenter -t "$init_pid" --mount --uts --ipc --net --pid --cgroup -- \
		env -i HOME=/root LC_ALL=C \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		"$@"
}

# typed CHAPTER...: runs the commands of these chapters of README, unchanged, in the
# home directory of root.
typed() {
	local chapter

	{
		echo 'set -eE'
		echo 'trap '\''echo "failed: $BASH_COMMAND"'\'' ERR'
		echo 'run() { echo "# $*" >&2; "$@"; }'
		echo 'cd /root'
		for chapter; do
			server_script "$chapter"
		done
		echo 'echo all done'
	} >"$root/root/script"
	inside env DEBIAN_FRONTEND=noninteractive bash /root/script \
		>"$scratch/typed" 2>&1 </dev/null || true
	grep -q '^all done' "$scratch/typed" ||
		fail "expected success of README's commands:" \
			"$(cat "$scratch/typed"; journal -b | tail -n 40)"
}

# typed_line CHAPTER COMMAND: runs the command, which the chapter has.
typed_line() {
	chapter "$1" | grep -Fxq "    # $2" ||
		fail "expected '$2' in the chapter $1"
	inside env DEBIAN_FRONTEND=noninteractive sh -c "cd && $2" >"$scratch/typed" 2>&1 ||
		fail "expected success of $2: $(cat "$scratch/typed")"
}

# has_shut_down STATUS: waits for the end of systemd-nspawn, and expects this exit
# status: 0 after a power-off, 133 after a reboot.
has_shut_down() {
	local status=0

	wait "$nspawn_pid" || status=$?
	nspawn_pid=
	equal "exit status of systemd-nspawn" "$1" "$status"
}

# shellcheck disable=SC2120
# journal [OPTION...]: prints the journal of all boots, also if the machine does not
# run.
journal() {
	journalctl --directory="$root/var/log/journal" --no-pager -o short-monotonic "$@"
}

# Expects that no start and no stop of a unit has timed out.
nothing_timed_out() {
	journal >"$scratch/journal"
	grep -q 'Started tgt.service\|Reached target' "$scratch/journal" ||
		fail "expected a journal, found: $(cat "$scratch/journal")"
	! grep -e 'timed out' -e 'SIGKILL' -e 'Failed with result' \
		"$scratch/journal" || fail \
		"expected no unit to time out: $(tail -n 60 "$scratch/journal")"
}

# result UNIT: expects that the last stop of the unit was a success.
result() {
	equal "result of $1" success "$(inside systemctl show -P Result "$1")"
}

# lose_power: ends all processes of the machine at once.
lose_power() {
	echo 1 >"$cgroup/cgroup.kill"
	wait "$nspawn_pid" || true
	nspawn_pid=
	until_empty
}

until_empty() {
	until ! grep -q populated\ 1 "$cgroup/cgroup.events"; do
		sleep 0.1
	done
}

end_machine() {
	[ -z "${nspawn_pid:-}" ] || {
		kill -KILL "$init_pid" "$nspawn_pid"
		wait "$nspawn_pid"
	}
	until_empty
	find "$cgroup" -depth -type d -exec rmdir {} +
	umount "$cgroups"
}
