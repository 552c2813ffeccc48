# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Commands in a Debian in a directory: sourced by make-root and by tests.

# inside_root DIRECTORY COMMAND...: runs it there, in mount and process
# namespaces of its own: no mount and no process remains.  Variables of the
# caller, TMPDIR and make's among them, are not passed on.  ${inside_binds[@]}
# names more directories of this machine, SOURCE:TARGET.
inside_root() {
	local root=$1

	shift
	unshare --mount --pid --fork --kill-child bash -euc '
		root=$1 n=$2
		shift 2
		mount --make-rprivate /
		mount --bind "$root" "$root"
		for dir in /dev /sys; do
			mount --rbind "$dir" "$root$dir"
		done
		mount -t proc proc "$root/proc"
		while [ "$n" != 0 ]; do
			mkdir -p "$root${1#*:}"
			mount --bind "${1%%:*}" "$root${1#*:}"
			shift
			n=$((n - 1))
		done
		exec chroot "$root" env -i HOME=/root LC_ALL=C \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			${http_proxy:+"http_proxy=$http_proxy"} "$@"' \
		- "$root" "${#inside_binds[@]}" "${inside_binds[@]}" "$@"
}
inside_binds=()

# cached_root SUITE PARTS DIRECTORY: prints the path of a directory in DIRECTORY
# with that release and the packages of those parts of contrib/packages.  It is
# made if it is missing or was made of other lists; make-root's messages go to
# standard error.
cached_root() {
	local here key part root

	here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
	key=$({
		cat "$here/make-root"
		for part in $2; do
			"$here/../../contrib/packages" "$part" --list
		done
	} | sha256sum)
	root=$3/$1-${2// /-}-${key:0:16}
	mkdir -p "$3"
	[ -d "$root" ] || "$here/make-root" "$1" "$2" "$root" >&2
	echo "$root"
}
