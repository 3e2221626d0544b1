/* summarizer.h - the thread that gives closed files their summaries.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_SUMMARIZER_H
#define CUL_ARCHIVE_SUMMARIZER_H

#include <stdint.h>

struct summarizer;

/* `made` is called on the thread for each summary written. NULL: no thread to be had, and
 * questions read the flows. */
struct summarizer *summarizer_start(const char *directory,
				    void (*made)(void *arg, int64_t file_s,
						 uint64_t octets),
				    void *arg);
/* A file was closed. Any thread; s may be NULL. */
void summarizer_closed(struct summarizer *s, int64_t file_s);
/* Ends the thread, soon: what is not made is made later. Files may still be closed. */
void summarizer_stop(struct summarizer *s);
void summarizer_free(struct summarizer **s); /* stopped, and nobody closes files any more */

#endif
