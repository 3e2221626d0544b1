/* export_udp.h - flows as NetFlow v9 or IPFIX to another collector.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_CLI_EXPORT_UDP_H
#define CUL_CLI_EXPORT_UDP_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/err.h"
#include "daemon/model/block.h"

struct export_udp;

/* version 9 or 10; to: "192.0.2.1:2055", "[2001:db8::1]:4739", "host:port". rate: flows a
 * second, 0: as fast as it goes. NULL + err. */
struct export_udp *export_udp_new(int version, const char *to, uint64_t rate, struct err *err);
bool export_udp_flow(struct export_udp *x, const struct block *b, uint32_t row,
		     struct err *err);
/* Sends what waits. */
bool export_udp_end(struct export_udp *x, struct err *err);
void export_udp_free(struct export_udp **x);

#endif
