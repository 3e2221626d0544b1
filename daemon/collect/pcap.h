/* pcap.h - datagrams and packets out of capture files.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_COLLECT_PCAP_H
#define CUL_COLLECT_PCAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/addr.h"
#include "daemon/base/err.h"

struct pcap;

enum pcap_kind {
	PCAP_PCAP,   /* libpcap's, micro- or nanoseconds, either byte order */
	PCAP_NG,     /* pcapng */
	PCAP_PREFIX, /* each datagram after its length in four octets, highest first */
	PCAP_IPFIX,  /* IPFIX messages one after the other (RFC 5655) */
	PCAP_ONE,    /* one datagram of NetFlow or sFlow, and nothing else */
};

/* What a file holds: packets, or (the last three kinds) datagrams. */
struct pcap_packet {
	int64_t at_ms;       /* Unix time; 0: the file does not say */
	int link;            /* LINKTYPE_ of tcpdump.org; -1: it is a datagram */
	const uint8_t *data; /* borrowed until the next pcap_next() */
	size_t len;          /* captured octets */
	uint32_t wire_len;   /* octets it had */
};

struct pcap_datagram {
	int64_t at_ms;
	struct addr src, dst; /* 127.0.0.1 when the file does not say */
	uint16_t src_port, dst_port;
	const uint8_t *data;  /* borrowed until the next pcap_next() */
	size_t len;
};

/* Opens a capture, "-" is standard input; the kind is found from its first octets. One
 * thread. NULL + err when it is no capture. */
struct pcap *pcap_open(const char *path, struct err *err);
void pcap_close(struct pcap **p);
enum pcap_kind pcap_kind(const struct pcap *p);

/* The next packet; false at the end. *err is "" when the file ended well, else says where
 * it is broken; what came before is good. */
bool pcap_next(struct pcap *p, struct pcap_packet *out, struct err *err);

/* The UDP datagram that a packet carries or completes (IP fragments are put together, at
 * most 16 datagrams at a time); false when there is none. A payload that the capture
 * cut (snap length) is given as far as it goes. */
bool pcap_udp(struct pcap *p, const struct pcap_packet *k, struct pcap_datagram *out);

/* The packets that pcap_udp() made no whole datagram of so far. */
struct pcap_rest {
	uint64_t no_udp;
	uint64_t pieces;   /* fragments whose datagram never came together */
	uint64_t cut;      /* by the snap length, also when a part was given */
	uint64_t unread;   /* of a link layer we do not know; `link` is the last */
	int link;
};
const struct pcap_rest *pcap_rest(const struct pcap *p);

/* The packet as frame_read() wants it; false for a link layer we do not know. */
bool pcap_frame(const struct pcap_packet *k, unsigned *header_proto, const uint8_t **data,
		size_t *len);

/* Octets read so far, and of the whole file (0: a pipe), for a progress bar. */
uint64_t pcap_at(const struct pcap *p);
uint64_t pcap_size(const struct pcap *p);

/* For pcap_udp.c: what it keeps from packet to packet, fragments NULL at first. */
struct fragments;
struct pcap_kept {
	struct fragments *fragments;
	struct pcap_rest rest;
};
struct pcap_kept *pcap_kept(struct pcap *p);
void fragments_free(struct fragments **f);

#endif
