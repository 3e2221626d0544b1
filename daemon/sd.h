/* sd.h - what systemd is told, without its library.
 * SPDX-License-Identifier: ISC
 */
#ifndef CUL_SD_H
#define CUL_SD_H

#include <stdint.h>

/* Sends "READY=1", "STATUS=…" (sd_notify(3)) when NOTIFY_SOCKET is set; else nothing. */
void sd_notify_text(const char *text);
/* WATCHDOG_USEC / 2 in milliseconds when this process is watched; 0: it is not. */
int64_t sd_watchdog_ms(void);

#endif
