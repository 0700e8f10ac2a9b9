/* Zero-knowledge proofs that the Rust libraries made, verified from C. The keys are development keys. */
#include "check.h"

typedef struct {
    uint8_t *data;
    size_t len;
} file_t;

static file_t file(const char *theirs, const char *name) {
    file_t read = {NULL, 0};
    read.data = contents(theirs, name, &read.len);
    return read;
}

typedef mediveil_status verify_t(const mediveil_verifying_key *, const char *, const uint8_t *, size_t, const uint8_t *, size_t, uint8_t *);

/* A statement with a nullifier: `trusted` is a registry. */
static void person(verify_t *verify, const char *theirs, const char *statement, const mediveil_verifying_key *other_key) {
    char name[64];
    mediveil_verifying_key *key = NULL;
#define NAME(form) (snprintf(name, sizeof name, form, statement), name)
    IS(REFUSED, mediveil_verifying_key_load(in(theirs, NAME("%s.vk")), NULL, false, &key)); /* a development key */
    CHECK(key == NULL);
    IS(OK, mediveil_verifying_key_load(in(theirs, NAME("%s.vk")), NULL, true, &key));
    bool ceremony = true;
    IS(OK, mediveil_verifying_key_is_of_ceremony(key, &ceremony));
    CHECK(!ceremony);
    file_t request = file(theirs, NAME("%s.request")), wrong = file(theirs, NAME("%s.other-request"));
    file_t trusted = file(theirs, NAME("%s.registry")), proof = file(theirs, NAME("%s.proof"));
    file_t expected = file(theirs, NAME("%s.nullifier")), registry = file(theirs, NAME("%s.other-registry"));
    const char *const asked = (const char *)request.data;
    uint8_t nullifier[32] = {0}, nothing[32] = {0};

    /* What was not asked, under what is not trusted, by another key: refused, and no nullifier is given. */
    IS(UNVERIFIED, verify(key, (const char *)wrong.data, trusted.data, trusted.len, proof.data, proof.len, nullifier));
    IS(UNVERIFIED, verify(key, asked, registry.data, registry.len, proof.data, proof.len, nullifier));
    IS(UNVERIFIED, verify(other_key, asked, trusted.data, trusted.len, proof.data, proof.len, nullifier));
    IS(INVALID, verify(key, "{", trusted.data, trusted.len, proof.data, proof.len, nullifier));
    IS(INVALID, verify(key, "{\"statement\": \"statistics\", \"column\": \"a\"}", trusted.data, trusted.len, proof.data,
                       proof.len, nullifier));
    IS(NOT_UTF8, verify(key, "\xff", trusted.data, trusted.len, proof.data, proof.len, nullifier));
    IS(NULL, verify(NULL, asked, trusted.data, trusted.len, proof.data, proof.len, nullifier));
    IS(NULL, verify(key, NULL, trusted.data, trusted.len, proof.data, proof.len, nullifier));
    IS(NULL, verify(key, asked, NULL, trusted.len, proof.data, proof.len, nullifier));
    IS(NULL, verify(key, asked, trusted.data, trusted.len, NULL, proof.len, nullifier));
    IS(DAMAGED, verify(key, asked, NULL, 0, proof.data, proof.len, nullifier));
    IS(DAMAGED, verify(key, asked, trusted.data, trusted.len, NULL, 0, nullifier));
    IS(DAMAGED, verify(key, asked, trusted.data, trusted.len, proof.data, proof.len - 1, nullifier));
    IS(DAMAGED, verify(key, asked, trusted.data, trusted.len, trusted.data, trusted.len, nullifier));
    for (size_t at = 0; at < proof.len; at += proof.len / (quick ? 2 : 9)) {
        proof.data[at] ^= 1;
        mediveil_status status = verify(key, asked, trusted.data, trusted.len, proof.data, proof.len, nullifier);
        CHECK(status == MEDIVEIL_UNVERIFIED || status == MEDIVEIL_DAMAGED);
        proof.data[at] ^= 1;
    }
    CHECK(memcmp(nullifier, nothing, 32) == 0);

    IS(OK, verify(key, asked, trusted.data, trusted.len, proof.data, proof.len, NULL));
    IS(OK, verify(key, asked, trusted.data, trusted.len, proof.data, proof.len, nullifier));
    CHECK(expected.len == 32 && memcmp(nullifier, expected.data, 32) == 0);
    free(request.data);
    free(wrong.data);
    free(trusted.data);
    free(proof.data);
    free(expected.data);
    free(registry.data);
    mediveil_verifying_key_free(&key);
}

static void keys(const char *theirs) {
    mediveil_verifying_key *key = NULL;
    file_t made = file(theirs, "identity.vk"), sha = file(theirs, "identity.sha256");
    IS(OK, mediveil_verifying_key_from_bytes(made.data, made.len, sha.data, true, &key));
    mediveil_verifying_key_free(&key);
    sha.data[31] ^= 1;
    IS(UNVERIFIED, mediveil_verifying_key_from_bytes(made.data, made.len, sha.data, true, &key));
    IS(UNVERIFIED, mediveil_verifying_key_load(in(theirs, "identity.vk"), sha.data, true, &key));
    IS(DAMAGED, mediveil_verifying_key_from_bytes(made.data, made.len - 1, NULL, true, &key));
    IS(DAMAGED, mediveil_verifying_key_from_bytes(NULL, 0, NULL, true, &key));
    IS(NULL, mediveil_verifying_key_from_bytes(NULL, 9, NULL, true, &key));
    IS(NULL, mediveil_verifying_key_from_bytes(made.data, made.len, NULL, true, NULL));
    IS(NULL, mediveil_verifying_key_load(NULL, NULL, true, &key));
    IS(NULL, mediveil_verifying_key_is_of_ceremony(NULL, NULL));
    IS(NOT_FOUND, mediveil_verifying_key_load(in(theirs, "nothing.vk"), NULL, true, &key));
    IS(DAMAGED, mediveil_verifying_key_load(in(theirs, "alice.pub"), NULL, true, &key));
    CHECK(key == NULL);
    mediveil_verifying_key_free(&key);
    free(made.data);
    free(sha.data);
}

static void totals(const char *theirs, const mediveil_verifying_key *other_key) {
    mediveil_verifying_key *key = NULL;
    IS(OK, mediveil_verifying_key_load(in(theirs, "statistics.vk"), NULL, true, &key));
    file_t request = file(theirs, "statistics.request"), wrong = file(theirs, "statistics.other-request");
    file_t table = file(theirs, "statistics.table"), other = file(theirs, "statistics.other-table");
    file_t answer = file(theirs, "statistics.answer");
    const char *const asked = (const char *)request.data;
    mediveil_totals found;
    memset(&found, 0, sizeof found);
    IS(UNVERIFIED, mediveil_verify_statistics(key, (const char *)wrong.data, table.data, table.len, answer.data, answer.len, &found));
    IS(UNVERIFIED, mediveil_verify_statistics(key, asked, other.data, other.len, answer.data, answer.len, &found));
    IS(UNVERIFIED, mediveil_verify_statistics(other_key, asked, table.data, table.len, answer.data, answer.len, &found));
    IS(DAMAGED, mediveil_verify_statistics(key, asked, table.data, table.len, answer.data, answer.len - 1, &found));
    IS(DAMAGED, mediveil_verify_statistics(key, asked, NULL, 0, answer.data, answer.len, &found));
    IS(INVALID, mediveil_verify_statistics(key, "{\"statement\": \"statistics\", \"column\": \"none\"}", table.data, table.len,
                                           answer.data, answer.len, &found));
    IS(NULL, mediveil_verify_statistics(NULL, asked, table.data, table.len, answer.data, answer.len, &found));
    IS(NULL, mediveil_verify_statistics(key, NULL, table.data, table.len, answer.data, answer.len, &found));
    IS(NULL, mediveil_verify_statistics(key, asked, table.data, table.len, answer.data, answer.len, NULL));
    for (size_t at = 0; at < answer.len; at += answer.len / (quick ? 2 : 7)) {
        answer.data[at] ^= 1;
        mediveil_status status = mediveil_verify_statistics(key, asked, table.data, table.len, answer.data, answer.len, &found);
        CHECK(status == MEDIVEIL_UNVERIFIED || status == MEDIVEIL_DAMAGED);
        answer.data[at] ^= 1;
    }
    CHECK(found.count == 0);
    IS(OK, mediveil_verify_statistics(key, asked, table.data, table.len, answer.data, answer.len, &found));
    /* 70 rows of 100 + i in two chunks, those from 110 to 149. */
    CHECK(found.count == 40 && found.sum_high == 0 && found.sum_low == 5180);
    CHECK(found.squares_high == 0 && found.squares_low == 676140);
    free(request.data);
    free(wrong.data);
    free(table.data);
    free(other.data);
    free(answer.data);
    mediveil_verifying_key_free(&key);
}

void proofs(const char *theirs) {
    mediveil_verifying_key *identity = NULL, *record = NULL;
    keys(theirs);
    IS(OK, mediveil_verifying_key_load(in(theirs, "identity.vk"), NULL, true, &identity));
    IS(OK, mediveil_verifying_key_load(in(theirs, "record.vk"), NULL, true, &record));
    person(mediveil_verify_identity, theirs, "identity", record);
    person(mediveil_verify_record, theirs, "record", identity);
    totals(theirs, identity);
    mediveil_verifying_key_free(&record);
    mediveil_verifying_key_free(&identity);
}
