/* config_impl.h - what the files that make up config.h share.
 * SPDX-License-Identifier: ISC
 *
 * text -> config_scan (all that is wrong with the words, and a clean copy)
 *      -> config_parse (libconfuse: a tree of sections and values with their places)
 *      -> config_read, config_rule (values to fields) -> config_check (sense).
 */
#ifndef CUL_CONFIG_IMPL_H
#define CUL_CONFIG_IMPL_H

#include "daemon/base/strb.h"
#include "daemon/config.h"

enum setting_kind {
	SET_TEXT,     /* char * */
	SET_PATH,     /* char *, relative to the file it is written in */
	SET_SECRET,   /* the same, a file whose mode must keep others out */
	SET_BOOL,     /* bool */
	SET_SIZE,     /* uint64_t, octets; min and max too */
	SET_COUNT,    /* uint32_t */
	SET_PORT,     /* uint16_t */
	SET_RATE,     /* uint64_t, bits a second */
	SET_DURATION, /* int64_t, ms */
	SET_ADDRESS,  /* char *, numeric */
	SET_OWN,      /* the section's own code reads and prints it */
};

struct setting {
	const char *name;
	enum setting_kind kind;
	size_t off;       /* of the field in the section's struct */
	const char *def;  /* as one would write it; NULL: none */
	double min, max;  /* SIZE, COUNT, RATE; DURATION in ms; both 0: any */
	bool list;        /* {"a", "b"}; only with SET_OWN */
	const char *doc;  /* one line */
};

/* A section of the file; the one named "" is the file itself. */
struct section {
	const char *name;
	const char *title;              /* what its title is; NULL: it has none */
	bool many;                      /* may stand in the file more than once */
	const struct setting *settings; /* a NULL name ends */
	const struct section *const *kids; /* NULL ends; may be NULL */
	const char *doc;
};

extern const struct section config_root;
extern const struct section config_listen, config_http, config_history, config_archive,
	config_squid, config_privacy, config_names, config_act, config_exporter, config_interface,
	config_network, config_rule,
	config_notify, config_alerts, config_route, config_maintenance, config_inhibit,
	config_deadman;

/* Stands for any option of a detector, which rules may have beside their own. */
extern const struct setting config_option;

/* NULL: s has no such setting. */
const struct setting *config_setting(const struct section *s, const char *name);
const struct section *config_kid(const struct section *s, const char *name);

enum { CONFIG_WORDS = 160 };
/* Fills words with all settings, options of detectors and sections that may stand in s,
 * each once, NULL behind the last; returns how many. */
size_t config_words(const struct section *s, const char *words[static CONFIG_WORDS]);

/* ---- config_lex.c: text to tokens, by libconfuse's rules ---- */
enum token_kind { TOKEN_WORD, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_LEFT, TOKEN_RIGHT, TOKEN_IS,
		  TOKEN_ADD, TOKEN_COMMA, TOKEN_END };

struct token {
	enum token_kind kind;
	bool quoted;
	bool plain;      /* no escapes and no environment in it: text is what it means */
	bool bad;        /* has been told about */
	int line;        /* where it begins */
	size_t from, to; /* in the source, with its quotes */
	char *text;      /* of words, without the quotes; of others what to call them */
};

struct tokens {
	struct token *list; /* the last one is TOKEN_END */
	size_t n;
};

void config_lex(const char *file, const char *src, size_t len, struct tokens *out,
		struct config_errors *errs);
void config_tokens_free(struct tokens *t);

/* ---- config_files.c, config_scan.c: what is wrong with the words ---- */
struct config_text {
	char *file; /* as given, or as included */
	char *text; /* no comments, no unknown words, lines as in the original */
};

struct scan_title {
	const struct section *what;
	unsigned block; /* tells interface 2 of one exporter from that of another */
	char *title, *file;
	int line;
};

struct config_scan {
	struct config_text *texts; /* in the order in which they count */
	size_t n_texts;
	struct config_errors *errs;
	struct scan_title *titles; /* of sections seen so far, for duplicates */
	size_t n_titles;
	char **open;               /* files being read, for include loops */
	size_t n_open;
	unsigned n_blocks;
};

/* Reads file and everything it includes. False when it cannot be read. */
bool config_scan_file(struct config_scan *s, const char *file, struct err *err);
/* Files that match name, relative to the file `from`; line is that of the include there,
 * 0 when nobody wrote one. */
void config_scan_include(struct config_scan *s, const char *from, int line,
			 const char *name);
void config_scan_text(struct config_scan *s, const char *file, const char *src,
		      size_t len);
void config_scan_free(struct config_scan *s);

/* ---- config_parse.c: libconfuse ---- */
struct value {
	const struct setting *what;
	const char *name;
	char *text;
	const char *file; /* lives as long as the scan */
	int line;
};

struct node {
	const struct section *what;
	char *title; /* NULL: none */
	const char *file;
	int line;
	bool lost; /* something in it was wrong, told, and is not among the values */
	struct value *values; /* a list gives several with the same `what` */
	size_t n_values;
	struct node *kids;
	size_t n_kids;
};

/* Gives the tree; what libconfuse does not like goes to errs. */
struct node *config_parse(const struct config_scan *s, struct config_errors *errs);
void config_node_free(struct node **n);

/* The last value of that name, or NULL. */
const struct value *config_value(const struct node *n, const char *name);

/* ---- config_read.c, config_rule.c, config_check.c ---- */
struct config_reader {
	struct config *c;
	struct config_errors *errs;
	const struct node *root;
};

void config_bad(struct config_reader *r, const struct value *v, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void config_bad_node(struct config_reader *r, const struct node *n, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void config_warn(struct config_reader *r, const struct value *v, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void config_warn_node(struct config_reader *r, const struct node *n, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void config_read(struct config_reader *r);
void config_read_rule(struct config_reader *r, const struct node *n,
		      struct rule_conf *rule);
void config_check(struct config_reader *r);
/* All values called name as text, in order; gives the array (free it, not the text). */
const struct value **config_list(const struct node *n, const char *name, size_t *count);

/* ---- config_value.c: what is wrong is told and leaves the field as it was ---- */
/* Fields of `into` that are not SET_OWN: defaults, then what n (may be NULL) says. */
void config_fill(struct config_reader *r, const struct section *s, const struct node *n,
		 void *into);
/* Names of what is in the configuration: letters, digits, - _ and dots. */
bool config_name_ok(struct config_reader *r, const struct node *n);
void config_set_text(char **field, char *text); /* takes text, frees what was there */
void config_read_bool(struct config_reader *r, const struct value *v, bool *out);
bool config_read_port(struct config_reader *r, const struct value *v, uint16_t *out);
bool config_is_address(const char *text);
/* "192.0.2.99:2055", "[2001:db8::9]:2055"; says nothing. */
bool config_endpoint(const char *text, struct addr *addr, uint16_t *port);
/* The values called name as an array of text that the configuration owns. */
const char *const *config_texts(const struct node *n, const char *name, size_t *count);
/* The values called name (n may be NULL) as prefixes in *out, which gets room for one more;
 * gives. What is none is told: NAME: "TEXT" is WANTED. False: no value at all. */
bool config_prefixes(struct config_reader *r, const struct node *n, const char *name,
		     const char *wanted, struct prefix **out, size_t *count);

/* ---- config_noise.c: alerts, route, maintenance, inhibit, deadman ---- */
void config_read_noise(struct config_reader *r);
void config_check_noise(struct config_reader *r);
void config_print_noise(const struct config *c, FILE *to);
void config_free_noise(struct config *c);

/* ---- config_errors.c ---- */
/* `; did you mean "x"?` or "" in buf, which is returned. NULL ends the candidates. */
const char *config_hint(const char *word, const char *const *candidates, char *buf,
			size_t size);
void config_errors_sort(struct config_errors *errs);

/* ---- config_print.c ---- */
/* "name = value" lines of all fields that are not SET_OWN. */
void config_print_fields(FILE *to, int depth, const struct section *s, const void *of);
/* As short as exact: "256M", "1h30m"; buf of UNIT_TEXT. */
const char *config_size_text(uint64_t v, char *buf);
const char *config_duration_text(int64_t ms, char *buf);
const char *config_number_text(double v, char *buf);

#endif
