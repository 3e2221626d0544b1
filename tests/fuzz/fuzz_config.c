/* fuzz_config.c - any text as a configuration: errors, or one that prints and loads.
 * SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/tmp/culprit-fuzz-XXXXXX/x.conf";

static void remove_it(void)
{
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

static void put(const void *data, size_t size)
{
	FILE *f;

	if (strstr(path, "XXXXXX")) { /* a directory of our own: conf.d would be read */
		*strrchr(path, '/') = '\0';
		if (!mkdtemp(path))
			abort();
		path[strlen(path)] = '/';
		atexit(remove_it);
	}
	f = fopen(path, "w");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_errors errs;
	struct config *c, *again;
	char *text = NULL;
	size_t len;
	FILE *f;

	/* Files of the machine that runs this have no place in a finding. */
	if (memmem(data, size, "include", 7))
		return 0;
	put(data, size);
	c = config_load(path, "/nowhere", &errs);
	assert(!c == (errs.n_errors > 0));
	config_errors_free(&errs);
	if (!c)
		return 0;
	f = open_memstream(&text, &len);
	config_print(c, f);
	fclose(f);
	put(text, len);
	again = config_load(path, "/nowhere", &errs);
	if (!again)
		config_errors_print(&errs, stderr);
	assert(again);
	config_errors_free(&errs);
	config_free(&again);
	config_free(&c);
	free(text);
	return 0;
}
