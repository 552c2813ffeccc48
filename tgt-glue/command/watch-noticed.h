/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What watch notices of the mount's workers and of refused logins. */
#ifndef TGT_GLUE_COMMAND_WATCH_NOTICED_H
#define TGT_GLUE_COMMAND_WATCH_NOTICED_H

struct watch;

/* Reads what an earlier watch has noticed. */
void watch_noticed_load(struct watch *w);
/*
 * To be called each second.  Logs each death of a worker of the mount, and each
 * refused login that a tgtd reports in the journal; of a client the same
 * refusal again at most once a minute.
 */
void watch_check_noticed(struct watch *w);
/* Saves how far the journal was read, and ends journalctl. */
void watch_noticed_fini(struct watch *w);

#endif
