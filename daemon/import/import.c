/* import.c - one file of flows into the archive.
 * SPDX-License-Identifier: ISC
 *
 * A file is known by a hash of its content, whatever it is called and wherever it lies, so
 * it is read twice: once for that, which is fast, and once for its flows.
 */
#include "daemon/import/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "daemon/base/mem.h"

enum { PIECE = 1 << 20, HEAD = 64 << 10 };

struct work {
	struct intake_source *source;
};

static bool full(void *arg, struct block *b, struct err *err)
{
	struct work *w = arg;

	return intake_block(w->source, b, err);
}

static bool identify(int fd, const char *path, char id[static INTAKE_ID], struct err *err)
{
	XXH3_state_t *state = XXH3_createState();
	uint8_t *buf = xcalloc(1, PIECE);
	XXH128_canonical_t c;
	ssize_t n;

	XXH3_128bits_reset(state);
	while ((n = read(fd, buf, PIECE)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			XXH3_128bits_update(state, buf, (size_t)n);
	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(state));
	for (size_t i = 0; i < sizeof(c.digest); i++)
		snprintf(id + i * 2, 3, "%02x", c.digest[i]);
	XXH3_freeState(state);
	free(buf);
	if (n < 0)
		return err_set(err, "%s: %s", path, strerror(errno));
	return lseek(fd, 0, SEEK_SET) == 0 || err_set(err, "%s: %s", path, strerror(errno));
}

static bool read_flows(int fd, uint64_t size, const struct import_opts *o, const char *path,
		       struct rows *r, struct import_told *out, struct err *err)
{
	const struct source *s = NULL;
	enum capture_kind kind;
	const uint8_t *head;
	struct feed f;
	size_t n;
	bool ok;

	feed_open(&f, fd, size);
	f.progress = o->capture.progress;
	f.arg = o->capture.arg;
	n = feed_want(&f, HEAD) ? HEAD : feed_some(&f, &head);
	head = f.p;
	if (!n) {
		ok = err_set(err, "it is empty");
	} else if (capture_is(head, n)) {
		ok = capture_read(path, &o->capture, r, &kind, err);
		out->kind = kind == CAPTURE_DATAGRAMS ? "datagrams" : "packets";
	} else if ((s = source_find(head, n))) {
		out->kind = s->name;
		ok = s->read(&f, r, err);
	} else {
		ok = err_set(err, "it is no file of nfdump or flow-tools, no capture and no "
				  "table whose first line names its columns");
	}
	feed_close(&f);
	return ok;
}

static bool bring_in(struct intake *in, const struct import_opts *o, int fd,
		     const struct stat *st, const char *path, const char *id,
		     struct import_told *out, struct err *err)
{
	struct work w = { intake_begin(in, id, o->names, err) };
	static const uint8_t nobody[4];
	struct addr none = addr_of4(nobody);
	const struct exporter *e = o->exporter;
	struct rows r = { .names = o->names, .calendar = o->calendar, .now_ms = o->now_ms,
			  .file_ms = (int64_t)st->st_mtim.tv_sec * 1000, .full = full,
			  .arg = &w, .fixed = e != NULL };
	struct err why = { "" };
	bool ok;

	if (!w.source)
		return false;
	if (!e)
		e = names_exporter(o->names, &none, 0);
	r.exporter = e ? e->id : 0;
	r.block = block_new(o->names);
	ok = read_flows(fd, (uint64_t)st->st_size, o, path, &r, out, &why);
	if (ok)
		ok = intake_commit(&w.source, path, &out->done, &why);
	else
		intake_abort(&w.source);
	block_unref(&r.block);
	out->no_exporter = r.no_exporter;
	out->no_time = r.no_time;
	out->skipped = r.skipped;
	out->flows = r.flows;
	out->bytes = r.bytes;
	out->packets = r.packets;
	out->differs = r.told && (r.flows != out->done.rows ||
				  (r.bytes && (r.bytes != out->done.bytes ||
					       r.packets != out->done.packets)));
	return ok || err_set(err, "%s: %s", path, why.msg);
}

bool import_file(struct intake *in, const struct import_opts *o, const char *path,
		 struct import_told *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char id[INTAKE_ID];
	struct stat st;
	bool ok;

	*out = (struct import_told){ .kind = "" };
	if (fd < 0 || fstat(fd, &st)) {
		err_set(err, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(err, "%s: it is no plain file", path);
	}
	ok = identify(fd, path, id, err);
	out->known = ok && intake_has(in, id, &out->done);
	if (ok && !out->known)
		ok = bring_in(in, o, fd, &st, path, id, out, err);
	close(fd);
	return ok;
}
