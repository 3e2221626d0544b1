/* answer_json.h - answers from the archive as JSON, the same from the tool and the API.
 * SPDX-License-Identifier: ISC
 *
 * The shapes are Top and Proxy of contrib/openapi.yaml. The caller owns what is returned.
 */
#ifndef CUL_EVIDENCE_ANSWER_JSON_H
#define CUL_EVIDENCE_ANSWER_JSON_H

#include "daemon/evidence/through.h"
#include "daemon/evidence/top.h"
#include "daemon/model/json.h"

json_t *top_json(const struct top_query *q, const struct top_result *r);
json_t *through_json(const struct through_query *q, const struct through_result *r);

#endif
