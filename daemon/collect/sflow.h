/* sflow.h - what the sFlow decoders share: one sample and its records.
 * SPDX-License-Identifier: ISC
 *
 * For sflow.c (version 5) and sflow4.c (4 and 2) only; sflow_rec.c and sflow_if.c have
 * the records, which are the same octets in all versions but for a few words. Every
 * reader returns false when its octets contradict themselves; then the row has what was
 * told before.
 */
#ifndef CUL_COLLECT_SFLOW_H
#define CUL_COLLECT_SFLOW_H

#include "daemon/collect/decoder.h"

/* What told the packet: PACKET_OTHER is a frame without IP. */
enum sflow_packet { PACKET_NONE, PACKET_OTHER, PACKET_IP };

/* One flow sample on its way to its row. */
struct sflow_sample {
	struct block *b;
	uint32_t row;
	enum sflow_packet packet;
	uint32_t octets;        /* layer 3 where it is known; not multiplied */
	uint32_t rate;
	uint32_t source;        /* ifIndex of the data source, 0: not an interface */
	uint32_t in_if, out_if; /* 0: not told, the switch itself, or several */
	uint16_t reason;        /* of the discard + 1, 0: not discarded */
	uint16_t vlan, out_vlan;
	uint16_t tunnel_vlan;   /* of a tag taken off before sampling */
	bool raw;               /* an IP header was told by its own octets */
	bool discarded;         /* a discarded packet notification: no estimate */
};

/* Makes the row; the members that the sample's head tells are set. */
void sflow_begin(struct dgram *d, struct sflow_sample *s);
/* Writes what is known only after all records. */
void sflow_end(struct dgram *d, struct sflow_sample *s);
/* An interface of a sample: format 0 index, 1 discarded (value: why), 2 several. */
void sflow_interface(struct sflow_sample *s, uint32_t format, uint32_t value, bool out);
/* The same in one word: two bits of format, 30 of value. */
void sflow_interface_word(struct sflow_sample *s, uint32_t word, bool out);
/* What the column `reason` has for a drop reason. */
uint16_t sflow_reason(uint32_t reason);
/* A sampling rate as believed; 0 above the limit, which is counted. (The octets of a
 * rate are never turned round as NetFlow's may be: XDR knows one order.) */
uint32_t sflow_rate(struct dgram *d, uint32_t rate);
/* ifIndex of a data source in one word (class << 24 | index), 0: not an interface. */
uint32_t sflow_source(uint32_t word);

/* XDR: len octets and their padding, which the last ones of a record may lack. */
struct rd sflow_opaque(struct rd *r, size_t len);
struct rd sflow_string(struct rd *r); /* its length before it */
/* An address with its type; type 0 (unknown) gives the address not told. */
bool sflow_address(struct rd *r, struct addr *a);

void sflow_header(struct sflow_sample *s, uint32_t proto, uint32_t frame_len,
		  struct rd head);
bool sflow_ip(struct sflow_sample *s, struct rd *r, size_t width); /* 4 or 16 octets */
bool sflow_switch(struct sflow_sample *s, struct rd *r);
bool sflow_router(struct sflow_sample *s, struct rd *r);
bool sflow_gateway(struct sflow_sample *s, struct rd *r, unsigned version);
bool sflow_user(struct sflow_sample *s, struct rd *r, unsigned version);
bool sflow_url(struct sflow_sample *s, struct rd *r, unsigned version);
/* Any flow record of version 5, by its format; an unknown one is skipped. */
bool sflow_record(struct sflow_sample *s, uint32_t format, struct rd *r);

/* The generic interface counters: 88 octets in all versions. */
bool sflow_if_counters(struct dgram *d, struct rd *r);
/* The name of the interface `index` (port_name). */
bool sflow_port_name(struct dgram *d, uint32_t index, struct rd *r);

/* Finds the domain and takes the sequence number of a datagram. */
void sflow_sequence(struct dgram *d, uint32_t sub_agent, const struct addr *agent,
		    uint32_t number, uint32_t uptime);

#endif
