/* Policies, authorities and their keys. */
#include "check.h"

void policies(void) {
    bool satisfied = false;
    const char *const doctor[] = {"role:doctor", "ward:icu"}, *const nurse[] = {"role:nurse"};
    IS(OK, mediveil_policy_satisfied("role:doctor and ward:icu", doctor, 2, &satisfied));
    CHECK(satisfied);
    IS(OK, mediveil_policy_satisfied("role:doctor and ward:icu", nurse, 1, &satisfied));
    CHECK(!satisfied);
    IS(POLICY, mediveil_policy_satisfied("role:doctor and", doctor, 2, &satisfied));
    IS(NULL, mediveil_policy_satisfied("role:doctor", NULL, 2, &satisfied));
    IS(INVALID, mediveil_policy_satisfied("role:doctor", doctor, SIZE_MAX, &satisfied));
    char text[64];
    size_t len = sizeof text;
    IS(OK, mediveil_policy_canonical("((role:doctor))", text, &len));
    CHECK(strcmp(text, "role:doctor") == 0 && len == 12);

    mediveil_authority *clinic = NULL, *other = NULL;
    mediveil_parameters *parameters = NULL;
    mediveil_attribute_key *yes = NULL, *no = NULL;
    mediveil_recipients *to = NULL;
    mediveil_keys *keys = NULL;
    IS(OK, mediveil_authority_create("clinic", &clinic));
    IS(INVALID, mediveil_authority_create("", &other));
    IS(OK, mediveil_authority_parameters(clinic, &parameters));
    IS(OK, mediveil_authority_grant(clinic, doctor, 2, NOW + 7 * DAY, NOW, &yes));
    IS(OK, mediveil_authority_grant(clinic, nurse, 1, NOW + 7 * DAY, NOW, &no));
    mediveil_attribute_key *none = NULL;
    IS(REFUSED, mediveil_authority_grant(clinic, nurse, 1, NOW - 7 * DAY, NOW, &none));
    IS(INVALID, mediveil_authority_grant(clinic, nurse, 1, UINT64_MAX, NOW, &none));
    IS(INVALID, mediveil_authority_grant(clinic, NULL, 0, NOW + 7 * DAY, NOW, &none));
    IS(OK, mediveil_recipients_new(&to));
    IS(OK, mediveil_recipients_add_policy(to, "role:doctor", parameters, NOW));
    uint8_t sealed[8192], opened[64];
    size_t sealed_len = sizeof sealed, opened_len = sizeof opened;
    IS(OK, mediveil_seal(to, NULL, NULL, 0, (const uint8_t *)"record", 6, sealed, &sealed_len));
    IS(OK, mediveil_keys_new(&keys));
    IS(OK, mediveil_keys_add_attribute_key(keys, no));
    IS(NO_KEY, mediveil_open(keys, NULL, sealed, sealed_len, opened, &opened_len));
    IS(OK, mediveil_keys_add_attribute_key(keys, yes));
    opened_len = sizeof opened;
    IS(OK, mediveil_open(keys, NULL, sealed, sealed_len, opened, &opened_len));
    CHECK(opened_len == 6);
    mediveil_keys_free(&keys);
    mediveil_recipients_free(&to);
    mediveil_attribute_key_free(&yes);
    mediveil_attribute_key_free(&no);
    mediveil_parameters_free(&parameters);
    mediveil_authority_free(&clinic);
}
