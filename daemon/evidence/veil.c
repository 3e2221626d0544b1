/* veil.c - pseudonyms by a keyed hash.
 * SPDX-License-Identifier: ISC
 *
 * The first 48 bits of HMAC-SHA256 over the address, in the shape of an address, so that
 * requests are kept, joined and shown like any other. Who has the key finds the person by
 * trying addresses (`culprit who`), nobody else. The same address has the same
 * pseudonym as long as the key stays; a new key ends what can be told of old requests,
 * which is how one forgets.
 *
 * What it does not do: the flows between client and proxy have the client's address still,
 * since it is what rules count and exporters send. It keeps URLs apart from persons in
 * what is kept of the log and in what people are told, not from who studies the archive.
 */
#include "daemon/evidence/veil.h"

#include "daemon/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY = 32, KEY_MAX = 4096, KEY_MIN = 16 };

struct veil {
	uint8_t key[KEY_MAX];
	int n;
};

static bool make_key(const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	uint8_t bits[KEY];
	char text[2 * KEY + 2];
	bool ok;

	if (fd < 0 && errno == EEXIST)
		return true;
	for (int i = 0; fd >= 0 && i < KEY; i++)
		if (i || getrandom(bits, KEY, 0) == KEY)
			snprintf(text + 2 * i, 4, "%02x\n", bits[i]);
	ok = fd >= 0 && write(fd, text, 2 * KEY + 1) == 2 * KEY + 1 && !fsync(fd);
	if (!ok)
		err_set(err, "privacy: key_file %s cannot be made: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && !ok)
		unlink(path);
	explicit_bzero(bits, sizeof(bits));
	explicit_bzero(text, sizeof(text));
	return ok;
}

struct veil *veil_open(const char *key_file, bool make, struct err *err)
{
	struct veil *v = xcalloc(1, sizeof(*v));
	struct stat st = { .st_mode = 0 };
	ssize_t n = -1;
	int fd;

	if (make && !make_key(key_file, err))
		goto fail;
	fd = open(key_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0 && !fstat(fd, &st))
		n = read(fd, v->key, sizeof(v->key));
	if (n < 0)
		err_set(err, "privacy: key_file %s: %s", key_file, strerror(errno));
	else if (st.st_mode & 007)
		err_set(err, "privacy: key_file %s has mode %04o, so anybody could tell who is who; "
			"run: chmod 0600 %s", key_file, (unsigned)st.st_mode & 07777, key_file);
	while (n > 0 && strchr(" \t\r\n", v->key[n - 1]))
		n--;
	if (n >= 0 && !(st.st_mode & 007) && n < KEY_MIN)
		err_set(err, "privacy: the key in %s is shorter than %d characters; make one with: "
			"openssl rand -hex 32", key_file, KEY_MIN);
	if (fd >= 0)
		close(fd);
	v->n = (int)n;
	if (n >= KEY_MIN && !(st.st_mode & 007))
		return v;
fail:
	veil_free(&v);
	return NULL;
}

void veil_free(struct veil **v)
{
	if (*v)
		explicit_bzero(*v, sizeof(**v));
	free(*v);
	*v = NULL;
}

struct addr veil_addr(const struct veil *v, const struct addr *a)
{
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!v || addr_is_none(a) || addr_is_veiled(a))
		return *a;
	HMAC(EVP_sha256(), v->key, v->n, a->b, sizeof(a->b), mac, &n);
	return addr_veiled(mac);
}
