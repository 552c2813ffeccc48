# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests in releases of Debian, after lib.sh.

. "$top_srcdir/tests/debian/inside.sh"

# debian SUITE PARTS: sets $debian to a directory with that release and the
# packages of those parts of contrib/packages.  It is made once for all tests of
# a script, or, if VHDFS_DEBIAN_CACHE names a directory, until one of its inputs
# changes.  A test must not change this directory.
debian() {
	requires_root
	requires debootstrap unshare
	SECONDS=0
	debian=$(cached_root "$1" "$2" "${VHDFS_DEBIAN_CACHE:-$lib_dir}" \
		2>"$scratch/make-root.log") ||
		fail "$(tail -n 40 "$scratch/make-root.log")"
	[ ! -s "$scratch/make-root.log" ] ||
		remark "$1 with $2: made in $SECONDS s"
}

# copy_source DIRECTORY: copies the source without the files of a build.
copy_source() {
	mkdir -p "$1"
	(cd "$top_srcdir" && tar -c --exclude=./.git --exclude='*.o' .) |
		tar -x -C "$1"
}
