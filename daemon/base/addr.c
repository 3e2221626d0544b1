/* addr.c - IPv4 and IPv6 addresses and prefixes, in one shape.
 * SPDX-License-Identifier: ISC
 *
 * The text is made here and not by inet_ntop(), which writes ::1:2 as
 * ::0.1.0.2; RFC 5952 wants one text for one address, and people search logs
 * for it.
 */
#include "daemon/base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "daemon/base/digits.h"
#include "daemon/base/units.h"

/* Where the longest run of at least two zero groups begins, the first of
 * equals (RFC 5952 sec. 4.2); *len is 0 when there is none. */
static int zero_run(const unsigned group[8], int *len)
{
	int best = 0;

	*len = 0;
	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && !group[i + n])
			n++;
		if (n > *len) {
			best = i;
			*len = n;
		}
		i += n;
	}
	if (*len < 2)
		*len = 0;
	return best;
}

static const uint8_t veiled[10] = { [0] = 1, [8] = 0xc1, [9] = 0x1e };

struct addr addr_veiled(const uint8_t bits[static ADDR_VEILED])
{
	struct addr a;

	memcpy(a.b, veiled, sizeof(veiled));
	memcpy(a.b + sizeof(veiled), bits, ADDR_VEILED);
	return a;
}

bool addr_is_veiled(const struct addr *a)
{
	return !memcmp(a->b, veiled, sizeof(veiled));
}

static bool parse_veiled(const char *text, struct addr *out)
{
	uint8_t bits[ADDR_VEILED];
	size_t used = 0;

	if (strncmp(text, "client-", 7) || strspn(text + 7, "0123456789abcdef") != 12 ||
	    text[19])
		return false;
	for (; used < ADDR_VEILED; used++)
		sscanf(text + 7 + 2 * used, "%2hhx", &bits[used]);
	*out = addr_veiled(bits);
	return true;
}

const char *addr_text(const struct addr *a, char buf[static ADDR_TEXT])
{
	unsigned group[8];
	int run, len, at = 0;

	if (addr_is_none(a)) {
		strcpy(buf, "-");
		return buf;
	}
	if (addr_is4(a)) {
		char *to = buf;

		for (int i = 12; i < 16; i++) {
			to = digits_put(to, a->b[i]);
			*to++ = i < 15 ? '.' : '\0';
		}
		return buf;
	}
	if (addr_is_veiled(a)) {
		snprintf(buf, ADDR_TEXT, "client-%02x%02x%02x%02x%02x%02x", a->b[10], a->b[11],
			 a->b[12], a->b[13], a->b[14], a->b[15]);
		return buf;
	}
	for (int i = 0; i < 8; i++)
		group[i] = (unsigned)a->b[2 * i] << 8 | a->b[2 * i + 1];
	run = zero_run(group, &len);
	for (int i = 0; i < 8;) {
		if (len && i == run) {
			at += snprintf(buf + at, (size_t)(ADDR_TEXT - at), "::");
			i += len;
			continue;
		}
		at += snprintf(buf + at, (size_t)(ADDR_TEXT - at), "%s%x",
			       i && !(len && i == run + len) ? ":" : "", group[i]);
		i++;
	}
	return buf;
}

bool addr_parse(const char *text, struct addr *out)
{
	uint8_t net[4];

	if (inet_pton(AF_INET, text, net) == 1) {
		*out = addr_of4(net);
		return true;
	}
	return inet_pton(AF_INET6, text, out->b) == 1 || parse_veiled(text, out);
}

bool prefix_parse(const char *text, struct prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	unsigned base = memchr(text, ':', len) ? 0 : 96;
	uint64_t bits = 128 - base;
	char host[ADDR_TEXT];
	struct prefix p;

	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	if (!addr_parse(host, &p.addr) || (slash && !parse_u64(slash + 1, 128 - base, &bits)))
		return false;
	p.bits = (uint8_t)(base + bits);
	p.addr = addr_first(&p.addr, p.bits);
	*out = p;
	return true;
}

bool prefix_has(const struct prefix *p, const struct addr *a)
{
	unsigned whole = p->bits / 8, rest = p->bits % 8;

	if (memcmp(p->addr.b, a->b, whole))
		return false;
	return !rest || !((p->addr.b[whole] ^ a->b[whole]) >> (8 - rest));
}

const char *prefix_text(const struct prefix *p, char buf[static ADDR_TEXT + 4])
{
	bool four = addr_is4(&p->addr) && p->bits >= 96;
	char *end;

	addr_text(&p->addr, buf);
	if (addr_is_none(&p->addr))
		strcpy(buf, "::"); /* here the zeros mean something */
	end = buf + strlen(buf);
	snprintf(end, 5, "/%u", four ? p->bits - 96u : p->bits);
	return buf;
}

struct addr addr_of_sockaddr(const struct sockaddr_storage *ss, uint16_t *port)
{
	struct addr a = { { 0 } };

	*port = 0;
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

		*port = ntohs(in->sin_port);
		a = addr_of4(&in->sin_addr);
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

		*port = ntohs(in6->sin6_port);
		memcpy(a.b, &in6->sin6_addr, sizeof(a.b));
	}
	return a;
}
