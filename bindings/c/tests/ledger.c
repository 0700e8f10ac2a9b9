/* The log, what is proved about it, and the budget in it. */
#include "check.h"

static const char SCHEMA[] =
    "{\"patient\": \"id\", \"rows_per_patient\": 1, \"max_rows\": 1000, \"columns\": "
    "[{\"kind\": \"number\", \"name\": \"hba1c\", \"low\": \"3\", \"high\": \"20\", \"scale\": 1}]}";

void ledger(const char *ours) {
    const char *const path = in(ours, "c.log");
    mediveil_log *log = NULL, *twice = NULL;
    mediveil_identity *operator_ = NULL, *stranger = NULL;
    mediveil_public *key = NULL, *wrong = NULL;
    IS(OK, mediveil_log_open(path, true, &log));
    IS(EXISTS, mediveil_log_open(path, true, &twice));
    IS(NOT_FOUND, mediveil_log_open(in(ours, "nothing.log"), false, &twice));
    IS(OK, mediveil_identity_generate(false, &operator_));
    IS(OK, mediveil_identity_generate(false, &stranger));
    IS(OK, mediveil_identity_public(operator_, &key));
    IS(OK, mediveil_identity_public(stranger, &wrong));
    uint64_t index = 99, size = 0;
    IS(OK, mediveil_log_append_note(log, "begins", NOW, &index));
    CHECK(index == 0);
    uint8_t old[2048], new[2048], proof[8192], entry[4096], root[32];
    size_t old_len = sizeof old, new_len = sizeof new, proof_len = sizeof proof, entry_len = sizeof entry;
    IS(OK, mediveil_log_head(log, operator_, NOW, old, &old_len));
    IS(OK, mediveil_log_append_note(log, "goes on", NOW + 1, NULL));
    IS(OK, mediveil_log_head(log, operator_, NOW + 2, new, &new_len));
    IS(OK, mediveil_log_evidence(log, 1, new, new_len, proof, &proof_len));
    IS(OK, mediveil_verify_evidence(proof, proof_len, key, &index, entry, &entry_len));
    CHECK(index == 1 && entry_len > 7);
    IS(UNVERIFIED, mediveil_verify_evidence(proof, proof_len, wrong, &index, entry, &entry_len));
    for (size_t at = 0; at < proof_len; at += 7) {
        proof[at] ^= 1;
        entry_len = sizeof entry;
        mediveil_status status = mediveil_verify_evidence(proof, proof_len, key, &index, entry, &entry_len);
        CHECK(status == MEDIVEIL_UNVERIFIED || status == MEDIVEIL_DAMAGED);
        proof[at] ^= 1;
    }
    proof_len = sizeof proof;
    IS(OK, mediveil_log_consistency(log, 1, 2, proof, &proof_len));
    IS(OK, mediveil_verify_consistency(old, old_len, new, new_len, proof, proof_len, key));
    IS(UNVERIFIED, mediveil_verify_consistency(old, old_len, new, new_len, proof, proof_len, wrong));
    IS(NOT_FOUND, mediveil_log_consistency(log, 1, 9, proof, &proof_len));
    IS(OK, mediveil_log_check_against(log, old, old_len, key));
    IS(OK, mediveil_log_verify(log, &size, root));
    CHECK(size == 2);
    IS(OK, mediveil_log_verify(log, NULL, NULL));

    /* A budget in the same log. */
    uint8_t data_set[32];
    memset(data_set, 7, sizeof data_set);
    mediveil_budget *budget = NULL, *none = NULL;
    mediveil_plan *plan = NULL, *large = NULL;
    mediveil_reservation *reservation = NULL, *again = NULL;
    IS(NOT_FOUND, mediveil_budget_open(log, data_set, &none));
    IS(OK, mediveil_budget_create(log, data_set, SCHEMA, "1", NOW, &budget));
    IS(EXISTS, mediveil_budget_create(log, data_set, SCHEMA, "1", NOW, &none));
    IS(INVALID, mediveil_budget_create(log, data_set, "{", "1", NOW, &none));
    IS(NULL, mediveil_budget_create(log, NULL, SCHEMA, "1", NOW, &none));
    IS(OK, mediveil_plan_new(SCHEMA, "{\"statistic\": \"count\"}", "0.4", NULL, 1, &plan));
    IS(OK, mediveil_plan_new(SCHEMA, "{\"statistic\": {\"sum\": {\"column\": \"hba1c\"}}}", "0.7", NULL, 1, &large));
    mediveil_plan *bad = NULL;
    IS(INVALID, mediveil_plan_new(SCHEMA, "{\"statistic\": \"count\"}", "0.4", "0.4", 1, &bad));
    IS(INVALID, mediveil_plan_new(SCHEMA, "{\"statistic\": \"count\"}", "-1", NULL, 1, &bad));
    mediveil_preview preview;
    IS(OK, mediveil_budget_preview(budget, plan, &preview));
    CHECK(!preview.refused && !preview.concentrated && preview.cost >= 0.4 && preview.remaining <= 1.0);
    IS(OK, mediveil_budget_reserve(budget, plan, NOW, &reservation));
    int64_t values[1] = {500}, twice_values[1] = {500};
    uint8_t answer[64];
    size_t answer_len = sizeof answer;
    IS(STATE, mediveil_reservation_answer(reservation, answer, &answer_len));
    IS(OK, mediveil_reservation_add_noise(reservation, 0, values, 1));
    IS(INVALID, mediveil_reservation_add_noise(reservation, 0, twice_values, 1)); /* once a permit */
    IS(INVALID, mediveil_reservation_add_noise(reservation, SIZE_MAX, twice_values, 1));
    IS(NULL, mediveil_reservation_add_noise(reservation, 0, NULL, 1));
    IS(OK, mediveil_reservation_settle(reservation, budget, (const uint8_t *)values, sizeof values, NOW));
    IS(STATE, mediveil_reservation_settle(reservation, budget, (const uint8_t *)values, sizeof values, NOW));
    /* The same question is answered from what is stored, and costs nothing. */
    IS(OK, mediveil_budget_reserve(budget, plan, NOW, &again));
    answer_len = sizeof answer;
    IS(OK, mediveil_reservation_answer(again, answer, &answer_len));
    CHECK(answer_len == sizeof values && memcmp(answer, values, sizeof values) == 0);
    store(ours, "c.answer", answer, answer_len);
    IS(OK, mediveil_budget_preview(budget, large, &preview));
    CHECK(preview.refused && preview.remaining > 0.59 && preview.remaining < 0.61);
    mediveil_reservation *refused = NULL;
    IS(BUDGET, mediveil_budget_reserve(budget, large, NOW, &refused));
    CHECK(refused == NULL);

    mediveil_reservation_free(&again);
    mediveil_reservation_free(&reservation);
    mediveil_plan_free(&large);
    mediveil_plan_free(&plan);
    mediveil_budget_free(&budget);
    mediveil_public_free(&wrong);
    mediveil_public_free(&key);
    mediveil_identity_free(&stranger);
    mediveil_identity_free(&operator_);
    mediveil_log_free(&log);
}
