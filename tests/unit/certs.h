/* certs.h - certificates for tests: an authority of our own and what it signs.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_TESTS_CERTS_H
#define CUL_TESTS_CERTS_H

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

struct ca {
	EVP_PKEY *key;
	X509 *cert;
};

static inline void cert_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

/* Signed by ca, or by itself when ca is NULL. from and to in seconds from now. */
static inline X509 *cert_new(const struct ca *ca, EVP_PKEY *key, const char *cn,
			     const char *san, long from_s, long to_s, long serial)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
	X509_gmtime_adj(X509_getm_notBefore(x), from_s);
	X509_gmtime_adj(X509_getm_notAfter(x), to_s);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn,
				   -1, -1, 0);
	X509_set_issuer_name(x, ca ? X509_get_subject_name(ca->cert) : name);
	X509_set_pubkey(x, key);
	if (san)
		cert_ext(x, ca ? ca->cert : x, NID_subject_alt_name, san);
	else
		cert_ext(x, x, NID_basic_constraints, "critical,CA:TRUE");
	X509_sign(x, ca ? ca->key : key, EVP_sha256());
	return x;
}

static inline void cert_write(const char *dir, const char *name, X509 *x, EVP_PKEY *key)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.pem", dir, name);
	f = fopen(path, "w");
	PEM_write_X509(f, x);
	fclose(f);
	snprintf(path, sizeof(path), "%s/%s.key", dir, name);
	f = fopen(path, "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
}

/* dir/ca.pem and good, expired, other (wrong host) and self, each .pem and .key. The
 * good one is for "localhost" and 127.0.0.1. */
static inline void certs_make(const char *dir)
{
	struct ca ca = { EVP_EC_gen("P-256"), NULL };
	static const char here[] = "DNS:localhost,IP:127.0.0.1";
	const struct {
		const char *name, *san;
		long from, to;
		bool self;
	} rows[] = {
		{ "good", here, -3600, 86400, false },
		{ "expired", here, -86400 * 10, -86400, false },
		{ "other", "DNS:elsewhere.example", -3600, 86400, false },
		{ "self", here, -3600, 86400, true },
	};

	ca.cert = cert_new(NULL, ca.key, "test authority", NULL, -3600, 86400 * 30, 1);
	cert_write(dir, "ca", ca.cert, ca.key);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		EVP_PKEY *key = EVP_EC_gen("P-256");
		X509 *x = cert_new(rows[i].self ? NULL : &ca, key, rows[i].name,
				   rows[i].san, rows[i].from, rows[i].to, 10 + (long)i);

		cert_write(dir, rows[i].name, x, key);
		X509_free(x);
		EVP_PKEY_free(key);
	}
	X509_free(ca.cert);
	EVP_PKEY_free(ca.key);
}

#endif
