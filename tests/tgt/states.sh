# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests of the states of clients' disks, after tgt.sh.

# old_images CLIENT [DIRECTORY]: prints the dates of its old images, the oldest
# first.
old_images() {
	find "$scratch/store/${2:-clients}" -name ".$1.vhdx.[0-9]*T*Z" \
		-printf '%f\n' | sed 's/.*vhdx\.//' | sort
}

# state CLIENT WHICH KEY [DISK]: prints what disks says of the state of the
# system disk, or of that data disk.
state() {
	glue disks --json "$1" | jq -r --arg which "$2" --arg key "$3" \
		--arg disk "${4:-}" '.[] | select(.which == $which and
			(.disk // "") == $disk) | .[$key]'
}

# states CLIENT [DISK]: prints the names of its states, sorted.
states() {
	glue disks --json "$1" | jq -r --arg disk "${2:-}" \
		'[.[] | select((.disk // "") == $disk) | .which] | sort |
			join(" ")'
}

# nothing_to_do: apply changes nothing.
nothing_to_do() {
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
}
