/* Sealing and opening, in memory and by callbacks. */
#include "check.h"

typedef struct {
    const uint8_t *in;
    size_t in_len, in_at;
    uint8_t *out;
    size_t out_len, out_at;
    int fail_read, fail_write;
} pipe_t;

static ptrdiff_t give(void *user, uint8_t *data, size_t len) {
    pipe_t *p = user;
    if (p->fail_read) return p->fail_read == 1 ? -1 : PTRDIFF_MAX;
    size_t n = p->in_len - p->in_at;
    if (n > len) n = len;
    if (n > 1000) n = 1000; /* short reads */
    memcpy(data, p->in + p->in_at, n);
    p->in_at += n;
    return (ptrdiff_t)n;
}

static int32_t take(void *user, const uint8_t *data, size_t len) {
    pipe_t *p = user;
    if (p->fail_write || len > p->out_len - p->out_at) return 1;
    memcpy(p->out + p->out_at, data, len);
    p->out_at += len;
    return 0;
}

void sealing(void) {
    mediveil_identity *alice = NULL, *bob = NULL;
    mediveil_public *public = NULL, *again = NULL;
    mediveil_recipients *to = NULL;
    mediveil_keys *mine = NULL, *others = NULL;
    IS(OK, mediveil_identity_generate(false, &alice));
    IS(OK, mediveil_identity_generate(false, &bob));
    IS(OK, mediveil_identity_public(alice, &public));
    IS(OK, mediveil_recipients_new(&to));
    IS(OK, mediveil_keys_new(&mine));
    IS(OK, mediveil_keys_new(&others));
    IS(OK, mediveil_keys_add_identity(mine, alice));
    IS(OK, mediveil_keys_add_identity(others, bob));

    uint8_t sealed[8192], opened[64];
    size_t len = sizeof sealed, need = 0;
    IS(INVALID, mediveil_seal(to, NULL, NULL, 0, (const uint8_t *)"x", 1, sealed, &len)); /* for nobody */
    IS(OK, mediveil_recipients_add_public(to, public));

    /* Sizes are asked for, and exact; a buffer that is too small stays as it was. */
    IS(OK, mediveil_seal(to, alice, (const uint8_t *)"ward", 4, (const uint8_t *)"record", 6, NULL, &need));
    len = need - 1;
    memset(sealed, 7, sizeof sealed);
    IS(TOO_SMALL, mediveil_seal(to, alice, (const uint8_t *)"ward", 4, (const uint8_t *)"record", 6, sealed, &len));
    CHECK(len == need && sealed[0] == 7);
    IS(OK, mediveil_seal(to, alice, (const uint8_t *)"ward", 4, (const uint8_t *)"record", 6, sealed, &len));
    CHECK(len == need && sealed[need] == 7);

    size_t out = sizeof opened;
    IS(OK, mediveil_open(mine, public, sealed, len, opened, &out));
    CHECK(out == 6 && memcmp(opened, "record", 6) == 0);
    out = 5;
    IS(TOO_SMALL, mediveil_open(mine, NULL, sealed, len, opened, &out));
    CHECK(out == 6);
    out = 0;
    IS(OK, mediveil_open(mine, NULL, sealed, len, NULL, &out));
    CHECK(out == 6);
    out = sizeof opened;
    IS(NO_KEY, mediveil_open(others, NULL, sealed, len, opened, &out));
    sealed[len - 1] ^= 1;
    memset(opened, 9, sizeof opened);
    IS(DAMAGED, mediveil_open(mine, NULL, sealed, len, opened, &out));
    CHECK(opened[0] == 9);
    sealed[len - 1] ^= 1;
    IS(DAMAGED, mediveil_open(mine, NULL, sealed, 10, opened, &out));
    IS(DAMAGED, mediveil_open(mine, NULL, NULL, 0, opened, &out));
    IS(INVALID, mediveil_open(mine, NULL, sealed, SIZE_MAX, opened, &out));

    /* Empty data, and a passphrase. */
    IS(OK, mediveil_recipients_add_passphrase(to, "seven llamas"));
    IS(OK, mediveil_recipients_add_passphrase(to, "eight llamas"));
    len = sizeof sealed;
    IS(INVALID, mediveil_seal(to, NULL, NULL, 0, NULL, 0, sealed, &len)); /* two passphrases */
    mediveil_recipients_free(&to);
    IS(OK, mediveil_recipients_new(&to));
    IS(OK, mediveil_recipients_add_public(to, public));
    len = sizeof sealed;
    IS(OK, mediveil_seal(to, NULL, NULL, 0, NULL, 0, sealed, &len));
    out = sizeof opened;
    IS(OK, mediveil_open(mine, NULL, sealed, len, opened, &out));
    CHECK(out == 0);
    IS(UNVERIFIED, mediveil_open(mine, public, sealed, len, opened, &out)); /* not signed */

    /* NULL everywhere, and handles of other types. */
    len = sizeof sealed;
    IS(NULL, mediveil_seal(NULL, NULL, NULL, 0, NULL, 0, sealed, &len));
    IS(NULL, mediveil_seal(to, NULL, NULL, 5, NULL, 0, sealed, &len));
    IS(NULL, mediveil_seal(to, NULL, NULL, 0, NULL, 5, sealed, &len));
    IS(NULL, mediveil_seal(to, NULL, NULL, 0, NULL, 0, sealed, NULL));
    IS(NULL, mediveil_open(NULL, NULL, sealed, len, opened, &out));
    IS(NULL, mediveil_identity_generate(false, NULL));
    mediveil_identity *cleared = bob;
    IS(NULL, mediveil_identity_load(NULL, NULL, &cleared));
    CHECK(cleared == NULL); /* whatever was in it */
    IS(NULL, mediveil_identity_public(NULL, &again));
    IS(NULL, mediveil_recipients_add_public(to, NULL));
    IS(NULL, mediveil_recipients_add_public(NULL, public));
    IS(NULL, mediveil_keys_add_passphrase(mine, NULL));
    IS(NULL, mediveil_public_id(public, NULL));
    IS(WRONG_HANDLE, mediveil_recipients_add_public((mediveil_recipients *)(void *)mine, public));
    IS(WRONG_HANDLE, mediveil_recipients_add_public(to, (mediveil_public *)(void *)bob));
    IS(NOT_UTF8, mediveil_keys_add_passphrase(mine, "\xff\xfe"));
    size_t last = 0;
    IS(OK, mediveil_last_error(NULL, &last));
    CHECK(last > 1);

    /* Public halves as bytes. */
    uint8_t bytes[4096], id[32], id2[32];
    size_t bytes_len = sizeof bytes;
    IS(OK, mediveil_public_to_bytes(public, bytes, &bytes_len));
    IS(OK, mediveil_public_from_bytes(bytes, bytes_len, &again));
    IS(OK, mediveil_public_id(public, id));
    IS(OK, mediveil_public_id(again, id2));
    CHECK(memcmp(id, id2, 32) == 0);
    mediveil_public_free(&again);
    IS(DAMAGED, mediveil_public_from_bytes(bytes, bytes_len - 1, &again));
    CHECK(again == NULL);

    /* Streams. */
    enum { SIZE = 150000 };
    uint8_t *plain = malloc(SIZE), *box = malloc(SIZE + 8192), *back = malloc(SIZE);
    CHECK(plain && box && back);
    for (size_t i = 0; i < SIZE; i++) plain[i] = (uint8_t)(i * 31);
    pipe_t in = {.in = plain, .in_len = SIZE, .out = box, .out_len = SIZE + 8192};
    uint64_t total = 0;
    IS(OK, mediveil_seal_stream(to, NULL, NULL, 0, give, take, &in, &total));
    CHECK(total == SIZE);
    pipe_t from = {.in = box, .in_len = in.out_at, .out = back, .out_len = SIZE};
    IS(OK, mediveil_open_stream(mine, NULL, give, take, &from, &total));
    CHECK(total == SIZE && memcmp(plain, back, SIZE) == 0);
    for (int how = 0; how < 3; how++) {
        pipe_t bad = {.in = plain, .in_len = SIZE, .out = box, .out_len = SIZE, .fail_read = how, .fail_write = how == 0};
        IS(CALLBACK, mediveil_seal_stream(to, NULL, NULL, 0, give, take, &bad, NULL));
    }
    IS(NULL, mediveil_seal_stream(to, NULL, NULL, 0, NULL, take, &in, NULL));
    IS(NULL, mediveil_open_stream(mine, NULL, give, NULL, &in, NULL));
    free(plain);
    free(box);
    free(back);

    /* Freed twice, and never made. */
    mediveil_keys_free(&mine);
    mediveil_keys_free(&mine);
    mediveil_keys_free(NULL);
    mediveil_keys_free(&others);
    mediveil_recipients_free(&to);
    mediveil_public_free(&public);
    mediveil_public_free(&again);
    mediveil_identity_free(&alice);
    mediveil_identity_free(&bob);
}
