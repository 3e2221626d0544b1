/* cpus.h - how many threads are worth while.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_BASE_CPUS_H
#define CUL_BASE_CPUS_H

#include <unistd.h>

/* Processors that are there, from 1 to `most`. */
static inline unsigned cpus(unsigned most)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (unsigned long)n > most ? most : (unsigned)n;
}

#endif
