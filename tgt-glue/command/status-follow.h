/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status --json --follow: the whole status as one line, then a line for each
 * change.
 *
 * A line after the first has what changed of one client, or of the rest:
 *
 *     {"client": {"name": "pc1", KEY: VALUE, ...}}
 *     {"client": {"name": "pc1", "removed": true}}
 *     {"store": {KEY: VALUE, ...}}
 *
 * COST.  A whole status reads the tables of every image.  So each second only
 * the answers of the tgtds are compared as text, with the stamps of some files
 * and directories.  Only a difference makes the status be read again, but for
 * the free space, which is printed alone; after FOLLOW_SECONDS it is read in
 * any case, because a write from this server or a quota shows in none of them.
 * No more than a tenth of a processor is used: a reading that took long delays
 * the next one.
 */
#ifndef TGT_GLUE_COMMAND_STATUS_FOLLOW_H
#define TGT_GLUE_COMMAND_STATUS_FOLLOW_H

#include <jansson.h>

#include "tgt-glue/command/status.h"

enum { FOLLOW_SECONDS = 60 };

/* Loads the fleet of a status, as the command does: 0, or -errno, reported;
 * quiet: mistakes in fleet.conf are known. */
typedef int status_load_fn(const void *arg, bool quiet, struct status *s);

/* Prints until standard output closes, or SIGINT or SIGTERM.  Returns an exit
 * code; its messages are printed. */
int status_follow(status_load_fn *load, const void *arg);

/* Adds to list the lines that lead from one status to the next (status_json).
 */
void status_changes(const json_t *before, const json_t *now, json_t *list);

#endif
