#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tgt-glue apply for more clients than a Windows iSCSI target takes.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

test_512_clients() {
	clients 512
}

run_tests
