/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhdfs-img revert: an image becomes a fresh child of one of its snapshots.
 *
 * What it had since is put aside under a name that begins with a dot, so no
 * mount shows it, or is removed.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "img/command.h"
#include "img/image-roots.h"
#include "img/interrupt.h"
#include "img/online.h"
#include "img/rename-recover.h"
#include "img/snapshot-path.h"
#include "store/leaf-replace.h"
#include "store/put-aside.h"

struct reversion {
	const struct image_roots *roots;
	char *path, *real; /* of the image; owned */
	const char *name;
	bool unrelated; /* --unrelated */
	char *aside;    /* file name for the old leaf; owned; null: none */
};

static int revert_offline(const struct reversion *r)
{
	_cleanup_free_ char *parent = NULL;
	struct leaf_replacement replacement = {
		.rootdir = &r->roots->dirs[0],
		.image = r->path,
		.keep = r->aside,
	};
	int rc = snapshot_path(r->roots, r->real, r->name, r->unrelated,
			       &parent);

	if (rc == 0)
		rc = image_roots_check_depth(r->roots, parent);
	if (rc < 0)
		return rc;
	replacement.parent = parent;
	interrupt_block();
	rc = leaf_replace(&replacement);
	interrupt_unblock();
	return rc;
}

/* real: the image's absolute path. */
static int revert_online(const struct reversion *r, const char *real,
			 struct online *online)
{
	struct stat st;

	struct view_request *request = calloc(1, sizeof *request);
	_cleanup_free_ char *parent = NULL;
	int rc = request ? snapshot_path(r->roots, r->real, r->name,
					 r->unrelated, &parent)
			 : fail(-ENOMEM, "out of memory");

	if (rc == 0 && stat(real, &st) < 0)
		rc = fail_errno(-errno, "%s", real);
	if (rc == 0) {
		request->verb = VIEW_REVERT;
		request->off = st.st_ino;
		snprintf(request->name, sizeof request->name, "%s", r->name);
		snprintf(request->note, sizeof request->note, "%s",
			 r->aside ? r->aside : "");
		interrupt_block();
		rc = online_ask(online, request);
		interrupt_unblock();
	}
	free(request);
	return rc;
}

/* With --in-use the mount does it, if it has the image open or may open it. */
static int revert(const struct reversion *r, bool in_use)
{
	_cleanup_free_ char *absolute = image_roots_absolute(r->roots, r->real);
	struct online online = { .fd = -1 };
	int rc;

	if (!absolute)
		return fail(-ENOMEM, "out of memory");
	rc = in_use ? online_find(absolute, &online) : 0;
	if (rc > 0)
		rc = revert_online(r, absolute, &online);
	else if (rc == 0)
		rc = revert_offline(r);
	if (in_use && online.fd < 0)
		online_advise(rc);
	if (rc == -EBUSY && !in_use)
		error_advise("or, if that program is a mount of vhdfs and no "
			     "client uses the disk, add --in-use");
	online_fini(&online);
	return rc;
}

static int prepare(struct reversion *r, const char *image, bool discard)
{
	int rc = image_roots_path(r->roots, image, &r->path);

	if (rc == 0)
		rc = image_roots_real(r->roots, r->path, &r->real);
	if (rc == 0)
		rc = rename_recover(r->roots, r->real, NULL, NULL, NULL);
	if (rc == 0 && !discard)
		rc = put_aside_name(&r->roots->dirs[0], r->real, &r->aside);
	return rc;
}

static int print_json(const char *aside)
{
	json_t *json = json_pack("{so}", "put-aside",
				 aside ? json_text(aside) : json_null());
	int r = json_print(json);

	json_decref(json);
	return r;
}

static int run_revert(const struct command_line *line)
{
	struct image_roots roots = { 0 };
	struct reversion reversion = { .roots = &roots,
				       .name = line->operands[1],
				       .unrelated = line->unrelated };
	int r = image_roots_init(&roots, line);

	if (r == 0)
		r = prepare(&reversion, line->operands[0], line->discard);
	if (r == 0)
		r = revert(&reversion, line->in_use);
	if (r == 0 && line->json)
		r = print_json(reversion.aside);
	if (r < 0)
		failed();
	else if (reversion.aside && !line->json)
		print_line(stdout, "%s: the state before is in %s",
			   line->operands[0], reversion.aside);
	free(reversion.path);
	free(reversion.real);
	free(reversion.aside);
	image_roots_fini(&roots);
	return r < 0 ? CLI_FAILED : CLI_DONE;
}

static const struct cli_option options[] = {
	CLI_FLAG(discard, "discard",
		 "remove what IMAGE has now, instead of putting it aside"),
	CLI_FLAG(in_use, "in-use",
		 "also while a mount has IMAGE open: its client must be shut "
		 "down, for its disk changes"),
	CLI_FLAG(unrelated, "unrelated",
		 "to a snapshot of an earlier image of this name, too"),
	CLI_FLAG(json, "json", "print a JSON object"),
	CLI_END,
};

const struct cli_command revert_command = {
	.name = "revert",
	.summary = "take an image back to one of its snapshots",
	.options = options,
	.operands = { "IMAGE NAME", 2, 2, "<file>" },
	.run = run_revert,
};
