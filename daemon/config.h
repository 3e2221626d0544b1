/* config.h - the configuration file as one plain struct.
 * SPDX-License-Identifier: ISC
 *
 * config_load reads a file, what it includes and conf.d beside it, and gives either
 * the whole configuration, checked and with every default filled in, or every error
 * at once. Nothing here opens a socket, looks up a name or changes a file. The result
 * is never changed afterwards, so any thread may read it; a reload loads a second one.
 */
#ifndef CUL_CONFIG_H
#define CUL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/act/acts.h"
#include "daemon/base/addr.h"
#include "daemon/evidence/urls.h"
#include "daemon/model/alert.h"
#include "daemon/model/builtin.h"
#include "daemon/model/series.h"
#include "daemon/notify/notify.h"
#include "detectors/detector.h"
#include "detectors/pattern.h"

#define CONFIG_FILE "/etc/culprit/culprit.conf"
#define CONFIG_STATE_DIR "/var/lib/culprit"

/* What a listener is meant for. The version is recognised from the datagram on every
 * port; the kind names sockets in messages, metrics and systemd's socket unit. */
enum listen_kind { LISTEN_NETFLOW, LISTEN_IPFIX, LISTEN_SFLOW, LISTEN_KINDS };
extern const char *const listen_word[LISTEN_KINDS]; /* "netflow" … */

struct listener_conf {
	enum listen_kind kind;
	char *address; /* numeric; "::" is every address, IPv4 and IPv6, and falls back to
			  0.0.0.0 where the machine has no IPv6 */
	uint16_t port;
};

struct http_conf {
	bool enabled;
	char *address; /* numeric */
	uint16_t port;
	char *token_file; /* "": no token asked; its mode has been checked */
	char *url;        /* how people reach the page, for links in messages; "": none */
};

struct history_conf {
	char *url;             /* for store_open, its default filled in */
	char *password_file;   /* "" */
	int64_t keep_ms;       /* five-minute bins */
	int64_t rollups_ms;    /* hours, days, alerts */
	uint64_t spool;        /* octets on disk while the store is away */
};

struct archive_conf {
	bool enabled;
	char *directory;
	int64_t keep_ms;
	uint64_t size; /* octets; 0: no bound */
	uint64_t free; /* octets to leave on the file system */
};

/* Where the datagrams are passed on to. */
struct forward_conf {
	struct addr addr;
	uint16_t port;
};

struct interface_conf {
	int64_t index;      /* ifIndex; -1: known by name alone, once its exporter tells */
	char *name;         /* "" when only the index is given */
	uint64_t speed_bps; /* 0: not told */
	uint32_t sampling;  /* 1 in N; 0: as the exporter's */
};

/* How an exporter's SNMP agent is asked for its interfaces. */
struct snmp_conf {
	char *version;     /* "": it is not; "v2c", "v3" */
	char *address;     /* ""; or address, or address and port */
	struct addr addr;  /* of both: the exporter's own when none is written */
	uint16_t port;
	char *community_file, *user, *auth, *auth_file, *priv, *priv_file;
	int64_t every_ms;
};

struct exporter_conf {
	char *name;
	struct addr addr;
	uint16_t port;     /* source port; 0: any */
	uint32_t sampling; /* 1 in N, overrides what the exporter says; 0: believe it */
	struct snmp_conf snmp;
	struct interface_conf *interfaces;
	size_t n_interfaces;
};

struct network_conf {
	char *name;
	struct prefix *prefixes;
	size_t n_prefixes;
};

struct squid_conf {
	char *log;               /* access log to follow; udp://…, tcp://…: it is sent; "" */
	struct addr *addresses;  /* of the proxy, as flows show them; all its legs */
	size_t n_addresses;
	struct prefix *allow;    /* who may send a log */
	size_t n_allow;
	char *manager;           /* http://host:port of the cache manager; "" */
	char *urls;              /* "full", "host" or "off" */
	bool queries;            /* keep query strings */
	enum request_urls keep_urls; /* both of them */
};

/* What is known of persons, and who may look. */
struct privacy_conf {
	int64_t keep_ms;         /* requests of proxies; 0: as long as flows */
	bool pseudonyms;         /* of proxies' clients */
	char *key_file;          /* of them; "": see privacy_key */
	char *looked;            /* file that tells who looked; "": none */
};

/* What knows what addresses are called. */
struct names_conf {
	bool dns;
	char *nameserver;        /* "": the system's */
	char *hosts;             /* ""; or a file like /etc/hosts */
	char *country, *as;      /* MMDB files; "" */
	char **leases;           /* files of DHCP servers */
	size_t n_leases;
};

/* Slowing and refusing clients; off unless switched on. */
struct act_conf {
	bool enabled;
	bool dry_run;            /* only said, in the log */
	int64_t for_ms;          /* how long a rule's act lasts */
	int64_t max_ms;          /* the longest that anybody may ask for */
	struct prefix *never;    /* who is never acted on */
	size_t n_never;
	char *socket;            /* "": act_socket_path() */
};

enum window_kind { WINDOW_SLICES, WINDOW_DAY, WINDOW_WEEK, WINDOW_MONTH };

struct rule_conf {
	char *name;
	bool enabled;
	char *filter;            /* compiled once, so it is right; "" is every flow */
	struct measure measure;
	enum by by;
	enum window_kind window; /* the last `slices` slices, or a calendar day … */
	uint32_t slices;         /* 1 .. 360; 0 for calendar windows */
	double above, below;     /* in the measure's unit, utilisation of 1; NAN: none */
	double clear;            /* in the measure's unit; NAN: the limit itself */
	int64_t for_ms;
	double warn;             /* calendar windows with `above`: share of the limit at
				    which a warning goes out; 0: none */
	const struct detector *detector; /* NULL: only above and below, or a pattern */
	const struct pattern *pattern; /* scan, flood …: looks at flows; or NULL */
	void *detector_conf;     /* conf_size octets of either; NULL without */
	enum side side;          /* detector: tells only of rises or of falls; SIDE_NONE: both */
	const struct builtin *builtin; /* whose name it has; NULL: a rule of one's own */
	bool tell_all;           /* built-in, and notify was not written: as built in */
	double budget_total;     /* alarms a week over all its series; NAN: no cap */
	enum severity severity;
	enum act_kind act;       /* what is done to whom the alert names */
	char **notify;           /* names of channels */
	size_t n_notify;
	/* Where it is written, for messages; NULL and 0 for a rule made in code. */
	char *file;
	int line;
};

/* What may wait, and what need not be told (rules/noise.h). */
struct alerts_conf {
	bool group;            /* many alerts of one rule and place are one message to people */
	bool name_hosts;       /* a link's alert speaks for those of hosts that carry it */
	int64_t gather_ms;
	int64_t update_ms;
	int64_t repeat_ms;     /* 0: no reminders */
	uint32_t flaps;        /* 0: flapping is not damped */
	int64_t flap_window_ms, flap_hold_ms;
	int64_t link_ms;       /* signed addresses in messages are good so long; 0: none */
};

struct route_conf {
	char *filter, *hours, *timezone; /* of alerts; "" any, always, the common one */
	unsigned severity;               /* bits; 0: any */
	int64_t after_ms;                /* 0: at once */
	char **notify;
	size_t n_notify;
};

struct maintenance_conf {
	char *name, *when, *filter, *timezone;
};

struct inhibit_conf {
	char *name, *source, *target;
	unsigned equal; /* EQUAL_… of rules/inhibit.h */
};

struct deadman_conf {
	int64_t every_ms; /* 0: never */
	char **notify;
	size_t n_notify;
};

struct config {
	char *file;      /* what was read; NULL: defaults only */
	char *state_dir;
	struct listener_conf *listeners; /* all three kinds when no section names any */
	size_t n_listeners;
	struct http_conf http;
	struct history_conf history;
	struct archive_conf archive;
	struct squid_conf *squids;
	size_t n_squids;
	struct names_conf names;
	struct privacy_conf privacy;
	struct act_conf act;
	struct forward_conf *forwards;
	size_t n_forwards;
	struct exporter_conf *exporters;
	size_t n_exporters;
	struct network_conf *networks; /* in the order of the file */
	size_t n_networks;
	struct rule_conf *rules;
	size_t n_rules;
	struct channel_conf *channels; /* all their text is owned by the config */
	size_t n_channels;
	struct alerts_conf alerts;
	struct route_conf *routes;
	size_t n_routes;
	struct maintenance_conf *maintenances;
	size_t n_maintenances;
	struct inhibit_conf *inhibits;
	size_t n_inhibits;
	struct deadman_conf deadman;
	uint64_t memory;         /* octets, all tables together (D5) */
	unsigned workers;        /* 0: as many as suit the machine */
	char *timezone;          /* for calendar_new */
	char *holidays;          /* file for calendar_load_holidays; "": none */
	int64_t late_ms;
	bool only_known;         /* refuse exporters without a section */
	uint32_t max_exporters;
	uint64_t receive_buffer; /* octets asked of the kernel for each socket */
	char *user, *group;      /* whom to become when started as root; "": "culprit"
				    when there is such an account, its own group */
};

struct config_error {
	char *file; /* NULL: no place to point at */
	int line;   /* 0: the whole file */
	char *msg;  /* one sentence: what is wrong, what to do */
	bool warning;
};

struct config_errors {
	struct config_error *list; /* sorted by place */
	size_t n;
	size_t n_errors; /* without the warnings */
};

/* file NULL: CONFIG_FILE when it is there, else defaults. state_dir NULL:
 * CONFIG_STATE_DIR. Fills errs, which the caller frees in any case; NULL when it holds
 * an error, otherwise gives the configuration. Any thread, one at a time. */
struct config *config_load(const char *file, const char *state_dir,
			   struct config_errors *errs);
/* The same with one file more, read last: rules that are to be tried. */
struct config *config_load_more(const char *file, const char *more, const char *state_dir,
				struct config_errors *errs);
/* The same with sections behind the file that no file has; errors call them "built in". */
struct config *config_load_text(const char *file, const char *text, const char *state_dir,
				struct config_errors *errs);
void config_free(struct config **c);

/* Every setting with its value, in the language of the file, so that what is printed
 * can be loaded again; URLs that are secrets are cut to their host, files of secrets
 * appear by name only. */
void config_print(const struct config *c, FILE *to);

/* "file:line: message" lines. */
void config_errors_print(const struct config_errors *errs, FILE *to);
void config_errors_free(struct config_errors *errs);
/* For what is found later, by parts that check their own settings. file may be NULL. */
void config_errors_add(struct config_errors *errs, bool warning, const char *file,
		       int line, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* How long what was asked of proxies is kept; 0: as long as alerts. */
int64_t privacy_keep_ms(const struct config *c);
/* Where the key of pseudonyms is. Gives. */
char *privacy_key(const struct config *c);
/* Names of the fields above that only take effect at a restart and differ between the
 * two, comma separated in buf; "" when a reload brings everything. */
const char *config_needs_restart(const struct config *was, const struct config *now,
				 char *buf, size_t size);

#endif
