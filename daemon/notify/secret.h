/* secret.h - what must never be shown: passwords, tokens, addresses of hooks.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_NOTIFY_SECRET_H
#define CUL_NOTIFY_SECRET_H

#include "daemon/base/err.h"
#include "daemon/base/strb.h"

/* The text of a file without the line end at its end; gives, NULL + err. The file must
 * be regular, of 64 KiB at most, and neither writable by the group nor open to others
 * (0640). `what` begins the sentence: "notify noc: password_file". */
char *secret_read(const char *path, const char *what, struct err *err);
/* The same for a file that is no secret, of any mode. */
char *secret_read_plain(const char *path, const char *what, struct err *err);
/* Overwrites and frees; clears the pointer. */
void secret_free(char **s);

/* Adds text with every secret of the list (NULL ends) replaced by "***". */
void secret_hide(struct strb *b, const char *text, size_t len,
		 const char *const *secrets);
/* Adds what may be shown of a URL: "https://hooks.example.org/…". */
void secret_url(struct strb *b, const char *url);

#endif
