/* packet.h - numbers of packets that patterns look at.
 * SPDX-License-Identifier: ISC
 *
 * Sources: IANA protocol numbers; RFC 9293 sec. 3.1 (flags).
 */
#ifndef CUL_DETECTORS_PACKET_H
#define CUL_DETECTORS_PACKET_H

enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

#endif
