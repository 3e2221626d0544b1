/* naming.h - who exports, inside one file.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_NAMING_H
#define CUL_ARCHIVE_NAMING_H

#include "daemon/base/map.h"
#include "daemon/model/names.h"
#include "storage/archive/format.h"

/* ---- writing: gives exporters numbers of the file's own ---- */
struct naming;

struct naming *naming_new(const struct names *names); /* borrows for its life */
void naming_free(struct naming **n);
void naming_reset(struct naming *n);  /* forgets all numbers */
void naming_retell(struct naming *n); /* numbers stay, but a new file does not know them */

uint32_t naming_exporter(struct naming *n, uint32_t id); /* process's id -> file's */
void naming_interface(struct naming *n, uint32_t id, uint32_t index); /* was seen */
/* Appends the directory of a NAMES frame with what the file does not tell yet; false
 * when there is nothing new. before: ordinal of the NAMES frame before, NO_NAMES for
 * none. At most FRAME_HEAD_MAX octets: call again until false. */
bool naming_write(struct naming *n, struct out *o, int64_t before);

/* ---- reading ---- */
struct file_names {
	int64_t ordinal;  /* of the last NAMES frame, NO_NAMES: none */
	uint32_t *ids, n; /* file's number -> id in names; never changed once set */
};

/* Where a NAMES frame's content goes. Ids in `names` are good for a whole query; when
 * a file tells another name for a known interface, `names` is replaced (renamed). */
struct name_sink {
	struct names *names;
	struct names **old; /* names objects before, until the query ends */
	size_t n_old;
	uint32_t **old_ids;
	size_t n_old_ids;
	struct map ifs;     /* what files told of interfaces last */
};

void name_sink_init(struct name_sink *s, const struct names *start); /* may be NULL */
void name_sink_fini(struct name_sink *s);
/* Applies a NAMES frame; false: it does not fit (damage), then fn tells nothing. */
bool names_apply(struct name_sink *s, struct file_names *fn, uint32_t ordinal, struct in *r);
void file_names_clear(struct name_sink *s, struct file_names *fn);

#endif
