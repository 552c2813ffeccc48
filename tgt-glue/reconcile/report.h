/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a shard's pass did, skipped and failed to do: lines for the
 * administrator.  Changes go to standard output, all else to standard error.
 */
#ifndef TGT_GLUE_RECONCILE_REPORT_H
#define TGT_GLUE_RECONCILE_REPORT_H

#include "tgt-glue/reconcile/pass.h"

/* The last error. */
void report_error(const struct shard_pass *pass);
/* The outcome of each work and reopen of the plan; sets failed, skipped and
 * waiting of the pass. */
void report_works(const struct shard_pass *pass);
/* A client whose image was not replaced, and why: failed, or skipped. */
void report_not_replaced(const struct shard_pass *pass, const char *client,
			 const char *why, bool failed);
/* The clients that must be restarted. */
void report_restarts(const struct shard_pass *pass);

#endif
