/* Seals a record for a patient and for whoever satisfies a policy, and opens it again. */
#include "mediveil.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void need(mediveil_status status, const char *what) {
    if (status != MEDIVEIL_OK) {
        char why[512];
        size_t len = sizeof why;
        fprintf(stderr, "%s: %s\n", what, mediveil_last_error(why, &len) == MEDIVEIL_OK ? why : "?");
        exit(1);
    }
}

int main(void) {
    const char record[] = "HbA1c 6.4 %";
    const char *const attributes[] = {"role:doctor", "ward:icu"};
    const uint64_t now = (uint64_t)time(NULL) * 1000, week = UINT64_C(7) * 24 * 3600 * 1000;
    mediveil_identity *patient = NULL;
    mediveil_public *public = NULL;
    mediveil_authority *clinic = NULL;
    mediveil_parameters *parameters = NULL;
    mediveil_attribute_key *doctor = NULL;
    mediveil_recipients *to = NULL;
    mediveil_keys *keys = NULL;

    need(mediveil_identity_generate(true, &patient), "identity");
    need(mediveil_identity_public(patient, &public), "public half");
    need(mediveil_authority_create("clinic", &clinic), "authority");
    need(mediveil_authority_parameters(clinic, &parameters), "parameters");
    need(mediveil_authority_grant(clinic, attributes, 2, now + week, now, &doctor), "grant");

    need(mediveil_recipients_new(&to), "recipients");
    need(mediveil_recipients_add_public(to, public), "patient");
    need(mediveil_recipients_add_policy(to, "role:doctor and (ward:icu or ward:er)", parameters, now), "policy");

    size_t sealed_len = 0, opened_len = 0;
    need(mediveil_seal(to, patient, NULL, 0, (const uint8_t *)record, sizeof record, NULL, &sealed_len), "size");
    uint8_t *sealed = malloc(sealed_len);
    if (sealed == NULL) return 1;
    need(mediveil_seal(to, patient, NULL, 0, (const uint8_t *)record, sizeof record, sealed, &sealed_len), "seal");

    uint8_t opened[sizeof record];
    opened_len = sizeof opened;
    need(mediveil_keys_new(&keys), "keys");
    need(mediveil_keys_add_attribute_key(keys, doctor), "doctor");
    need(mediveil_open(keys, public, sealed, sealed_len, opened, &opened_len), "open");
    printf("mediveil %s: %zu bytes sealed into %zu, opened by a policy: %s\n", mediveil_version(), sizeof record, sealed_len,
           (const char *)opened);

    free(sealed);
    mediveil_keys_free(&keys);
    mediveil_recipients_free(&to);
    mediveil_attribute_key_free(&doctor);
    mediveil_parameters_free(&parameters);
    mediveil_authority_free(&clinic);
    mediveil_public_free(&public);
    mediveil_identity_free(&patient);
    return memcmp(opened, record, sizeof record) == 0 ? 0 : 1;
}
