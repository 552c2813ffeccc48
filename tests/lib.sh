# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For tests in shell.  A test script sources this file, defines functions whose
# names begin with test_, and ends with the line "run_tests":
#
#     #!/bin/bash
#     # SPDX-License-Identifier: GPL-2.0-or-later
#     . "${0%/*}/../lib.sh"
#
#     test_copy_is_equal() {
#             echo hello >"$scratch/a"
#             cp "$scratch/a" "$scratch/b"
#             cmp "$scratch/a" "$scratch/b" || fail "the copy differs"
#     }
#
#     run_tests
#
# and is added to a list in tests/local.mk.  It prints TAP, a line for each
# function, in the order in which they stand.  By hand:
#
#     tests/img/test-create.sh [FUNCTION...]
#
# with the environment variable top_builddir naming the build directory when
# that is neither the source's nor "build" in it.
#
# Each function runs in a process of its own, with set -e, an empty directory
# $scratch, standard input empty, and at most $test_timeout seconds, which only
# detect a hang.  It fails when it returns non-zero; what it printed is shown
# then.  As root it has a mount namespace of its own: a namespace that another
# test makes meanwhile would keep a copy of its mounts, and each of them is
# served until the last copy has gone.
#
# Processes take most of the suite's time, so what is done for each test is done
# by the shell itself where it can be.

top_srcdir=${top_srcdir:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
if [ -z "${top_builddir:-}" ]; then
	top_builddir=$top_srcdir
	[ ! -f "$top_srcdir/build/config.status" ] ||
		top_builddir=$top_srcdir/build
fi
export top_srcdir top_builddir
# With VHDFS_INSTALLED the programs are those that PATH has, as a package installs
# them; only the tests' own are the build's.
if [ -n "${VHDFS_INSTALLED:-}" ]; then
	PATH=$top_builddir/tests/tools:$PATH
else
	PATH=$top_builddir/tests/tools:$top_builddir/vhdfs:$top_builddir/tgt-glue:$top_builddir:$PATH
fi
export PATH
# Where the sample images are, in samples/.
export VHDFS_SHARED=${VHDFS_SHARED:-$top_srcdir/../shared}
export LC_ALL=C

test_timeout=${VHDFS_TEST_TIMEOUT:-1200}

# What a test may call.  Those that check end the test when it fails.

fail() {
	echo "$*" >&2
	exit 1
}

# Ends the test as one that cannot run here; outside a test, the whole script.
skip() {
	if [ -z "${lib_dir:-}" ]; then
		echo "1..0 # SKIP $*"
		exit 0
	fi
	echo "$*" >"$lib_dir/skip"
	exit 77
}

# Skips unless all these programs are there.
requires() {
	local program

	for program; do
		command -v "$program" >/dev/null || skip "no $program"
	done
}

requires_root() {
	[ "$EUID" = 0 ] || skip "not root"
}

requires_fuse() {
	requires_root
	requires fusermount3
	[ -c /dev/fuse ] || skip "no /dev/fuse"
}

# Runs a command when the test ends, however it ends; the last one first.
at_exit() {
	lib_at_exit=("$*" "${lib_at_exit[@]}")
}

# expect STATUS COMMAND...: runs it, with its output in $scratch/stdout and
# $scratch/stderr; fails unless it exits with that status.
expect() {
	local want=$1 status=0

	shift
	"$@" >"$scratch/stdout" 2>"$scratch/stderr" || status=$?
	[ "$status" = "$want" ] && return
	cat "$scratch/stdout" "$scratch/stderr"
	fail "$*: expected exit status $want, got $status"
}

# expect_error STATUS PATTERN COMMAND...: as expect, and what it says is one
# line on standard error that matches the pattern, and nothing else.
expect_error() {
	local want=$1 pattern=$2 lines

	shift 2
	expect "$want" "$@"
	[ ! -s "$scratch/stdout" ] || fail "$*: expected no standard output," \
		"got: $(head -n 3 "$scratch/stdout")"
	mapfile -t lines <"$scratch/stderr"
	[ ${#lines[@]} = 1 ] ||
		fail "$*: expected one line of error, got: ${lines[*]}"
	[[ ${lines[0]} =~ $pattern ]] ||
		fail "$*: expected an error that matches '$pattern', got:" \
			"${lines[0]}"
}

# equal WHAT EXPECTED FOUND
equal() {
	[ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"
}

# wait_until SECONDS COMMAND...: until it succeeds.  The limit only detects a
# hang: it is at least $hang_seconds, however busy the machine is.
hang_seconds=${VHDFS_HANG_SECONDS:-300}
wait_until() {
	local limit=$(($1 > hang_seconds ? $1 : hang_seconds))
	local end=$((SECONDS + limit))

	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -le "$end" ] || fail "waited $limit s in vain for: $*"
		pause 0.05
	done
}

# pause SECONDS: without a process.
pause() {
	read -rt "$1" <>"$lib_dir/idle" || true
}

# A TCP port of 127.0.0.1 on which no process listens.
free_port() {
	local port

	while :; do
		port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

# Of a file, or of standard input for "-": the hash alone.
sha256_of() {
	local file=$1

	[ "$file" != - ] || file=/dev/stdin
	# Several times as fast, and some disks have ten gigabytes.
	if command -v openssl >/dev/null; then
		openssl dgst -sha256 -r "$file" | cut -d ' ' -f 1
	else
		sha256sum "$file" | cut -d ' ' -f 1
	fi
}

# A line that is shown though the test passes: a figure.
remark() {
	echo "$*" >>"$lib_dir/remarks"
}

size_of() {
	stat -L -c %s "$1"
}

# unpack_sample NAME [DIRECTORY]: a sample image, into the directory (else
# $scratch); skips where there are no samples.
unpack_sample() {
	[ -f "$VHDFS_SHARED/samples/$1.xz" ] || skip "no sample images"
	xz -dc "$VHDFS_SHARED/samples/$1.xz" >"${2:-$scratch}/$1"
}

# The lines of the samples' MANIFEST: name, size, hash of the disk or "-" where
# it is all zeros, origin; tab-separated.
sample_manifest() {
	[ -f "$VHDFS_SHARED/samples/MANIFEST" ] || skip "no sample images"
	cat "$VHDFS_SHARED/samples/MANIFEST"
}

# mount_store STORE MOUNTPOINT [OPTION...]: vhdfs in the foreground, as a child
# of the test; its messages go to MOUNTPOINT.log, its process id to
# ${mount_pid[MOUNTPOINT]}.  It is unmounted when the test ends.
declare -A mount_pid=()
mount_store() {
	local store=$1 mnt=$2

	shift 2
	requires_fuse
	mkdir -p "$mnt"
	vhdfs "$store" "$mnt" -f "$@" >"$mnt.log" 2>&1 &
	mount_pid[$mnt]=$!
	at_exit lib_end_mount "$mnt"
	wait_until 10 lib_mounted_or_ended "$mnt"
	lib_is_mounted "$mnt" || fail "vhdfs did not mount: $(cat "$mnt.log")"
}

# unmount MOUNTPOINT: of mount_store; waits for vhdfs, which must exit with 0.
unmount() {
	local status=0

	umount "$1"
	wait "${mount_pid[$1]}" || status=$?
	unset "mount_pid[$1]"
	[ "$status" = 0 ] || fail "vhdfs on $1 exited with $status:" \
		"$(cat "$1.log")"
}

lib_mounted_or_ended() {
	lib_is_mounted "$1" || ! kill -0 "${mount_pid[$1]}"
}

# The mount points of this namespace, as they are, in $lib_mounts.
lib_list_mounts() {
	local lines line

	mapfile -t lines </proc/self/mounts
	lib_mounts=()
	for line in "${lines[@]}"; do
		line=${line#* }
		line=${line%% *}
		printf -v line %b "${line//\\/\\0}"
		lib_mounts+=("$line")
	done
}

lib_is_mounted() {
	local dir

	lib_list_mounts
	for dir in "${lib_mounts[@]}"; do
		[ "$dir" != "$1" ] || return 0
	done
	# By another path.
	mountpoint -q "$1"
}

lib_end_mount() {
	[ -n "${mount_pid[$1]:-}" ] || return 0
	# A busy mount, or a dead one, must not stay.
	umount "$1" 2>/dev/null || lib_unmount_below "$1"
	kill "${mount_pid[$1]}" 2>/dev/null
	wait "${mount_pid[$1]}"
}

# Takes away the mounts on and below a directory of ours, the last ones first,
# in use or not; dead ones too, which no stat finds.
lib_unmount_below() {
	local i dir

	lib_list_mounts
	for ((i = ${#lib_mounts[@]} - 1; i >= 0; i--)); do
		dir=${lib_mounts[i]}
		[[ $dir/ != "$1"/* ]] || umount -l "$dir"
	done
}

# The rest is run_tests and its parts.

lib_at_exit=()

lib_clean_up() {
	local command

	trap - EXIT ERR
	trap '' INT TERM
	set +e
	for command in "${lib_at_exit[@]}"; do
		eval "$command"
	done
	cd /
	lib_unmount_below "$scratch"
	rm -rf --one-file-system "$scratch"
}

# A mount namespace for each test, where one can be made.
lib_choose_namespace() {
	lib_unshare=()
	[ "$EUID" != 0 ] || ! unshare --mount true 2>/dev/null ||
		lib_unshare=(unshare --mount)
}

# What a test that was killed left in its mount namespace.
lib_end_namespace() {
	local process

	[ ${#lib_unshare[@]} != 0 ] && [ -s "$lib_dir/namespace" ] || return 0
	find /proc -maxdepth 3 -path '/proc/[0-9]*/ns/mnt' \
		-lname "$(cat "$lib_dir/namespace")" 2>/dev/null |
		while IFS=/ read -r _ _ process _; do
			kill -KILL "$process" 2>/dev/null || true
		done
}

# In the process of one test.
lib_run_one() {
	scratch=$lib_dir/$LIB_NUMBER
	mkdir "$scratch"
	readlink /proc/self/ns/mnt >"$lib_dir/namespace"
	trap 'exit 143' INT TERM
	trap 'lib_status=$?; lib_clean_up; exit $lib_status' EXIT
	trap 'echo "${BASH_SOURCE[0]##*/}: line $LINENO: failed: $BASH_COMMAND"' ERR
	set -eE
	set -o pipefail
	"$1"
}

# Starts that process, waits for it, and prints its line of TAP.
lib_run_in_process() {
	local number=$1 name=$2 status=0 left

	for left in output skip remarks namespace; do
		: >"$lib_dir/$left"
	done
	LIB_RUN_ONE=$name LIB_NUMBER=$number LIB_DIR=$lib_dir \
		timeout -k 30 "$test_timeout" "${lib_unshare[@]}" \
		bash "$lib_script" >"$lib_dir/output" 2>&1 </dev/null &
	lib_child=$!
	wait "$lib_child" || status=$?
	lib_child=
	name=${name#test_}
	case $status in
	0) echo "ok $number - $name" ;;
	77) echo "ok $number - $name # SKIP $(cat "$lib_dir/skip" 2>&1)" ;;
	*)
		echo "not ok $number - $name"
		[ "$status" != 124 ] ||
			echo "# stopped after $test_timeout seconds"
		tail -n 200 "$lib_dir/output" | tr -d '\000' | sed 's/^/# /'
		;;
	esac
	# 124 and more: it was stopped, and may have had no time to clean up.
	[ "$status" -lt 124 ] || lib_end_namespace
	[ ! -s "$lib_dir/remarks" ] || sed 's/^/# /' "$lib_dir/remarks"
	# What a mount of the test left for the next one on its point.
	for left in /run/vhdfs/*"%2F${lib_dir##*/}%2F"*; do
		[ ! -e "$left" ] || rm -f "$left"
	done
	# Where the process had no time to clean up.
	[ -e "$lib_dir/$number" ] || return 0
	lib_unmount_below "$lib_dir"
	rm -rf --one-file-system "${lib_dir:?}/$number"
}

lib_interrupted() {
	trap '' INT TERM
	if [ -n "$lib_child" ]; then
		kill "$lib_child" 2>/dev/null
		wait "$lib_child"
	fi
	exit 130
}

# The names of the test functions, in the order in which they stand.
lib_tests() {
	local name

	shopt -s extdebug
	for name in $(compgen -A function test_); do
		declare -F "$name"
	done | sort -n -k 2,2 | cut -d ' ' -f 1
	shopt -u extdebug
}

run_tests() {
	local tests=("$@") number=0 name

	if [ -n "${LIB_RUN_ONE:-}" ]; then
		name=$LIB_RUN_ONE
		lib_dir=$LIB_DIR
		unset LIB_RUN_ONE LIB_DIR
		lib_run_one "$name"
		exit
	fi
	[ ${#tests[@]} != 0 ] || tests=("${lib_arguments[@]}")
	[ ${#tests[@]} != 0 ] || mapfile -t tests < <(lib_tests)
	lib_child=
	lib_choose_namespace
	lib_dir=$(mktemp -d "${TMPDIR:-/var/tmp}/vhdfs-test.XXXXXX")
	mkfifo "$lib_dir/idle"
	trap 'rm -rf --one-file-system "$lib_dir"' EXIT
	trap lib_interrupted INT TERM
	echo "1..${#tests[@]}"
	for name in "${tests[@]}"; do
		lib_run_in_process $((number += 1)) "$name"
	done
	exit 0
}

# The script itself, wherever it changes to.
lib_script=$0
[ -n "${LIB_RUN_ONE:-}" ] || lib_script=$(realpath "$0")
# What the script was called with: the names of the tests to run, if any.
lib_arguments=("$@")
