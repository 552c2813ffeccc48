/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operand MASTER of a command. */
#include "config.h"

#include "tgt-glue/command/family.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "format/registry.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/config/versions.h"

static bool exists(const struct fleet *fleet, struct arena *arena,
		   const char *family)
{
	struct versions versions;
	struct stat st;

	return fleet_stat(fleet, family, &st) == 0 ||
	       (versions_read(arena, &fleet->rootdir, family, &versions) == 0 &&
		versions.n);
}

/* All families NAME.ENDING. */
static struct strings find(const struct fleet *fleet, struct arena *arena,
			   const char *name)
{
	char *endings = arena_strdup(arena, image_format_endings());
	struct strings found = { 0 };

	for (char *ending; (ending = strsep(&endings, " "));) {
		const char *family = family_of(
			arena, arena_printf(arena, "%s%s", name, ending));

		if (family && exists(fleet, arena, family))
			strings_add_once(arena, &found, family);
	}
	return found;
}

static int fail_operand(const char *name, const char *found)
{
	return fail(
		-ENOENT,
		"MASTER: expected the path of a master in the store, such as masters/win11, found %s ('%s')",
		found, name);
}

static int find_by_name(const struct fleet *fleet, struct arena *arena,
			const char *name, const char *ending, const char **ret)
{
	struct strings found = find(fleet, arena, name);

	if (!found.n && !strchr(name, '/')) {
		name = arena_printf(arena, "masters/%s", name);
		found = find(fleet, arena, name);
	}
	if (found.n > 1)
		return fail_operand(name, "several; add the ending");
	if (!found.n && !ending)
		return fail_operand(name, "none");
	*ret = found.n ? found.v[0]
		       : family_of(arena,
				   arena_printf(arena, "%s%s", name, ending));
	return 0;
}

int command_family(const struct fleet *fleet, struct arena *arena,
		   const char *name, const char *ending, const char **ret)
{
	int r = 0;

	if (value_check(&value_master, name))
		return fail_operand(name, "another text");
	if (!value_image_format(name))
		r = find_by_name(fleet, arena, name, ending, ret);
	else if (ending || exists(fleet, arena, family_of(arena, name)))
		*ret = family_of(arena, name);
	else
		r = fail_operand(name, "none");
	/* The name of a snapshot has no @, nor that of a version a second. */
	if (r == 0 && strchr(*ret, '@'))
		r = fail_operand(name, "a name with @");
	return r;
}
