/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Report of a check: the findings, collected by callback, and their output.
 *
 * A finding is damage or a leak.  A leak is space in the file that no structure
 * refers to; it is no damage.
 */
#ifndef VHDFS_IMG_CHECK_REPORT_H
#define VHDFS_IMG_CHECK_REPORT_H

#include "base/json.h"
#include "chain/chain.h"

struct check_report {
	struct check check; /* first: its callback gets a pointer to it */
	const char *image;  /* as in messages; not owned */
	json_t *errors, *warnings, *remarks;
	uint64_t damage;     /* number of damage findings */
	uint64_t unrepaired; /* number of those that were not repaired */
	bool leaks_remain;   /* a leak was not repaired */
	bool out_of_memory;  /* errors, warnings or remarks are incomplete */
	bool in_use;         /* by another process */
	bool has_writer;     /* that has the image open for writing */
	char holder[80];     /* by which one, as io_file_in_use says */
};

void check_report_init(struct check_report *report, const char *image,
		       bool repair);
void check_report_fini(struct check_report *report);
/* Forgets all findings, for another check of the same image. */
void check_report_restart(struct check_report *report);

void check_report_add(struct check_report *report, const struct finding *f);
/* Adds the library's last error, of a parent, as damage. */
void check_report_add_parent_error(struct check_report *report);
/* Adds a warning for each parent that was written or copied after its child was
 * made.  0 or the error of chain_warning. */
int check_report_add_warnings(struct check_report *report,
			      const struct chain *chain);

/* Adds a warning of this text. */
void check_report_warn(struct check_report *report, const char *text);

/* Prints all to standard output, as JSON or in words.  -ENOMEM with a message.
 */
int check_report_print(struct check_report *report, bool json);

#endif
