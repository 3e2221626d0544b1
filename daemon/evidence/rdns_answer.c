/* rdns_answer.c - a question about an address, and what its answer says.
 * SPDX-License-Identifier: ISC
 *
 * c-ares has compared the answer's source, its number and (without case) its
 * question when it comes here. The letters of the question were sent in random case and must come
 * back in the same (draft-vixie-dnsext-dns0x20): ten bits more that a forger
 * has to guess, 12 and more for IPv6. Only a PTR record counts that belongs to the question, or to
 * what the question is another name of (RFC 2317 delegates parts of a /24 like that),
 * eight steps at most; so a circle ends.
 */
#include "daemon/evidence/rdns.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEADER_OCTETS = 12, STEPS = 8, NO_SUCH_NAME = 3, TTL_MAX_S = 86400 };

void rdns_question(const struct addr *a, uint64_t chance, char out[static RDNS_ASKED])
{
	size_t n = 0;

	if (addr_is4(a)) {
		snprintf(out, RDNS_ASKED, "%u.%u.%u.%u.in-addr.arpa", a->b[15], a->b[14],
			 a->b[13], a->b[12]);
	} else {
		for (int i = 15; i >= 0; i--) {
			out[n++] = "0123456789abcdef"[a->b[i] & 15];
			out[n++] = '.';
			out[n++] = "0123456789abcdef"[a->b[i] >> 4];
			out[n++] = '.';
		}
		snprintf(out + n, RDNS_ASKED - n, "ip6.arpa");
	}
	for (char *c = out; *c; c++) {
		if (!isalpha((unsigned char)*c))
			continue;
		if (chance & 1)
			*c = (char)toupper((unsigned char)*c);
		chance = chance >> 1 | chance << 63;
	}
}

struct reader {
	const uint8_t *from, *at, *end;
};

static unsigned get16(struct reader *r)
{
	unsigned v = (unsigned)r->at[0] << 8 | r->at[1];

	r->at += 2;
	return v;
}

/* A name at `at`, cut to what fits; false when it is none. */
static bool name_at(struct reader *r, const uint8_t *at, char out[static RDNS_NAME],
		    bool move)
{
	char *text;
	long used;

	if (at >= r->end || ares_expand_name(at, r->from, (int)(r->end - r->from), &text,
					     &used) != ARES_SUCCESS)
		return false;
	snprintf(out, RDNS_NAME, "%s", text);
	ares_free_string(text);
	if (move)
		r->at = at + used;
	return true;
}

struct rr {
	char owner[RDNS_NAME];
	unsigned type, class;
	uint32_t ttl_s;
	const uint8_t *data;
};

static bool next_rr(struct reader *r, struct rr *rr)
{
	unsigned len;

	if (!name_at(r, r->at, rr->owner, true) || r->end - r->at < 10)
		return false;
	rr->type = get16(r);
	rr->class = get16(r);
	rr->ttl_s = (uint32_t)get16(r) << 16;
	rr->ttl_s |= get16(r);
	len = get16(r);
	if ((size_t)(r->end - r->at) < len)
		return false;
	rr->data = r->at;
	r->at += len;
	return true;
}

/* The record that `owner` has: its name, or another name for it. */
static bool step(struct reader r, unsigned count, char owner[static RDNS_NAME], bool *found,
		 uint32_t *ttl_s)
{
	char to[RDNS_NAME];
	struct rr rr;

	while (count-- && next_rr(&r, &rr)) {
		if (rr.class != C_IN || (rr.type != T_PTR && rr.type != T_CNAME) ||
		    strcasecmp(rr.owner, owner) || !name_at(&r, rr.data, to, false))
			continue;
		*found = rr.type == T_PTR;
		*ttl_s = rr.ttl_s < *ttl_s ? rr.ttl_s : *ttl_s;
		memcpy(owner, to, RDNS_NAME);
		return true;
	}
	return false;
}

enum rdns_answer rdns_parse(const uint8_t *answer, size_t len, const char *question,
			    char name[static RDNS_NAME], uint32_t *ttl_s)
{
	struct reader r = { answer, answer + HEADER_OCTETS, answer + len };
	char owner[RDNS_NAME];
	unsigned count;
	bool found = false;

	if (len < HEADER_OCTETS || len > UINT16_MAX || !(answer[2] & 0x80) || answer[4] ||
	    answer[5] != 1)
		return RDNS_LATER;
	if (!name_at(&r, r.at, owner, true) || strcmp(owner, question) || r.end - r.at < 4 ||
	    get16(&r) != T_PTR || get16(&r) != C_IN)
		return RDNS_LATER;
	if ((answer[3] & 15) == NO_SUCH_NAME)
		return RDNS_NONE;
	if (answer[3] & 15)
		return RDNS_LATER;
	count = (unsigned)answer[6] << 8 | answer[7];
	*ttl_s = TTL_MAX_S;
	for (int i = 0; i < STEPS && !found; i++)
		if (!step(r, count, owner, &found, ttl_s))
			return RDNS_NONE;
	if (!found || !*owner)
		return RDNS_NONE;
	memcpy(name, owner, RDNS_NAME);
	return RDNS_KNOWN;
}
