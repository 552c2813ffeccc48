/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events of the versions of a master: publish, promote, retire. */
#ifndef TGT_GLUE_VERSIONS_VERSION_EVENTS_H
#define TGT_GLUE_VERSIONS_VERSION_EVENTS_H

#include "tgt-glue/config/fleet.h"

/* kind: the event's; client: whose disk it was, or null.  family: of the
 * master; number: of the version. */
void version_event(const struct fleet *fleet, const char *kind,
		   const char *client, const char *family, unsigned number);

#endif
