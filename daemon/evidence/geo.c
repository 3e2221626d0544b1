/* geo.c - in which country an address is, and in which AS.
 * SPDX-License-Identifier: ISC
 *
 * libmaxminddb maps files, and a mapped file that somebody cuts ends the process (SIGBUS).
 * So the file is copied into memory of our own (memfd, sealed) and the library opens that.
 * The price is the file's size in memory, once more while it is replaced.
 *
 * Before a file is used all of it is walked: each node of its tree, and each record that a
 * node points at. One that is cut, points outside or nests too deep is refused, and
 * the one before goes on; a person hears about it once an hour. What makers call things
 * differs, so each question knows several paths.
 */
#include "daemon/evidence/geo.h"

#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <maxminddb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 2000, SEEN = 1 << 12 };
static const off_t file_max = INT64_C(1) << 30;

struct geo {
	char *path;
	pthread_rwlock_t lock;
	bool looked, there;
	int64_t looked_ms;
	uint32_t reading;
	struct stat was;
	MMDB_s db;
};

static const char *const country_paths[][4] = {
	{ "country", "iso_code" },            /* GeoLite2, DB-IP */
	{ "registered_country", "iso_code" },
	{ "country_code" },                   /* iptoasn and others */
	{ "country" },                        /* IPinfo */
};
static const char *const as_paths[][4] = {
	{ "autonomous_system_number" },
	{ "asn" },
	{ "traits", "autonomous_system_number" },
	{ "as_number" },
};

/* ---- reading a file ---- */

/* A copy of the file that nobody else can change; -1 + err. */
static int private_copy(int fd, off_t size, struct err *err)
{
	int copy = memfd_create("geo", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char *buf = xcalloc(1, 1 << 16);
	off_t left = size;
	ssize_t got = 0;

	while (copy >= 0 && left > 0 && (got = read(fd, buf, 1 << 16)) > 0) {
		if (write(copy, buf, (size_t)got) != got)
			break;
		left -= got;
	}
	free(buf);
	if (copy >= 0 && left <= 0 &&
	    !fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
		return copy;
	err_set(err, "%s", copy >= 0 && !got ? "it was cut while it was read" : strerror(errno));
	if (copy >= 0)
		close(copy);
	return -1;
}

static bool value_at(MMDB_entry_s *e, const char *const path[4], MMDB_entry_data_s *out)
{
	return MMDB_aget_value(e, out, path) == MMDB_SUCCESS && out->has_data;
}

/* The whole record can be read. */
static bool record_ok(MMDB_entry_s *e)
{
	MMDB_entry_data_list_s *list = NULL;
	bool ok = MMDB_get_entry_data_list(e, &list) == MMDB_SUCCESS;

	MMDB_free_entry_data_list(list);
	return ok;
}

static bool side_ok(const MMDB_s *db, uint8_t type, uint64_t record, MMDB_entry_s *e,
		    uint32_t seen[SEEN])
{
	switch (type) {
	case MMDB_RECORD_TYPE_SEARCH_NODE: return record < db->metadata.node_count;
	case MMDB_RECORD_TYPE_EMPTY: return true;
	case MMDB_RECORD_TYPE_DATA: break;
	default: return false;
	}
	if (seen[e->offset % SEEN] == e->offset + 1)
		return true;
	seen[e->offset % SEEN] = e->offset + 1;
	return record_ok(e);
}

static bool walk(const MMDB_s *db, struct err *err)
{
	uint32_t *seen = xcalloc(SEEN, sizeof(*seen));
	bool ok = true;

	for (uint32_t i = 0; ok && i < db->metadata.node_count; i++) {
		MMDB_search_node_s n;

		ok = MMDB_read_node(db, i, &n) == MMDB_SUCCESS &&
		     side_ok(db, n.left_record_type, n.left_record, &n.left_record_entry, seen) &&
		     side_ok(db, n.right_record_type, n.right_record, &n.right_record_entry,
			     seen);
		if (!ok)
			err_set(err, "node %u of its tree leads to nothing that can be read", i);
	}
	free(seen);
	return ok;
}

static bool open_copy(const char *path, MMDB_s *db, struct stat *st, struct err *err)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), copy = -1, rc;
	char self[64];

	if (fd < 0)
		return err_set(err, "%s", strerror(errno));
	if (fstat(fd, st) || !S_ISREG(st->st_mode) || st->st_size > file_max)
		err_set(err, "it is not a file of at most 1 GiB");
	else
		copy = private_copy(fd, st->st_size, err);
	close(fd);
	if (copy < 0)
		return false;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", copy);
	rc = MMDB_open(self, MMDB_MODE_MMAP, db);
	close(copy);
	if (rc != MMDB_SUCCESS)
		return err_set(err, "%s", MMDB_strerror(rc));
	if (walk(db, err))
		return true;
	MMDB_close(db);
	return false;
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void read_again(struct geo *g)
{
	MMDB_s fresh, old;
	struct stat st = { .st_size = 0 };
	struct err err = { "" };
	bool had;

	if (!open_copy(g->path, &fresh, &st, &err)) {
		log_seldom(g->path, 3600, "%s: %s; %s", g->path, err.msg,
			   g->there ? "the one before it goes on being used"
				    : "countries and AS stay unknown");
		return;
	}
	pthread_rwlock_wrlock(&g->lock);
	old = g->db;
	had = g->there;
	g->db = fresh;
	g->there = true;
	__atomic_store_n(&g->reading, g->reading + 1, __ATOMIC_RELAXED);
	pthread_rwlock_unlock(&g->lock);
	if (had)
		MMDB_close(&old);
}

/* ---- outside ---- */

struct geo *geo_open(const char *path)
{
	struct geo *g = xcalloc(1, sizeof(*g));

	g->path = xstrdup(path);
	pthread_rwlock_init(&g->lock, NULL);
	return g;
}

void geo_close(struct geo **gp)
{
	struct geo *g = *gp;

	*gp = NULL;
	if (!g)
		return;
	if (g->there)
		MMDB_close(&g->db);
	pthread_rwlock_destroy(&g->lock);
	free(g->path);
	free(g);
}

void geo_look(struct geo *g, int64_t mono_ms)
{
	struct stat st = { .st_size = 0 };
	bool look = !g->looked || mono_ms - g->looked_ms >= LOOK_MS;

	if (!look) /* without the lock: its file system may hang, and workers wait for it */
		return;
	look = stat(g->path, &st) ? !g->looked : !g->looked || !same(&st, &g->was);
	if (st.st_ino)
		g->was = st;
	g->looked = true;
	g->looked_ms = mono_ms;
	if (look)
		read_again(g);
}

uint32_t geo_reading(struct geo *g)
{
	return __atomic_load_n(&g->reading, __ATOMIC_RELAXED);
}

/* Lock held. */
static bool look_up(const struct geo *g, const struct addr *a, MMDB_entry_s *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	const struct sockaddr *sa = (const struct sockaddr *)&v6;
	MMDB_lookup_result_s r;
	int rc;

	if (!g->there || addr_is_none(a))
		return false;
	if (addr_is4(a)) {
		memcpy(&v4.sin_addr, a->b + 12, 4);
		sa = (const struct sockaddr *)&v4;
	} else {
		memcpy(&v6.sin6_addr, a->b, 16);
	}
	r = MMDB_lookup_sockaddr(&g->db, sa, &rc);
	*out = r.entry;
	return rc == MMDB_SUCCESS && r.found_entry;
}

static bool find(struct geo *g, const struct addr *a, const char *const paths[][4], size_t n,
		 bool (*take)(const MMDB_entry_data_s *d, uint32_t *out), uint32_t *out)
{
	MMDB_entry_data_s d;
	MMDB_entry_s e;
	bool found = false;

	pthread_rwlock_rdlock(&g->lock);
	if (look_up(g, a, &e))
		for (size_t i = 0; i < n && !found; i++)
			found = value_at(&e, paths[i], &d) && take(&d, out);
	pthread_rwlock_unlock(&g->lock);
	return found;
}

static bool take_country(const MMDB_entry_data_s *d, uint32_t *out)
{
	const char *s = d->utf8_string;

	if (d->type != MMDB_DATA_TYPE_UTF8_STRING || d->data_size != 2 || s[0] < 'A' ||
	    s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z')
		return false;
	*out = (uint32_t)(s[0] << 8 | s[1]);
	return true;
}

/* A number, or text like "AS64500". */
static bool take_as(const MMDB_entry_data_s *d, uint32_t *out)
{
	uint64_t v = 0;
	const char *s = d->utf8_string;
	uint32_t i = 0;

	if (d->type == MMDB_DATA_TYPE_UINT32 || d->type == MMDB_DATA_TYPE_UINT16) {
		*out = d->type == MMDB_DATA_TYPE_UINT32 ? d->uint32 : d->uint16;
		return *out;
	}
	if (d->type != MMDB_DATA_TYPE_UTF8_STRING || d->data_size > 12)
		return false;
	if (d->data_size > 2 && s[0] == 'A' && s[1] == 'S')
		i = 2;
	for (; i < d->data_size && s[i] >= '0' && s[i] <= '9'; i++)
		v = v * 10 + (uint64_t)(s[i] - '0');
	*out = (uint32_t)v;
	return v && v <= UINT32_MAX && i == d->data_size;
}

uint16_t geo_country(struct geo *g, const struct addr *a)
{
	uint32_t v;

	return find(g, a, country_paths, ARRAY_LEN(country_paths), take_country, &v)
		       ? (uint16_t)v : 0;
}

uint16_t geo_filter(void *geo, const struct addr *a)
{
	return geo_country(geo, a);
}

uint32_t geo_as(struct geo *g, const struct addr *a)
{
	uint32_t v;

	return find(g, a, as_paths, ARRAY_LEN(as_paths), take_as, &v) ? v : 0;
}
