/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhdfs-img check: looks at every structure of an image, and mends it. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "format/raw.h"
#include "img/img.h"
#include "io/io-file.h"

/* A table can have millions of bad entries: so many are told one by one. */
enum { FINDINGS_TOLD = 1000 };

struct options {
	bool repair, json;
	const char *store, *image;
};

struct report {
	struct check check; /* first: it is what the driver hands back */
	const struct options *options;
	json_t *errors;
	uint64_t found;  /* damage */
	uint64_t left;   /* damage that is still there */
	bool leaks_left; /* space that nothing uses, too */
	bool incomplete; /* errors lack something: out of memory */
};

static void print_finding(const struct options *o, const struct finding *f)
{
	printf("%s: %s", o->image, f->structure);
	if (f->offset != ERROR_NO_OFFSET)
		printf(" at offset %" PRIu64, f->offset);
	printf(": expected %s, found %s%s\n", f->expected, f->found,
	       f->repaired ? "; repaired" : "");
}

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
	if (report->found++ >= FINDINGS_TOLD)
		return;
	if (report->options->json)
		report->incomplete |=
			json_array_append_new(report->errors, json_finding(f)) <
			0;
	else
		print_finding(report->options, f);
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

/* The image's own structures are sound: are its parents there, and right? */
static int check_parents(struct report *report)
{
	struct lookup lookup = { 0 };
	struct chain *chain = NULL;
	int r = lookup_init(&lookup, report->options->store);

	if (r == 0)
		r = lookup_open(&lookup, report->options->image, CHAIN_NO_LOCK,
				&chain);
	if (is_damage(r)) {
		take_parent_error(report);
		r = 0;
	}
	if (chain)
		chain_close(chain);
	lookup_fini(&lookup);
	return r;
}

/* Only what the name says is an image is damaged when its bytes say nothing;
 * anything else is just no image. */
static int check_nothing(struct report *report, struct io *io)
{
	const struct image_ops *named = format_of_name(report->options->image);
	const struct finding f = {
		.structure = "file",
		.expected = "a VHD or VHDX image",
		.found = "neither's signature",
	};

	if (!named || named == &raw_ops)
		return fail_found(-EBADMSG, io->name, f.structure, 0,
				  f.expected, "%s", f.found);
	take_finding(&report->check, &f);
	return 0;
}

/* Nobody else may have the image, not even for reading: what is in use is not
 * checked, and the lock keeps it so. */
static int lock_image(const struct report *report, struct io *io)
{
	char who[80];
	int r = io_lock(io, report->check.repair ? IO_LOCK_EXCLUSIVE
						 : IO_LOCK_SHARED);

	if (r == 0)
		r = io_file_in_use(io, who, sizeof who);
	if (r > 0)
		return fail(-EBUSY, "%s: the image is in use%s%s", io->name,
			    *who ? " by " : "", who);
	return r;
}

static int check_image(struct report *report, struct io *io)
{
	const struct image_ops *ops;
	int r = lock_image(report, io);

	if (r == 0)
		r = image_format_probe(io, &ops);
	if (r < 0)
		return r;
	if (ops == &raw_ops)
		return check_nothing(report, io);
	r = image_check(io, &report->check);
	if (r == 0 && !report->left)
		r = check_parents(report);
	return r;
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

	if (report->found <= FINDINGS_TOLD)
		return;
	if (report->options->json)
		report->incomplete |=
			json_array_append_new(report->errors,
					      json_finding(&f)) < 0;
	else
		print_finding(report->options, &f);
}

static int print_json(struct report *report)
{
	uint64_t leaked = report->leaks_left ? report->check.leaked : 0;
	json_t *json;
	int r;

	tell_of_the_rest(report);
	json = json_pack("{so sb sO sI}", "file",
			 json_text(report->options->image), "sound",
			 !report->left, "errors", report->errors, "leaked",
			 (json_int_t)leaked);
	r = report->incomplete ? fail(-ENOMEM, "out of memory")
			       : json_print(json);

	json_decref(json);
	return r;
}

static void print_summary(struct report *report)
{
	const char *name = report->options->image;

	tell_of_the_rest(report);
	if (report->check.leaked)
		printf("%s: %" PRIu64 " bytes that nothing uses%s\n", name,
		       report->check.leaked,
		       report->leaks_left ? "" : "; given back");
	printf("%s: %s\n", name, report->left ? "damaged" : "sound");
}

/* The path to open; inside the store, where there is one. */
static int open_image(const struct options *o, struct io **ret)
{
	struct lookup lookup = { 0 };
	_cleanup_free_ char *within = NULL;
	int r = lookup_init(&lookup, o->store);

	if (r == 0)
		r = lookup_path(&lookup, o->image, &within);
	if (r == 0)
		r = place_open(&lookup.places[0], within, o->repair, ret, NULL);
	lookup_fini(&lookup);
	return r;
}

static int check(const struct options *o)
{
	struct report report = {
		.check = { .repair = o->repair, .report = take_finding },
		.options = o,
		.errors = json_array(),
	};
	_cleanup_(io_close_p) struct io *io = NULL;
	int r = open_image(o, &io);

	if (r == 0)
		r = check_image(&report, io);
	if (r == 0 && o->json)
		r = print_json(&report);
	else if (r == 0)
		print_summary(&report);
	if (r < 0)
		failed();
	json_decref(report.errors);
	if (r < 0)
		return STATUS_FAILED;
	return report.left ? STATUS_DAMAGED : STATUS_DONE;
}

static int run(const struct command *self, int argc, char **argv)
{
	enum { JSON = OPTION_OWN, REPAIR };
	static const struct option options[] = {
		{ "json", no_argument, NULL, JSON },
		{ "repair", no_argument, NULL, REPAIR },
		OPTIONS_COMMON,
		OPTIONS_END,
	};
	struct options o = { 0 };
	int c;

	while ((c = next_option(self, argc, argv, options)) >= 0) {
		if (c == JSON)
			o.json = true;
		else if (c == REPAIR)
			o.repair = true;
		else if (c == OPTION_STORE)
			o.store = optarg;
		else
			return other_option(self, c);
	}
	if (check_operands(self, argc, 1) != 0)
		return STATUS_USAGE;
	o.image = argv[optind];
	return check(&o);
}

const struct command check_command = {
	.name = "check",
	.operands = "[--repair] [--json] [--store DIR] [--parents DIR] IMAGE",
	.summary = "Looks for damage, and repairs it",
	.help = "  --repair     mend what can be mended without guessing\n"
		"  --json       as a JSON object\n"
		"  --store DIR  look for parents in DIR only\n"
		"  --parents DIR\n"
		"               look for parents by name in DIR, too; repeatable\n"
		"  --help       show this help\n\n"
		"Exit status: 0 sound, 3 damage found (or left, with "
		"--repair).\n",
	.run = run,
};
