/* capture.h - flows out of capture files.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_IMPORT_CAPTURE_H
#define CUL_IMPORT_CAPTURE_H

#include "daemon/import/source.h"

enum capture_kind {
	CAPTURE_GUESS,
	CAPTURE_DATAGRAMS, /* of NetFlow, IPFIX, sFlow */
	CAPTURE_PACKETS,   /* flows are made of them */
};

struct capture_opts {
	enum capture_kind kind;
	int64_t active_ms, inactive_ms; /* when a flow of packets is told; 0: 60 s, 15 s */
	void (*progress)(void *arg, uint64_t at);
	void *arg;
};

/* By the first octets: pcap or pcapng (also IPFIX messages one after another). */
bool capture_is(const uint8_t *head, size_t n);
/* Rows to r->full; *kind tells what it was. */
bool capture_read(const char *path, const struct capture_opts *o, struct rows *r,
		  enum capture_kind *kind, struct err *err);

/* packets.c */
struct packets;
struct packets *packets_new(const struct capture_opts *o, struct rows *r);
void packets_free(struct packets **p);
struct pcap_packet;
bool packets_add(struct packets *p, const struct pcap_packet *k, struct err *err);
bool packets_end(struct packets *p, struct err *err); /* tells what is still open */

#endif
