/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of fleet.conf: the syntax of each kind of value, and readers for valid
 * values.
 *
 * A syntax is strict so that a valid value needs no quoting anywhere: tgt-admin
 * puts values into shell commands between double quotes, and tgtd splits its
 * parameters at commas.
 */
#ifndef TGT_GLUE_CONFIG_VALUES_H
#define TGT_GLUE_CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image_ops;

enum {
	CLIENT_NAME_MAX = 40,
	PORTAL_SIZE = 200, /* buffer for a portal's address, with the NUL */
	IQN_MAX = 223,     /* RFC 3720, 3.2.6.1 */
	SECRET_MAX = 16,   /* Windows requires 12 to 16 characters */
	TID_MAX = (1 << 28) - 1, /* a larger tid does not fit VPD page 83 */
	CONTROL_PORT_MAX = 32767,
	SHARDS_MAX = 16,
	SYSTEM_LUN = 1, /* the number of a client's system disk */
	LUN_MAX = 255,
};

/* What a value may be. */
struct value_syntax {
	/* In words: completes "expected ..."; null: the formats (registry.h).
	 */
	const char *expected;
	/* An extended regular expression that all of it matches, or null. */
	const char *pattern;
	size_t max; /* its greatest length in bytes; 0: any */
	bool (*is_valid)(const char *value); /* a further check, or null */
};

extern const struct value_syntax value_name, value_flag, value_master,
	value_format, value_mac, value_address, value_initiator, value_user,
	value_secret, value_file, value_reset, value_update, value_block_size,
	value_store, value_mount, value_targets_file, value_iqn_prefix,
	value_portal, value_min_free, value_command, value_match, value_include,
	value_disks, value_disk_size, value_exported_file, value_quota,
	value_reserve, value_age;

/* Null for a valid value, otherwise the syntax' expected. */
const char *value_check(const struct value_syntax *syntax, const char *value);
/* Whether the whole value matches the extended regular expression, which is a
 * string literal.  Not thread-safe. */
bool value_matches(const char *value, const char *pattern);
/* Whether the value is a decimal number from min to max. */
bool value_is_number(const char *value, uint64_t min, uint64_t max);

/* Readers.  The value is valid. */
bool value_is_yes(const char *value);
/* The number, or the other one where value is null. */
unsigned value_read_number(const char *value, unsigned otherwise);
/* Lower case with colons, "52:54:00:12:34:56": 17 characters and the NUL. */
void value_read_mac(const char *value, char text[18]);
/* Bytes. */
uint64_t value_read_size(const char *value);
/* The seconds of a valid age; null: 0. */
int64_t value_read_age(const char *value);
/* Splits a portal into its address (IPv6 in brackets) and port.  Returns 1, or
 * 0 where the value names no port: *ret_port is 3260 then.  Also for a value
 * that was not checked: -EINVAL without a message. */
int value_read_portal(const char *value, char address[PORTAL_SIZE],
		      int *ret_port);
/* Bytes; a percentage is taken of total. */
uint64_t value_read_min_free(const char *value, uint64_t total);
/*
 * Writes the address as tgtd compares it: host bits cleared, and without /32
 * or /128, with which tgtd matches no client.  Also for a value that was not
 * checked: returns whether it is valid.
 */
bool value_read_address(const char *value, char text[64]);

/* Turns a client's name into its part of the IQN, in place: lower case, and
 * '-' instead of '_'. */
void value_fold_name(char *name);
/* The image format of a file name's ending, or null. */
const struct image_ops *value_image_format(const char *path);

#endif
