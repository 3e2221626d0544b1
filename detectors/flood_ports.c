/* flood_ports.c - services that answer a small question with much.
 * SPDX-License-Identifier: ISC
 *
 * UDP ports whose servers were abused for reflection: CISA's alert TA14-017A, Rossow's
 * "Amplification Hell" (NDSS 2014), and what came after (memcached 2018, WS-Discovery and
 * ARMS 2019, Jenkins and CoAP 2020, TP-240 and SLP 2022 and 2023).
 */
#include "detectors/flood_impl.h"

#include <string.h>

static const struct flood_service services[] = {
	{ 53, "DNS" },          { 123, "NTP" },         { 1900, "SSDP" },
	{ 11211, "memcached" }, { 389, "CLDAP" },       { 19, "chargen" },
	{ 161, "SNMP" },        { 111, "portmap" },     { 5353, "mDNS" },
	{ 636, "LDAP" },        { 3702, "WS-Discovery" }, { 3283, "ARMS" },
	{ 17, "QOTD" },         { 69, "TFTP" },         { 137, "NetBIOS" },
	{ 520, "RIP" },         { 1434, "MS SQL" },     { 5683, "CoAP" },
	{ 5060, "SIP" },        { 3389, "RDP" },        { 427, "SLP" },
	{ 27015, "Steam" },     { 27960, "Quake" },     { 5093, "Sentinel" },
	{ 32414, "Plex" },      { 10001, "Ubiquiti" },  { 37810, "DVR" },
	{ 33848, "Jenkins" },   { 10074, "TP-240" },    { 30718, "Lantronix" },
	{ 1701, "L2TP" },             { 177, "XDMCP" },
	{ 6881, "BitTorrent" }, { 41794, "Crestron" },  { 623, "IPMI" },
};

const struct flood_service *flood_service(unsigned i)
{
	return i < sizeof(services) / sizeof(services[0]) ? &services[i] : NULL;
}

void flood_ports_init(struct flood_ports *p)
{
	memset(p, 0, sizeof(*p));
	for (unsigned s = 0; flood_service(s); s++) {
		uint16_t port = services[s].port;
		unsigned i = (port ^ port >> 8) & 255;

		while (p->number[i])
			i = (i + 1) & 255;
		p->port[i] = port;
		p->number[i] = (uint8_t)(s + 1);
	}
}
