/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhdfs-img rename: give an image, its snapshots and its old images another
 * name. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/printable.h"
#include "img/command.h"
#include "img/image-roots.h"
#include "img/interrupt.h"
#include "img/rename-recover.h"
#include "store/image-names.h"
#include "store/leaf-replace.h"

struct renaming {
	const struct image_roots *roots;
	const char *old, *new; /* operands */
	char *real; /* path of the image, which has one of both names; owned */
	bool by_hand; /* the image itself has its new name */
};

static const char *ending(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot : "";
}

/* A name of which the names of snapshots can be made, and of which a record has
 * one line. */
static int check_name(const char *name)
{
	_cleanup_free_ char *escaped = printable_copy(name);

	if (!escaped)
		return fail(-ENOMEM, "out of memory");
	if (*name && *name != '.' && !strchr(name, '@') &&
	    !strcmp(escaped, name))
		return 0;
	return fail(-EINVAL,
		    "%s: expected a file name of printable characters without "
		    "@ and not beginning with a dot",
		    name);
}

static int check_names(const char *from, const char *to)
{
	int r = check_name(from);

	if (r == 0)
		r = check_name(to);
	if (r < 0)
		return r;
	if (strcmp(ending(from), ending(to)) != 0)
		return fail(-EINVAL,
			    "%s: expected the ending '%s', as %s has it", to,
			    ending(from), from);
	if (!strcmp(from, to))
		return fail(-EINVAL, "%s: expected another name", to);
	return 0;
}

/* *ret: the path of the operand's image; null: it does not exist. */
static int find_image(const struct renaming *r, const char *operand, char **ret)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;
	int rc;

	*ret = NULL;
	if (lstat(operand, &st) < 0)
		return errno == ENOENT ? 0 : fail_errno(-errno, "%s", operand);
	if (S_ISLNK(st.st_mode))
		return fail(-EINVAL,
			    "%s: is a symbolic link; rename the file to which "
			    "it leads, then make the link again",
			    operand);
	rc = image_roots_path(r->roots, operand, &path);
	return rc < 0 ? rc : image_roots_real(r->roots, path, ret);
}

/* Both names must be in one directory. */
static int check_directory(const struct renaming *r, const char *operand)
{
	_cleanup_free_ char *a = name_sibling(operand, ".");
	_cleanup_free_ char *sibling = name_sibling(r->real, ".");
	_cleanup_free_ char *b =
		sibling ? image_roots_absolute(r->roots, sibling) : NULL;
	struct stat sta, stb;

	if (!a || !b)
		return fail(-ENOMEM, "out of memory");
	if (stat(a, &sta) < 0 || stat(b, &stb) < 0)
		return fail_errno(-errno, "%s", operand);
	if (file_id_equal(file_id_of(&sta), file_id_of(&stb)))
		return 0;
	return fail(-EXDEV, "%s: expected a name in the directory of %s",
		    operand, r->real);
}

/* Finishes or undoes what was begun with one of the names. */
static int recover(const struct renaming *r, const char *operand,
		   bool *ret_done)
{
	const struct root_dir *root = &r->roots->dirs[0];
	_cleanup_free_ char *real = NULL;
	bool done = false;
	int rc = find_image(r, operand, &real);

	if (rc < 0 || !real)
		return rc;
	rc = rename_recover(r->roots, real, name_last(r->old),
			    name_last(r->new), &done);
	*ret_done = *ret_done || done;
	if (rc == 0 && leaf_replace_is_pending(root, real))
		rc = leaf_replace_recover(root, real, NULL);
	return rc;
}

/* Which of the names the image has. */
static int find(struct renaming *r)
{
	int rc = find_image(r, r->old, &r->real);

	if (rc < 0 || r->real)
		return rc;
	rc = find_image(r, r->new, &r->real);
	r->by_hand = r->real;
	return rc < 0 || r->real ? rc : fail_errno(-ENOENT, "%s", r->old);
}

static int rename_all(struct renaming *r)
{
	bool done = false;
	int rc = check_names(name_last(r->old), name_last(r->new));

	if (rc == 0)
		rc = recover(r, r->old, &done);
	if (rc == 0)
		rc = recover(r, r->new, &done);
	if (rc == 0)
		rc = find(r);
	if (rc < 0 || (done && r->by_hand))
		return rc;
	rc = check_directory(r, r->by_hand ? r->old : r->new);
	return rc < 0 ? rc
		      : rename_with_snapshots(r->roots, r->real,
					      name_last(r->old),
					      name_last(r->new));
}

static int run_rename(const struct command_line *line)
{
	struct image_roots roots = { 0 };
	struct renaming renaming = { .roots = &roots,
				     .old = line->operands[0],
				     .new = line->operands[1] };
	int r = image_roots_init(&roots, line);

	if (r == 0)
		r = rename_all(&renaming);
	if (r < 0)
		failed();
	free(renaming.real);
	image_roots_fini(&roots);
	return r < 0 ? CLI_FAILED : CLI_DONE;
}

static const struct cli_option options[] = {
	CLI_END,
};

const struct cli_command rename_command = {
	.name = "rename",
	.summary = "rename an image with its snapshots and old images",
	.notes = "Where IMAGE was renamed to NEW by hand: renames the rest.",
	.options = options,
	.operands = { "IMAGE NEW", 2, 2, "<file>" },
	.run = run_rename,
};
