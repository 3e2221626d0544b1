/* config_scan.c - everything that is wrong with the words of a configuration.
 * SPDX-License-Identifier: ISC
 *
 * libconfuse stops at the first thing that it does not like, suggests nothing, counts
 * lines wrongly behind comments, takes no comments inside lists and silently lets a
 * section replace another of the same name. People want to see every mistake in one
 * run. So this pass goes first: it walks the tokens against the tables of
 * config_words.c, tells of each mistake, leaves the statement that holds it out, and
 * writes the rest to a clean text with every token on the line it came from. That
 * text is what libconfuse parses; there is no second idea of what a value means.
 *
 * Each section in the clean text begins with a setting of our own, `_at`, so that its
 * place is known to whoever wants to complain about the section as a whole, and ends
 * with `_lost` when something was left out of it, so that nobody misses it again.
 */
#include "daemon/config_impl.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"

enum { HINT = 128 };

struct seen { /* settings and sections of one pair of braces */
	const char *name;
	int line;
};

struct scanner {
	struct config_scan *s;
	const char *file;
	const char *src;
	struct tokens tokens;
	size_t i;
	struct strb out; /* of the text that is being written */
	int out_line;
};

struct braces { /* what we are inside of */
	const struct section *what;
	unsigned id; /* 0: the file itself, and every other file */
	struct seen *seen;
	size_t n_seen;
	bool lost; /* something was left out of it */
};

static void bad(struct scanner *p, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void bad(struct scanner *p, int line, const char *fmt, ...)
{
	va_list ap;
	char *msg;

	va_start(ap, fmt);
	if (vasprintf(&msg, fmt, ap) < 0)
		abort();
	va_end(ap);
	config_errors_add(p->s->errs, false, p->file, line, "%s", msg);
	free(msg);
}

static const struct token *at(const struct scanner *p, size_t ahead)
{
	size_t i = p->i + ahead;

	return &p->tokens.list[i < p->tokens.n ? i : p->tokens.n - 1];
}

/* The token where we are, and on to the next; the end is never passed. */
static const struct token *take(struct scanner *p)
{
	const struct token *t = at(p, 0);

	if (t->kind != TOKEN_END)
		p->i++;
	return t;
}

static void emit(struct scanner *p, const struct token *t)
{
	for (; p->out_line < t->line; p->out_line++)
		strb_addc(&p->out, '\n');
	strb_addc(&p->out, ' ');
	strb_addn(&p->out, p->src + t->from, t->to - t->from);
	for (size_t i = t->from; i < t->to; i++)
		p->out_line += p->src[i] == '\n';
}

/* What was written so far, to take back a statement that turns out wrong. */
struct mark {
	size_t len;
	int line;
};

static struct mark here(const struct scanner *p)
{
	return (struct mark){ p->out.len, p->out_line };
}

static void back_to(struct scanner *p, struct mark m)
{
	p->out.len = m.len;
	if (p->out.s)
		p->out.s[m.len] = '\0';
	p->out_line = m.line;
}

/* From a { to behind its }. */
static void skip_block(struct scanner *p)
{
	int line = at(p, 0)->line, depth = 0;

	do {
		const struct token *t = take(p);

		if (t->kind == TOKEN_END) {
			bad(p, line, "the { here is never closed; add a }");
			return;
		}
		depth += (t->kind == TOKEN_OPEN) - (t->kind == TOKEN_CLOSE);
	} while (depth);
}

/* The rest of the line, with the blocks that begin on it; a } that closes what we are
 * in stays. */
static void skip_line(struct scanner *p, int line)
{
	for (const struct token *t = at(p, 0); t->kind != TOKEN_END && t->line == line;
	     t = at(p, 0)) {
		if (t->kind == TOKEN_CLOSE)
			return;
		if (t->kind == TOKEN_OPEN)
			skip_block(p);
		else
			p->i++;
	}
}

/* Whether the word in front begins a statement of its own. */
static bool begins_statement(const struct scanner *p, const struct section *what)
{
	const struct token *t = at(p, 0), *next = at(p, 1);

	if (t->quoted || t->kind != TOKEN_WORD)
		return t->kind != TOKEN_WORD;
	if (next->kind == TOKEN_WORD && at(p, 2)->kind == TOKEN_OPEN)
		return true;
	return next->kind == TOKEN_IS || next->kind == TOKEN_ADD ||
	       next->kind == TOKEN_OPEN || next->kind == TOKEN_LEFT ||
	       config_setting(what, t->text) || config_kid(what, t->text) ||
	       config_kid(&config_root, t->text);
}

/* What is left of a value that is not one, up to the next statement. */
static void skip_words(struct scanner *p, const struct section *what, int line)
{
	for (const struct token *t = at(p, 0);
	     t->line == line && (t->kind == TOKEN_COMMA || t->kind == TOKEN_IS ||
				 t->kind == TOKEN_ADD || !begins_statement(p, what));
	     t = at(p, 0))
		p->i++;
}

/* What stands behind a word that is not known, whatever it is. */
static void skip_statement(struct scanner *p, const struct section *what, int line)
{
	if (at(p, 0)->kind == TOKEN_IS || at(p, 0)->kind == TOKEN_ADD) {
		p->i++;
		if (at(p, 0)->kind == TOKEN_OPEN)
			skip_block(p);
		else if (at(p, 0)->kind == TOKEN_WORD)
			p->i++;
		skip_words(p, what, line);
		return;
	}
	if (at(p, 0)->kind == TOKEN_WORD && at(p, 1)->kind == TOKEN_OPEN)
		p->i++;
	if (at(p, 0)->kind == TOKEN_OPEN)
		skip_block(p);
	else
		skip_line(p, line);
}

/* False: it was there before, and that has been told. */
static bool first_time(struct scanner *p, struct braces *b, const struct token *t)
{
	for (size_t i = 0; i < b->n_seen; i++) {
		if (!strcmp(b->seen[i].name, t->text)) {
			bad(p, t->line, "%s is given twice, first on line %d; keep one",
			    t->text, b->seen[i].line);
			return false;
		}
	}
	b->seen = xrealloc(b->seen, b->n_seen + 1, sizeof(*b->seen));
	b->seen[b->n_seen++] = (struct seen){ t->text, t->line };
	return true;
}

/* From a mistake in a list to behind its }, or to where another setting begins. */
static void skip_list(struct scanner *p)
{
	for (const struct token *t = at(p, 0); t->kind != TOKEN_END; t = at(p, 0)) {
		if (t->kind == TOKEN_WORD && at(p, 1)->kind == TOKEN_IS)
			return;
		if (t->kind == TOKEN_OPEN) {
			skip_block(p);
			continue;
		}
		p->i++;
		if (t->kind == TOKEN_CLOSE)
			return;
	}
}

static bool list_of_values(struct scanner *p, const struct token *name)
{
	bool ok = true;

	emit(p, take(p)); /* { */
	for (;;) {
		const struct token *t = at(p, 0), *next = at(p, 1);

		if (t->kind == TOKEN_CLOSE) { /* also behind a last comma */
			emit(p, take(p));
			return ok;
		}
		if (t->kind != TOKEN_WORD || next->kind == TOKEN_IS) {
			bad(p, t->line,
			    "%s: %s where a value was expected; a list is "
			    "written {\"a\", \"b\"}",
			    name->text, t->text);
			skip_list(p);
			return false;
		}
		ok = ok && !t->bad;
		emit(p, take(p));
		if (next->kind == TOKEN_COMMA) {
			emit(p, take(p));
		} else if (next->kind != TOKEN_CLOSE) {
			bad(p, next->line,
			    "%s: %s where a comma or } was expected; a list "
			    "is written {\"a\", \"b\"}",
			    name->text, next->text);
			skip_list(p);
			return false;
		}
	}
}

static bool one_value(struct scanner *p, const struct section *what,
		      const struct token *name, bool list)
{
	const struct token *t = at(p, 0);

	if (t->kind == TOKEN_OPEN) {
		bad(p, t->line, "%s takes one value, not a list", name->text);
		skip_block(p);
		return false;
	}
	if (t->kind != TOKEN_WORD || (!t->quoted && at(p, 1)->kind == TOKEN_IS)) {
		bad(p, name->line, "%s has no value; write %s = \"…\"", name->text,
		    name->text);
		if (t->kind != TOKEN_WORD)
			skip_words(p, what, name->line);
		return false;
	}
	p->i++;
	emit(p, t);
	if (at(p, 0)->line == t->line && !begins_statement(p, what)) {
		bad(p, t->line,
		    list ? "%s: more than one value; write {\"a\", \"b\"}"
			 : "%s: more than one value; put \"quotes\" around all of it",
		    name->text);
		skip_words(p, what, t->line);
		return false;
	}
	return !t->bad;
}

static void setting(struct scanner *p, struct braces *b, const struct setting *set)
{
	struct mark mark = here(p);
	const struct token *name = take(p), *is = at(p, 0);
	bool ok;

	emit(p, name);
	if (is->kind != TOKEN_IS && is->kind != TOKEN_ADD) {
		bool word = is->kind == TOKEN_WORD && is->line == name->line;

		bad(p, name->line, "%s wants an = and its value; write %s = \"%s\"",
		    name->text, name->text, word ? is->text : "…");
		skip_statement(p, b->what, name->line);
		back_to(p, mark);
		b->lost = true;
		return;
	}
	emit(p, take(p));
	if (is->kind == TOKEN_ADD && !set->list) {
		bad(p, name->line, "%s is not a list; write = instead of +=", name->text);
		skip_statement(p, b->what, name->line);
		back_to(p, mark);
		b->lost = true;
		return;
	}
	if (set->list && at(p, 0)->kind == TOKEN_OPEN)
		ok = list_of_values(p, name);
	else
		ok = one_value(p, b->what, name, set->list);
	if (is->kind == TOKEN_IS)
		ok = first_time(p, b, name) && ok;
	if (!ok) {
		back_to(p, mark);
		b->lost = true;
	}
}

/* False: there is one already, and that has been told. */
static bool new_title(struct scanner *p, const struct braces *b,
		      const struct section *kid, const struct token *title)
{
	struct config_scan *s = p->s;

	for (size_t i = 0; i < s->n_titles; i++) {
		const struct scan_title *o = &s->titles[i];

		if (o->what == kid && o->block == b->id &&
		    !strcmp(o->title, title->text)) {
			bad(p, title->line,
			    "%s %s is there already, in %s line %d; give one of "
			    "them another name",
			    kid->name, title->text, o->file, o->line);
			return false;
		}
	}
	s->titles = xrealloc(s->titles, s->n_titles + 1, sizeof(*s->titles));
	s->titles[s->n_titles++] = (struct scan_title){ kid, b->id, xstrdup(title->text),
							xstrdup(p->file), title->line };
	return true;
}

static void statements(struct scanner *p, struct braces *b);

/* Title and { of a section; false: told, and skipped. */
static bool section_head(struct scanner *p, const struct braces *b,
			 const struct section *kid, const struct token *name, bool *keep)
{
	const struct token *t = at(p, 0);

	if (kid->title) {
		if (t->kind != TOKEN_WORD) {
			bad(p, name->line, "%s wants its %s: %s %s {", kid->name,
			    kid->title, kid->name,
			    kid == &config_listen ? "netflow" : "NAME");
			skip_statement(p, b->what, name->line);
			return false;
		}
		p->i++;
		if (t->bad)
			*keep = false;
		else if (!t->plain) {
			bad(p, t->line, "%s: its %s is written without \\ and ${}",
			    kid->name, kid->title);
			*keep = false;
		}
		*keep = new_title(p, b, kid, t) && *keep;
		emit(p, t);
	} else if (t->kind == TOKEN_WORD) {
		bad(p, name->line, "%s has no name; write %s {", kid->name, kid->name);
		skip_statement(p, b->what, name->line);
		return false;
	}
	if (at(p, 0)->kind != TOKEN_OPEN) {
		bad(p, name->line, "{ is missing behind %s%s%s", kid->name,
		    kid->title ? " " : "", kid->title ? t->text : "");
		skip_line(p, name->line);
		return false;
	}
	return true;
}

static void section(struct scanner *p, struct braces *b, const struct section *kid)
{
	struct mark mark = here(p);
	const struct token *name = take(p), *title = at(p, 0);
	struct braces inner = { .what = kid, .id = ++p->s->n_blocks };
	bool keep = true;

	emit(p, name);
	if (!section_head(p, b, kid, name, &keep)) {
		back_to(p, mark);
		return;
	}
	if (!kid->many)
		keep = first_time(p, b, name) && keep;
	emit(p, take(p)); /* { */
	strb_add(&p->out, " _at = 0");
	statements(p, &inner);
	free(inner.seen);
	if (inner.lost)
		strb_add(&p->out, " _lost = 0");
	if (at(p, 0)->kind == TOKEN_CLOSE) {
		emit(p, take(p));
	} else {
		const char *called = kid->title ? title->text : "";

		if (at(p, 0)->kind == TOKEN_END)
			bad(p, name->line, "%s%s%s is never closed; add a }", kid->name,
			    *called ? " " : "", called);
		else
			bad(p, name->line, "%s%s%s is not closed; add a } before line %d",
			    kid->name, *called ? " " : "", called, at(p, 0)->line);
		strb_add(&p->out, " }");
	}
	if (!keep)
		back_to(p, mark);
}

/* Sections where a setting of that name belongs: "rule" or "http or notify". */
static const char *home_of(const char *word, struct strb *b)
{
	for (size_t i = 0; config_root.kids[i]; i++) {
		const struct section *s = config_root.kids[i];

		if (!config_setting(s, word) && !config_kid(s, word))
			continue;
		if (b->len)
			strb_add(b, " or ");
		strb_add(b, s->name);
	}
	return b->len ? b->s : NULL;
}

static void unknown(struct scanner *p, struct braces *b)
{
	const struct token *t = take(p);
	const char *words[CONFIG_WORDS], *home;
	const char *in = *b->what->name ? b->what->name : "the top level";
	struct strb homes = { 0 };
	char hint[HINT];

	config_words(b->what, words);
	if (t->bad) {
		/* told already */
	} else if (*config_hint(t->text, words, hint, sizeof(hint))) {
		bad(p, t->line, "%s has no setting \"%s\"%s", in, t->text, hint);
	} else if (*b->what->name && config_setting(&config_root, t->text)) {
		bad(p, t->line,
		    "%s has no setting \"%s\"; it belongs outside of every section", in,
		    t->text);
	} else if ((home = home_of(t->text, &homes))) {
		bad(p, t->line, "%s has no setting \"%s\"; it belongs into %s { }", in,
		    t->text, home);
	} else {
		bad(p, t->line,
		    "%s has no setting \"%s\"; `culpritd -T` shows all there are", in,
		    t->text);
	}
	strb_free(&homes);
	b->lost = true;
	skip_statement(p, b->what, t->line);
}

static void end_text(struct scanner *p)
{
	struct config_scan *s = p->s;

	s->texts = xrealloc(s->texts, s->n_texts + 1, sizeof(*s->texts));
	strb_addc(&p->out, '\n');
	s->texts[s->n_texts++] =
	    (struct config_text){ xstrdup(p->file), strb_take(&p->out) };
	p->out_line = 1;
}

/* include("more.conf"): relative to this file, read at this very place. */
static void include(struct scanner *p, const struct braces *b)
{
	const struct token *name = take(p), *t = at(p, 1);

	if (at(p, 0)->kind != TOKEN_LEFT || t->kind != TOKEN_WORD ||
	    at(p, 2)->kind != TOKEN_RIGHT) {
		bad(p, name->line, "write include(\"file\")");
		skip_line(p, name->line);
		return;
	}
	p->i += 3;
	if (*b->what->name) {
		bad(p, name->line, "include belongs outside of every section");
	} else if (!t->bad) {
		end_text(p);
		config_scan_include(p->s, p->file, name->line, t->text);
	}
}

static void statement(struct scanner *p, struct braces *b)
{
	const struct token *t = at(p, 0);
	const struct setting *set = config_setting(b->what, t->text);
	const struct section *kid = config_kid(b->what, t->text);

	/* `notify` is a section outside and a setting of rules. */
	if (!t->bad && set)
		setting(p, b, set);
	else if (!t->bad && kid)
		section(p, b, kid);
	else if (!strcmp(t->text, "include") && !t->quoted)
		include(p, b);
	else
		unknown(p, b);
}

/* A section of the top level begins where we still are inside of another one. */
static bool lost_brace(const struct scanner *p, const struct braces *b)
{
	const char *word = at(p, 0)->text;
	const struct section *kid = config_kid(&config_root, word);

	if (!*b->what->name || !kid || config_kid(b->what, word))
		return false;
	return at(p, 1)->kind == TOKEN_OPEN ||
	       (at(p, 1)->kind == TOKEN_WORD && at(p, 2)->kind == TOKEN_OPEN);
}

static void statements(struct scanner *p, struct braces *b)
{
	for (const struct token *t = at(p, 0); t->kind != TOKEN_END; t = at(p, 0)) {
		if (t->kind == TOKEN_CLOSE) {
			if (*b->what->name)
				return;
			bad(p, t->line, "this } closes nothing; remove it");
			p->i++;
		} else if (t->kind != TOKEN_WORD) {
			bad(p, t->line, "%s does not belong here", t->text);
			if (t->kind == TOKEN_OPEN)
				skip_block(p);
			else
				p->i++;
		} else if (lost_brace(p, b)) {
			return;
		} else {
			statement(p, b);
		}
	}
}

void config_scan_text(struct config_scan *s, const char *file, const char *src,
		      size_t len)
{
	struct scanner p = { .s = s, .file = file, .src = src, .out_line = 1 };
	struct braces root = { .what = &config_root };

	config_lex(file, src, len, &p.tokens, s->errs);
	statements(&p, &root);
	end_text(&p);
	free(root.seen);
	config_tokens_free(&p.tokens);
}
