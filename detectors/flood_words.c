/* flood_words.c - a flood in words: whom, what, how much, and what to do.
 * SPDX-License-Identifier: ISC
 *
 * The sentence begins with the victim's address, behind which evidence puts its name.
 */
#include "detectors/flood_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/units.h"

static const char upstream[] = "Ask upstream to filter it, or have the address blackholed if all "
			       "else suffers.";

static const struct {
	const char *kind, *what, *which, *filter, *filter6, *advice;
} words[] = {
	[FLOOD_SYN] = { "SYN flood", "connection attempts", " that nobody completes",
			"proto tcp and flags S and not flags A", NULL,
			"Look whether the service still answers and whether SYN cookies are on, "
			"or ask upstream to filter." },
	[FLOOD_UDP] = { "UDP flood", "UDP packets", " that it hardly answers", "proto udp", NULL,
			upstream },
	[FLOOD_ICMP] = { "ICMP flood", "ICMP packets", " that it did not ask for",
			 "proto icmp", "proto icmp6", upstream },
	[FLOOD_STRAY] = { "TCP flood", "TCP packets", " that belong to no connection",
			  "proto tcp and packets < 4", NULL,
			  "Let a stateful firewall drop what belongs to no connection, or ask "
			  "upstream to filter." },
	[FLOOD_REFLECT] = { "UDP flood", "UDP packets", " that it hardly answers", NULL, NULL,
			    upstream },
};

static const struct flood_service *service_of(const struct flood_host *h)
{
	return h->key.cls < FLOOD_REFLECT ? NULL
					  : flood_service((unsigned)h->key.cls - FLOOD_REFLECT);
}

/* "an NTP reflection", as it is spoken. */
static bool takes_an(const char *kind)
{
	if (strchr("AEIO", *kind) || !strncmp(kind, "mDNS", 4))
		return true;
	return strchr("FLMNRSX", *kind) && kind[1] >= 'A' && kind[1] <= 'Z' &&
	       strncmp(kind, "SYN", 3) && strncmp(kind, "SIP", 3);
}

static void sources(double n, char *out, size_t size)
{
	char count[UNIT_TEXT];

	if (round(n) <= 1)
		snprintf(out, size, "one source");
	else
		snprintf(out, size, "about %s sources", text_count(round(n), count));
}

void flood_words(const struct flood_host *h, const struct look *l, struct finding *out)
{
	const struct flood_service *sv = service_of(h);
	unsigned cls = sv ? FLOOD_REFLECT : (unsigned)h->key.cls;
	char a[ADDR_TEXT], rate[UNIT_TEXT], bits[UNIT_TEXT];
	char from[UNIT_TEXT + 16], had[UNIT_TEXT + 16];
	const char *what = words[cls].what, *which = words[cls].which, *how = words[cls].advice;
	const char *filter = words[cls].filter, *kind = words[cls].kind;
	char port[64], most[UNIT_TEXT], reflected[32];

	memset(out, 0, sizeof(*out));
	out->by = BY_DST;
	memcpy(out->key.b, h->key.addr.b, sizeof(h->key.addr.b));
	if (words[cls].filter6 && !addr_is4(&h->key.addr))
		filter = words[cls].filter6;
	if (sv) {
		snprintf(port, sizeof(port), "proto udp and src port %u", sv->port);
		filter = port;
	}
	if (l->kind == LOOK_REFLECTED && sv) {
		snprintf(reflected, sizeof(reflected), "%s reflection", sv->name);
		kind = reflected;
		what = "answers";
		which = " that it did not ask for";
	} else if (l->kind == LOOK_VISITS) {
		kind = "connection flood";
		what = "whole connections";
		which = ", eight and more of each source in ten seconds";
		filter = "proto tcp and flags SA";
		how = "Let the server or its proxy limit connections of each address, and look "
		      "at what they ask for.";
	}
	snprintf(out->kind, sizeof(out->kind), "%s", kind);
	addr_text(&h->key.addr, a);
	snprintf(out->filter, sizeof(out->filter), "dst host %s and %s", a, filter);
	out->measure.kind = l->kind == LOOK_REFLECTED ? MEASURE_BITS_S
			    : l->kind == LOOK_VISITS  ? MEASURE_FLOWS_S
						      : MEASURE_PACKETS_S;
	out->limit = l->kind == LOOK_REFLECTED ? l->limit / l->rate * l->bits : l->limit;
	out->value = l->kind == LOOK_REFLECTED ? l->bits : l->rate;
	sources(l->sources, from, sizeof(from));
	if (h->mean < 1)
		snprintf(had, sizeof(had), "Hardly any are");
	else
		snprintf(had, sizeof(had), "%s a second %s",
			 text_count(round((double)h->mean), most), h->mean < 1.5F ? "is" : "are");
	snprintf(out->why, sizeof(out->why),
		 "%s is under a%s %s%s: %s %s a second%s%s%s%s, from %s. %s usual "
		 "for it, and from %s on it is a flood. %s",
		 a, takes_an(kind) ? "n" : "", kind,
		 l->kind == LOOK_REFLECTED ? " attack" : "", text_count(round(l->rate), rate), what,
		 l->bits > 0 ? " (" : "", l->bits > 0 ? text_rate(l->bits, bits) : "",
		 l->bits > 0 ? ")" : "", which, from,
		 had,
		 l->kind == LOOK_REFLECTED ? text_rate(out->limit, most)
					   : text_count(round(l->limit), most),
		 how);
}
