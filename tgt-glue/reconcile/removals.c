/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Number of targets that a new fleet.conf would remove.
 *
 * A fleet.conf that is truncated, of another fleet, or with another prefix
 * removes most targets.  A target that migrates to another shard is not
 * removed.
 */
#include "config.h"

#include "tgt-glue/reconcile/removals.h"

#include "base/cleanup.h"
#include "tgt-glue/reconcile/targets-conf.h"

int removals_count(struct shard_pass *passes, size_t n, size_t *ret_all)
{
	struct arena *arena = passes->clients->arena;
	struct strings names = { 0 };
	int r = 0, gone = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct tgtd_state *state = &passes[i].live;
		struct last_applied written;
		_cleanup_free_ char *text = NULL;

		for (size_t k = 0; k < state->n; k++)
			if (state->targets[k].ours)
				strings_add_once(arena, &names,
						 state->targets[k].name);
		/* Also for a tgtd that does not run: it reads its targets-file
		 * when it starts. */
		r = targets_conf_load(passes[i].shard, &text, &written);
		for (size_t k = 0; k < written.blocks.n; k++)
			strings_add_once(arena, &names,
					 written.blocks.v[k].key);
		last_applied_fini(&written);
	}
	for (size_t i = 0; i < names.n; i++)
		gone += !fleet_client_by_iqn(passes->fleet, names.v[i]);
	*ret_all = names.n;
	return r < 0 ? r : gone;
}
