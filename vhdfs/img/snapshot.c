/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhdfs-img snapshot: keep the present state of an image's disk, read only. */
#include "config.h"

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "img/command.h"
#include "img/image-roots.h"
#include "img/interrupt.h"
#include "img/online.h"
#include "img/rename-recover.h"
#include "store/leaf-replace.h"
#include "store/snapshot.h"

static int take_offline(const struct image_roots *roots, const char *path,
			const char *real, const char *name, const char *note)
{
	_cleanup_free_ char *keep = NULL, *mark = NULL;
	struct leaf_replacement replacement = { .rootdir = &roots->dirs[0] };
	int r = image_roots_check_depth(roots, path);

	if (r < 0)
		return r;
	keep = snapshot_file_name(real, name);
	mark = snapshot_mark(real, note, NULL);
	if (!keep || !mark)
		return fail(-ENOMEM, "out of memory");
	replacement.image = path;
	replacement.keep = keep;
	replacement.mark = mark;
	interrupt_block();
	r = leaf_replace(&replacement);
	interrupt_unblock();
	return r;
}

static int take_online(struct online *online, const char *name,
		       const char *note)
{
	struct view_request request = { .verb = VIEW_SNAPSHOT };
	int r;

	snprintf(request.name, sizeof request.name, "%s", name);
	snprintf(request.note, sizeof request.note, "%s", note ? note : "");
	interrupt_block();
	r = online_ask(online, &request);
	interrupt_unblock();
	return r;
}

static int take(const struct image_roots *roots, const char *image,
		const char *name, const char *note)
{
	_cleanup_free_ char *path = NULL, *real = NULL, *absolute = NULL;
	struct online online = { .fd = -1 };
	int r = image_roots_path(roots, image, &path);

	if (r == 0)
		r = image_roots_real(roots, path, &real);
	if (r == 0)
		r = rename_recover(roots, real, NULL, NULL, NULL);
	if (r < 0)
		return r;
	absolute = image_roots_absolute(roots, real);
	if (!absolute)
		return fail(-ENOMEM, "out of memory");
	r = online_find(absolute, &online);
	if (r > 0)
		r = take_online(&online, name, note);
	else if (r == 0)
		r = online_advise(take_offline(roots, path, real, name, note));
	online_fini(&online);
	return r;
}

static int run_snapshot(const struct command_line *line)
{
	const char *image = line->operands[0], *name = line->operands[1];
	struct image_roots roots = { 0 };
	int r;

	if (snapshot_check_name(name) < 0 ||
	    (line->note && snapshot_check_note(line->note) < 0))
		return cli_usage_error(&vhdfs_img, &snapshot_command, "%s",
				       error_text());
	r = image_roots_init(&roots, line);
	if (r == 0)
		r = take(&roots, image, name, line->note);
	if (r < 0)
		failed();
	image_roots_fini(&roots);
	return r < 0 ? CLI_FAILED : CLI_DONE;
}

static const struct cli_option options[] = {
	CLI_VALUE(note, "note", "TEXT", NULL, "a line that `snapshots' shows"),
	CLI_END,
};

const struct cli_command snapshot_command = {
	.name = "snapshot",
	.summary = "keep the present state of an image as IMAGE@NAME",
	.options = options,
	.operands = { "IMAGE NAME", 2, 2, "<file>" },
	.run = run_snapshot,
};
