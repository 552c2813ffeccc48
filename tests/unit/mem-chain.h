/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A chain of three images in memory, for tests.  Each function fails the test
 * on an error. */
#ifndef VHDFS_TESTS_MEM_CHAIN_H
#define VHDFS_TESTS_MEM_CHAIN_H

#include "unit/unit.h"

#include "chain/chain.h"
#include "format/vhd.h"
#include "format/vhdx.h"
#include "unit/rootdir-mem.h"

#define M (UINT64_C(1) << 20)

enum { BASE, CHILD, GRANDCHILD, FILES };

struct mem_chain {
	struct mem_file files[FILES];
	struct rootdir_mem rootdir;
	struct parent_cache *cache;
};

extern const struct image_ops *const mem_chain_formats[];
#define FOR_EACH_FORMAT(f)                                         \
	for (const struct image_ops *const *f = mem_chain_formats; \
	     f < mem_chain_formats + 2; f++)

void mem_chain_init(struct mem_chain *f);
void mem_chain_fini(struct mem_chain *f);
void mem_chain_make(struct mem_file *file, const struct image_ops *format,
		    struct image_params *params);
/* Makes file number child a child of file number parent; relative: the path
 * that the child stores. */
void mem_chain_make_child(struct mem_chain *f, const struct image_ops *format,
			  int child, int parent, const char *relative);
/* masters/base, its child clients/child, and clients/deep/grandchild; a disk of
 * 4 MiB. */
void mem_chain_make_three(struct mem_chain *f, const struct image_ops *format);
struct chain *mem_chain_open(struct mem_chain *f, const char *path, int flags);
/* The open fails with code, and the message contains text. */
void mem_chain_fails(struct mem_chain *f, const char *path, int code,
		     const char *text);

#endif
