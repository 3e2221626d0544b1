/* dir.h - the tree of five-minute files.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_ARCHIVE_DIR_H
#define CUL_ARCHIVE_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dir_entry {
	int64_t file_s; /* start of its five minutes, Unix time */
	uint64_t octets;        /* of the file */
	uint64_t summary;       /* of its summary; 0: none */
	bool is_file;           /* in a list always */
	uint64_t beside;        /* of what else lies beside it (beside.h), where asked for */
};

struct dir_list {
	struct dir_entry *at; /* by file_s */
	size_t n, cap;
};

enum { DIR_PATH = 4096 };

int64_t file_s_of(int64_t ms); /* start of the five minutes that hold ms */
/* directory/2026/11/23/1035.cul; returns buf. */
const char *dir_path(const char *directory, int64_t file_s, char buf[static DIR_PATH]);
/* The file's summary: .../1035.sum. */
const char *dir_summary_path(const char *directory, int64_t file_s,
			     char buf[static DIR_PATH]);
/* Makes the folders that the file of file_s needs; false: errno tells. */
bool dir_make_root(const char *directory);
bool dir_make(const char *directory, int64_t file_s);
/* Files with from_s <= file_s <= to_s; gives list->at. False: the directory is not readable
 * (errno); one that is not there has no files and is no error. */
bool dir_scan(const char *directory, int64_t from_s, int64_t to_s, struct dir_list *list);
void dir_list_free(struct dir_list *list);
/* Takes the file away and its summary, and folders that are empty then. */
bool dir_remove(const char *directory, int64_t file_s);
bool dir_sync(const char *directory, int64_t file_s); /* fsync of the file's folder */

#endif
