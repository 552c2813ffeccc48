/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quotas of the clients' images in a pass (disk-quota.h). */
#ifndef TGT_GLUE_RECONCILE_QUOTAS_H
#define TGT_GLUE_RECONCILE_QUOTAS_H

#include "tgt-glue/reconcile/pass.h"

/* Gives the images of the clients of the pass their quotas, after it; each
 * change and each failure
 * is reported.  dry: prints what would change. */
void quotas_apply(struct reconcile *reconcile);

#endif
