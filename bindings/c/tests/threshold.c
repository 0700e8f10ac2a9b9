/* Keys that a committee holds. The Rust libraries made them: three members, of whom two are needed. */
#include "check.h"

typedef struct {
    uint8_t data[256];
    size_t len;
} bytes_t;

void threshold(const char *theirs) {
    mediveil_key_set *set = NULL, *other = NULL;
    mediveil_key_share *shares[3] = {NULL, NULL, NULL}, *stranger = NULL;
    IS(OK, mediveil_key_set_load(in(theirs, "committee.set"), &set));
    IS(OK, mediveil_key_set_load(in(theirs, "other.set"), &other));
    mediveil_key_set_free(&other);
    IS(DAMAGED, mediveil_key_set_load(in(theirs, "alice.pub"), &other));
    CHECK(other == NULL);
    size_t len;
    uint8_t *file = contents(theirs, "other.set", &len);
    IS(OK, mediveil_key_set_from_bytes(file, len, &other));
    mediveil_key_set_free(&other);
    IS(DAMAGED, mediveil_key_set_from_bytes(file, len / 2, &other));
    IS(DAMAGED, mediveil_key_set_from_bytes(NULL, 0, &other));
    IS(OK, mediveil_key_set_from_bytes(file, len, &other));
    free(file);
    mediveil_key_set_info info;
    IS(OK, mediveil_key_set_describe(set, &info));
    CHECK(info.members == 3 && info.needed == 2 && info.epoch == 0);
    uint8_t id[32], other_id[32];
    IS(OK, mediveil_key_set_key_id(set, id));
    IS(OK, mediveil_key_set_key_id(other, other_id));
    CHECK(memcmp(id, other_id, 32) != 0);
    for (uint16_t i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "share.%d", i + 1);
        IS(OK, mediveil_key_share_load(in(theirs, name), &shares[i]));
        uint16_t member = 0;
        IS(OK, mediveil_key_share_member(shares[i], set, &member));
        CHECK(member == i + 1);
        IS(STATE, mediveil_key_share_member(shares[i], other, &member));
    }
    file = contents(theirs, "other.share", &len);
    IS(OK, mediveil_key_share_from_bytes(file, len, &stranger));
    mediveil_key_share_free(&stranger);
    IS(DAMAGED, mediveil_key_share_from_bytes(file, len - 9, &stranger));
    IS(OK, mediveil_key_share_from_bytes(file, len, &stranger));
    free(file);

    /* A ciphertext of C's, and one of Rust's whose key Rust wrote down. */
    const uint8_t *const about = (const uint8_t *)"record 7";
    uint8_t key[32], found[32], untouched[32] = {0};
    bytes_t made, given;
    size_t need = 0;
    IS(OK, mediveil_threshold_encapsulate(set, about, 8, NULL, NULL, &need));
    CHECK(need > 0 && need <= sizeof made.data);
    memset(key, 0, sizeof key);
    made.len = need - 1;
    IS(TOO_SMALL, mediveil_threshold_encapsulate(set, about, 8, key, made.data, &made.len));
    CHECK(made.len == need && memcmp(key, untouched, 32) == 0);
    IS(NULL, mediveil_threshold_encapsulate(set, about, 8, NULL, made.data, &made.len));
    IS(OK, mediveil_threshold_encapsulate(set, about, 8, key, made.data, &made.len));
    CHECK(made.len == need && memcmp(key, untouched, 32) != 0);
    IS(OK, mediveil_threshold_check(set, about, 8, made.data, made.len));
    IS(DAMAGED, mediveil_threshold_check(set, about, 7, made.data, made.len));
    IS(DAMAGED, mediveil_threshold_check(set, NULL, 0, made.data, made.len));
    IS(DAMAGED, mediveil_threshold_check(other, about, 8, made.data, made.len));
    for (size_t at = 0; at < made.len; at += quick ? 60 : 11) {
        made.data[at] ^= 1;
        IS(DAMAGED, mediveil_threshold_check(set, about, 8, made.data, made.len));
        IS(DAMAGED, mediveil_threshold_decrypt(shares[0], set, about, 8, made.data, made.len, NULL, &need));
        made.data[at] ^= 1;
    }

    bytes_t parts[3];
    for (int i = 0; i < 3; i++) {
        parts[i].len = sizeof parts[i].data;
        IS(OK, mediveil_threshold_decrypt(shares[i], set, about, 8, made.data, made.len, parts[i].data, &parts[i].len));
        uint16_t member = 0;
        IS(OK, mediveil_threshold_verify(set, about, 8, made.data, made.len, parts[i].data, parts[i].len, &member));
        CHECK(member == i + 1);
        IS(OK, mediveil_threshold_verify(set, about, 8, made.data, made.len, parts[i].data, parts[i].len, NULL));
    }
    need = 0;
    IS(OK, mediveil_threshold_decrypt(shares[0], set, about, 8, made.data, made.len, NULL, &need));
    CHECK(need == parts[0].len);
    IS(STATE, mediveil_threshold_decrypt(stranger, set, about, 8, made.data, made.len, NULL, &need));
    for (int a = 0; a < 3; a++) {
        const int b = (a + 1) % 3;
        const uint8_t *const two[] = {parts[a].data, parts[b].data};
        const size_t lens[] = {parts[a].len, parts[b].len};
        memset(found, 0, sizeof found);
        IS(OK, mediveil_threshold_combine(set, about, 8, made.data, made.len, two, lens, 2, found));
        CHECK(memcmp(found, key, 32) == 0);
    }

    /* Too few, too many, one twice, none, NULL, and one that is for another ciphertext. */
    const uint8_t *wrong[] = {parts[0].data, parts[1].data, parts[2].data};
    size_t lens[] = {parts[0].len, parts[1].len, parts[2].len};
    memset(found, 0, sizeof found);
    IS(INVALID, mediveil_threshold_combine(set, about, 8, made.data, made.len, wrong, lens, 1, found));
    IS(INVALID, mediveil_threshold_combine(set, about, 8, made.data, made.len, wrong, lens, 3, found));
    IS(INVALID, mediveil_threshold_combine(set, about, 8, made.data, made.len, NULL, NULL, 0, found));
    IS(INVALID, mediveil_threshold_combine(set, about, 8, made.data, made.len, wrong, lens, SIZE_MAX, found));
    IS(NULL, mediveil_threshold_combine(set, about, 8, made.data, made.len, NULL, lens, 2, found));
    IS(NULL, mediveil_threshold_combine(set, about, 8, made.data, made.len, wrong, NULL, 2, found));
    IS(NULL, mediveil_threshold_combine(NULL, about, 8, made.data, made.len, wrong, lens, 2, found));
    wrong[1] = NULL;
    IS(NULL, mediveil_threshold_combine(set, about, 8, made.data, made.len, wrong, lens, 2, found));
    wrong[1] = parts[0].data;
    IS(INVALID, mediveil_threshold_combine(set, about, 8, made.data, made.len, wrong, lens, 2, found));
    size_t theirs_len;
    uint8_t *foreign = contents(theirs, "committee.ciphertext", &theirs_len), *expected = contents(theirs, "committee.key", &len);
    given.len = sizeof given.data;
    IS(OK, mediveil_threshold_decrypt(shares[2], set, about, 8, foreign, theirs_len, given.data, &given.len));
    uint16_t member = 0;
    IS(UNVERIFIED, mediveil_threshold_verify(set, about, 8, made.data, made.len, given.data, given.len, &member));
    CHECK(member == 3);
    wrong[1] = given.data;
    lens[1] = given.len;
    IS(UNVERIFIED, mediveil_threshold_combine(set, about, 8, made.data, made.len, wrong, lens, 2, found));
    says("member 3");
    CHECK(memcmp(found, untouched, 32) == 0); /* nothing was written by what failed */

    /* Rust's ciphertext with a share of Rust's and one of C's. */
    uint8_t *rust = contents(theirs, "committee.part", &len);
    const uint8_t *const two[] = {rust, given.data};
    const size_t two_lens[] = {len, given.len};
    IS(OK, mediveil_threshold_combine(set, about, 8, foreign, theirs_len, two, two_lens, 2, found));
    CHECK(memcmp(found, expected, 32) == 0);
    free(rust);
    free(foreign);
    free(expected);

    /* A file sealed for the committee and for Alice: she opens it at once, and the members would together. */
    mediveil_recipients *to = NULL;
    mediveil_keys *keys = NULL;
    mediveil_identity *alice = NULL;
    mediveil_public *public = NULL;
    IS(OK, mediveil_identity_load(in(theirs, "alice.key"), NULL, &alice));
    IS(OK, mediveil_identity_public(alice, &public));
    IS(OK, mediveil_recipients_new(&to));
    IS(NULL, mediveil_recipients_add_committee(to, NULL, NULL, 0));
    IS(INVALID, mediveil_recipients_add_committee(to, set, NULL, 3600)); /* a delay without an owner who could veto */
    IS(OK, mediveil_recipients_add_committee(to, set, public, 3600));
    IS(OK, mediveil_recipients_add_public(to, public));
    uint8_t sealed[8192], opened[16];
    size_t sealed_len = sizeof sealed, opened_len = sizeof opened;
    IS(OK, mediveil_seal(to, NULL, NULL, 0, (const uint8_t *)"guarded", 7, sealed, &sealed_len));
    IS(OK, mediveil_keys_new(&keys));
    IS(NO_KEY, mediveil_open(keys, NULL, sealed, sealed_len, opened, &opened_len));
    IS(OK, mediveil_keys_add_identity(keys, alice));
    opened_len = sizeof opened;
    IS(OK, mediveil_open(keys, NULL, sealed, sealed_len, opened, &opened_len));
    CHECK(opened_len == 7);

    mediveil_keys_free(&keys);
    mediveil_recipients_free(&to);
    mediveil_public_free(&public);
    mediveil_identity_free(&alice);
    for (int i = 0; i < 3; i++) mediveil_key_share_free(&shares[i]);
    mediveil_key_share_free(&stranger);
    mediveil_key_set_free(&other);
    mediveil_key_set_free(&set);
}
