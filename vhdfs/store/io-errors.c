/* SPDX-License-Identifier: GPL-2.0-or-later */
/* I/O errors: failed reads, writes and flushes of the disks of a mount. */
#include "config.h"

#include "store/io-errors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/printable.h"
#include "store/catalog.h"
#include "store/store-internal.h"

/* A text that is being made. */
struct listing {
	FILE *f;
	size_t size;
	unsigned long long total;
};

void io_errors_count(struct store_image *image, int r)
{
	if (r != -EFBIG && r != -EROFS)
		atomic_fetch_add(&image->io_errors, 1);
}

static void add_total(struct store_image *image, void *ctx)
{
	struct listing *listing = ctx;

	listing->total += atomic_load(&image->io_errors);
}

static void add_image(struct store_image *image, void *ctx)
{
	struct listing *listing = ctx;
	const unsigned long long count = atomic_load(&image->io_errors);
	_cleanup_free_ char *name = NULL, *line = NULL;
	int n;

	if (!count)
		return;
	name = printable_copy(catalog_path_locked(image));
	n = name ? asprintf(&line, "\n%llu %s", count, name) : -1;
	if (n < 0 || listing->size + (size_t)n > IO_ERRORS_SIZE)
		return;
	fprintf(listing->f, "%s", line);
	listing->size += (size_t)n;
}

char *io_errors_text(struct store *store)
{
	char *text = NULL;
	size_t size;
	struct listing listing = { .f = open_memstream(&text, &size) };
	bool whole;

	if (!listing.f)
		return NULL;
	pthread_mutex_lock(&store->lock);
	catalog_each_locked(store, add_total, &listing);
	listing.size = (size_t)fprintf(listing.f, "%llu", listing.total);
	catalog_each_locked(store, add_image, &listing);
	pthread_mutex_unlock(&store->lock);
	whole = !ferror(listing.f);
	if (fclose(listing.f) == 0 && whole)
		return text;
	free(text);
	return NULL;
}
