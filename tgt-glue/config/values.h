/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The values of fleet.conf: what each may be.  What passes here needs no
 * quoting anywhere: tgt-admin puts values into shell commands between double
 * quotes, and tgtd takes its parameters apart at commas.
 */
#ifndef TGT_GLUE_CONFIG_VALUES_H
#define TGT_GLUE_CONFIG_VALUES_H

#include <stdbool.h>
#include <stdint.h>

enum {
	CLIENT_NAME_MAX = 40,
	PORTAL_SIZE = 200, /* of a portal's address and the NUL */
	IQN_MAX = 223,     /* RFC 3720, 3.2.6.1 */
	SECRET_MIN = 12,   /* Windows takes 12 to 16 */
	SECRET_MAX = 16,
	TID_MAX = (1 << 28) - 1, /* more spoils VPD page 83 */
	CONTROL_PORT_MAX = 32767,
};

/* Null where the value is good, else what was expected in its place. */
typedef const char *value_check(const char *value);

struct image_ops;

value_check value_name, value_flag, value_master, value_format, value_mac,
	value_address, value_initiator, value_user, value_secret, value_file,
	value_reset, value_keep, value_block_size, value_tid, value_store,
	value_mount, value_targets_file, value_iqn_prefix, value_portal,
	value_control_port, value_min_free, value_shards, value_shard,
	value_spares, value_command;

/* These read what passed. */
bool value_is_yes(const char *value);
/* "52:54:00:12:34:56": 17 characters and the NUL. */
void value_read_mac(const char *value, char text[18]);
uint64_t value_read_size(const char *value);
/* A portal's address, IPv6 in brackets, and its port, 3260 where none is said:
 * false then. */
bool value_read_portal(const char *value, char address[PORTAL_SIZE],
		       int *ret_port);
/* As it is in a target's name: lower case, '-' for '_'. */
void value_fold_name(char *name);
/* min-free: bytes, or, where it ends in %, that part of total. */
uint64_t value_read_min_free(const char *value, uint64_t total);
/*
 * As tgtd matches it: no host bits, and an address alone instead of /32 or
 * /128, which tgtd never matches.  text has room for 64 characters.
 */
void value_read_address(const char *value, char *text);
/* The format whose ending an image's file name has, or null. */
const struct image_ops *value_image_format(const char *path);

#endif
