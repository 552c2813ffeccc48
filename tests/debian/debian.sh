# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For tests in releases of Debian, after lib.sh.

. "$top_srcdir/tests/debian/inside.sh"

# debian SUITE PARTS: $debian is a directory with that release and the packages of
# those parts of contrib/packages.  It is made once: for all tests of a script, or,
# where VHDFS_DEBIAN_CACHE names a directory, until something about it changes.
# A test must not change what is in it.
debian() {
	local dir=${VHDFS_DEBIAN_CACHE:-$lib_dir} key

	requires_root
	requires debootstrap unshare
	key=$(cat "$top_srcdir/tests/debian/make-root" \
		"$top_srcdir/contrib/packages" | sha256_of -)
	debian=$dir/$1-${2// /-}-${key:0:16}
	[ ! -d "$debian" ] || return 0
	mkdir -p "$dir"
	SECONDS=0
	"$top_srcdir/tests/debian/make-root" "$1" "$2" "$debian" \
		>"$scratch/make-root.log" 2>&1 ||
		fail "$(tail -n 40 "$scratch/make-root.log")"
	remark "$1 with $2: made in $SECONDS s"
}

# copy_source DIRECTORY: the source without what a build left in it.
copy_source() {
	mkdir -p "$1"
	(cd "$top_srcdir" && tar -c --exclude=./.git --exclude='*.o' .) |
		tar -x -C "$1"
}
