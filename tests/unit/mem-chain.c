/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A chain of three images in memory, for tests. */
#include "config.h"

#include "unit/mem-chain.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/registry.h"

const struct image_ops *const mem_chain_formats[] = { &vhd_ops, &vhdx_ops };

void mem_chain_init(struct mem_chain *f)
{
	for (int i = 0; i < FILES; i++)
		mem_file_init(&f->files[i]);
	rootdir_mem_init(&f->rootdir);
	assert_ok(parent_cache_new(&f->rootdir.rootdir, 1, &f->cache));
}

void mem_chain_fini(struct mem_chain *f)
{
	parent_cache_free(f->cache);
	for (int i = 0; i < FILES; i++)
		mem_file_fini(&f->files[i]);
}

void mem_chain_make(struct mem_file *file, const struct image_ops *format,
		    struct image_params *params)
{
	struct io *io;

	assert_ok(io_mem_open(file, "new", true, &io));
	assert_ok(image_params_complete(format, params));
	assert_ok(image_create(io, format, params));
	io_close(io);
}

void mem_chain_make_child(struct mem_chain *f, const struct image_ops *format,
			  int child, int parent, const char *relative)
{
	struct image_params params = { .type = IMAGE_DIFFERENCING,
				       .parent_relative = relative,
				       .parent_absolute = "/gone/away" };
	struct image *img;
	struct io *io;

	assert_ok(io_mem_open(&f->files[parent], "parent", false, &io));
	assert_ok(image_open(io, format, &img));
	params.parent = img;
	mem_chain_make(&f->files[child], format, &params);
	image_close(img);
}

void mem_chain_make_three(struct mem_chain *f, const struct image_ops *format)
{
	mem_chain_make(
		&f->files[BASE], format,
		&(struct image_params){ .type = IMAGE_DYNAMIC, .size = 4 * M });
	mem_chain_make_child(f, format, CHILD, BASE, "../masters/base");
	mem_chain_make_child(f, format, GRANDCHILD, CHILD, "./../child");
	rootdir_mem_add(&f->rootdir, "masters/base", &f->files[BASE]);
	rootdir_mem_add(&f->rootdir, "clients/child", &f->files[CHILD]);
	rootdir_mem_add(&f->rootdir, "clients/deep/grandchild",
			&f->files[GRANDCHILD]);
}

struct chain *mem_chain_open(struct mem_chain *f, const char *path, int flags)
{
	struct chain *chain = NULL;

	assert_ok(chain_open(f->cache, path, flags, &chain));
	return chain;
}

void mem_chain_fails(struct mem_chain *f, const char *path, int code,
		     const char *text)
{
	struct chain *chain;

	assert_errno(chain_open(f->cache, path, 0, &chain), code);
	if (!strstr(error_text(), text)) {
		print_error("expected a message with \"%s\", found \"%s\"\n",
			    text, error_text());
		_fail(__FILE__, __LINE__);
	}
}
