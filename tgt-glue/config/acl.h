/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Access control lists (ACLs) of targets.
 *
 * tgtd admits an initiator whose address OR name is in the target's list, and
 * then asks for CHAP where the target has an account.  tgt-admin gives a target
 * without an address the entry ALL.  So a list must always contain an address:
 * where only names are to be admitted, it contains one that no host has.
 */
#ifndef TGT_GLUE_CONFIG_ACL_H
#define TGT_GLUE_CONFIG_ACL_H

#include "tgt-glue/config/fleet.h"

/*
 * An address that no host has (RFC 5737).  An address of the server itself
 * would not do: it admits every initiator on this host.
 */
#define ACCESS_NOBODY "192.0.2.1"
#define ACCESS_ALL "ALL"

/* The target's list: addresses, at least one, then names. */
struct strings acl_entries(struct arena *arena, const struct client *client);

/* "initiator-name" or "initiator-address": the key of an entry of the list. */
const char *acl_key(const char *entry);

/*
 * Reports users with two secrets as mistakes: a secret belongs to a user, and
 * all targets of a tgtd share its users.
 */
void acl_check_accounts(struct fleet *fleet);

#endif
