/* files.h - the thread that looks at files of others: leases, hosts, countries, AS.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_FILES_H
#define CUL_FILES_H

struct files;
struct geo;
struct owners;

/* Looks at once and then every second; returns when it has looked for the first time, or
 * after two seconds. country and as may be NULL. All are borrowed until the stop. */
struct files *files_start(struct owners *o, struct geo *country, struct geo *as);
/* When the thread hangs in a file system the three are left to it, and set to NULL. */
void files_stop(struct files **f, struct owners **o, struct geo **country, struct geo **as);

#endif
