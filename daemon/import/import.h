/* import.h - one file of flows into the archive.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_IMPORT_IMPORT_H
#define CUL_IMPORT_IMPORT_H

#include "daemon/import/capture.h"
#include "storage/archive/intake.h"

struct import_opts {
	struct names *names;
	const struct calendar *calendar;
	int64_t now_ms;
	const struct exporter *exporter; /* of all flows, whatever they tell; NULL: theirs */
	struct capture_opts capture;
};

struct import_told {
	const char *kind;  /* "nfdump file" */
	bool known;        /* it was there before; nothing was done */
	struct intake_done done;
	uint64_t no_exporter, no_time, skipped; /* rows; records that are no flows */
	bool differs;      /* from what the file itself says that it holds: */
	uint64_t flows, bytes, packets;
};

/* All of the file, or (false + err) nothing. */
bool import_file(struct intake *in, const struct import_opts *o, const char *path,
		 struct import_told *out, struct err *err);

#endif
