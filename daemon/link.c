/* link.c - addresses that do one thing to one alert, signed, without a login.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/link.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/mem.h"

enum { MAC = 16, SECRET_TEXT = 2 * LINK_KEY };

const char *const link_word[] = { "ack", "silence" };

static void hex(const uint8_t *p, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

static bool make(const char *path, struct err *err)
{
	char text[SECRET_TEXT + 2], *fresh = xasprintf("%s.new", path);
	uint8_t key[LINK_KEY];
	int fd = -1;
	bool ok;

	unlink(fresh);
	ok = getrandom(key, sizeof(key), 0) == sizeof(key) &&
	     (fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640)) >= 0;
	hex(key, sizeof(key), text);
	strcpy(text + SECRET_TEXT, "\n");
	ok = ok && write(fd, text, SECRET_TEXT + 1) == SECRET_TEXT + 1 && !fsync(fd) &&
	     !rename(fresh, path);
	if (!ok)
		err_set(err, "%s cannot be made: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(text, sizeof(text));
	free(fresh);
	return ok;
}

char *link_secret(const char *path, struct err *err)
{
	char text[SECRET_TEXT + 1] = "";
	struct stat st;
	int fd;
	bool ok;

	if (access(path, F_OK) && !make(path, err))
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ok = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && !(st.st_mode & 027) &&
	     read(fd, text, SECRET_TEXT) == SECRET_TEXT &&
	     strspn(text, "0123456789abcdef") == SECRET_TEXT;
	if (fd >= 0)
		close(fd);
	if (ok)
		return xstrdup(text);
	err_set(err, "%s is not a secret of 64 digits that only culpritd may write; remove it, "
		"and a new one is made", path);
	return NULL;
}

static void mac(const char *secret, const char *text, char out[static 2 * MAC + 1])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text,
	     strlen(text), md, &len);
	hex(md, MAC, out);
}

const char *link_path(const char *secret, enum link_what what, const char *alert, int64_t until_s,
		     char out[static LINK_PATH])
{
	char sum[2 * MAC + 1];
	int n = snprintf(out, LINK_PATH, "act/%s/%.26s/%" PRId64, link_word[what], alert, until_s);

	mac(secret, out, sum);
	snprintf(out + n, LINK_PATH - (size_t)n, "/%s", sum);
	return out;
}

bool link_verify(const char *secret, const char *path, int64_t now_s, enum link_what *what,
	       char alert[static ALERT_ID], struct err *err)
{
	static const char wrong[] = "This address is not complete, or not one of ours; copy all "
				    "of it from the message.";
	char word[16], sum[2 * MAC + 1], *begin;
	const char *last = strrchr(path, '/');
	int64_t until_s;
	bool same;

	if (!secret || !last || last == path || strlen(last + 1) != 2 * MAC ||
	    strlen(path) >= LINK_PATH)
		return err_set(err, "%s", wrong);
	begin = xasprintf("%.*s", (int)(last - path), path);
	mac(secret, begin, sum);
	same = !CRYPTO_memcmp(sum, last + 1, 2 * MAC);
	same = same && sscanf(begin, "act/%15[a-z]/%26[0-9A-Z]/%" SCNd64, word, alert,
			      &until_s) == 3;
	free(begin);
	if (!same)
		return err_set(err, "%s", wrong);
	*what = strcmp(word, link_word[LINK_ACK]) ? LINK_SILENCE : LINK_ACK;
	if (now_s > until_s)
		return err_set(err, "This address was good for some time only, which is over. Use "
			       "culprit %s %s, or the page.", word, alert);
	return true;
}
