/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhdfs-img check: verify every structure of an image, and repair damage.
 *
 * IMAGES IN USE.  Without --repair an image is checked although another process
 * has it open.  The check reads the file, so it is valid only if the file does
 * not change during the check: readers do not change it, nor does an idle
 * writer.  A file that changes is refused.  An image is refused as well if a
 * mount reports unflushed changes of a client, because its file is not the
 * client's disk.  Other changes in a writer's memory cannot be checked; the
 * report says so.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "format/foreign.h"
#include "format/registry.h"
#include "img/check-report.h"
#include "img/command.h"
#include "img/image-roots.h"
#include "img/pending-writes.h"
#include "img/replace-image.h"
#include "io/io-file.h"
#include "store/leaf-place.h"

/* Is this error of chain_open damage of the image or of a parent? */
static bool is_damage(int r)
{
	return r == -ESTALE || r == -ENOENT || r == -ELOOP || r == -EBADMSG;
}

/* The structures of the image itself are sound. */
static int check_parents(struct check_report *report,
			 const struct image_roots *roots)
{
	_cleanup_(chain_close_p) struct chain *chain = NULL;
	int r = image_roots_open(roots, report->image, CHAIN_NO_LOCK, &chain);

	if (!is_damage(r))
		return r < 0 ? r : check_report_add_warnings(report, chain);
	check_report_add_parent_error(report);
	return 0;
}

/* A file without a signature is damaged only if its name is an image's name;
 * other files are no images. */
static int check_unknown(struct check_report *report, struct io *io)
{
	const char *image = report->image;
	const struct finding f = {
		.structure = "file",
		.expected = format_arg("a %s image",
				       format_or(image_format_titles())),
		.found = "none of their signatures",
	};

	if (!image_format_by_image_name(image, strlen(image)))
		return fail_found(-EBADMSG, io->name, f.structure, 0,
				  f.expected, "%s", f.found);
	check_report_add(report, &f);
	return 0;
}

static int check_all(struct check_report *report,
		     const struct image_roots *roots, struct io *io)
{
	const struct image_ops *ops;
	int r = image_format_probe(io, &ops);

	if (r < 0)
		return r;
	if (image_format_is_raw(ops)) {
		r = foreign_refuse(io, image_format_titles());
		return r < 0 ? r : check_unknown(report, io);
	}
	r = image_check(io, &report->check);
	if (r == 0 && !report->unrepaired)
		r = check_parents(report, roots);
	return r;
}

/*
 * The lock keeps writers out during the check.  An image in use is checked
 * without a lock, so that its user is not delayed.
 */
static int lock_image(struct check_report *report, struct io *io)
{
	bool repair = report->check.repair;
	int r = io_lock(io, repair ? IO_LOCK_EXCLUSIVE : IO_LOCK_SHARED), used;

	report->has_writer = r == -EBUSY;
	if (r < 0 && (repair || !report->has_writer))
		return r;
	used = io_file_in_use(io, report->holder, sizeof report->holder);
	if (used < 0)
		return used;
	report->in_use = used > 0;
	if (report->in_use && !report->has_writer)
		return io_lock(io, IO_LOCK_NONE);
	return 0;
}

/* 1: the file differs from *stamp, which becomes the present state.  Else 0. */
static int was_changed(struct io *io, struct file_stamp *stamp)
{
	struct file_stamp before = *stamp;
	int r = io_file_stamp(io, stamp);

	return r < 0 ? fail_errno(r, "%s", io->name)
		     : !file_stamp_same(stamp, &before);
}

static int refuse_in_use(const struct check_report *report, const struct io *io,
			 const char *state)
{
	return fail(-EBUSY,
		    "%s: the image is in use%s and %s; shut its client down "
		    "and log it out, then check it again",
		    io->name, report->holder, state);
}

/*
 * Findings in a file that changes are worthless.  The kernel's time stamps have
 * a resolution of 10 ms or better: if a file did not change for longer, each
 * later change gives it another time stamp.
 */
static int check_while_idle(struct check_report *report,
			    const struct image_roots *roots, struct io *io)
{
	enum { ATTEMPTS = 3 };
	const struct timespec resolution = { .tv_nsec = 20000000 };
	struct file_stamp stamp = { 0 };
	int r = was_changed(io, &stamp);

	if (report->has_writer && pending_writes_exist(report->image))
		return refuse_in_use(report, io, "has unflushed changes");
	for (int i = 0; r >= 0 && i < ATTEMPTS; i++) {
		nanosleep(&resolution, NULL);
		r = was_changed(io, &stamp);
		if (r != 0)
			continue;
		check_report_restart(report);
		r = check_all(report, roots, io);
		if (r == 0)
			r = was_changed(io, &stamp);
		if (r <= 0)
			return r;
	}
	return r < 0 ? r : refuse_in_use(report, io, "being written");
}

static int check_image(struct check_report *report,
		       const struct image_roots *roots, struct io *io)
{
	int r = lock_image(report, io);

	if (r < 0)
		return r;
	return report->in_use ? check_while_idle(report, roots, io)
			      : check_all(report, roots, io);
}

/* A .NAME.leaf that a command left which was killed: of a new leaf, or of an
 * equal file in the place of the image. */
static void check_rest(struct check_report *report,
		       const struct image_roots *roots)
{
	_cleanup_free_ char *path = NULL, *real = NULL, *text = NULL;
	struct leaf_place place;
	struct stat st;

	if (report->check.repair)
		replace_image_remove_rest(roots, report->image);
	if (image_roots_path(roots, report->image, &path) < 0 ||
	    image_roots_real(roots, path, &real) < 0)
		return;
	if (leaf_place_init(&place, &roots->dirs[0], real) == 0 &&
	    fstatat(place.fd, place.leaf, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (asprintf(&text,
			     "%s/%s takes %" PRIu64 " bytes: another command "
			     "is at work on the image, or was killed; that "
			     "command continues or removes it, and check "
			     "--repair removes it if vhdfs made it and no "
			     "process has it locked",
			     place.dir, place.leaf,
			     (uint64_t)st.st_blocks * 512) < 0)
			text = NULL;
		else
			check_report_warn(report, text);
	}
	leaf_place_fini(&place);
}

static int run_check(const struct command_line *line)
{
	const char *image = line->operands[0];
	_cleanup_(image_roots_fini) struct image_roots roots = { 0 };
	_cleanup_(check_report_fini) struct check_report report = { 0 };
	_cleanup_(io_close_p) struct io *io = NULL;
	int r = image_roots_init(&roots, line);

	check_report_init(&report, image, line->repair);
	if (r == 0)
		r = image_roots_open_file(&roots, image, line->repair, &io);
	if (r == 0)
		r = check_image(&report, &roots, io);
	if (r == 0) {
		check_rest(&report, &roots);
		r = check_report_print(&report, line->json);
	}
	if (r < 0)
		return failed();
	return report.unrepaired ? STATUS_DAMAGED : CLI_DONE;
}

static const struct cli_option options[] = {
	CLI_FLAG(repair, "repair",
		 "repair damage where no data must be guessed"),
	CLI_FLAG(json, "json", "print a JSON object"),
	CLI_END,
};

const struct cli_command check_command = {
	.name = "check",
	.summary = "look for damage, and repair it",
	.notes = "Exit status: 0 no damage remains, 3 damage remains.",
	.options = options,
	.operands = { "IMAGE", 1, 1, "<file>" },
	.run = run_check,
};
