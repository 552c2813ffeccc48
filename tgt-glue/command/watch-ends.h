/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends of sessions in watch: which clients are reset, or go over to another
 * version of their master, because they have logged out.
 */
#ifndef TGT_GLUE_COMMAND_WATCH_ENDS_H
#define TGT_GLUE_COMMAND_WATCH_ENDS_H

#include "tgt-glue/base/arena.h"

struct shard_pass;
struct watch;

/* Lists the names of the clients to be reset now. */
void watch_list_resets(struct watch *w, struct arena *arena,
		       struct strings *ret);
/* Lists the IQNs of clients that may log in again at once, as a machine that
 * boots does. */
void watch_list_recent(struct watch *w, struct arena *arena,
		       struct strings *ret);
/* Forgets the ends of sessions whose clients this pass has reset. */
void watch_forget_resets(struct watch *w, const struct shard_pass *pass);
/* Forgets ends without a consequence, and wants a pass for those that are
 * due.  Until then every end is known: a pass leaves these clients alone. */
void watch_check_ends(struct watch *w);

#endif
