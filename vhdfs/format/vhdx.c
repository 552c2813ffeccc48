/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VHDX driver's operations: probe, open, close, peek, parent.
 *
 * The other operations are in the files that vhdx-internal.h lists; what is on
 * disk is in vhdx-layout.h.
 */
#include "config.h"

#include "format/vhdx.h"

#include "format/vhdx-internal.h"

/* Programs place the metadata region in the first 16 MiB of the file. */
enum { METADATA_MIB_MAX = 16 };

static int vhdx_probe(struct io *io)
{
	char signature[VHDX_SIGNATURE_SIZE];
	int r = io_read_padded(io, signature, sizeof signature, 0);

	return r < 0 ? r
		     : !memcmp(signature, VHDX_FILE_SIGNATURE,
			       sizeof signature);
}

/* The log is replayed only after all other structures were found sound. */
static int load(struct vhdx *v)
{
	int r = vhdx_load(v);

	if (r == 0)
		r = vhdx_check_truncation(v);
	if (r == 0 && v->img.dirty && v->img.io->writable)
		r = vhdx_log_replay(v);
	return r < 0 ? r : image_init(&v->img, &vhdx_ops, v->img.io);
}

static int vhdx_open(struct io *io, struct image **ret)
{
	struct vhdx *v = calloc(1, sizeof *v);
	int r;

	if (!v)
		return fail(-ENOMEM, "%s: out of memory", io->name);
	v->img.io = io;
	r = load(v);
	if (r < 0) {
		vhdx_unload(v);
		free(v);
		return r;
	}
	*ret = &v->img;
	return 0;
}

static int vhdx_close(struct image *img)
{
	struct vhdx *v = vhdx_of(img);
	int r = 0;

	/* After a failure the next open needs the log: it must stay. */
	if (atomic_load(&img->started) && !atomic_load(&img->failed))
		r = vhdx_end_writes(img);
	if (r == 0 && img->writable && !atomic_load(&img->failed))
		r = vhdx_trim(v);
	vhdx_unload(v);
	image_fini(img);
	free(v);
	return r;
}

/*
 * For a file whose tables do not lead to the metadata: searches for the
 * metadata at each MiB.  1 if it was found and has no parent locator, else 0.
 */
static int has_no_locator(struct io *io)
{
	static const char key[] = "p\0a\0r\0e\0n\0t\0_\0l\0i\0n\0k\0";
	_cleanup_free_ uint8_t *buf = malloc(MIB(1));
	bool found = false, none = false;
	int r = buf ? 0 : -ENOMEM;

	for (unsigned i = 1; r == 0 && !found && i < METADATA_MIB_MAX; i++) {
		r = io_read_padded(io, buf, MIB(1), i * MIB(1));
		found = r == 0 &&
			!memcmp(buf, VHDX_META_SIGNATURE, VHDX_SIGNATURE_SIZE);
		none = found && !memmem(buf, MIB(1), key, sizeof key - 1);
	}
	return r < 0 ? r : none;
}

/* Reads the structures without the log: a log that was not replayed may hold
 * newer ones. */
static int vhdx_peek(struct image *img, struct parent_ref *ret)
{
	struct vhdx v = { .img = { .io = img->io } };
	int r = io_size(img->io, &v.file_size);
	bool logged = false;

	/* Without a valid header the region tables may still be valid. */
	if (r == 0 && vhdx_headers_load(&v) < 0) {
		memset(&v.header, 0, sizeof v.header);
		logged = true;
	}
	logged = logged || vhdx_has_log(&v);
	if (r == 0)
		r = vhdx_regions_load(&v);
	if (r == 0)
		r = vhdx_metadata_load(&v);
	if (r == 0 && v.img.type == IMAGE_DIFFERENCING)
		r = vhdx_parent(&v.img, ret);
	if (r == 0) {
		img->type = v.img.type;
		img->size = v.img.size;
		img->sector_size = v.img.sector_size;
		img->id = v.img.id;
	}
	vhdx_unload(&v);
	if (r == -EBADMSG && has_no_locator(img->io) > 0) {
		img->type = IMAGE_DYNAMIC;
		r = 0;
	}
	ret->outdated = logged;
	return r;
}

const struct image_ops vhdx_ops = {
	.name = "vhdx",
	.title = "VHDX",
	.endings = { "vhdx", "avhdx" },
	.stores_sector_size = true,
	.probe = vhdx_probe,
	.open = vhdx_open,
	.close = vhdx_close,
	.peek = vhdx_peek,
	.parent = vhdx_parent,
	.map = vhdx_map,
	.may_write = vhdx_may_write,
	.begin_writes = vhdx_begin_writes,
	.end_writes = vhdx_end_writes,
	.write = vhdx_write,
	.bitmap = vhdx_bitmap,
	.zero = vhdx_zero,
	.flush_begin = vhdx_flush_begin,
	.flush_finish = vhdx_flush_finish,
	.create = vhdx_create,
	.params_complete = vhdx_params_complete,
	.set_parent = vhdx_set_parent,
	.remove_parent = vhdx_remove_parent,
	.check = vhdx_check,
};
