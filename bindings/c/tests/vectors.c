/* The vectors of the reviewer's guide, docs/vectors, which Rust and Python replay as well. */
#include "check.h"

static char *text(const char *dir, const char *name) {
    size_t len;
    return (char *)contents(dir, name, &len);
}

static bool there(const char *dir, const char *name) {
    FILE *file = fopen(in(dir, name), "rb");
    return file != NULL && fclose(file) == 0;
}

static void sealed_file(const char *dir, unsigned number) {
    char name[64];
#define PART(part) (snprintf(name, sizeof name, "vectors.sealed-file.cases.%u." part, number), name)
    mediveil_keys *keys = NULL;
    mediveil_identity *identity = NULL;
    IS(OK, mediveil_keys_new(&keys));
    if (there(dir, PART("opens.passphrase"))) {
        if (quick) {
            mediveil_keys_free(&keys);
            return;
        }
        char *passphrase = text(dir, PART("opens.passphrase"));
        IS(OK, mediveil_keys_add_passphrase(keys, passphrase));
        free(passphrase);
    } else {
        IS(OK, mediveil_identity_load(in(dir, PART("opens.key")), NULL, &identity));
        IS(OK, mediveil_keys_add_identity(keys, identity));
        mediveil_identity_free(&identity);
    }
    size_t len, room, wanted_len;
    uint8_t *sealed = contents(dir, PART("file"), &len), *opened = malloc(len);
    CHECK(opened != NULL);
    room = len;
    if (there(dir, PART("refused"))) {
        char *refused = text(dir, PART("refused"));
        if (strcmp(refused, "no door") == 0) {
            IS(NO_KEY, mediveil_open(keys, NULL, sealed, len, opened, &room));
        } else {
            CHECK(strcmp(refused, "damaged") == 0);
            IS(DAMAGED, mediveil_open(keys, NULL, sealed, len, opened, &room));
        }
        free(refused);
    } else {
        uint8_t *wanted = contents(dir, PART("plaintext"), &wanted_len);
        IS(OK, mediveil_open(keys, NULL, sealed, len, opened, &room));
        CHECK(room == wanted_len && memcmp(opened, wanted, room) == 0);
        free(wanted);
    }
    free(sealed);
    free(opened);
    mediveil_keys_free(&keys);
#undef PART
}

static void policy(const char *dir) {
    size_t len;
    uint8_t *file = contents(dir, "vectors.policy.file", &len), opened[64];
    mediveil_parameters *parameters = NULL;
    IS(OK, mediveil_parameters_load(in(dir, "vectors.policy.parameters"), &parameters));
    mediveil_parameters_free(&parameters);
    for (unsigned number = 0; number < 4; number++) {
        char name[64];
        mediveil_attribute_key *key = NULL;
        mediveil_keys *keys = NULL;
        CHECK(snprintf(name, sizeof name, "vectors.policy.keys.%u.key", number) > 0);
        IS(OK, mediveil_attribute_key_load(in(dir, name), &key));
        IS(OK, mediveil_keys_new(&keys));
        IS(OK, mediveil_keys_add_attribute_key(keys, key));
        CHECK(snprintf(name, sizeof name, "vectors.policy.keys.%u.opens", number) > 0);
        size_t room = sizeof opened;
        if (there(dir, name)) {
            IS(OK, mediveil_open(keys, NULL, file, len, opened, &room));
            CHECK(room == 6 && memcmp(opened, "bundle", 6) == 0);
        } else {
            IS(NO_KEY, mediveil_open(keys, NULL, file, len, opened, &room));
        }
        mediveil_attribute_key_free(&key);
        mediveil_keys_free(&keys);
    }
    free(file);
}

static void committee(const char *dir) {
    size_t set_len, about_len, len, key_len, share_lens[3], share_len;
    uint8_t *set_bytes = contents(dir, "vectors.committee.set", &set_len);
    uint8_t *about = contents(dir, "vectors.committee.associated", &about_len);
    uint8_t *ciphertext = contents(dir, "vectors.committee.ciphertext", &len);
    uint8_t *wanted = contents(dir, "vectors.committee.shared_key", &key_len), key[32], *shares[3];
    CHECK(key_len == sizeof key);
    mediveil_key_set *set = NULL;
    IS(OK, mediveil_key_set_from_bytes(set_bytes, set_len, &set));
    for (unsigned i = 0; i < 3; i++) {
        char name[64];
        CHECK(snprintf(name, sizeof name, "vectors.committee.shares.%u", i) > 0);
        shares[i] = contents(dir, name, &share_lens[i]);
        uint16_t member = 0;
        IS(OK, mediveil_threshold_verify(set, about, about_len, ciphertext, len, shares[i], share_lens[i], &member));
        CHECK(member == i + 1);
        CHECK(snprintf(name, sizeof name, "vectors.committee.key_shares.%u", i) > 0);
        uint8_t *share = contents(dir, name, &share_len);
        mediveil_key_share *of = NULL;
        IS(OK, mediveil_key_share_from_bytes(share, share_len, &of));
        IS(OK, mediveil_key_share_member(of, set, &member));
        CHECK(member == i + 1);
        mediveil_key_share_free(&of);
        free(share);
    }
    for (unsigned left_out = 0; left_out < 3; left_out++) {
        const uint8_t *two[2] = {shares[left_out == 0], shares[left_out == 2 ? 1 : 2]};
        const size_t lens[2] = {share_lens[left_out == 0], share_lens[left_out == 2 ? 1 : 2]};
        IS(OK, mediveil_threshold_combine(set, about, about_len, ciphertext, len, two, lens, 2, key));
        CHECK(memcmp(key, wanted, sizeof key) == 0);
        CHECK(mediveil_threshold_combine(set, about, about_len, ciphertext, len, two, lens, 1, key) != MEDIVEIL_OK);
    }
    for (unsigned i = 0; i < 3; i++) free(shares[i]);
    free(set_bytes);
    free(about);
    free(ciphertext);
    free(wanted);
    mediveil_key_set_free(&set);
}

static void evidence(const char *dir) {
    size_t len, changed_len, entry_len, wanted_len, operator_len;
    uint8_t *public = contents(dir, "vectors.log.operator_identity", &operator_len);
    uint8_t *bytes = contents(dir, "vectors.log.evidence", &len), *changed = contents(dir, "vectors.log.changed", &changed_len);
    uint8_t *wanted = contents(dir, "vectors.log.entry", &wanted_len), entry[512];
    mediveil_public *operator_ = NULL;
    IS(OK, mediveil_public_from_bytes(public, operator_len, &operator_));
    uint64_t index = 0;
    entry_len = sizeof entry;
    IS(OK, mediveil_verify_evidence(bytes, len, operator_, &index, entry, &entry_len));
    CHECK(index == 2 && entry_len == wanted_len && memcmp(entry, wanted, wanted_len) == 0);
    entry_len = sizeof entry;
    CHECK(mediveil_verify_evidence(changed, changed_len, operator_, &index, entry, &entry_len) != MEDIVEIL_OK);
    mediveil_public_free(&operator_);
    free(public);
    free(bytes);
    free(changed);
    free(wanted);
}

static void proof(const char *dir) {
    size_t len;
    uint8_t *file = contents(dir, "vectors.proof.verifying_key", &len);
    mediveil_verifying_key *key = NULL;
    CHECK(mediveil_verifying_key_from_bytes(file, len, NULL, false, &key) != MEDIVEIL_OK && key == NULL);
    says("development");
    IS(OK, mediveil_verifying_key_from_bytes(file, len, NULL, true, &key));
    bool of_ceremony = true;
    IS(OK, mediveil_verifying_key_is_of_ceremony(key, &of_ceremony));
    CHECK(!of_ceremony);
    mediveil_verifying_key_free(&key);
    free(file);
}

void vectors(const char *theirs) {
    for (unsigned number = 0; number < 10; number++) sealed_file(theirs, number);
    policy(theirs);
    committee(theirs);
    evidence(theirs);
    proof(theirs);
}
