# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests of the units of systemd; to be sourced after lib.sh.

# make_units: puts the units into $units, as they are installed, except that they
# start the programs of this build.
make_units() {
	local unit

	requires systemd-analyze
	units=$scratch/units
	mkdir -p "$units"
	for unit in vhdfs@.service tgt-glue-watch.service \
		tgt-glue-scrub.service tgt-glue-status@.service \
		vhdfs-tgtd@.service; do
		sed -e "s|^\(Exec[A-Za-z]*=\)/[^ ]*/vhdfs |\1$top_builddir/vhdfs/vhdfs |" \
			-e "s|^\(Exec[A-Za-z]*=\)/[^ ]*/tgt-glue |\1$top_builddir/tgt-glue/tgt-glue |" \
			"$top_builddir/contrib/systemd/$unit" >"$units/$unit"
		grep -q -e "^ExecStart=$top_builddir/" \
			-e '^ExecStart=/usr/sbin/tgtd ' "$units/$unit" ||
			fail "expected $unit to start a program of this build, or tgtd"
	done
	sed "s|exec [^ ]*/tgt-glue |exec $top_builddir/tgt-glue/tgt-glue |" \
		"$top_builddir/contrib/systemd/tgt-glue-metrics.service" \
		>"$units/tgt-glue-metrics.service"
	cp "$top_srcdir/contrib/systemd/tgt-glue-metrics.timer" \
		"$top_srcdir/contrib/systemd/tgt-glue-status.socket" "$units"
}

# directive UNIT NAME: prints all values of the directive, in one line.
directive() {
	sed -n "s/^$2=//p" "$units/$1" | paste -sd ' '
}

# calls_of GROUP-OR-CALL...: prints the system calls, one on each line.
calls_of() {
	local name

	for name; do
		case $name in
		@*)
			# shellcheck disable=SC2046
			calls_of $(systemd-analyze syscall-filter "$name" |
				sed -n 's/^    \([-@a-z0-9_]*\)$/\1/p')
			;;
		*) echo "$name" ;;
		esac
	done
}

# permitted_calls UNIT: prints the system calls that the lines SystemCallFilter= of
# the unit permit.
permitted_calls() {
	local line names

	: >"$scratch/permitted"
	while read -r line; do
		read -ra names <<<"${line#\~}"
		calls_of "${names[@]}" | sort -u >"$scratch/named"
		if [[ $line = \~* ]]; then
			comm -23 "$scratch/permitted" "$scratch/named"
		else
			sort -u "$scratch/permitted" "$scratch/named"
		fi >"$scratch/permitted.new"
		mv "$scratch/permitted.new" "$scratch/permitted"
	done < <(sed -n 's/^SystemCallFilter=//p' "$units/$1")
	cat "$scratch/permitted"
}

# called TRACE...: prints the names of the system calls in traces of strace.
called() {
	sed -n 's/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p' "$@" | sort -u
}

# start_systemd: starts a systemd of the test in a cgroup of its own and in namespaces
# in which /etc, /run, /srv, the network and all units are private.  It has the units
# of make_units and tgt's, and no other unit of this computer.  "inside" runs commands
# in these namespaces.
start_systemd() {
	requires_fuse
	requires unshare nsenter systemctl tgtd
	[ -x /lib/systemd/systemd ] || skip "no systemd"
	cgroups=$scratch/cgroup
	mkdir "$cgroups" "$scratch/srv"
	mount -t cgroup2 none "$cgroups" || skip "no cgroup2"
	cgroup=$cgroups/${lib_dir##*/}
	mkdir "$cgroup"
	write_machine
	at_exit end_systemd
	bash -c 'echo $$ >"$1/cgroup.procs"; exec unshare --cgroup --mount \
		--pid --net --uts --ipc --fork --kill-child bash "$2"' \
		- "$cgroup" "$scratch/machine" >"$scratch/systemd.log" 2>&1 &
	unshare_pid=$!
	wait_until 20 systemd_answers
}

write_machine() {
	cat >"$scratch/machine" <<-END
		set -e
		mount --make-rprivate /
		mount --bind "$scratch/srv" /srv
		mkdir -p "$scratch/etc/upper" "$scratch/etc/work"
		mount -t overlay -o "lowerdir=/etc,upperdir=$scratch/etc/upper,workdir=$scratch/etc/work" none /etc
		rm -rf /etc/systemd/system /etc/tgt/conf.d/* /etc/rc*.d
		mkdir -p /etc/systemd/system/service.d /etc/vhdfs
		# This machine has no journal.
		printf '[Service]\nStandardOutput=append:$scratch/services.log\n' \
			>/etc/systemd/system/service.d/log.conf
		: >/etc/fstab
		cp "$units"/* /usr/lib/systemd/system/tgt.service /etc/systemd/system
		# Hide the units and generators of this computer.
		for dir in /usr/lib/systemd/system /usr/lib/systemd/system-generators \
			/usr/local/lib/systemd; do
			[ ! -d \$dir ] || mount -t tmpfs none \$dir
		done
		mount -t tmpfs none /run
		mkdir /run/lock /run/tgtd
		for unit in sysinit basic local-fs remote-fs network multi-user shutdown umount; do
			printf '[Unit]\n' >/etc/systemd/system/\$unit.target
		done
		printf '[Unit]\nAllowIsolate=yes\n' >/etc/systemd/system/test.target
		mount -t proc proc /proc
		umount -l /sys/fs/cgroup
		mount -t cgroup2 none /sys/fs/cgroup
		ip link set lo up
		export container=test
		exec /lib/systemd/systemd --unit=test.target --log-target=console \
			--log-level=info --show-status=no
	END
}

systemd_answers() {
	systemd_pid=$(cat "/proc/$unshare_pid/task/$unshare_pid/children")
	systemd_pid=${systemd_pid%% *}
	[ -n "$systemd_pid" ] && inside systemctl is-active test.target
}

# inside COMMAND...: runs the command in the namespaces of the services.
inside() {
	nsenter -t "$systemd_pid" --mount --pid --net --cgroup -- "$@"
}

# say_systemd UNIT...: prints the status of the units, and the logs.
say_systemd() {
	inside systemctl status --no-pager -l "$@" || true
	tail -n 40 "$scratch/systemd.log" "$scratch/services.log"
}

end_systemd() {
	# Else directories of PrivateTmp stay in /var/tmp.
	inside timeout 10 systemctl stop 'tgt-glue*' 2>/dev/null || true
	kill -9 "$unshare_pid"
	wait "$unshare_pid"
	until ! grep -q populated\ 1 "$cgroup/cgroup.events"; do
		sleep 0.1
	done
	find "$cgroup" -depth -type d -exec rmdir {} +
	umount "$cgroups"
}
