/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sections of fleet.conf that set the keys of one client: its own, those of
 * its groups, and [defaults].
 *
 * The nearest section that sets a key is used: the client's own, then the group
 * that is the last one in the file, then the groups before it, then [defaults].
 * secret, secret-file and secret-dir are one choice: the nearest section that
 * sets one of them is used for all three.
 */
#ifndef TGT_GLUE_CONFIG_SECTIONS_H
#define TGT_GLUE_CONFIG_SECTIONS_H

#include "tgt-glue/config/parse.h"

/* The nearest first; [defaults] is the last. */
struct sections {
	const struct conf_client **v;
	size_t n;
};

/* The sections of the client whose own one this is, in conf's arena. */
struct sections sections_of(struct conf *conf, const struct conf_client *own);
/* The nearest section that sets the key, also to an invalid value, or one of
 * the keys that it is one choice with; [defaults] where none does. */
const struct conf_client *sections_find(const struct sections *sections,
					enum client_key key);

/* The group of that name, or null. */
const struct conf_group *group_find(const struct conf *conf, const char *name);
/* Whether a pattern of the group matches the client's name as it is written. */
bool group_has(const struct conf_group *group, const char *client);

#endif
