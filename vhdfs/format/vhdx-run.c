/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pages of the entries that count: they go to their places when the log
 * begins anew, and not with every flush, for most of them are changed again by
 * the next one.
 */
#include "config.h"

#include "format/vhdx-internal.h"

#include <string.h>

/* The last copy of the page in the run, or null. */
static uint8_t *find_page(const struct vhdx_run *run, uint64_t file_off)
{
	for (size_t i = run->n; i--;) {
		const struct page_copies *copies = &run->pages[i];

		for (size_t p = 0; p < copies->n; p++)
			if (copies->file_off[p] == file_off)
				return copies->data + p * copies->page_size;
	}
	return NULL;
}

static bool has_all(const struct vhdx_run *run,
		    const struct page_copies *copies)
{
	for (size_t p = 0; p < copies->n; p++)
		if (!find_page(run, copies->file_off[p]))
			return false;
	return true;
}

bool vhdx_run_takes(const struct vhdx_run *run,
		    const struct page_copies *copies)
{
	size_t n_pages = copies->n;

	for (size_t i = 0; i < run->n; i++)
		n_pages += run->pages[i].n;
	return n_pages <= VHDX_RUN_PAGES || has_all(run, copies);
}

void vhdx_run_add(struct vhdx_run *run, struct page_copies *copies)
{
	size_t size = copies->page_size;

	run->gen = copies->gen;
	if (!has_all(run, copies)) {
		run->pages[run->n++] = *copies;
		memset(copies, 0, sizeof *copies);
		return;
	}
	for (size_t p = 0; p < copies->n; p++)
		memcpy(find_page(run, copies->file_off[p]),
		       copies->data + p * size, size);
}

int vhdx_run_place(struct vhdx *v)
{
	struct vhdx_run *run = &v->run;
	int r = 0;

	for (size_t i = 0; r == 0 && i < run->n; i++)
		r = page_copies_write(&run->pages[i], v->img.io);
	if (r == 0 && run->n) {
		pages_placed(&v->pages, run->gen);
		vhdx_run_fini(run);
	}
	return r;
}

void vhdx_run_fini(struct vhdx_run *run)
{
	while (run->n)
		page_copies_fini(&run->pages[--run->n]);
}
