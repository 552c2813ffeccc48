/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhdfs-img revert: an image becomes a fresh child of one of its snapshots.
 *
 * What it had since is put aside under a name that begins with a dot, so no
 * mount shows it, or is removed.
 */
#include "config.h"

#include "base/error.h"
#include "base/printable.h"
#include "img/command.h"
#include "img/image-roots.h"
#include "img/interrupt.h"
#include "img/snapshot-path.h"
#include "store/leaf-replace.h"
#include "store/put-aside.h"

static int revert(const struct image_roots *roots, const char *image,
		  const char *name, bool discard, char **ret_aside)
{
	_cleanup_free_ char *path = NULL, *real = NULL, *parent = NULL;
	struct leaf_replacement replacement = { .rootdir = &roots->dirs[0] };
	int r = image_roots_path(roots, image, &path);

	if (r == 0)
		r = image_roots_real(roots, path, &real);
	if (r == 0)
		r = snapshot_path(roots, real, name, &parent);
	if (r == 0 && !discard)
		r = put_aside_name(&roots->dirs[0], real, ret_aside);
	if (r < 0)
		return r;
	replacement.image = path;
	replacement.parent = parent;
	replacement.keep = *ret_aside;
	interrupt_block();
	r = leaf_replace(&replacement);
	interrupt_unblock();
	return r;
}

static int run_revert(const struct command_line *line)
{
	_cleanup_free_ char *aside = NULL;
	struct image_roots roots = { 0 };
	int r = image_roots_init(&roots, line);

	if (r == 0)
		r = revert(&roots, line->operands[0], line->operands[1],
			   line->discard, &aside);
	if (r < 0)
		failed();
	else if (aside)
		print_line(stdout, "%s: the state before is in %s",
			   line->operands[0], aside);
	image_roots_fini(&roots);
	return r < 0 ? CLI_FAILED : CLI_DONE;
}

static const struct cli_option options[] = {
	CLI_FLAG(discard, "discard",
		 "remove what IMAGE has now, instead of putting it aside"),
	CLI_END,
};

const struct cli_command revert_command = {
	.name = "revert",
	.summary = "take an image back to one of its snapshots",
	.options = options,
	.operands = { "IMAGE NAME", 2, 2, "<file>" },
	.run = run_revert,
};
