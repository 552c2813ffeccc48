/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Report of a check: the findings, collected by callback, and their output. */
#include "config.h"

#include "img/check-report.h"

#include <errno.h>
#include <inttypes.h>

#include "base/error.h"
#include "base/printable.h"

/* A block table can have millions of bad entries: more findings than this are
 * reported as one. */
enum { FINDINGS_MAX = 1000 };

static void append(struct check_report *report, json_t *array, json_t *value)
{
	report->out_of_memory |= json_array_append_new(array, value) < 0;
}

static void append_finding(struct check_report *report, const struct finding *f)
{
	json_t *offset = f->offset == ERROR_NO_OFFSET
				 ? json_null()
				 : json_integer((json_int_t)f->offset);

	append(report, report->errors,
	       json_pack("{so so so so sb}", "structure",
			 json_text(f->structure), "offset", offset, "expected",
			 json_text(f->expected), "found", json_text(f->found),
			 "repaired", (int)f->repaired));
}

/* The number of leaked bytes is in check.leaked. */
void check_report_add(struct check_report *report, const struct finding *f)
{
	if (f->leak) {
		report->leaks_remain |= !f->repaired;
		return;
	}
	if (!f->repaired)
		report->unrepaired++;
	if (report->damage++ < FINDINGS_MAX)
		append_finding(report, f);
}

static void add_finding(struct check *check, const struct finding *f)
{
	check_report_add((struct check_report *)check, f);
}

void check_report_init(struct check_report *report, const char *image,
		       bool repair)
{
	*report = (struct check_report){
		.check = { .repair = repair, .report = add_finding },
		.image = image,
		.errors = json_array(),
		.warnings = json_array(),
		.remarks = json_array(),
	};
}

void check_report_fini(struct check_report *report)
{
	json_decref(report->errors);
	json_decref(report->warnings);
	json_decref(report->remarks);
}

void check_report_restart(struct check_report *report)
{
	report->check = (struct check){ .report = add_finding };
	report->damage = report->unrepaired = 0;
	report->leaks_remain = false;
	json_array_clear(report->errors);
	json_array_clear(report->warnings);
}

void check_report_add_parent_error(struct check_report *report)
{
	const struct error *e = error_last();
	bool other_image = e->code == -ESTALE;
	struct finding f = {
		.structure = "parent",
		.offset = ERROR_NO_OFFSET,
		.expected = other_image ? e->expected : "the image it names",
		.found = other_image ? e->found : e->text,
	};

	check_report_add(report, &f);
}

void check_report_warn(struct check_report *report, const char *text)
{
	append(report, report->warnings, json_text(text));
}

int check_report_add_warnings(struct check_report *report,
			      const struct chain *chain)
{
	for (unsigned i = 0; i < chain_depth(chain); i++) {
		_cleanup_free_ char *text = NULL;
		int r = chain_warning(chain, i, &text);

		if (r < 0)
			return r;
		if (text)
			check_report_warn(report, text);
	}
	return 0;
}

/* All findings beyond FINDINGS_MAX. */
static void append_omitted(struct check_report *report)
{
	const struct finding f = {
		.structure = "file",
		.offset = ERROR_NO_OFFSET,
		.expected = "no more damage",
		.found = format_arg("%" PRIu64 " more places",
				    report->damage - FINDINGS_MAX),
		.repaired = !report->unrepaired,
	};

	if (report->damage > FINDINGS_MAX)
		append_finding(report, &f);
}

static void append_remark(struct check_report *report, const char *text)
{
	if (*text)
		append(report, report->remarks, json_text(text));
}

/* Remarks are no damage. */
static void append_remarks(struct check_report *report)
{
	append_remark(report, report->check.remark);
	if (report->in_use)
		append_remark(report, format_arg("in use%s", report->holder));
	if (report->has_writer)
		append_remark(report,
			      "not checked: changes that its writer has not "
			      "flushed, and unused space");
}

/* A writer may have allocated space that no structure refers to yet: with a
 * writer, leaks are unknown. */
static uint64_t leaked_bytes(const struct check_report *report)
{
	return report->has_writer ? 0 : report->check.leaked;
}

static int print_json(struct check_report *report)
{
	const uint64_t leaked = report->leaks_remain ? leaked_bytes(report) : 0;
	json_t *json;
	int r;

	append_remark(report, report->check.pending);
	json = json_pack("{so sb sO sI sb sb sO}", "file",
			 json_text(report->image), "sound", !report->unrepaired,
			 "errors", report->errors, "leaked", (json_int_t)leaked,
			 "dirty", (int)report->check.dirty, "in-use",
			 (int)report->in_use, "remarks", report->remarks);
	if (json_array_size(report->warnings))
		report->out_of_memory |=
			json_object_set(json, "warnings", report->warnings) < 0;
	r = report->out_of_memory ? fail(-ENOMEM, "out of memory")
				  : json_print(json);
	json_decref(json);
	return r;
}

static const char *text_of(const json_t *finding, const char *key)
{
	return json_string_value(json_object_get(finding, key));
}

static void print_finding(const char *image, const json_t *finding)
{
	const json_t *offset = json_object_get(finding, "offset");

	print_line(stdout, "%s: %s%s: expected %s, found %s%s", image,
		   text_of(finding, "structure"),
		   json_is_integer(offset)
			   ? format_arg(" at offset %" JSON_INTEGER_FORMAT,
					json_integer_value(offset))
			   : "",
		   text_of(finding, "expected"), text_of(finding, "found"),
		   json_is_true(json_object_get(finding, "repaired"))
			   ? "; repaired"
			   : "");
}

static int print_words(struct check_report *report)
{
	const char *image = report->image, *pending = report->check.pending;
	json_t *value;
	size_t i;

	if (report->out_of_memory)
		return fail(-ENOMEM, "out of memory");
	json_array_foreach(report->errors, i, value)
		print_finding(image, value);
	json_array_foreach(report->warnings, i, value)
		print_line(stdout, "warning: %s", json_string_value(value));
	if (leaked_bytes(report))
		print_line(stdout, "%s: %" PRIu64 " bytes are unused%s", image,
			   leaked_bytes(report),
			   report->leaks_remain ? "" : "; freed");
	json_array_foreach(report->remarks, i, value)
		print_line(stdout, "%s: %s", image, json_string_value(value));
	print_line(stdout, "%s: %s%s%s", image,
		   report->unrepaired ? "damaged" : "sound",
		   *pending ? "; " : "", pending);
	return 0;
}

int check_report_print(struct check_report *report, bool json)
{
	append_omitted(report);
	append_remarks(report);
	return json ? print_json(report) : print_words(report);
}
