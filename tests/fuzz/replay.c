/* Runs a fuzz target over files, without libFuzzer: replay FILE-OR-DIRECTORY… */
#include "tests/fuzz/fuzz.h"

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/def.h"

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

/* Gives the target the file in memory of exactly its size. False: it cannot be read. */
static bool replay(const char *path, size_t size)
{
	uint8_t *data = malloc(size + 1);
	FILE *file = fopen(path, "re");
	bool whole = file && fread(data, 1, size + 1, file) == size;

	if (file)
		fclose(file);
	data = realloc(data, size > 0 ? size : 1);
	if (whole)
		(void)LLVMFuzzerTestOneInput(data, size);
	else
		perror(path);
	free(data);
	return whole;
}

static void report(const char *name, int passed, int failed)
{
	const char *path = getenv("TEST_RESULTS"), *suite = getenv("TEST_SUITE");
	FILE *results = path ? fopen(path, "ae") : NULL;

	printf("%-24s %d passed, %d failed\n", suite ? suite : name, passed, failed);
	if (!results)
		return;
	fprintf(results, "%s %d %d 0\n", suite ? suite : name, passed, failed);
	fclose(results);
}

int main(int argc, char **argv)
{
	char *nothing[] = {NULL};
	FTS *tree;
	FTSENT *entry;
	int passed = 0, failed = 0;

	(void)LLVMFuzzerInitialize(&argc, &argv);
	tree = fts_open(argc > 1 ? argv + 1 : nothing, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	while (tree && (entry = fts_read(tree))) {
		if (entry->fts_info != FTS_F)
			continue;
		if (replay(entry->fts_accpath, (size_t)entry->fts_statp->st_size))
			passed++;
		else
			failed++;
	}
	if (tree)
		fts_close(tree);
	/* a target without a corpus is a mistake, not a success */
	if (passed == 0)
		failed++;
	report(argv[0], passed, failed);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
