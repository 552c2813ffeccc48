/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fleet.conf that is cut short, another fleet's, or one with another prefix
 * takes most targets away.  A target that moves to another shard stays.
 */
#include "config.h"

#include "tgt-glue/removals.h"

#include <string.h>

#include "base/cleanup.h"
#include "tgt-glue/targets.h"

enum { AT_LEAST = 5, PART = 5 };

static void take(struct round *round, struct strings *names, const char *name)
{
	struct pool *pool = &round->fleet->conf.pool;

	if (!strings_have(names, name))
		strings_add(pool, names, pool_strdup(pool, name));
}

/* Also of a tgtd that does not run: it is started from its targets-file. */
static int take_written(struct round *round, struct strings *names)
{
	struct applied written = { 0 };
	_cleanup_free_ char *text = NULL;
	int r = targets_read(round->shard, &text);

	if (r == 0)
		applied_parse(&written, text);
	for (size_t i = 0; i < written.n; i++)
		take(round, names, written.targets[i].iqn);
	applied_fini(&written);
	return r;
}

int removals_count(struct round *rounds, size_t n, struct removals *ret)
{
	struct strings names = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct live *live = &rounds[i].live;

		for (size_t k = 0; k < live->n; k++)
			if (live->targets[k].ours)
				take(&rounds[i], &names, live->targets[k].name);
		r = take_written(&rounds[i], &names);
	}
	*ret = (struct removals){ .targets = names.n };
	for (size_t i = 0; i < names.n; i++)
		ret->gone += !fleet_client_by_iqn(rounds->fleet, names.v[i]);
	return r;
}

bool removals_are_many(const struct removals *removals)
{
	return removals->gone >= AT_LEAST &&
	       removals->gone * PART > removals->targets;
}
