/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots of the leaf's disk: the content that a child of the leaf expects
 * that was made at an earlier open. */
#include "config.h"

#include "crash/world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

void world_read(struct world *world, struct chain *chain, uint64_t *ret_tags)
{
	const struct scenario *sc = world->scenario;
	uint8_t *buf = malloc(sc->area), want[WORLD_SECTOR];
	uint64_t per_area = sc->area / WORLD_SECTOR;

	assert_non_null(buf);
	for (uint64_t s = 0; s < world->n_sectors; s++) {
		const uint8_t *have = buf + s % per_area * WORLD_SECTOR;

		if (s % per_area == 0)
			assert_ok(chain_read(chain, buf, world_off(world, s),
					     sc->area));
		ret_tags[s] = get_le64(have);
		world_fill(world, want, s, ret_tags[s]);
		if (!memcmp(have, want, WORLD_SECTOR))
			continue;
		print_error("sector %" PRIu64
			    ": expected the content of one tag, "
			    "found other bytes (tag %" PRIx64 ")\n",
			    s, ret_tags[s]);
		_fail(__FILE__, __LINE__);
	}
	free(buf);
}

/* Making a child syncs its parent (store/child.c), as writes of a killed
 * process may be in the page cache only. */
void world_take_snapshot(struct world *world)
{
	struct snapshot *s;

	if (world->faults)
		return;
	assert_ok(io_sync(chain_leaf(world->chain)->io));
	world->snapshots =
		realloc(world->snapshots,
			(world->n_snapshots + 1) * sizeof *world->snapshots);
	assert_non_null(world->snapshots);
	s = &world->snapshots[world->n_snapshots++];
	s->id = chain_leaf(world->chain)->id;
	s->at = world->leaf.n;
	s->tags = calloc(world->n_sectors, sizeof *s->tags);
	assert_non_null(s->tags);
	world_read(world, world->chain, s->tags);
}

void world_expect_snapshot(const struct world *world,
			   const struct snapshot *snapshot,
			   const struct guid *id, const uint64_t *tags)
{
	for (uint64_t s = 0;
	     s < world->n_sectors && guid_equal(&snapshot->id, id); s++) {
		if (tags[s] == snapshot->tags[s])
			continue;
		print_error("sector %" PRIu64 " holds tag %" PRIx64
			    ", and held tag %" PRIx64
			    " when the image was opened with the identifier "
			    "that it still has\n",
			    s, tags[s], snapshot->tags[s]);
		_fail(__FILE__, __LINE__);
	}
}

void world_expect_no_mixture(const struct world *world, size_t n,
			     const struct guid *id, const uint64_t *tags)
{
	for (size_t i = 0; i < world->n_snapshots; i++)
		if (world->snapshots[i].at <= n)
			world_expect_snapshot(world, &world->snapshots[i], id,
					      tags);
}
