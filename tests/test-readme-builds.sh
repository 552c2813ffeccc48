#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The commands of README that build and test the project.  They work on copies of
# the source.
. "${0%/*}/lib.sh"
. "${0%/*}/readme.sh"

test_commands_in_a_clone_succeed() {
	requires_fuse
	cd "$top_srcdir"
	equal "commands" ./contrib/demo "$(commands_of "Why vhdfs")"
	equal "commands" "./contrib/check
./contrib/package" "$(commands_of "From source" | head -n 2)"
	./contrib/demo
	# Without TESTS= the command would run this test again.
	./contrib/check TESTS=tests/unit/test-base | tee "$scratch/out"
	grep -Eq '^[0-9]+ passed, 0 failed$' "$scratch/out" ||
		fail "expected a line 'N passed, 0 failed': $(cat "$scratch/out")"
}

# contrib/check --release installs such packages; the tests of their build are
# those of this suite.
test_package_command_builds_packages() {
	requires_root
	[ -d "$top_srcdir/debian" ] || skip "no debian/"
	"$top_srcdir/contrib/package" --no-tests --out "$scratch/packages"
	find "$scratch/packages" -name 'vhdfs_*.deb' | grep . ||
		fail "expected a package of vhdfs in $scratch/packages"
}

# The commands that install without packages, in a mount namespace in which /etc and
# /usr are private.
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
		chapter "From source" |
			sed -n '/^Without packages/,$s/^    # //p'
		echo '/usr/bin/vhdfs --version && /usr/sbin/tgt-glue --version'
		echo 'test -f /usr/lib/systemd/system/vhdfs@.service'
	} >"$scratch/script"
	export scratch
	unshare --mount bash -x "$scratch/script" >"$scratch/out" 2>&1 ||
		fail "expected success of README's commands:" \
			"$(tail -n 40 "$scratch/out")"
}

run_tests
