/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Check that the names of a family are as tgt-glue makes them. */
#include "config.h"

#include "tgt-glue/versions/check-names.h"

#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "store/image-names.h"

static const char *type_words(const struct stat *st)
{
	return S_ISLNK(st->st_mode)   ? "a symbolic link"
	       : S_ISDIR(st->st_mode) ? "a directory"
	       : S_ISREG(st->st_mode) ? "a file"
				      : "something else";
}

/* A number that no version has. */
static unsigned free_number(const struct versions *versions)
{
	return versions_find(versions, 1) ? versions_last(versions) + 1 : 1;
}

/* The name in the store, as an argument of a shell. */
static const char *argument(const struct fleet *fleet, struct arena *arena,
			    const char *path)
{
	return arena_strdup(arena, shell_path(fleet->store, path));
}

static int check_channel(const struct fleet *fleet, struct arena *arena,
			 const char *path)
{
	struct stat st;

	if (version_stat(&fleet->rootdir, path, O_NOFOLLOW, &st) < 0 ||
	    S_ISLNK(st.st_mode))
		return 0;
	return fail(
		-EINVAL,
		"%s: expected a symbolic link to a version, found %s; give it, and the images that name it as their parent, another name (`vhdfs-img info %s' describes it, `vhdfs-img rebase --parent NEW IMAGE' changes an image), then type the command again",
		path, type_words(&st), argument(fleet, arena, path));
}

static int check_plain(const struct fleet *fleet, struct arena *arena,
		       const struct versions *versions)
{
	const char *family = versions->family, *image, *number, *version;
	struct stat st;
	int r = version_stat(&fleet->rootdir, family, O_NOFOLLOW, &st);

	if (r < 0 || S_ISREG(st.st_mode) ||
	    versions->channels[CHANNEL_PRODUCTION])
		return 0;
	r = version_stat(&fleet->rootdir, family, 0, &st);
	if (r == -ENOENT)
		return 0;
	if (r < 0 || !S_ISREG(st.st_mode))
		return fail(
			-EINVAL,
			"%s: expected an image, or a link to a version in the same directory, found %s; remove that name, then type the command again",
			family,
			r < 0 ? "a link that leads elsewhere"
			      : type_words(&st));
	image = argument(fleet, arena, family);
	number = family_path(arena, family,
			     arena_printf(arena, "%u", free_number(versions)),
			     false);
	version = argument(fleet, arena, number);
	return fail(
		-EINVAL,
		"%s: expected a link to a version, found a link to an image that is none; type `ln -L %s %s && chmod a-w %s && ln -sfn %s %s' to make it a version, then the command again",
		family, image, version, version, shell_word(name_last(number)),
		image);
}

/* A version there would be lost with a client, and a client's image with a
 * promotion. */
static int check_place(const char *family)
{
	return fleet_is_client_path(family)
		       ? fail(-EINVAL,
			      "%s: expected a master outside of clients/ and disks/, which have the images of clients; name another one, such as masters/%s",
			      family, name_last(family))
		       : 0;
}

int check_names(const struct fleet *fleet, struct arena *arena,
		const struct versions *versions)
{
	const char *family = versions->family;
	int r = check_place(family);

	if (r == 0)
		r = check_plain(fleet, arena, versions);
	for (enum channel c = CHANNEL_TEST; r == 0 && c < CHANNELS; c++)
		r = check_channel(fleet, arena, channel_path(arena, family, c));
	return r < 0 ? r
		     : check_channel(
			       fleet, arena,
			       family_path(arena, family, "going-back", true));
}

int check_next_name(const struct fleet *fleet, struct arena *arena,
		    const struct versions *versions)
{
	/* The adoption of the plain image takes a number, too. */
	const unsigned needed =
		versions->plain && !versions_find_file(versions,
						       &versions->plain_st)
			? 2
			: 1;
	struct stat st;

	for (unsigned i = 1; i <= needed; i++) {
		const char *path = family_path(
			arena, versions->family,
			arena_printf(arena, "%u", versions_last(versions) + i),
			false);

		if (version_stat(&fleet->rootdir, path, O_NOFOLLOW, &st) == 0)
			return fail(
				-EEXIST,
				"%s: expected a free name for the next version, found %s; remove it, or give it another name, then type the command again",
				path, type_words(&st));
	}
	return 0;
}

struct strings check_all_names(const struct fleet *fleet, struct arena *arena)
{
	struct strings families = { 0 }, found = { 0 };

	/* Not the family of the disk, which is where the link leads. */
	for (size_t i = 0; i < fleet->n_disks; i++) {
		const char *name = fleet->disks[i].master_name;
		const char *family = name ? family_of(arena, name) : NULL;

		if (family)
			strings_add_once(arena, &families, family);
	}
	for (size_t i = 0; i < families.n; i++) {
		struct versions versions;

		if (versions_read(arena, &fleet->rootdir, families.v[i],
				  &versions) == 0 &&
		    check_names(fleet, arena, &versions) < 0)
			strings_add(arena, &found,
				    arena_strdup(arena, error_text()));
	}
	return found;
}
