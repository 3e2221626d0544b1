/* snmp.c - asks an SNMP agent for ifName, ifAlias and speeds.
 * SPDX-License-Identifier: ISC
 *
 * By net-snmp's library, where it was there at build time (CUL_SNMP); without it the program
 * says so where somebody configures SNMP. Five columns are walked, each with GETBULK of its
 * own: ifName (else ifDescr), ifAlias, ifHighSpeed (else ifSpeed: links below 1 Mbit/s are 0
 * in the former). An agent may answer anything: a row is taken only where its OID is the
 * column's and one index, indexes must ascend, or an agent that turns in circles would hold
 * us for ever, and there are at most SNMP_INTERFACES rows.
 *
 * The library reads no configuration, no MIBs and writes no state: what is asked is in
 * numbers here, and a daemon should not depend on files of somebody else's tools.
 */
#include "daemon/evidence/snmp.h"

const char *const snmp_auth_words[] = { "md5", "sha", "sha224", "sha256", "sha384", "sha512",
					NULL };
const char *const snmp_priv_words[] = { "aes", "des", NULL };

#ifndef CUL_SNMP

bool snmp_built(void)
{
	return false;
}

int snmp_interfaces(const struct snmp_agent *a, struct interface *list, struct err *err)
{
	(void)a;
	(void)list;
	err_set(err, "this culpritd was built without SNMP; install net-snmp's development "
		     "files (libsnmp-dev) and build again, or name the interfaces in the "
		     "configuration");
	return -1;
}

#else

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_US = 1000000, RETRIES = 1, ROWS = 24, SECRET = 256, MORE = 4 * SNMP_INTERFACES };

enum column { DESCR, SPEED, NAME, HIGH_SPEED, ALIAS, COLUMNS };
#define IF_TABLE 1, 3, 6, 1, 2, 1, 2, 2, 1
#define IF_X_TABLE 1, 3, 6, 1, 2, 1, 31, 1, 1, 1
static const struct {
	oid at[11];
	size_t len;
} columns[COLUMNS] = {
	[DESCR] = { { IF_TABLE, 2 }, 10 },
	[SPEED] = { { IF_TABLE, 5 }, 10 },
	[NAME] = { { IF_X_TABLE, 1 }, 11 },
	[HIGH_SPEED] = { { IF_X_TABLE, 15 }, 11 },
	[ALIAS] = { { IF_X_TABLE, 18 }, 11 },
};

struct walk {
	const struct snmp_agent *agent;
	struct snmp_session *s;  /* of the library's single-session calls */
	void *handle;
	struct interface *list;
	int n;
	char who[ADDR_TEXT + 8];
};

bool snmp_built(void)
{
	return true;
}

static void library(void)
{
	static bool ready;

	if (ready)
		return;
	ready = true;
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_LOAD, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_SAVE, 1);
	netsnmp_set_mib_directory("");
	netsnmp_register_loghandler(NETSNMP_LOGHANDLER_NONE, LOG_EMERG);
	init_snmp("culprit");
}

/* The first line of a file, "" for none. */
static bool secret(const char *path, char buf[static SECRET], struct err *err)
{
	FILE *f;
	bool ok;

	*buf = '\0';
	if (!*path)
		return true;
	f = fopen(path, "re");
	ok = f && fgets(buf, SECRET, f);
	if (!ok)
		err_set(err, "%s cannot be read: %s", path,
			!f || ferror(f) ? strerror(errno) : "it is empty");
	if (f)
		fclose(f);
	buf[strcspn(buf, "\r\n")] = '\0';
	if (ok && !*buf)
		ok = err_set(err, "%s begins with an empty line; write the secret there", path);
	return ok;
}

/* --- opening --- */

struct word_oid {
	const char *word;
	const oid *at;
	size_t len;
};

#define OID(word, of) { word, of, sizeof(of) / sizeof(oid) }
static const struct word_oid auths[] = {
#ifndef NETSNMP_DISABLE_MD5
	OID("md5", usmHMACMD5AuthProtocol),
#endif
	OID("sha", usmHMACSHA1AuthProtocol),
	OID("sha224", usmHMAC128SHA224AuthProtocol),
	OID("sha256", usmHMAC192SHA256AuthProtocol),
	OID("sha384", usmHMAC256SHA384AuthProtocol),
	OID("sha512", usmHMAC384SHA512AuthProtocol),
};
static const struct word_oid privs[] = {
	OID("aes", usmAESPrivProtocol),
#ifndef NETSNMP_DISABLE_DES
	OID("des", usmDESPrivProtocol),
#endif
};

static const struct word_oid *protocol(const struct word_oid *list, size_t n, const char *word,
				       struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].word, word))
			return &list[i];
	err_set(err, "the SNMP library of this machine does not know %s", word);
	return NULL;
}

/* Pass phrase to key. */
static bool key_of(const oid *auth, size_t auth_len, char *phrase, u_char *key, size_t *len,
		   struct err *err)
{
	*len = USM_AUTH_KU_LEN;
	if (generate_Ku(auth, (u_int)auth_len, (u_char *)phrase, strlen(phrase), key, len) ==
	    SNMPERR_SUCCESS)
		return true;
	return err_set(err, "SNMPv3 wants pass phrases of at least 8 characters");
}

static bool be_user(const struct snmp_agent *a, netsnmp_session *s, struct err *err)
{
	char phrase[SECRET];
	const struct word_oid *p;

	s->version = SNMP_VERSION_3;
	s->securityName = (char *)a->user;
	s->securityNameLen = strlen(a->user);
	s->securityLevel = SNMP_SEC_LEVEL_NOAUTH;
	if (!*a->auth_file)
		return true;
	if (!secret(a->auth_file, phrase, err) ||
	    !(p = protocol(auths, sizeof(auths) / sizeof(*auths), a->auth, err)))
		return false;
	s->securityLevel = SNMP_SEC_LEVEL_AUTHNOPRIV;
	s->securityAuthProto = (oid *)p->at;
	s->securityAuthProtoLen = p->len;
	if (!key_of(p->at, p->len, phrase, s->securityAuthKey, &s->securityAuthKeyLen, err))
		return false;
	if (!*a->priv_file)
		return true;
	if (!secret(a->priv_file, phrase, err) ||
	    !(p = protocol(privs, sizeof(privs) / sizeof(*privs), a->priv, err)))
		return false;
	s->securityLevel = SNMP_SEC_LEVEL_AUTHPRIV;
	s->securityPrivProto = (oid *)p->at;
	s->securityPrivProtoLen = p->len;
	return key_of(s->securityAuthProto, s->securityAuthProtoLen, phrase, s->securityPrivKey,
		      &s->securityPrivKeyLen, err);
}

/* What the library says about a session, in our words. */
static void say(const struct walk *w, int error, struct err *err)
{
	const struct snmp_agent *a = w->agent;

	switch (error) {
	case SNMPERR_TIMEOUT:
		err_set(err, "no answer from %s; agents do not answer a wrong community or a "
			     "stranger either, so look at %s, at its list of who may ask, and "
			     "at firewalls", w->who,
			*a->community_file ? a->community_file : "the user");
		break;
	case SNMPERR_UNKNOWN_USER_NAME:
		err_set(err, "%s knows no user \"%s\"; correct snmp_user, or add it there",
			w->who, a->user);
		break;
	case SNMPERR_AUTHENTICATION_FAILURE:
	case SNMPERR_DECRYPTION_ERR:
		err_set(err, "%s refuses the pass phrase of \"%s\"; look at snmp_auth_file, "
			     "snmp_priv_file, and at snmp_auth and snmp_priv", w->who, a->user);
		break;
	case SNMPERR_UNSUPPORTED_SEC_LEVEL:
		err_set(err, "%s wants another security level of \"%s\"; set snmp_auth_file "
			     "and snmp_priv_file as its agent has them", w->who, a->user);
		break;
	default:
		err_set(err, "%s: %s", w->who, snmp_api_errstring(error));
	}
}

/* The library keeps users with their keys for each agent, also wrong ones, and would go on
 * with those after the file was corrected. There is no other session. */
static void forget_users(void)
{
	struct usmUser *u;

	while ((u = usm_get_userList())) {
		usm_remove_user(u);
		usm_free_user(u);
	}
}

static bool open_session(struct walk *w, struct err *err)
{
	char peer[ADDR_TEXT + 16], text[ADDR_TEXT], community[SECRET];
	netsnmp_session s;
	bool ok, v6 = strchr(addr_text(&w->agent->addr, text), ':') != NULL;
	int sys, error;
	char *why;

	library();
	forget_users();
	snmp_sess_init(&s);
	snprintf(w->who, sizeof(w->who), v6 ? "[%s]:%u" : "%s:%u", text, w->agent->port);
	snprintf(peer, sizeof(peer), "%s:%s", v6 ? "udp6" : "udp", w->who);
	s.peername = peer;
	s.timeout = TIMEOUT_US;
	s.retries = RETRIES;
	if (*w->agent->community_file) {
		ok = secret(w->agent->community_file, community, err);
		s.version = SNMP_VERSION_2c;
		s.community = (u_char *)community;
		s.community_len = strlen(community);
	} else {
		ok = be_user(w->agent, &s, err);
	}
	if (ok && !(w->handle = snmp_sess_open(&s))) {
		snmp_error(&s, &sys, &error, &why);
		say(w, error, err);
		free(why);
	}
	/* The library has its own copies. */
	memset(community, 0, sizeof(community));
	memset(&s, 0, sizeof(s));
	return w->handle != NULL;
}

/* --- walking --- */

/* The row's interface, made when ifDescr or ifName brings a new one in order. */
static struct interface *row(struct walk *w, uint32_t index)
{
	int at = (int)interface_place(w->list, (size_t)w->n, index);

	if (at < w->n && w->list[at].index == index)
		return &w->list[at];
	if (w->n == SNMP_INTERFACES)
		return NULL;
	memmove(&w->list[at + 1], &w->list[at], (size_t)(w->n - at) * sizeof(*w->list));
	w->n++;
	w->list[at] = (struct interface){ .index = index };
	return &w->list[at];
}

static void text_of(const netsnmp_variable_list *v, char to[static NAME_LEN])
{
	size_t n = v->val_len < NAME_LEN - 1 ? v->val_len : NAME_LEN - 1;

	if (v->type != ASN_OCTET_STR || !v->val_len)
		return;
	memcpy(to, v->val.string, n);
	to[n] = '\0'; /* and at the first NUL, as some agents pad */
}

static void take(struct walk *w, enum column c, const netsnmp_variable_list *v, uint32_t index)
{
	bool number = v->type == ASN_GAUGE || v->type == ASN_INTEGER || v->type == ASN_COUNTER;
	uint64_t value = number && v->val.integer && *v->val.integer > 0
			     ? (uint64_t)*v->val.integer : 0;
	struct interface *i = row(w, index);

	if (!i)
		return;
	switch (c) {
	case DESCR:
	case NAME: text_of(v, i->name); break;
	case ALIAS: text_of(v, i->alias); break;
	case SPEED: i->speed_bps = value & UINT32_MAX; break;
	case HIGH_SPEED:
		if (value)
			i->speed_bps = (value & UINT32_MAX) * 1000000;
		break;
	case COLUMNS: break;
	}
}

/* One answer: rows are taken and `last` moves on; false at the column's end. */
static bool rows(struct walk *w, enum column c, const netsnmp_pdu *answer, int64_t *last,
		 bool *circles)
{
	size_t len = columns[c].len;

	for (const netsnmp_variable_list *v = answer->variables; v; v = v->next_variable) {
		if (v->name_length != len + 1 || v->name[len] > UINT32_MAX ||
		    snmp_oid_compare(v->name, len, columns[c].at, len) ||
		    v->type == SNMP_ENDOFMIBVIEW || v->type == SNMP_NOSUCHOBJECT ||
		    v->type == SNMP_NOSUCHINSTANCE)
			return false;
		if ((int64_t)v->name[len] <= *last)
			return !(*circles = true);
		*last = (int64_t)v->name[len];
		take(w, c, v, (uint32_t)*last);
	}
	return answer->variables != NULL;
}

static bool walk(struct walk *w, enum column c, struct err *err)
{
	oid at[12];
	size_t len = columns[c].len;
	int64_t last = -1;
	bool more = true, circles = false;

	memcpy(at, columns[c].at, len * sizeof(oid));
	for (int asked = 0; more && asked < MORE; asked++) {
		netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GETBULK), *answer = NULL;
		int status, error = 0, sys;
		char *why = NULL;

		pdu->non_repeaters = 0;
		pdu->max_repetitions = ROWS;
		if (last >= 0)
			at[len] = (oid)last;
		snmp_add_null_var(pdu, at, len + (last >= 0));
		status = snmp_sess_synch_response(w->handle, pdu, &answer);
		if (status != STAT_SUCCESS || !answer) {
			snmp_sess_error(w->handle, &sys, &error, &why);
			say(w, status == STAT_TIMEOUT ? SNMPERR_TIMEOUT : error, err);
			free(why);
			if (answer)
				snmp_free_pdu(answer);
			return false;
		}
		if (answer->errstat != SNMP_ERR_NOERROR) {
			err_set(err, "%s: %s; let its agent show ifTable and ifXTable", w->who,
				snmp_errstring((int)answer->errstat));
			snmp_free_pdu(answer);
			return false;
		}
		more = rows(w, c, answer, &last, &circles);
		snmp_free_pdu(answer);
	}
	if (circles)
		return err_set(err, "%s tells interfaces in circles, its agent is broken; name "
				    "them in the configuration", w->who);
	return true;
}

int snmp_interfaces(const struct snmp_agent *a, struct interface *list, struct err *err)
{
	struct walk w = { .agent = a, .list = list };
	bool ok = open_session(&w, err);

	for (enum column c = 0; ok && c < COLUMNS; c++)
		ok = walk(&w, c, err);
	if (w.handle)
		snmp_sess_close(w.handle);
	if (ok && !w.n)
		ok = err_set(err, "%s shows no interfaces; let its agent show ifTable and "
				  "ifXTable (1.3.6.1.2.1.2, 1.3.6.1.2.1.31) to whom asks", w.who);
	return ok ? w.n : -1;
}

#endif
