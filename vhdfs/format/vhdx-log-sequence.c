/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of the log's active sequence: checkpointed in place when the log
 * restarts, not at every flush, because the next flush changes most of them
 * again.
 */
#include "config.h"

#include "format/vhdx-log-sequence.h"

#include <string.h>

/* The newest copy of the page at file_off, or null. */
static uint8_t *find_page(const struct log_sequence *seq, uint64_t file_off)
{
	for (size_t i = seq->n; i--;) {
		const struct dirty_snapshot *snapshot = &seq->snapshots[i];

		for (size_t p = 0; p < snapshot->n; p++)
			if (snapshot->file_off[p] == file_off)
				return snapshot->data + p * snapshot->page_size;
	}
	return NULL;
}

static bool has_all(const struct log_sequence *seq,
		    const struct dirty_snapshot *snapshot)
{
	for (size_t p = 0; p < snapshot->n; p++)
		if (!find_page(seq, snapshot->file_off[p]))
			return false;
	return true;
}

bool log_sequence_accepts(const struct log_sequence *seq,
			  const struct dirty_snapshot *snapshot)
{
	size_t n_pages = snapshot->n;

	for (size_t i = 0; i < seq->n; i++)
		n_pages += seq->snapshots[i].n;
	return n_pages <= LOG_SEQUENCE_SNAPSHOTS || has_all(seq, snapshot);
}

void log_sequence_append(struct log_sequence *seq,
			 struct dirty_snapshot *snapshot)
{
	size_t size = snapshot->page_size;

	seq->gen = snapshot->gen;
	if (!has_all(seq, snapshot)) {
		seq->snapshots[seq->n++] = *snapshot;
		memset(snapshot, 0, sizeof *snapshot);
		return;
	}
	for (size_t p = 0; p < snapshot->n; p++)
		memcpy(find_page(seq, snapshot->file_off[p]),
		       snapshot->data + p * size, size);
}

int log_sequence_checkpoint(struct log_sequence *seq,
			    struct table_cache *tables)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < seq->n; i++)
		r = dirty_snapshot_write(&seq->snapshots[i], tables->io);
	if (r == 0 && seq->n) {
		table_cache_checkpointed(tables, seq->gen);
		log_sequence_fini(seq);
	}
	return r;
}

void log_sequence_fini(struct log_sequence *seq)
{
	while (seq->n)
		dirty_snapshot_fini(&seq->snapshots[--seq->n]);
}
