/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * New clients: they have no target, and no targets-file names them.  After a
 * start of tgtd, targets-files name the clients that are not new.
 *
 * Images of a new client may be in the store: it left fleet.conf and returns;
 * or another client had its name, whose data it is about to get.  fleet.conf
 * does not tell the two apart, so the administrator is told what the client
 * takes up.
 */
#ifndef TGT_GLUE_RECONCILE_NEW_CLIENTS_H
#define TGT_GLUE_RECONCILE_NEW_CLIENTS_H

#include "tgt-glue/reconcile/pass.h"

/* The new clients for which concerns is true: *ret has their IQNs, with their
 * names as values, in the pass's arena.  0, or -errno with a message. */
int new_clients_find(struct reconcile *reconcile,
		     bool (*concerns)(const struct reconcile *,
				      const struct client *),
		     struct pairs *ret);

/* Notes the new clients that take up images.  To be called when the images were
 * inspected, and before clients migrate: they leave a targets-file.  0, or
 * -errno with a message. */
int new_clients_read(struct reconcile *reconcile);
/* Names these images, with size and date, and unless the pass is dry adds an
 * event for each client; but for clients that are blocked. */
void new_clients_report(struct reconcile *reconcile);

#endif
