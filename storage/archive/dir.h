/* dir.h - the tree of five-minute files.
 * SPDX-License-Identifier: ISC
 *
 * A file is known by its file_s: the start of its five minutes, which is a multiple of BIN_S,
 * is the one that culpritd writes; the 299 numbers behind it are files that an import put
 * beside it, 1035-001.cul to 1035-299.cul. They are closed from the first moment on and
 * the order of numbers is the order of time, so whatever reads, sums up, checks or
 * expires files needs to know nothing more about imports.
 */
#ifndef CUL_ARCHIVE_DIR_H
#define CUL_ARCHIVE_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dir_entry {
	int64_t file_s; /* start of its five minutes, Unix time, + number of an import */
	uint64_t octets;        /* of the file */
	uint64_t summary;       /* of its summary; 0: none */
	bool is_file;           /* in a list always */
	uint64_t beside;        /* of what else lies beside it (beside.h), where asked for */
	int64_t since_s;        /* it is kept from then on: end of its five minutes, or
				   when it was imported */
};

struct dir_list {
	struct dir_entry *at; /* by file_s */
	size_t n, cap;
};

enum { DIR_PATH = 4096 };
/* Where imports keep their books (intake.c): DIRECTORY/import/ID.pending lists, one number
 * a line, the files of one that is being brought in. */
#define DIR_IMPORTS "import"
#define DIR_PENDING ".pending"
#define DIR_DONE ".done"

int64_t file_s_of(int64_t ms); /* start of the five minutes that hold ms */
bool dir_imported(int64_t file_s);
/* directory/2026/11/23/1035.cul; returns buf. */
const char *dir_path(const char *directory, int64_t file_s, char buf[static DIR_PATH]);
/* The file's summary: .../1035.sum. */
const char *dir_summary_path(const char *directory, int64_t file_s,
			     char buf[static DIR_PATH]);
/* Makes the folders that the file of file_s needs; false: errno tells. */
bool dir_make_root(const char *directory);
bool dir_make(const char *directory, int64_t file_s);
/* Files with from_s <= file_s <= to_s; gives list->at. False: the directory is not readable
 * (errno); one that is not there has no files and is no error. What an import has not
 * brought to its end is not there. */
bool dir_scan(const char *directory, int64_t from_s, int64_t to_s, struct dir_list *list);
void dir_list_free(struct dir_list *list);
/* Takes the file away and its summary, and folders that are empty then. */
bool dir_remove(const char *directory, int64_t file_s);
bool dir_sync(const char *directory, int64_t file_s); /* fsync of the file's folder */

#endif
