/* json.h - the JSON sink: values from outside, written so that they are inert.
 * SPDX-License-Identifier: ISC
 *
 * JSON has no NaN, its integers are doubles to many readers, and its strings are UTF-8
 * (RFC 8259 sections 6 and 8.1); jansson refuses what is none of that. Each of these gives
 * something that is, always; the caller owns it.
 */
#ifndef CUL_MODEL_JSON_H
#define CUL_MODEL_JSON_H

#include <jansson.h>
#include <stdint.h>

json_t *j_text(const char *s);    /* octets that are no UTF-8 become U+FFFD; NULL: null */
json_t *j_real(double v);         /* whole numbers without a point; not finite: null */
json_t *j_count(uint64_t v);      /* at most 2^63 - 1 */
json_t *j_time(int64_t ms);       /* Unix time as RFC 3339; 0: null */
void j_put(json_t *o, const char *key, json_t *v); /* takes v; NULL becomes null */

#endif
