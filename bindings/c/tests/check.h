/* What the tests share. */
#ifndef CHECK_H
#define CHECK_H
#include "mediveil.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                        \
    do {                                                                   \
        if (!(what)) {                                                     \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);     \
            exit(1);                                                       \
        }                                                                  \
    } while (0)
#define IS(status, call) is(MEDIVEIL_##status, call, __FILE__, __LINE__, #call)

void is(mediveil_status wanted, mediveil_status found, const char *file, int line, const char *call);

/* What the last call of this thread failed with contains this text. */
void says(const char *text);

/* DIR/NAME, until the next call but seven. */
const char *in(const char *dir, const char *name);

/* The bytes of DIR/NAME; to be freed. */
uint8_t *contents(const char *dir, const char *name, size_t *len);
void store(const char *dir, const char *name, const uint8_t *data, size_t len);

/* Whether to leave out passphrases, whose hundred thousands of rounds take minutes in an emulator, and most damaged proofs. */
extern bool quick;

#define NOW UINT64_C(1801382400000)
#define DAY UINT64_C(86400000)

void sealing(void);
void policies(void);
void ledger(const char *ours);
void threshold(const char *theirs);
void proofs(const char *theirs);
void vectors(const char *theirs);
void misuse(const char *theirs, const char *ours);
void files(const char *theirs, const char *ours);

#endif
