/* SPDX-License-Identifier: GPL-2.0-or-later */
/* promote: another version of a master is in production. */
#include "config.h"

#include "tgt-glue/versions/promote.h"

#include <errno.h>

#include "base/error.h"
#include "tgt-glue/versions/adopt.h"
#include "tgt-glue/versions/check-names.h"
#include "tgt-glue/versions/links.h"

struct promotion {
	const struct fleet *fleet;
	struct arena arena;
	struct versions versions;
	const char *going_back; /* the link of M2 */
};

/* M3, M4 */
static int set_links(struct promotion *p, const struct version *to)
{
	const char *family = p->versions.family;
	const struct version *present =
		p->versions.channels[CHANNEL_PRODUCTION];
	int r = 0;

	if (present == to)
		return 0;
	if (present)
		r = link_set(p->fleet,
			     channel_path(&p->arena, family, CHANNEL_BACK),
			     present->path);
	if (r == 0)
		r = link_set(p->fleet, family, to->path);
	return r < 0 ? r
		     : versions_read(&p->arena, &p->fleet->rootdir, family,
				     &p->versions);
}

/* M3 to M5, if M2 was done.  *ret_done: it was. */
static int go_back(struct promotion *p, bool *ret_done)
{
	const struct version *to = NULL;
	struct stat st;
	int r = fleet_stat(p->fleet, p->going_back, &st);

	*ret_done = r == 0;
	if (r == 0)
		to = versions_find_file(&p->versions, &st);
	if (!to)
		return 0;
	r = set_links(p, to);
	return r < 0 ? r : link_remove(p->fleet, p->going_back);
}

static int fail_number(const struct promotion *p, unsigned number)
{
	const char *family = p->versions.family;

	if (!p->versions.n)
		return fail(
			-ENOENT,
			"%s: expected a master in %s, found none; `tgt-glue publish CLIENT %s' makes one",
			family, p->fleet->store, family);
	return number ? fail(-ENOENT,
			     "%s: expected a version %u, found none; `tgt-glue versions %s' lists them",
			     family, number, family)
		      : fail(-ENOENT,
			     "%s: expected a version under test, found none; type `tgt-glue promote %s VERSION'",
			     family, family);
}

static int promote(struct promotion *p, unsigned number)
{
	const struct version *to = number ? versions_find(&p->versions, number)
					  : p->versions.channels[CHANNEL_TEST];

	return to ? set_links(p, to) : fail_number(p, number);
}

static int promote_back(struct promotion *p)
{
	const struct version *to = p->versions.channels[CHANNEL_BACK];
	bool done;
	int r;

	if (!to)
		return fail(
			-ENOENT,
			"%s: expected a version that was in production before, found none; type `tgt-glue promote %s VERSION'",
			p->versions.family, p->versions.family);
	r = link_set(p->fleet, p->going_back, to->path); /* M2 */
	return r < 0 ? r : go_back(p, &done);
}

int promote_run(const struct fleet *fleet, const char *family, unsigned number,
		bool back, unsigned *ret_number)
{
	struct promotion p = { .fleet = fleet };
	bool done = false;
	int r = versions_read(&p.arena, &fleet->rootdir, family, &p.versions);

	p.going_back = family_path(&p.arena, family, "going-back", true);
	if (r == 0)
		r = check_names(fleet, &p.arena, &p.versions);
	if (r == 0)
		r = adopt(fleet, &p.arena, &p.versions); /* M1 */
	if (r == 0)
		r = go_back(&p, &done);
	if (r == 0 && !back)
		r = promote(&p, number);
	else if (r == 0 && !done)
		r = promote_back(&p);
	if (r == 0)
		*ret_number = p.versions.channels[CHANNEL_PRODUCTION]->number;
	arena_fini(&p.arena);
	return r;
}
