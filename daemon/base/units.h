/* units.h - numbers as people write them, strictly parsed and shortly said.
 * SPDX-License-Identifier: ISC
 *
 * k, M, G, T are decimal, Ki, Mi, Gi, Ti binary (D14). "010" is ten. Anything
 * left over after the number and its unit is an error.
 */
#ifndef CUL_BASE_UNITS_H
#define CUL_BASE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool parse_u64(const char *s, uint64_t max, uint64_t *out);  /* decimal digits only */
bool parse_size(const char *s, uint64_t *out);    /* octets or counts: "10M" "1.5Gi" "700" */
bool parse_rate(const char *s, double *out);      /* "20M" "1.5Gbit" "300k" "20Mbit/s" */
bool parse_duration(const char *s, int64_t *out_ms); /* "30s" "5m" "1h30m" "7d" "2w"; bare
							 numbers are refused except "0" */
bool parse_percent(const char *s, double *out);   /* "80%" -> 0.8, "0.8" -> 0.8 */
bool parse_budget(const char *s, double *per_week); /* "0.1/week" "2/day" "1/month" */

enum { UNIT_TEXT = 48 };
/* All return buf. Three significant digits: "18.7 Mbit/s", "4.21 GB", "317 k". */
const char *text_rate(double bits_per_s, char buf[static UNIT_TEXT]);
const char *text_bytes(double octets, char buf[static UNIT_TEXT]);
const char *text_count(double n, char buf[static UNIT_TEXT]);
const char *text_duration(int64_t ms, char buf[static UNIT_TEXT]); /* "2 minutes" "1 h 30 min" */
/* Local time with zone: "2026-11-23 10:35:00 CET"; short form: "10:35". */
const char *text_time(int64_t unix_ms, char buf[static UNIT_TEXT]);
const char *text_time_short(int64_t unix_ms, char buf[static UNIT_TEXT]);
/* RFC 3339 in UTC with milliseconds: "2026-11-23T09:35:00.000Z". */
const char *text_rfc3339(int64_t unix_ms, char buf[static UNIT_TEXT]);

#endif
