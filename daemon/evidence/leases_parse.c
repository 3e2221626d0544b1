/* leases_parse.c - the files of three DHCP servers, and hosts files.
 * SPDX-License-Identifier: ISC
 *
 *   dnsmasq  1795469032 52:54:00:12:34:56 10.20.0.66 reception-pc 01:52:54:00:12:34:56
 *   ISC      lease 10.20.0.66 { starts 4 2026/11/26 10:35:00; ends never;
 *              client-hostname "reception-pc"; }
 *   Kea      address,hwaddr,client_id,valid_lifetime,expire,...,hostname,state,...
 *   hosts    10.20.0.66 reception-pc.example.net reception-pc
 *
 * dnsmasq tells the end alone (0: for ever) and "*" for a client that told no name. ISC and
 * Kea append, so the same address comes again and again: that is the past we want. Times of
 * ISC are UTC, or "epoch N" with db-time-format local. Kea knows columns by the words of its
 * first line, writes a comma in a name as &#x2c, and a lifetime of 0 when a lease is
 * given back. A name has its final dot taken away.
 */
#include "daemon/evidence/leases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/base/mem.h"
#include "daemon/base/units.h"

enum { LINE_OCTETS = 4096, FIELDS = 24 };
static const int64_t second_max = INT64_C(253402300799); /* the year 9999 */

static void set_name(struct lease *l, const char *name)
{
	size_t n = strlen(name), room = sizeof(l->name) - 1;

	while (n && name[n - 1] == '.')
		n--;
	if (n > room)
		n = room;
	memcpy(l->name, name, n);
	l->name[n] = '\0';
}

static bool seconds(const char *text, int64_t *out_ms)
{
	uint64_t s;

	if (!parse_u64(text, (uint64_t)second_max, &s))
		return false;
	*out_ms = (int64_t)s * 1000;
	return true;
}

/* ---- one line, cut at its white space ---- */

static void hosts_line(char *line, lease_f *fn, void *arg)
{
	struct lease l = { .until_ms = INT64_MAX };
	char *save, *word = strtok_r(line, " \t\r", &save);

	if (!word || !addr_parse(word, &l.addr) || addr_is_none(&l.addr) ||
	    !(word = strtok_r(NULL, " \t\r", &save)))
		return;
	set_name(&l, word);
	if (*l.name)
		fn(arg, &l);
}

/* False: it is no such line, and a hosts line perhaps. */
static bool dnsmasq_line(const char *line, lease_f *fn, void *arg)
{
	struct lease l = { .until_ms = INT64_MAX };
	char *copy = xstrdup(line), *save, *f[4] = { NULL };
	bool ok;

	f[0] = strtok_r(copy, " \t\r", &save);
	for (int i = 1; i < 4 && f[i - 1]; i++)
		f[i] = strtok_r(NULL, " \t\r", &save);
	ok = f[3] && seconds(f[0], &l.until_ms) && addr_parse(f[2], &l.addr) &&
	     !addr_is_none(&l.addr);
	if (ok && strcmp(f[3], "*")) {
		if (!l.until_ms)
			l.until_ms = INT64_MAX;
		set_name(&l, f[3]);
		if (*l.name)
			fn(arg, &l);
	}
	free(copy);
	return ok;
}

/* ---- Kea ---- */

struct kea {
	int address, lifetime, expire, hostname, state; /* columns; -1: there is none */
};

/* Cuts at commas, in place. */
static int cut(char *line, char *f[FIELDS])
{
	int n = 0;

	for (char *at = line; at && n < FIELDS;) {
		f[n++] = at;
		at = strchr(at, ',');
		if (at)
			*at++ = '\0';
	}
	return n;
}

static bool kea_header(char *line, struct kea *k)
{
	char *f[FIELDS];
	int n;

	if (strncmp(line, "address,", 8))
		return false;
	*k = (struct kea){ -1, -1, -1, -1, -1 };
	n = cut(line, f);
	for (int i = 0; i < n; i++) {
		if (!strcmp(f[i], "address"))
			k->address = i;
		else if (!strcmp(f[i], "valid_lifetime"))
			k->lifetime = i;
		else if (!strcmp(f[i], "expire"))
			k->expire = i;
		else if (!strcmp(f[i], "hostname"))
			k->hostname = i;
		else if (!strcmp(f[i], "state"))
			k->state = i;
	}
	return true;
}

static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (!strncmp(s, "&#x2c", 5)) {
			*to++ = ',';
			s += 4;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static const char *field(char *const f[FIELDS], int n, int at)
{
	return at >= 0 && at < n ? f[at] : "";
}

static void kea_line(const struct kea *k, char *line, int64_t now_ms, lease_f *fn, void *arg)
{
	struct lease l = { .from_ms = 0 };
	int64_t lifetime_ms;
	char *f[FIELDS];
	int n = cut(line, f);

	if (!addr_parse(field(f, n, k->address), &l.addr) || addr_is_none(&l.addr) ||
	    !seconds(field(f, n, k->expire), &l.until_ms) ||
	    !seconds(field(f, n, k->lifetime), &lifetime_ms))
		return;
	if (!lifetime_ms) { /* given back */
		l.from_ms = now_ms;
		l.until_ms = INT64_MAX;
		fn(arg, &l);
		return;
	}
	if (lifetime_ms == (int64_t)UINT32_MAX * 1000) {
		l.from_ms = l.until_ms - lifetime_ms;
		l.until_ms = INT64_MAX;
	} else {
		l.from_ms = l.until_ms - lifetime_ms;
	}
	if (l.from_ms < 0)
		l.from_ms = 0;
	if (k->hostname < 0 || k->hostname >= n || !strcmp(field(f, n, k->state), "1"))
		return; /* declined: nobody has it */
	unescape(f[k->hostname]);
	set_name(&l, f[k->hostname]);
	fn(arg, &l);
}

/* ---- ISC ---- */

struct isc {
	bool in;
	struct lease l;
};

/* "4 2026/11/26 10:35:00", "epoch 1795469032", "never" */
static bool isc_time(const char *s, int64_t *out_ms)
{
	struct tm tm = { 0 };
	char epoch[24];

	s += strspn(s, " \t");
	if (!strncmp(s, "never", 5)) {
		*out_ms = INT64_MAX;
		return true;
	}
	if (sscanf(s, "epoch %20[0-9]", epoch) == 1)
		return seconds(epoch, out_ms);
	if (sscanf(s, "%*1d %4d/%2d/%2d %2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*out_ms = (int64_t)timegm(&tm) * 1000;
	return *out_ms >= 0;
}

/* The text between the first two quotes, \" and \ooo understood. */
static void isc_name(struct isc *i, const char *s)
{
	char name[LEASE_NAME];
	size_t n = 0;

	s = strchr(s, '"');
	for (s = s ? s + 1 : ""; *s && *s != '"' && n + 1 < sizeof(name); s++) {
		char c = *s;

		if (c == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			c = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + s[3] - '0');
			s += 3;
		} else if (c == '\\' && s[1]) {
			c = *++s;
		}
		if (c)
			name[n++] = c;
	}
	name[n] = '\0';
	set_name(&i->l, name);
}

/* True: the line belongs to such a file. */
static bool isc_line(struct isc *i, const char *line, lease_f *fn, void *arg)
{
	char addr[ADDR_TEXT], brace;
	const char *s = line + strspn(line, " \t");

	if (sscanf(s, "lease %45[0-9.] %c", addr, &brace) == 2 && brace == '{') {
		i->l = (struct lease){ .until_ms = INT64_MAX };
		i->in = addr_parse(addr, &i->l.addr);
		return true;
	}
	if (!i->in)
		return false;
	if (*s == '}') {
		i->in = false;
		fn(arg, &i->l);
	} else if (!strncmp(s, "starts ", 7)) {
		i->in = isc_time(s + 7, &i->l.from_ms);
	} else if (!strncmp(s, "ends ", 5)) {
		i->in = isc_time(s + 5, &i->l.until_ms);
	} else if (!strncmp(s, "client-hostname ", 16)) {
		isc_name(i, s);
	}
	return true;
}

/* ---- the whole ---- */

void leases_parse(const char *text, size_t len, int64_t now_ms, lease_f *fn, void *arg)
{
	const char *end = text + len, *nl;
	struct isc isc = { .in = false };
	struct kea kea = { 0 };
	bool is_kea = false;
	char line[LINE_OCTETS];

	for (; text < end; text = nl + 1) {
		size_t n;

		nl = memchr(text, '\n', (size_t)(end - text));
		nl = nl ? nl : end;
		n = (size_t)(nl - text);
		if (n >= sizeof(line) || memchr(text, '\0', n))
			continue;
		memcpy(line, text, n);
		line[n] = '\0';
		line[strcspn(line, "\r")] = '\0';
		if (kea_header(line, &kea))
			is_kea = true;
		else if (is_kea)
			kea_line(&kea, line, now_ms, fn, arg);
		else if (!isc_line(&isc, line, fn, arg) && !dnsmasq_line(line, fn, arg)) {
			line[strcspn(line, "#")] = '\0';
			hosts_line(line, fn, arg);
		}
	}
}
