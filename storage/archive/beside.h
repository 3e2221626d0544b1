/* beside.h - files of another kind beside the five-minute files of flows.
 * SPDX-License-Identifier: ISC
 *
 * 1035.req beside 1035.cul: the requests of a proxy (daemon/evidence/request_log.h). The
 * archive knows only where they lie, and takes them away with their flows.
 */
#ifndef CUL_ARCHIVE_BESIDE_H
#define CUL_ARCHIVE_BESIDE_H

#include "storage/archive/dir.h"

#define BESIDE_REQUESTS ".req"

/* dir_path with another tail, which begins with a dot; returns buf. */
const char *beside_path(const char *directory, int64_t file_s, const char *tail,
			char buf[static DIR_PATH]);
/* As dir_scan; every file with that tail, by time. */
bool beside_scan(const char *directory, const char *tail, struct dir_list *list);
uint64_t beside_octets(const char *directory, int64_t file_s, const char *tail); /* 0: none */
/* Takes the file away, and folders that are empty then. */
void beside_remove(const char *directory, int64_t file_s, const char *tail);

#endif
