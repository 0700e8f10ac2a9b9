/* What the library must do and what it must withstand, from C.
 *
 *     check THEIRS OURS [quick]
 *
 * THEIRS has what the Rust libraries wrote (examples/c_files.rs); OURS is where this leaves what they read afterwards. */
#include "check.h"

bool quick = false;

void is(mediveil_status wanted, mediveil_status found, const char *file, int line, const char *call) {
    if (wanted == found) return;
    char why[512] = "";
    size_t len = sizeof why;
    mediveil_last_error(why, &len);
    fprintf(stderr, "%s:%d: status %d where %d was expected: %s\n  %s\n", file, line, (int)found, (int)wanted, why, call);
    exit(1);
}

void says(const char *text) {
    char why[512] = "";
    size_t len = sizeof why;
    IS(OK, mediveil_last_error(why, &len));
    if (strstr(why, text) != NULL) return;
    fprintf(stderr, "\"%s\" where \"%s\" was expected\n", why, text);
    exit(1);
}

const char *in(const char *dir, const char *name) {
    static char paths[8][1024];
    static unsigned next;
    char *path = paths[next++ % 8];
    CHECK(snprintf(path, sizeof paths[0], "%s/%s", dir, name) < (int)sizeof paths[0]);
    return path;
}

uint8_t *contents(const char *dir, const char *name, size_t *len) {
    FILE *file = fopen(in(dir, name), "rb");
    CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    CHECK(size >= 0 && fseek(file, 0, SEEK_SET) == 0);
    uint8_t *data = malloc((size_t)size + 1);
    CHECK(data != NULL);
    *len = (size_t)size;
    CHECK(fread(data, 1, *len, file) == *len && fclose(file) == 0);
    data[size] = 0;
    return data;
}

void store(const char *dir, const char *name, const uint8_t *data, size_t len) {
    FILE *file = fopen(in(dir, name), "wb");
    CHECK(file != NULL && fwrite(data, 1, len, file) == len && fclose(file) == 0);
}

int main(int argc, char **argv) {
    CHECK(argc == 3 || argc == 4);
    quick = argc == 4;
    CHECK(mediveil_handles() == 0);
    sealing();
    policies();
    ledger(argv[2]);
    threshold(argv[1]);
    proofs(argv[1]);
    files(argv[1], argv[2]);
    vectors(argv[1]);
    misuse(argv[1], argv[2]);
    if (mediveil_handles() != 0) fprintf(stderr, "%zu handles were not freed\n", mediveil_handles());
    CHECK(mediveil_handles() == 0); /* everything that was made was freed */
    printf("mediveil %s: all checks passed\n", mediveil_version());
    return 0;
}
