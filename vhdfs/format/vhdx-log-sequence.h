/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pages in the log's active sequence ([MS-VHDX] 2.3: the entries that a
 * replay applies) that are not yet checkpointed, that is, written to their
 * places in the file.
 *
 * All functions are called under the image's flush_lock.
 */
#ifndef VHDFS_FORMAT_VHDX_LOG_SEQUENCE_H
#define VHDFS_FORMAT_VHDX_LOG_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/table-cache.h"

enum {
	LOG_SEQUENCE_MAX = 64 * 1024, /* bytes of log that a sequence fills */
	LOG_SEQUENCE_SNAPSHOTS = 4,   /* snapshots in memory */
};

struct log_sequence {
	/* One for each entry that added pages, the oldest first. */
	struct dirty_snapshot snapshots[LOG_SEQUENCE_SNAPSHOTS];
	size_t n;
	uint64_t gen; /* of the newest snapshot */
};

/* Can the sequence take the snapshot's pages? */
bool log_sequence_accepts(const struct log_sequence *seq,
			  const struct dirty_snapshot *snapshot);

/*
 * Adds the pages of an entry that was logged behind the sequence's last entry;
 * log_sequence_accepts was true.  May take over the snapshot's memory, and
 * empties it then.
 */
void log_sequence_append(struct log_sequence *seq,
			 struct dirty_snapshot *snapshot);

/*
 * Writes all pages to their places in the file of tables, without a sync, and
 * empties the sequence.  A negative errno of writing; the sequence is as it was
 * then.
 */
int log_sequence_checkpoint(struct log_sequence *seq,
			    struct table_cache *tables);

void log_sequence_fini(struct log_sequence *seq);

#endif
