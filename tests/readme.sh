# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For tests of README's commands, after lib.sh.

# The make that runs the tests is none of these makes' business.
unset MAKEFLAGS MFLAGS MAKELEVEL TESTS

readme=$top_srcdir/README

# The lines of the chapter, up to the next one's underline.
chapter() {
	awk -v title="$1" '
		seen && /^---/ { if (++lines > 1) exit }
		seen { if (held != "") print held; held = $0 "\n" }
		$0 == title { seen = 1 }' "$readme" | sed '/^$/d'
}

# The commands of a chapter that begin with "sudo", or with "# ".
commands_of() {
	chapter "$1" | sed -n 's/^    \(sudo\|#\) \.\//.\//p'
}
