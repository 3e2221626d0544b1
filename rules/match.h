/* match.h - which alerts: the language of silences, maintenance, routes.
 * SPDX-License-Identifier: ISC
 *
 *	rule = wan-* and severity >= warning
 *	exporter edge and not (host 10.20.0.0/24 or series ~ backup)
 *
 * Like the filter language, but its words are labels of an alert, not columns of a flow.
 */
#ifndef CUL_RULES_MATCH_H
#define CUL_RULES_MATCH_H

#include "daemon/base/err.h"
#include "daemon/model/alert.h"
#include "daemon/model/names.h"

/* What an alert, or a series that could raise one, is known by. Text is borrowed. */
struct labels {
	const char *id;                 /* of the alert; NULL: there is none (yet) */
	const char *rule, *series, *series_id;
	enum severity severity;
	enum by by;
	struct addr host[2];            /* of the series: host, src, dst, or both of a pair */
	unsigned n_host;
	const struct exporter *exporter; /* of an exporter or interface; or NULL */
	char interface[NAME_LEN];       /* "" none */
	const char *network[2];         /* the series' own, or those of its hosts; or NULL */
};

/* n may be NULL: then exporters, interfaces and networks stay unknown. */
void labels_of(const struct alert *a, const struct names *n, struct labels *out);
void labels_of_series(const char *rule, enum severity s, enum by by, const struct key *k,
		      const struct names *n, char id[static SERIES_TEXT],
		      char text[static SERIES_TEXT], struct labels *out);

struct match;

enum { MATCH_TEXT = 1000, MATCH_TERMS = 64 };

/* "" and "any" are every alert. Words: rule, series, exporter, interface, network, host
 * (or net), severity, by, alert; between a word and its value = (or nothing), !=, ~
 * (contains, whatever the case), !~, and for severity < <= > >=. A value with = may have
 * * and ?. NULL + one sentence. Gives. */
struct match *match_compile(const char *text, struct err *err);
void match_free(struct match **m);
bool match_alert(const struct match *m, const struct labels *l); /* m NULL: true */
const char *match_text(const struct match *m);                   /* as it was written */
/* Calls fn for every name in it: kind is "rule", "exporter" or "network". */
void match_each_name(const struct match *m,
		     void (*fn)(void *arg, const char *kind, const char *name), void *arg);

/* The text that means just this series of this rule; the caller frees. */
char *match_of_series(const char *rule, const char *series_id);

#endif
