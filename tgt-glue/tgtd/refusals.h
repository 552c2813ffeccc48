/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Refused logins, as tgtd's messages tell them.
 *
 * tgtd reports a login whose CHAP failed, with the name that the initiator
 * gives itself.  It does not report the target, nor a login that no access rule
 * admits or whose target does not exist.
 *
 * Anyone who reaches tgtd chooses the text of the name, and so of a message:
 * nothing may depend on it but what is shown.
 */
#ifndef TGT_GLUE_TGTD_REFUSALS_H
#define TGT_GLUE_TGTD_REFUSALS_H

#include <stdbool.h>

#include "tgt-glue/base/arena.h"

/* The longest name of an initiator (RFC 7143). */
enum { INITIATOR_MAX = 223 };

struct login_refusal {
	const char *reason;    /* a constant */
	const char *initiator; /* in arena; null: tgtd does not tell it, or it
				* is no name of printable ASCII */
};

/*
 * Finds the next refusal in a text, which may have several messages of tgtd:
 * those of log_warning have no line break.  *text: where the search begins, and
 * behind the refusal then.  False: there is none.
 */
bool login_refusal_next(const char **text, struct arena *arena,
			struct login_refusal *ret);

#endif
