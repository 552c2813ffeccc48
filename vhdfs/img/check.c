/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhdfs-img check: looks at every structure of an image, and mends it.
 *
 * An image that is in use is looked at as well, without --repair: as it is in
 * the file, and only if the file stays the same meanwhile.  Then a reader
 * changes nothing, and a writer is idle.  Where a mount tells that a client's
 * changes are not flushed, the image is refused: its file is not the disk that
 * the client has.  What else a writer has in memory cannot be looked at; that
 * is said.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "format/foreign.h"
#include "format/registry.h"
#include "img/command.h"
#include "img/image-roots.h"
#include "img/pending-writes.h"
#include "io/io-file.h"
#include "io/rootdir.h"

/* A table can have millions of bad entries: so many are told one by one. */
enum { FINDINGS_TOLD = 1000 };

struct report {
	struct check check; /* first: it is what the driver hands back */
	const struct command_line *line;
	json_t *errors, *warnings;
	uint64_t found;  /* damage */
	uint64_t left;   /* damage that is still there */
	bool leaks_left; /* space that nothing uses, too */
	bool incomplete; /* errors lack something: out of memory */
	bool in_use;
	bool written; /* in use by a writer */
	char who[80]; /* has it; may be empty */
};

static json_t *json_finding(const struct finding *f)
{
	return json_pack("{so so so so sb}", "structure",
			 json_text(f->structure), "offset",
			 f->offset == ERROR_NO_OFFSET
				 ? json_null()
				 : json_integer((json_int_t)f->offset),
			 "expected", json_text(f->expected), "found",
			 json_text(f->found), "repaired", (int)f->repaired);
}

static void keep_finding(struct report *report, const struct finding *f)
{
	report->incomplete |=
		json_array_append_new(report->errors, json_finding(f)) < 0;
}

/* A leak is no damage: it is in the sum of leaked bytes. */
static void take_finding(struct check *check, const struct finding *f)
{
	struct report *report = (struct report *)check;

	if (f->leak) {
		report->leaks_left |= !f->repaired;
		return;
	}
	if (!f->repaired)
		report->left++;
	if (report->found++ < FINDINGS_TOLD)
		keep_finding(report, f);
}

static bool is_damage(int r)
{
	return r == -ESTALE || r == -ENOENT || r == -ELOOP || r == -EBADMSG;
}

/* What the library said of the chain, as a finding. */
static void take_parent_error(struct report *report)
{
	const struct error *e = error_last();
	bool stranger = e->code == -ESTALE;
	struct finding f = {
		.structure = "parent",
		.offset = ERROR_NO_OFFSET,
		.expected = stranger ? e->expected : "the image it names",
		.found = stranger ? e->found : e->text,
	};

	take_finding(&report->check, &f);
}

/* Of each parent that was written since its child was made, or copied. */
static int take_warnings(struct report *report, const struct chain *chain)
{
	for (unsigned i = 0; i < chain_depth(chain); i++) {
		_cleanup_free_ char *text = NULL;
		int r = chain_warning(chain, i, &text);

		if (r < 0)
			return r;
		if (text)
			report->incomplete |=
				json_array_append_new(report->warnings,
						      json_text(text)) < 0;
	}
	return 0;
}

/* The image's own structures are sound: are its parents there, and right? */
static int check_parents(struct report *report)
{
	struct image_roots roots = { 0 };
	struct chain *chain = NULL;
	int r = image_roots_init(&roots, report->line);

	if (r == 0)
		r = image_roots_open(&roots, report->line->operands[0],
				     CHAIN_NO_LOCK, &chain);
	if (is_damage(r)) {
		take_parent_error(report);
		r = 0;
	}
	if (r == 0 && chain)
		r = take_warnings(report, chain);
	if (chain)
		chain_close(chain);
	image_roots_fini(&roots);
	return r;
}

/* Only what the name says is an image is damaged when its bytes say nothing;
 * anything else is just no image. */
static int check_nothing(struct report *report, struct io *io)
{
	const char *image = report->line->operands[0];
	const struct finding f = {
		.structure = "file",
		.expected = "a VHD or VHDX image",
		.found = "neither's signature",
	};

	if (!image_format_by_image_name(image, strlen(image)))
		return fail_found(-EBADMSG, io->name, f.structure, 0,
				  f.expected, "%s", f.found);
	take_finding(&report->check, &f);
	return 0;
}

/* Looks at all of the image, and of its parents. */
static int look(struct report *report, struct io *io)
{
	const struct image_ops *ops;
	int r = image_format_probe(io, &ops);

	if (r < 0)
		return r;
	if (image_format_is_raw(ops)) {
		r = foreign_refuse(io);
		return r < 0 ? r : check_nothing(report, io);
	}
	r = image_check(io, &report->check);
	if (r == 0 && !report->left)
		r = check_parents(report);
	return r;
}

/*
 * The lock keeps writers out while the image is looked at.  An image that is in
 * use is looked at without it, so that its user is not kept out of anything.
 */
static int lock_image(struct report *report, struct io *io)
{
	bool repair = report->check.repair;
	int r = io_lock(io, repair ? IO_LOCK_EXCLUSIVE : IO_LOCK_SHARED), used;

	report->written = r == -EBUSY;
	if (r < 0 && (repair || !report->written))
		return r;
	used = io_file_in_use(io, report->who, sizeof report->who);
	report->in_use = used > 0;
	if (used > 0 && !report->written)
		r = io_lock(io, IO_LOCK_NONE);
	return report->written && used >= 0 ? 0 : used < 0 ? used : r;
}

static void begin_anew(struct report *report)
{
	report->check = (struct check){ .report = take_finding };
	report->found = report->left = 0;
	report->leaks_left = false;
	json_array_clear(report->errors);
	json_array_clear(report->warnings);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Has the file been changed since st was taken, which is taken anew? */
static int was_changed(struct io *io, struct stat *st)
{
	struct stat before = *st;

	if (fstat(io->fd, st) < 0)
		return fail_errno(-errno, "%s", io->name);
	return st->st_size != before.st_size ||
	       !same_time(&st->st_mtim, &before.st_mtim) ||
	       !same_time(&st->st_ctim, &before.st_ctim);
}

static int refuse_in_use(const struct report *report, const struct io *io,
			 const char *why)
{
	return fail(-EBUSY,
		    "%s: the image is in use%s%s and %s; shut its client down "
		    "and log it out, then check it again",
		    io->name, *report->who ? " by " : "", report->who, why);
}

/*
 * What is found in a file that is being changed means nothing.  The kernel's
 * time stamps have steps of 10 ms at most: once a file is as it was for longer
 * than that, each later change gives it another stamp.
 */
static int look_while_idle(struct report *report, struct io *io)
{
	enum { TRIES = 3 };
	const struct timespec step = { .tv_nsec = 20000000 };
	struct stat st = { 0 };
	int r = was_changed(io, &st);

	if (report->written && pending_writes_exist(report->line->operands[0]))
		return refuse_in_use(report, io,
				     "has changes that are not flushed");
	for (int i = 0; r >= 0 && i < TRIES; i++) {
		nanosleep(&step, NULL);
		r = was_changed(io, &st);
		if (r != 0)
			continue;
		begin_anew(report);
		r = look(report, io);
		if (r == 0)
			r = was_changed(io, &st);
		if (r <= 0)
			return r;
	}
	if (r < 0)
		return r;
	return refuse_in_use(report, io, "changes");
}

static int check_image(struct report *report, struct io *io)
{
	int r = lock_image(report, io);

	if (r < 0)
		return r;
	return report->in_use ? look_while_idle(report, io) : look(report, io);
}

/* The findings that were not told, as one. */
static void tell_of_the_rest(struct report *report)
{
	const struct finding f = {
		.structure = "file",
		.offset = ERROR_NO_OFFSET,
		.expected = "no more damage",
		.found = words("%" PRIu64 " more places",
			       report->found - FINDINGS_TOLD),
		.repaired = !report->left,
	};

	if (report->found > FINDINGS_TOLD)
		keep_finding(report, &f);
}

static void add_remark(struct report *report, json_t *remarks, const char *text)
{
	if (*text)
		report->incomplete |=
			json_array_append_new(remarks, json_text(text)) < 0;
}

/* What is said and is no damage. */
static json_t *json_remarks(struct report *report)
{
	json_t *remarks = json_array();

	report->incomplete |= !remarks;
	add_remark(report, remarks, report->check.remark);
	if (report->in_use)
		add_remark(report, remarks,
			   words("in use%s%s", *report->who ? " by " : "",
				 report->who));
	if (report->written)
		add_remark(report, remarks,
			   "not looked at: what its writer has not flushed, "
			   "and space that nothing uses");
	return remarks;
}

/* What a writer has taken and not referred to yet is no leak. */
static uint64_t leaked(const struct report *report)
{
	return report->written ? 0 : report->check.leaked;
}

static int print_json(struct report *report)
{
	json_t *json, *remarks = json_remarks(report);
	int r;

	add_remark(report, remarks, report->check.pending);
	json = json_pack("{so sb sO sI sb sb so}", "file",
			 json_text(report->line->operands[0]), "sound",
			 !report->left, "errors", report->errors, "leaked",
			 (json_int_t)(report->leaks_left ? leaked(report) : 0),
			 "dirty", (int)report->check.dirty, "in-use",
			 (int)report->in_use, "remarks", remarks);
	if (json_array_size(report->warnings))
		report->incomplete |=
			json_object_set(json, "warnings", report->warnings) < 0;
	r = report->incomplete ? fail(-ENOMEM, "out of memory")
			       : json_print(json);

	json_decref(json);
	return r;
}

static const char *text_of(const json_t *finding, const char *key)
{
	return json_string_value(json_object_get(finding, key));
}

static void print_finding(const char *name, const json_t *finding)
{
	const json_t *offset = json_object_get(finding, "offset");

	print_line(stdout, "%s: %s%s: expected %s, found %s%s", name,
		   text_of(finding, "structure"),
		   json_is_integer(offset)
			   ? words(" at offset %" JSON_INTEGER_FORMAT,
				   json_integer_value(offset))
			   : "",
		   text_of(finding, "expected"), text_of(finding, "found"),
		   json_is_true(json_object_get(finding, "repaired"))
			   ? "; repaired"
			   : "");
}

static int print_words(struct report *report)
{
	const char *name = report->line->operands[0];
	const char *pending = report->check.pending;
	json_t *remarks = json_remarks(report), *value;
	size_t i;

	if (report->incomplete) {
		json_decref(remarks);
		return fail(-ENOMEM, "out of memory");
	}
	json_array_foreach(report->errors, i, value) print_finding(name, value);
	json_array_foreach(report->warnings, i, value)
		print_line(stdout, "warning: %s", json_string_value(value));
	if (leaked(report))
		print_line(stdout, "%s: %" PRIu64 " bytes that nothing uses%s",
			   name, leaked(report),
			   report->leaks_left ? "" : "; given back");
	json_array_foreach(remarks, i, value)
		print_line(stdout, "%s: %s", name, json_string_value(value));
	print_line(stdout, "%s: %s%s%s", name,
		   report->left ? "damaged" : "sound", *pending ? "; " : "",
		   pending);
	json_decref(remarks);
	return 0;
}

/* The path to open; inside the store, where there is one. */
static int open_image(const struct command_line *line, struct io **ret)
{
	struct image_roots roots = { 0 };
	_cleanup_free_ char *within = NULL;
	int r = image_roots_init(&roots, line);

	if (r == 0)
		r = image_roots_path(&roots, line->operands[0], &within);
	if (r == 0)
		r = root_dir_open(&roots.dirs[0], within, line->repair, ret,
				  NULL);
	image_roots_fini(&roots);
	return r;
}

static int run_check(const struct command_line *line)
{
	struct report report = {
		.check = { .repair = line->repair, .report = take_finding },
		.line = line,
		.errors = json_array(),
		.warnings = json_array(),
	};
	_cleanup_(io_close_p) struct io *io = NULL;
	int r = open_image(line, &io);

	if (r == 0)
		r = check_image(&report, io);
	if (r == 0)
		tell_of_the_rest(&report);
	if (r == 0)
		r = line->json ? print_json(&report) : print_words(&report);
	if (r < 0)
		failed();
	json_decref(report.errors);
	json_decref(report.warnings);
	if (r < 0)
		return STATUS_FAILED;
	return report.left ? STATUS_DAMAGED : STATUS_DONE;
}

static const struct cli_option options[] = {
	{ .name = "repair",
	  .help = "repair the damage that can be repaired without guessing",
	  .offset = CLI_MEMBER(repair) },
	JSON_OPTION("print a JSON object"),
	{ 0 },
};

const struct cli_command check_command = {
	.name = "check",
	.summary = "look for damage, and repair it",
	.notes = "Exit status: 0 sound, 3 damage found (with --repair: damage "
		 "remains).",
	.options = options,
	.operands = { "IMAGE", 1, 1, "<file>" },
	.run = run_check,
};
