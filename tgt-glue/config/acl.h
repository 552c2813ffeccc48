/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is admitted to a target.  tgtd lets in whom an address OR a name of its
 * list admits, and then asks for CHAP where the target has an account.  And
 * tgt-admin admits everybody to a target that names no address, so a list
 * always has one: where only names are wanted, an address that nobody has.
 */
#ifndef TGT_GLUE_CONFIG_ACL_H
#define TGT_GLUE_CONFIG_ACL_H

#include "tgt-glue/config/fleet.h"

/*
 * Nobody's address (RFC 5737).  It must not be one of the server's own: that
 * would let in every initiator on this host.
 */
#define ACCESS_NOBODY "192.0.2.1"
#define ACCESS_ALL "ALL"

/* Does anything restrict who may use the client's disk? */
bool acl_is_restricted(const struct client *client);

/* The addresses that the target is bound to, never none. */
struct strings acl_addresses(struct arena *arena, const struct client *client);

/* Is this entry of tgtd's list a name, not an address? */
bool acl_is_name(const char *entry);

/*
 * Secrets belong to user names, which all targets of one tgtd share: a name
 * with two secrets cannot be.  Notes such mistakes.
 */
void acl_check_accounts(struct fleet *fleet);

#endif
