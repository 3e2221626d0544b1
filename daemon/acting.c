/* acting.c - rules that slow or refuse whom their alert names.
 * SPDX-License-Identifier: ISC
 *
 * Only when an alert is raised, never for one that is over already; only on the person
 * or host that its sentence names, and only when that is one of our own networks. The
 * proxy itself and exporters are never acted on, whatever else is configured: slowing
 * those would slow everybody.
 */
#include "daemon/engine_impl.h"

#include "daemon/act/socket.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct act_rule {
	char *name;
	enum act_kind act;
};

static struct prefix host(const struct addr *a)
{
	return (struct prefix){ *a, 128 };
}

/* The list of the configuration, and everybody's infrastructure. Gives. */
static struct prefix *never(const struct config *c, size_t *n_out)
{
	size_t n = c->act.n_never + c->n_exporters;
	struct prefix *list;

	for (size_t i = 0; i < c->n_squids; i++)
		n += c->squids[i].n_addresses;
	list = xcalloc(n + 1, sizeof(*list));
	n = c->act.n_never;
	if (n)
		memcpy(list, c->act.never, n * sizeof(*list));
	for (size_t i = 0; i < c->n_exporters; i++)
		list[n++] = host(&c->exporters[i].addr);
	for (size_t i = 0; i < c->n_squids; i++)
		for (size_t k = 0; k < c->squids[i].n_addresses; k++)
			list[n++] = host(&c->squids[i].addresses[k]);
	*n_out = n;
	return list;
}

static void free_rules(struct engine *e)
{
	for (size_t i = 0; i < e->n_act_rules; i++)
		free(e->act_rules[i].name);
	free(e->act_rules);
	e->act_rules = NULL;
	e->n_act_rules = 0;
}

static void take_rules(struct engine *e, const struct config *c)
{
	pthread_mutex_lock(&e->act_lock);
	free_rules(e);
	e->act_rules = xcalloc(c->n_rules + 1, sizeof(*e->act_rules));
	for (size_t i = 0; i < c->n_rules; i++)
		if (c->rules[i].act != ACT_NONE)
			e->act_rules[e->n_act_rules++] = (struct act_rule){
				xstrdup(c->rules[i].name), c->rules[i].act };
	e->act_for_ms = c->act.for_ms;
	pthread_mutex_unlock(&e->act_lock);
}

bool acting_start(struct engine *e, struct err *err)
{
	const struct config *c = e->config;
	struct acts_opts o = { .dry_run = c->act.dry_run, .max_ms = c->act.max_ms,
			       .state_dir = c->state_dir };
	struct prefix *list;
	char *path;

	if (!c->act.enabled)
		return true;
	o.never = list = never(c, &o.n_never);
	pthread_mutex_init(&e->act_lock, NULL);
	e->acts = acts_open(&o, clock_wall_ms());
	free(list);
	take_rules(e, c);
	path = act_socket_path(c->act.socket, c->state_dir);
	e->act_socket = act_socket_start(path, e->acts, err);
	free(path);
	return e->act_socket != NULL;
}

void acting_configure(struct engine *e, const struct config *c)
{
	struct acts_opts o = { .dry_run = c->act.dry_run, .max_ms = c->act.max_ms };
	struct prefix *list;

	if (!e->acts)
		return;
	o.never = list = never(c, &o.n_never);
	acts_configure(e->acts, &o, clock_wall_ms());
	free(list);
	take_rules(e, c);
}

static enum act_kind act_of(struct engine *e, const char *rule, int64_t *for_ms)
{
	enum act_kind kind = ACT_NONE;

	pthread_mutex_lock(&e->act_lock);
	for (size_t i = 0; rule && i < e->n_act_rules; i++)
		if (!strcmp(e->act_rules[i].name, rule))
			kind = e->act_rules[i].act;
	*for_ms = e->act_for_ms;
	pthread_mutex_unlock(&e->act_lock);
	return kind;
}

void acting_alert(struct engine *e, const struct alert *a)
{
	int64_t now_ms = clock_wall_ms(), for_ms;
	char text[ADDR_TEXT];
	struct err err = { "" };
	struct act act;

	if (!e->acts || a->state != ALERT_FIRING || a->was || a->warning_share || a->over_budget)
		return;
	act = (struct act){ .addr = a->who, .kind = act_of(e, a->rule, &for_ms) };
	if (act.kind == ACT_NONE)
		return;
	act.until_ms = now_ms + for_ms;
	snprintf(act.by, sizeof(act.by), "rule %s", a->rule);
	snprintf(act.why, sizeof(act.why), "%s", a->why ? a->why : a->series);
	if (addr_is_none(&a->who))
		err_set(&err, "the alert names nobody");
	else if (names_network_of(e->names, &a->who) < 0)
		err_set(&err, "%s belongs to no network section", addr_text(&a->who, text));
	else if (acts_begin(e->acts, &act, true, false, now_ms, &err))
		return;
	log_info("rule %s acts on nobody: %s", a->rule, err.msg);
}

void acting_stop(struct engine *e)
{
	if (!e->acts)
		return;
	act_socket_stop(&e->act_socket);
	acts_close(&e->acts);
	free_rules(e);
	pthread_mutex_destroy(&e->act_lock);
}
