/* jobs.h - a few threads for answers that take time.
 * SPDX-License-Identifier: ISC
 *
 * Reading the archive or the history may take seconds; the thread that serves
 * connections never waits for it. A request that needs it is put here and its
 * connection set aside. At most JOBS_QUEUED wait; more are refused at once, which is
 * kinder than an answer that nobody waits for any longer.
 */
#ifndef CUL_HTTP_JOBS_H
#define CUL_HTTP_JOBS_H

#include <stdbool.h>

enum { JOBS_THREADS = 2, JOBS_QUEUED = 16 };

struct jobs;

struct jobs *jobs_start(void (*run)(void *job));
/* False: too many wait, or the end is near; the job is still the caller's. */
bool jobs_put(struct jobs *j, void *job);
/* Runs what is queued to its end and refuses what is new. The jobs stay usable (and
 * refuse) until jobs_free. */
void jobs_stop(struct jobs *j);
void jobs_free(struct jobs **j);

#endif
