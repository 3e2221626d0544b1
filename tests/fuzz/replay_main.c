/* replay_main.c - runs a fuzz target over its corpus, without a fuzzer.
 * SPDX-License-Identifier: ISC
 *
 * Each input is copied to memory of exactly its size, so that a sanitizer sees
 * a read past its end. Without arguments the corpus of the target that the
 * program is named after is used: replay_fuzz_v5 reads tests/fuzz/corpus/v5. The
 * empty input is always tried.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static void replay_file(const char *path, size_t size)
{
	uint8_t *data = malloc(size ? size : 1);
	FILE *f = fopen(path, "rb");

	if (!data || !f || fread(data, 1, size, f) != size) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(1);
	}
	fclose(f);
	fprintf(stderr, "%s\n", path); /* the last one named is the one that fell */
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static int replay(const char *path)
{
	struct dirent **name;
	struct stat st;
	int n, sum = 0;

	if (stat(path, &st) < 0)
		return 0;
	if (S_ISREG(st.st_mode)) {
		replay_file(path, (size_t)st.st_size);
		return 1;
	}
	n = scandir(path, &name, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char below[4096];

		snprintf(below, sizeof(below), "%s/%s", path, name[i]->d_name);
		if (name[i]->d_name[0] != '.')
			sum += replay(below);
		free(name[i]);
	}
	if (n >= 0)
		free(name);
	return sum;
}

int main(int argc, char **argv)
{
	const char *named = strstr(argv[0], "replay_fuzz_");
	char corpus[512];
	int n = 0;

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		n += replay(argv[i]);
	if (argc == 1 && named) {
		snprintf(corpus, sizeof(corpus), "tests/fuzz/corpus/%s", named + 12);
		n = replay(corpus);
	}
	printf("%d inputs replayed\n", n);
	return 0;
}
