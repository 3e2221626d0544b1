/* squid_line.c - one line of Squid's access log, in any of three formats.
 * SPDX-License-Identifier: ISC
 *
 *   native    1795469029.373     11 10.20.0.11 TCP_MISS/200 27343 GET URL user
 *             HIER_DIRECT/198.51.100.10 text/html                  (one line)
 *   culprit   %ts.%03tu %6tr %>a %>p %<la %<lp %<a %<p %Ss/%03>Hs %>st %<st %<bs %rm
 *             "%ru" %[un %mt %tS
 *   combined  10.20.0.11 ident user [23/Nov/2026:21:23:49 +0000] "GET URL HTTP/1.1" 200
 *             27343 "referer" "agent" TCP_MISS:HIER_DIRECT         (one line)
 *
 * The line is written when the request ends: it began %tr milliseconds before. Combined
 * tells neither duration nor origin. A native URL may hold spaces (uri_whitespace
 * allow), so what follows it is taken from the right. Numbers are digits alone: "NaN",
 * "-1", 2^63 and a time before the year 2000 make the line a broken one; a duration
 * longer than 31 days is taken as 31 days, a negative one as none.
 */
#include "daemon/evidence/squid_line.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t first_ms = INT64_C(946684800000), last_ms = INT64_C(4102444800000);
static const int64_t longest_ms = INT64_C(31) * 86400 * 1000;
static const uint64_t most_octets = UINT64_C(1) << 50;

struct piece {
	const char *s;
	size_t len;
};

/* The next word before end; false: none. *at moves behind it. */
static bool word(const char **at, const char *end, struct piece *out)
{
	const char *p = *at;

	while (p < end && *p == ' ')
		p++;
	out->s = p;
	while (p < end && *p != ' ')
		p++;
	out->len = (size_t)(p - out->s);
	*at = p;
	return out->len > 0;
}

/* The last word, which *end then comes before. */
static bool last_word(const char *from, const char **end, struct piece *out)
{
	const char *p = *end, *stop;

	while (p > from && p[-1] == ' ')
		p--;
	stop = p;
	while (p > from && p[-1] != ' ')
		p--;
	*out = (struct piece){ p, (size_t)(stop - p) };
	*end = p;
	return out->len > 0;
}

static bool number(struct piece p, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < p.len; i++) {
		if (p.s[i] < '0' || p.s[i] > '9' || v > max)
			return false;
		v = v * 10 + (uint64_t)(p.s[i] - '0');
	}
	*out = v;
	return p.len && p.len < 20 && v <= max;
}

static bool is_dash(struct piece p)
{
	return p.len == 1 && *p.s == '-';
}

static bool octets(struct piece p, uint64_t *out)
{
	*out = 0;
	return is_dash(p) || number(p, most_octets, out);
}

/* "1795469029.373"; the fraction has any number of digits. */
static bool time_of(struct piece p, int64_t *ms)
{
	const char *dot = memchr(p.s, '.', p.len);
	size_t whole = dot ? (size_t)(dot - p.s) : p.len;
	uint64_t s, unit = 100;

	if (!number((struct piece){ p.s, whole }, (uint64_t)last_ms / 1000, &s))
		return false;
	*ms = (int64_t)s * 1000;
	for (size_t i = whole + 1; i < p.len; i++, unit /= 10) {
		if (p.s[i] < '0' || p.s[i] > '9')
			return false;
		*ms += (int64_t)((uint64_t)(p.s[i] - '0') * unit);
	}
	return *ms >= first_ms && *ms <= last_ms;
}

static bool duration_of(struct piece p, int64_t *ms)
{
	uint64_t v;

	*ms = 0;
	if (p.len > 1 && *p.s == '-') /* the clock was set back */
		return number((struct piece){ p.s + 1, p.len - 1 }, INT64_MAX, &v);
	if (!is_dash(p) && !number(p, INT64_MAX, &v))
		return false;
	*ms = is_dash(p) ? 0 : v > (uint64_t)longest_ms ? longest_ms : (int64_t)v;
	return true;
}

/* Brackets around IPv6 are taken off; none when it is no address (a name, "-"). */
static struct addr address(struct piece p)
{
	struct addr a = { { 0 } };
	char text[ADDR_TEXT];

	if (p.len > 1 && *p.s == '[' && p.s[p.len - 1] == ']') {
		p.s++;
		p.len -= 2;
	}
	if (p.len && p.len < sizeof(text)) {
		memcpy(text, p.s, p.len);
		text[p.len] = '\0';
		if (memchr(p.s, '\0', p.len) || !addr_parse(text, &a))
			a = (struct addr){ { 0 } };
	}
	return a;
}

static bool port(struct piece p, uint16_t *out)
{
	uint64_t v = 0;

	if (!is_dash(p) && !number(p, 65535, &v))
		return false;
	*out = (uint16_t)v;
	return true;
}

/* "TCP_MISS/200": a word, a slash, a number. */
static bool is_status(struct piece p)
{
	const char *slash = memchr(p.s, '/', p.len);
	uint64_t code;

	return slash && slash > p.s &&
	       number((struct piece){ slash + 1, (size_t)(p.s + p.len - slash) - 1 }, 999,
		      &code);
}

static bool set_url(struct request *r, struct piece p, char *url)
{
	if (!p.len)
		return false;
	request_url(p.s, p.len, URLS_QUERIES, url); /* cut when all of it is well */
	r->url = url;
	return *url != '\0';
}

/* After the status: "27343 GET URL user HIER_DIRECT/198.51.100.10 text/html". */
static bool native(const char *at, const char *end, struct request *r, char *url)
{
	struct piece bytes, method, mime, hier, user, u;
	const char *slash;

	if (!word(&at, end, &bytes) || !octets(bytes, &r->received) ||
	    !word(&at, end, &method) || !last_word(at, &end, &mime) ||
	    !last_word(at, &end, &hier) || !last_word(at, &end, &user))
		return false;
	slash = memchr(hier.s, '/', hier.len);
	if (!slash)
		return false;
	r->origin = address(
	    (struct piece){ slash + 1, (size_t)(hier.s + hier.len - slash) - 1 });
	r->cached = slash - hier.s == 9 && !memcmp(hier.s, "HIER_NONE", 9);
	while (at < end && *at == ' ')
		at++;
	while (end > at && end[-1] == ' ')
		end--;
	u = (struct piece){ at, (size_t)(end - at) };
	return set_url(r, u, url);
}

/* What stands between quotes, a backslash before one that is meant; *at behind it. */
static bool quoted(const char **at, const char *end, struct piece *out)
{
	const char *p = *at;

	while (p < end && *p == ' ')
		p++;
	if (p == end || *p != '"')
		return false;
	out->s = ++p;
	while (p < end && *p != '"')
		p += *p == '\\' && p + 1 < end ? 2 : 1;
	if (p >= end)
		return false;
	out->len = (size_t)(p - out->s);
	*at = p + 1;
	return true;
}

/* After the client: from its port on. */
static bool ours(struct piece client_port, const char *at, const char *end,
		 struct request *r, char *url)
{
	struct piece la, lp, a, p, status, sent, received, body, method, u;

	if (!port(client_port, &r->client_port) || !word(&at, end, &la) ||
	    !word(&at, end, &lp) || !word(&at, end, &a) || !word(&at, end, &p) ||
	    !word(&at, end, &status) || !word(&at, end, &sent) ||
	    !word(&at, end, &received) || !word(&at, end, &body) ||
	    !word(&at, end, &method) || !quoted(&at, end, &u))
		return false;
	r->proxy = address(la);
	r->origin = address(a);
	r->cached = is_dash(a);
	return is_status(status) && port(lp, &r->proxy_port) && port(p, &r->origin_port) &&
	       octets(sent, &r->sent) && octets(received, &r->received) &&
	       set_url(r, u, url);
}

/* "23/Nov/2026:21:23:49 +0000" */
static bool common_time(const char *s, size_t len, int64_t *ms)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = { 0 };
	const char *m;
	int hours, minutes;
	char text[32], month[4], sign;

	if (len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	if (sscanf(text, "%2d/%3s/%4d:%2d:%2d:%2d %c%2d%2d", &tm.tm_mday, month,
		   &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &sign, &hours,
		   &minutes) != 9 ||
	    strlen(month) != 3 || !(m = strstr(months, month)) || (m - months) % 3)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon = (int)(m - months) / 3;
	*ms = ((int64_t)timegm(&tm) -
	       (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60)) *
	      1000;
	return *ms >= first_ms && *ms <= last_ms;
}

static bool combined(const char *line, const char *end, struct request *r, char *url)
{
	struct piece client, request, status, bytes, skip, method, u, hier;
	const char *at = line, *open = memmem(line, (size_t)(end - line), " [", 2), *shut;
	const char *from, *to;
	uint64_t code;

	if (!open || !(shut = memchr(open, ']', (size_t)(end - open))) ||
	    !common_time(open + 2, (size_t)(shut - open) - 2, &r->end_ms))
		return false;
	r->start_ms = r->end_ms;
	word(&at, end, &client);
	r->client = address(client);
	at = shut + 1;
	if (!quoted(&at, end, &request) || !word(&at, end, &status) ||
	    !number(status, 999, &code) || !word(&at, end, &bytes) ||
	    !octets(bytes, &r->received))
		return false;
	if (quoted(&at, end, &skip) && quoted(&at, end, &skip) && word(&at, end, &hier) &&
	    hier.len >= 9)
		r->cached = !memcmp(hier.s + hier.len - 9, "HIER_NONE", 9);
	from = request.s;
	to = request.s + request.len;
	if (!word(&from, to, &method) || !last_word(from, &to, &skip))
		return false;
	while (from < to && *from == ' ')
		from++;
	while (to > from && to[-1] == ' ')
		to--;
	u = (struct piece){ from, (size_t)(to - from) };
	return !addr_is_none(&r->client) && set_url(r, u, url);
}

static bool any_format(const char *line, size_t len, struct request *out, char *url)
{
	const char *at = line, *end = line + len;
	struct piece time, took, client, next;
	int64_t ms;

	*out = (struct request){ 0 };
	while (end > line && (end[-1] == '\r' || end[-1] == ' '))
		end--;
	if (!word(&at, end, &time))
		return false;
	if (!time_of(time, &out->end_ms))
		return combined(line, end, out, url);
	if (!word(&at, end, &took) || !duration_of(took, &ms) ||
	    !word(&at, end, &client) || !word(&at, end, &next))
		return false;
	out->start_ms = out->end_ms - ms;
	out->client = address(client);
	if (addr_is_none(&out->client))
		return false;
	return is_status(next) ? native(at, end, out, url)
			       : ours(next, at, end, out, url);
}

bool squid_line(const char *line, size_t len, enum request_urls keep, struct request *out,
		char url[static REQUEST_URL])
{
	if (!any_format(line, len, out, url))
		return false;
	request_url_cut(url, keep);
	return *url != '\0';
}
