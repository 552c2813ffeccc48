#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# README's commands that build all anew and test it: they work on copies of the
# source.
. "${0%/*}/lib.sh"
. "${0%/*}/readme.sh"

test_commands_in_a_clone_succeed() {
	requires_fuse
	cd "$top_srcdir"
	equal "commands" ./contrib/demo "$(commands_of "Why vhdfs")"
	equal "commands" "./contrib/check
./contrib/package" "$(commands_of "From source" | head -n 2)"
	./contrib/demo
	# All tests would be these tests again.
	./contrib/check TESTS=tests/unit/test-base | tee "$scratch/out"
	grep -Eq '^[0-9]+ passed, 0 failed$' "$scratch/out" ||
		fail "expected the last line to count"
}

# What it builds contrib/check --release installs; its tests are the suite's.
test_package_command_builds_packages() {
	requires_root
	[ -d "$top_srcdir/debian" ] || skip "no debian/"
	"$top_srcdir/contrib/package" --no-tests --out "$scratch/packages"
	find "$scratch/packages" -name 'vhdfs_*.deb' | grep . ||
		fail "expected a package"
}

# Those without packages, in a root of their own.
test_build_and_installation_commands_succeed() {
	requires_fuse
	requires unshare
	mkdir "$scratch/clone" "$scratch/private"
	(cd "$top_srcdir" && tar -c --exclude=./.git --exclude=./build .) |
		tar -x -C "$scratch/clone"
	make -s -C "$scratch/clone" distclean >/dev/null 2>&1 || true
	{
		cat <<-'END'
			set -e
			mount -t tmpfs -o size=2g none "$scratch/private"
			for dir in /etc /usr; do
				mkdir -p "$scratch/private$dir/upper" "$scratch/private$dir/work"
				mount -t overlay -o "lowerdir=$dir,upperdir=$scratch/private$dir/upper,workdir=$scratch/private$dir/work" none $dir
			done
			cd "$scratch/clone"
			systemctl() {
				[ "$*" = daemon-reload ]
			}
		END
		chapter "From source" | sed -n 's/^    # //p'
		echo '/usr/bin/vhdfs --version && /usr/sbin/tgt-glue --version'
		echo 'test -f /usr/lib/systemd/system/vhdfs@.service'
	} >"$scratch/script"
	export scratch
	unshare --mount bash -x "$scratch/script" >"$scratch/out" 2>&1 ||
		fail "$(tail -n 40 "$scratch/out")"
}

run_tests
