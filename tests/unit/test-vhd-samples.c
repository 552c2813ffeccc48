/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHD images made by other programs. */
#include "config.h"

#include "unit/unit.h"
#include "unit/vhd-tool.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "chain/chain.h"
#include "io/io-file.h"
#include "io/rootdir.h"

static const char *samples_dir(void)
{
	static char dir[4096];
	const char *shared = getenv("VHDFS_SHARED");
	const char *top = getenv("top_srcdir");

	snprintf(dir, sizeof dir, "%s%s/samples",
		 shared ? shared : (top ? top : "."),
		 shared ? "" : "/../shared");
	return access(dir, R_OK) == 0 ? dir : NULL;
}

static void sha256_of(const char *path, char sum[65])
{
	char command[600];
	FILE *in;

	snprintf(command, sizeof command, "sha256sum < %s", path);
	in = popen(command, "r");
	assert_non_null(in);
	assert_int_equal(fread(sum, 1, 64, in), 64);
	sum[64] = '\0';
	pclose(in);
}

/* Copies the merged disk of the chain at path to the file flat; false if it is
 * all zeros. */
static bool flatten(const char *path, const char *flat, uint64_t *ret_size)
{
	struct root_dir rootdir = { .fd = AT_FDCWD, .path = (char *)"" };
	_cleanup_free_ uint8_t *buf = malloc(MIB(1));
	struct parent_cache *cache;
	struct chain *chain;
	FILE *out = fopen(flat, "w");
	bool any = false;

	assert_non_null(out);
	assert_ok(parent_cache_new(&rootdir, 1, &cache));
	assert_ok(chain_open(cache, path, 0, &chain));
	*ret_size = chain_size(chain);
	for (uint64_t off = 0, n; off < *ret_size; off += n) {
		struct chain_extent e;

		assert_ok(chain_map(chain, off, *ret_size - off, &e));
		n = e.zero ? e.len : min_u64(e.len, MIB(1));
		assert_ok(chain_read(chain, buf, off, min_u64(n, MIB(1))));
		if (!e.zero) {
			any = true;
			fseeko(out, (off_t)off, SEEK_SET);
			assert_int_equal(fwrite(buf, 1, n, out), n);
		}
	}
	assert_int_equal(ftruncate(fileno(out), (off_t)*ret_size), 0);
	assert_int_equal(fclose(out), 0);
	assert_ok(chain_close(chain));
	parent_cache_free(cache);
	return any;
}

static void unpack_samples(void **state, const char *dir)
{
	char command[5000];

	snprintf(command, sizeof command,
		 "cd '%s' && for f in *.vhd.xz; do "
		 "xz -dkc \"$f\" > '%s'/\"${f%%.xz}\" || exit 1; done",
		 dir, (const char *)*state);
	assert_int_equal(system(command), 0);
}

static void samples_have_the_contents_of_the_manifest(void **state)
{
	const char *dir = samples_dir();
	char manifest[4200], line[1024];
	unsigned n = 0;
	FILE *f;

	if (!dir)
		skip();
	unpack_samples(state, dir);
	snprintf(manifest, sizeof manifest, "%s/MANIFEST", dir);
	f = fopen(manifest, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		const char *flat = scratch_path(state, "flat");
		char name[128], sum[80], got[65];
		uint64_t size, got_size;

		if (sscanf(line, "%127s %" SCNu64 " %79s", name, &size, sum) !=
			    3 ||
		    !strstr(name, ".vhd") || strstr(name, ".vhdx"))
			continue;
		assert_int_equal(
			flatten(scratch_path(state, name), flat, &got_size),
			strcmp(sum, "-") != 0);
		assert_int_equal(got_size, size);
		if (strcmp(sum, "-")) {
			sha256_of(flat, got);
			assert_string_equal(got, sum);
		}
		n++;
	}
	fclose(f);
	assert_true(n > 0);
}

static void check_and_open_change_no_sample(void **state)
{
	const char *dir = samples_dir();
	static const char *const names[] = {
		"ext2.vhd",        "ntfs-differential.vhd",
		"vbox.vhd",        "ntfs-dynamic.vhd",
		"xapi.vhd",        "ntfs-fixed.vhd",
		"ntfs-parent.vhd", "virtualpc-dynamic.vhd",
		"win8.1-1GB.vhd",
	};

	if (!dir)
		skip();
	unpack_samples(state, dir);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *path = scratch_path(state, names[i]);
		struct mem_file file;
		struct vhd_found found;
		struct image *img;
		struct io *io;
		uint8_t buf[4096];
		uint64_t size;

		/* A copy in memory counts the writes. */
		mem_file_init(&file);
		assert_ok(io_file_open(path, false, &io));
		assert_ok(io_size(io, &size));
		for (uint64_t at = 0; at < size; at += sizeof buf) {
			size_t len = min_u64(sizeof buf, size - at);

			assert_ok(io_read(io, buf, len, at));
			mem_file_poke(&file, buf, len, at);
		}
		io_close(io);
		assert_ok(vhd_run_check(&file, true, &found));
		assert_string_equal(found.text, "");
		img = vhd_open_file(&file, true);
		assert_ok(image_close(img));
		assert_int_equal(file.n_pwrite + file.n_resize + file.n_punch,
				 0);
		mem_file_fini(&file);
	}
}

#define IN_SCRATCH(f) \
	cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(samples_have_the_contents_of_the_manifest),
		IN_SCRATCH(check_and_open_change_no_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
