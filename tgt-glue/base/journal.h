/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Journal: what the tgtds log, as journalctl(1) prints it.
 *
 * journalctl runs beside this program and writes to a pipe, which is read
 * without waiting.  Where there is no journalctl, or no journal, there are no
 * messages.
 */
#ifndef TGT_GLUE_BASE_JOURNAL_H
#define TGT_GLUE_BASE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tgt-glue/base/messages.h"

enum { JOURNAL_LINE_MAX = 64 << 10 };

/* All zeros: journalctl was not started. */
struct journal {
	pid_t pid;        /* 0: it does not run */
	int fd;           /* of the pipe, while pid is not 0 */
	int64_t retry_at; /* when to start it, by the clock of the caller */
	char *line;       /* what was read of a line, JOURNAL_LINE_MAX bytes */
	size_t used;
	bool skips;    /* the rest of a line that is too long */
	bool fresh;    /* the next start begins at the end of the journal */
	bool resumed;  /* this run began behind a cursor */
	bool ended;    /* it closed the pipe */
	bool answered; /* it has printed something */
};

/* An entry.  Strings are valid during the call. */
struct journal_entry {
	const char *message;
	const char *cursor; /* its place in the journal */
	int64_t time;       /* Unix seconds */
};

typedef void journal_each(void *arg, const struct journal_entry *entry);

/*
 * To be called each second.  Starts journalctl where it does not run, and calls
 * each for the entries since the last call; an entry that is no message of text
 * is skipped.  cursor: of the last entry before; null: only new ones.  clock:
 * seconds of a clock that is never set.
 */
void journal_check(struct journal *journal, const char *cursor, int64_t clock,
		   struct messages *messages, journal_each *each, void *arg);
/* Ends journalctl. */
void journal_fini(struct journal *journal);

/* Parses a line of `journalctl --output=json'; false: it is no entry with a
 * message.  Strings of *ret are in arena.  For tests, too. */
bool journal_parse(const char *line, struct arena *arena,
		   struct journal_entry *ret);

#endif
