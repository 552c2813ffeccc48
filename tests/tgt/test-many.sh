#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# apply for 512 clients, more than a Windows iSCSI target takes.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

test_512_clients_log_in() {
	clients 512
}

run_tests
