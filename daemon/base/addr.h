/* addr.h - IPv4 and IPv6 addresses and prefixes, in one shape.
 * SPDX-License-Identifier: ISC */
#ifndef CUL_BASE_ADDR_H
#define CUL_BASE_ADDR_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct sockaddr_storage;

/* Network order; IPv4 as ::ffff:a.b.c.d. All zero means "not told". */
struct addr {
	uint8_t b[16];
};

struct prefix {
	struct addr addr; /* host bits zero */
	uint8_t bits;     /* 0..128, counted in the 128-bit form (IPv4 /24 is 120) */
};

/* A person whose address is withheld: 48 bits that stand for it, in a corner of 100::/64,
 * the prefix that is never routed (RFC 6666). Read and written as "client-0123456789ab". */
enum { ADDR_VEILED = 6 };
struct addr addr_veiled(const uint8_t bits[static ADDR_VEILED]);
bool addr_is_veiled(const struct addr *a);

enum { ADDR_TEXT = 46 }; /* octets for the longest text, with its NUL */

static inline bool addr_eq(const struct addr *a, const struct addr *b)
{
	return !memcmp(a->b, b->b, sizeof(a->b));
}

static inline bool addr_is4(const struct addr *a)
{
	static const uint8_t map[12] = { [10] = 0xff, [11] = 0xff };
	return !memcmp(a->b, map, sizeof(map));
}

static inline bool addr_is_none(const struct addr *a)
{
	static const struct addr none;
	return addr_eq(a, &none);
}

/* Its first bits (0..128, counted in the 128-bit form), the others zero. In two halves: what
 * was put together from octets would not be there yet when it is hashed. */
static inline struct addr addr_first(const struct addr *a, unsigned bits)
{
	uint64_t half[2];
	struct addr out;

	memcpy(half, a->b, sizeof(half));
	half[0] &= bits < 64 ? htobe64(~(UINT64_MAX >> bits)) : UINT64_MAX;
	bits = bits < 64 ? 0 : bits - 64;
	half[1] &= bits < 64 ? htobe64(~(UINT64_MAX >> bits)) : UINT64_MAX;
	memcpy(out.b, half, sizeof(half));
	return out;
}

/* From four octets in network order. */
static inline struct addr addr_of4(const void *net)
{
	struct addr a = { .b = { [10] = 0xff, [11] = 0xff } };
	memcpy(a.b + 12, net, 4);
	return a;
}

/* RFC 5952 text, IPv4 dotted; returns buf. "-" for an address not told. */
const char *addr_text(const struct addr *a, char buf[static ADDR_TEXT]);
bool addr_parse(const char *text, struct addr *out);

/* "10.0.0.0/8", "10.1" is refused, a bare address is its own /32 or /128. Host
 * bits are cleared. */
bool prefix_parse(const char *text, struct prefix *out);
bool prefix_has(const struct prefix *p, const struct addr *a);
const char *prefix_text(const struct prefix *p, char buf[static ADDR_TEXT + 4]);

/* Address and port of a socket address; IPv4-mapped IPv6 and IPv4 give the same. */
struct addr addr_of_sockaddr(const struct sockaddr_storage *ss, uint16_t *port);

#endif
