/* flow_text.h - one flow for people and for programs.
 * SPDX-License-Identifier: ISC
 *
 * A flow is a row of a block. Names of exporters and interfaces come from the
 * block's own registry, where it has one. All forms know every column, since
 * they follow flow_fields.def.
 */
#ifndef CUL_MODEL_FLOW_TEXT_H
#define CUL_MODEL_FLOW_TEXT_H

#include <jansson.h>

#include "daemon/base/strb.h"
#include "daemon/model/block.h"

/* For a terminal, in local time, without a newline:
 * "2026-11-23 10:35:00 CET 12 seconds tcp 10.0.0.1:443 -> 10.20.0.66:51000 18.7 MB
 *  12.9 k packets flags AS in WAN out 3 exporter edge". Already inert for a terminal. */
void flow_text_line(struct strb *s, const struct block *b, uint32_t row);
/* The same with tabs between the FLOW_TEXT_COLUMNS parts that every flow has, the last of
 * them with all that only some have, so that lines can be put below each other. */
enum { FLOW_TEXT_COLUMNS = 8 };
void flow_text_columns(struct strb *s, const struct block *b, uint32_t row);

/* A JSON object of what the flow tells, without a newline: {"start":
 * "2026-11-23T09:35:00.000Z", …, "bytes":1500, "src":"10.0.0.1", …}. Counts are
 * numbers, what has a form of its own (addresses, MACs, flags as letters, times in UTC) is
 * text. start_ms is called start there, and so on. Streamed: nothing is allocated but s. */
void flow_text_json(struct strb *s, const struct block *b, uint32_t row);
/* The same object for jansson; numbers above INT64_MAX are reals. Gives a reference. */
json_t *flow_text_object(const struct block *b, uint32_t row);

/* RFC 4180 with CRLF; columns are bits (1 << F_x), in the order of flow_fields.def. What
 * a flow does not tell is empty. */
void flow_text_csv_head(struct strb *s, uint64_t columns);
void flow_text_csv(struct strb *s, const struct block *b, uint32_t row, uint64_t columns);

/* TCP control bits as letters, "UAPRSFEC" at most; "0x1ff" when there are others too,
 * "" for none; returns buf. */
const char *flow_flags_text(uint16_t flags, char buf[static 12]);

#endif
