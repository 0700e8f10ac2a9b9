/* Files that the Rust libraries wrote, read from C; and files for them to read. */
#include "check.h"

static void opens(mediveil_keys *keys, const mediveil_public *author, const char *dir, const char *name, const char *expected) {
    size_t len, room = 64;
    uint8_t *sealed = contents(dir, name, &len), opened[64];
    IS(OK, mediveil_open(keys, author, sealed, len, opened, &room));
    CHECK(room == strlen(expected) && memcmp(opened, expected, room) == 0);
    free(sealed);
}

static void from_rust(const char *theirs) {
    mediveil_identity *alice = NULL, *locked = NULL;
    mediveil_public *author = NULL, *public = NULL;
    mediveil_keys *keys = NULL;
    IS(OK, mediveil_identity_load(in(theirs, "alice.key"), NULL, &alice));
    IS(NO_KEY, mediveil_identity_load(in(theirs, "locked.key"), NULL, &locked));
    CHECK(locked == NULL);
    if (quick) {
        IS(OK, mediveil_identity_load(in(theirs, "alice.key"), NULL, &locked));
    } else {
        IS(NO_KEY, mediveil_identity_load(in(theirs, "locked.key"), "eight llamas", &locked));
        CHECK(locked == NULL);
        IS(OK, mediveil_identity_load(in(theirs, "locked.key"), "seven llamas", &locked));
    }
    uint8_t one[32], two[32], three[32];
    IS(OK, mediveil_identity_public(alice, &public));
    IS(OK, mediveil_public_id(public, one));
    mediveil_public_free(&public);
    IS(OK, mediveil_identity_public(locked, &public));
    IS(OK, mediveil_public_id(public, two));
    mediveil_public_free(&public);
    IS(OK, mediveil_public_load(in(theirs, "alice.pub"), &public));
    IS(OK, mediveil_public_id(public, three));
    CHECK(memcmp(one, two, 32) == 0 && memcmp(one, three, 32) == 0);
    IS(OK, mediveil_public_load(in(theirs, "author.pub"), &author));
    IS(OK, mediveil_keys_new(&keys));
    IS(OK, mediveil_keys_add_identity(keys, locked));
    opens(keys, author, theirs, "to-alice.sealed", "written in Rust");
    size_t len, room = 64;
    uint8_t *sealed = contents(theirs, "to-alice.sealed", &len), opened[64];
    IS(UNVERIFIED, mediveil_open(keys, public, sealed, len, opened, &room)); /* not the author */
    free(sealed);

    mediveil_authority *clinic = NULL;
    mediveil_parameters *parameters = NULL;
    mediveil_attribute_key *doctor = NULL, *granted = NULL;
    const char *const attributes[] = {"role:doctor", "ward:icu"};
    IS(OK, mediveil_attribute_key_load(in(theirs, "doctor.key"), &doctor));
    mediveil_keys_free(&keys);
    IS(OK, mediveil_keys_new(&keys));
    IS(OK, mediveil_keys_add_attribute_key(keys, doctor));
    opens(keys, NULL, theirs, "to-doctors.sealed", "for doctors, in Rust");
    IS(OK, mediveil_authority_load(in(theirs, "clinic.authority"), &clinic));
    IS(OK, mediveil_parameters_load(in(theirs, "clinic.parameters"), &parameters));
    IS(OK, mediveil_authority_grant(clinic, attributes, 2, NOW + 7 * DAY, NOW, &granted));
    mediveil_keys_free(&keys);
    IS(OK, mediveil_keys_new(&keys));
    IS(OK, mediveil_keys_add_attribute_key(keys, granted));
    opens(keys, NULL, theirs, "to-doctors.sealed", "for doctors, in Rust");
    mediveil_authority_free(&clinic);
    IS(DAMAGED, mediveil_authority_load(in(theirs, "doctor.key"), &clinic)); /* another object */
    CHECK(clinic == NULL);

    mediveil_log *log = NULL;
    uint64_t size = 0, index = 99;
    size_t old_len, new_len, evidence_len, proof_len, entry_len = 256;
    uint8_t *old = contents(theirs, "old.head", &old_len), *new = contents(theirs, "new.head", &new_len);
    uint8_t *evidence = contents(theirs, "note.evidence", &evidence_len);
    uint8_t *proof = contents(theirs, "grown.consistency", &proof_len), entry[256];
    IS(OK, mediveil_verify_evidence(evidence, evidence_len, author, &index, entry, &entry_len));
    CHECK(index == 0);
    IS(OK, mediveil_verify_consistency(old, old_len, new, new_len, proof, proof_len, author));
    IS(UNVERIFIED, mediveil_verify_consistency(new, new_len, old, old_len, proof, proof_len, author));
    IS(OK, mediveil_log_open(in(theirs, "rust.log"), false, &log));
    IS(OK, mediveil_log_verify(log, &size, NULL));
    CHECK(size >= 2);
    IS(OK, mediveil_log_check_against(log, old, old_len, author));
    uint8_t data_set[32];
    memset(data_set, 7, sizeof data_set);
    mediveil_budget *budget = NULL;
    IS(OK, mediveil_budget_open(log, data_set, &budget));
    free(old);
    free(new);
    free(evidence);
    free(proof);

    mediveil_budget_free(&budget);
    mediveil_log_free(&log);
    mediveil_attribute_key_free(&granted);
    mediveil_attribute_key_free(&doctor);
    mediveil_parameters_free(&parameters);
    mediveil_keys_free(&keys);
    mediveil_public_free(&public);
    mediveil_public_free(&author);
    mediveil_identity_free(&locked);
    mediveil_identity_free(&alice);
}

static void for_rust(const char *ours) {
    mediveil_identity *bob = NULL, *again = NULL;
    mediveil_public *public = NULL;
    mediveil_recipients *to = NULL;
    IS(OK, mediveil_identity_generate(true, &bob));
    IS(OK, mediveil_identity_save(bob, in(ours, "c.key"), NULL));
    IS(EXISTS, mediveil_identity_save(bob, in(ours, "c.key"), NULL));
    if (!quick) IS(OK, mediveil_identity_save(bob, in(ours, "c-locked.key"), "eight llamas"));
    IS(OK, mediveil_identity_load(in(ours, "c.key"), NULL, &again));
    mediveil_identity_free(&again);
    IS(NOT_FOUND, mediveil_identity_load(in(ours, "nothing.key"), NULL, &again));
    IS(OK, mediveil_identity_public(bob, &public));
    IS(OK, mediveil_public_save(public, in(ours, "c.pub")));
    mediveil_public_free(&public);
    IS(DAMAGED, mediveil_public_load(in(ours, "c.key"), &public)); /* the secret half */
    CHECK(public == NULL);
    IS(OK, mediveil_public_load(in(ours, "c.pub"), &public));
    uint8_t sealed[8192];
    size_t len = sizeof sealed;
    IS(OK, mediveil_recipients_new(&to));
    IS(OK, mediveil_recipients_add_public(to, public));
    IS(OK, mediveil_seal(to, bob, NULL, 0, (const uint8_t *)"written in C", 12, sealed, &len));
    store(ours, "c.sealed", sealed, len);
    mediveil_recipients_free(&to);

    mediveil_authority *clinic = NULL;
    mediveil_parameters *parameters = NULL;
    mediveil_attribute_key *nurse = NULL;
    const char *const attributes[] = {"role:nurse"};
    IS(OK, mediveil_authority_create("ward", &clinic));
    IS(OK, mediveil_authority_save(clinic, in(ours, "c.authority")));
    IS(EXISTS, mediveil_authority_save(clinic, in(ours, "c.authority")));
    IS(OK, mediveil_authority_parameters(clinic, &parameters));
    IS(OK, mediveil_parameters_save(parameters, in(ours, "c.parameters")));
    IS(OK, mediveil_authority_grant(clinic, attributes, 1, NOW + 7 * DAY, NOW, &nurse));
    IS(OK, mediveil_attribute_key_save(nurse, in(ours, "c.nurse")));
    IS(OK, mediveil_recipients_new(&to));
    IS(OK, mediveil_recipients_add_policy(to, "role:nurse or role:doctor", parameters, NOW));
    len = sizeof sealed;
    IS(OK, mediveil_seal(to, NULL, NULL, 0, (const uint8_t *)"for nurses, in C", 16, sealed, &len));
    store(ours, "c-policy.sealed", sealed, len);

    /* The log and the paid answer of ledger(), with a head that this identity signs. */
    mediveil_log *log = NULL;
    IS(OK, mediveil_log_open(in(ours, "c.log"), false, &log));
    len = sizeof sealed;
    IS(OK, mediveil_log_head(log, bob, NOW + DAY, sealed, &len));
    store(ours, "c.head", sealed, len);
    uint8_t evidence[8192];
    size_t evidence_len = sizeof evidence;
    IS(OK, mediveil_log_evidence(log, 1, sealed, len, evidence, &evidence_len));
    store(ours, "c.evidence", evidence, evidence_len);

    mediveil_log_free(&log);
    mediveil_recipients_free(&to);
    mediveil_attribute_key_free(&nurse);
    mediveil_parameters_free(&parameters);
    mediveil_authority_free(&clinic);
    mediveil_public_free(&public);
    mediveil_identity_free(&bob);
}

void files(const char *theirs, const char *ours) {
    from_rust(theirs);
    for_rust(ours);
}
