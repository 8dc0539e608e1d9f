/* Feeds files, and the files of directories, to a fuzz target: corpora replay in every build,
 * without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input ends where its allocation ends, so that sanitizers see whoever reads on. */
static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return 0;
	size_t n = 0, room = 1 << 20;
	char *all = malloc(room);
	if (all)
		n = fread(all, 1, room, file);
	fclose(file);
	uint8_t *input = malloc(n ? n : 1);
	if (!all || !input)
		abort();
	memcpy(input, all, n);
	LLVMFuzzerTestOneInput(input, n);
	free(input);
	free(all);
	return 1;
}

static int replay(const char *path)
{
	DIR *dir = opendir(path);
	if (!dir)
		return replay_file(path);
	int n = 0;
	for (struct dirent *entry; (entry = readdir(dir));) {
		char file[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
		n += replay_file(file);
	}
	closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	int n = 0;
	for (int i = 1; i < argc; i++)
		n += replay(argv[i]);
	printf("%s: %d inputs\n", argv[0], n);
	return n ? 0 : 1;
}
