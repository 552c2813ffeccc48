/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/since.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "tgt-glue/textfile.h"

void since_read(struct fleet *fleet, struct sinces *ret)
{
	struct pool *pool = &fleet->conf.pool;
	const char *path =
		pool_printf(pool, "%s.sessions", fleet->targets_file);
	_cleanup_free_ char *text = NULL;
	char *rest;

	memset(ret, 0, sizeof *ret);
	/* Without it nothing is known, which is no failure. */
	if (textfile_read(path, &text) < 0)
		return;
	rest = text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		char iqn[256], initiator[256], address[64];
		struct since s = { 0 };

		if (sscanf(line, "%255s %255s %63s %" SCNu64 " %" SCNd64, iqn,
			   initiator, address, &s.sid, &s.time) != 5)
			continue;
		s.iqn = pool_strdup(pool, iqn);
		s.initiator = pool_strdup(pool, initiator);
		s.address = pool_strdup(pool, address);
		ret->v = pool_grow(pool, ret->v, ret->n, sizeof *ret->v);
		ret->v[ret->n++] = s;
	}
}

int64_t since_of(const struct sinces *all, const char *iqn,
		 const struct live_connection *connection)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct since *s = &all->v[i];

		if (s->sid == connection->sid && !strcmp(s->iqn, iqn) &&
		    !strcmp(s->initiator, connection->initiator) &&
		    !strcmp(s->address, connection->address))
			return s->time;
	}
	return 0;
}
