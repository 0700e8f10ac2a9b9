/* What the library is not to be used like, and what it does then. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* Handles that were freed, copied, mixed up and made up. */
static void handles(void) {
    mediveil_identity *one = NULL;
    mediveil_public *public = NULL;
    size_t before = mediveil_handles();
    IS(OK, mediveil_identity_generate(false, &one));
    mediveil_identity *copy = one;
    CHECK(mediveil_handles() == before + 1);
    mediveil_identity_free(&one);
    CHECK(one == NULL && mediveil_handles() == before);
    mediveil_identity_free(&one);
    IS(WRONG_HANDLE, mediveil_identity_public(copy, &public)); /* used after it was freed */
    says("was freed");
    mediveil_identity *twice = copy;
    mediveil_identity_free(&twice); /* freed again by a copy */
    CHECK(mediveil_handles() == before);

    /* The number of a freed handle is not given out again. */
    for (int i = 0; i < 3; i++) {
        IS(OK, mediveil_identity_generate(false, &one));
        CHECK(one != copy);
        mediveil_identity_free(&one);
    }
    IS(WRONG_HANDLE, mediveil_identity_public(copy, &public));

    /* Of another type: refused by use, and not freed. */
    IS(OK, mediveil_identity_generate(false, &one));
    mediveil_public *mistaken = (mediveil_public *)(void *)one;
    mediveil_public_free(&mistaken);
    CHECK(mistaken != NULL && mediveil_handles() == before + 1);
    IS(OK, mediveil_identity_public(one, &public));
    mediveil_public_free(&public);
    mediveil_identity_free(&one);

    /* Made up: an address of this program's, and one that cannot be. */
    uint64_t words[8] = {0};
    IS(WRONG_HANDLE, mediveil_identity_public((mediveil_identity *)(void *)words, &public));
    IS(WRONG_HANDLE, mediveil_identity_public((mediveil_identity *)(uintptr_t)1, &public));
    IS(WRONG_HANDLE, mediveil_identity_public((mediveil_identity *)UINTPTR_MAX, &public));
    mediveil_identity *made_up = (mediveil_identity *)(void *)words;
    mediveil_identity_free(&made_up);
}

/* Every function that takes a pointer, with NULL where none may be. */
static void nulls(void) {
    mediveil_identity *identity = NULL;
    mediveil_public *public = NULL;
    mediveil_recipients *to = NULL;
    mediveil_keys *keys = NULL;
    mediveil_authority *authority = NULL;
    mediveil_parameters *parameters = NULL;
    mediveil_attribute_key *key = NULL;
    mediveil_log *log = NULL;
    mediveil_budget *budget = NULL;
    mediveil_plan *plan = NULL;
    mediveil_reservation *reservation = NULL;
    mediveil_preview preview;
    uint8_t data[32] = {0};
    char text[8];
    int64_t number = 0;
    size_t len = sizeof data;
    uint64_t index = 0;
    bool yes = false;
    const char *const list[] = {"a:b", NULL};
    mediveil_key_set *set = NULL;
    mediveil_key_share *share = NULL;
    mediveil_key_set_info info;
    uint16_t number16 = 0;

    IS(NULL, mediveil_last_error(text, NULL));
    IS(NULL, mediveil_identity_generate(false, NULL));
    IS(NULL, mediveil_identity_load(NULL, NULL, &identity));
    IS(NULL, mediveil_identity_load("x", NULL, NULL));
    IS(NULL, mediveil_identity_save(NULL, "x", NULL));
    IS(NULL, mediveil_identity_public(NULL, &public));
    IS(NULL, mediveil_public_load(NULL, &public));
    IS(NULL, mediveil_public_load("x", NULL));
    IS(NULL, mediveil_public_save(NULL, "x"));
    IS(NULL, mediveil_public_from_bytes(NULL, 4, &public));
    IS(DAMAGED, mediveil_public_from_bytes(NULL, 0, &public));
    IS(NULL, mediveil_public_from_bytes(data, 4, NULL));
    IS(NULL, mediveil_public_to_bytes(NULL, data, &len));
    IS(NULL, mediveil_public_id(NULL, data));
    IS(NULL, mediveil_policy_satisfied(NULL, list, 1, &yes));
    IS(NULL, mediveil_policy_satisfied("a:b", list, 2, &yes)); /* NULL within the list */
    IS(NULL, mediveil_policy_satisfied("a:b", list, 1, NULL));
    IS(NULL, mediveil_policy_canonical(NULL, text, &len));
    IS(NULL, mediveil_policy_canonical("a:b", text, NULL));
    IS(NULL, mediveil_authority_create(NULL, &authority));
    IS(NULL, mediveil_authority_create("x", NULL));
    IS(NULL, mediveil_authority_load(NULL, &authority));
    IS(NULL, mediveil_authority_save(NULL, "x"));
    IS(NULL, mediveil_authority_parameters(NULL, &parameters));
    IS(NULL, mediveil_authority_grant(NULL, list, 1, NOW + DAY, NOW, &key));
    IS(NULL, mediveil_parameters_load(NULL, &parameters));
    IS(NULL, mediveil_parameters_save(NULL, "x"));
    IS(NULL, mediveil_attribute_key_load(NULL, &key));
    IS(NULL, mediveil_attribute_key_save(NULL, "x"));
    IS(NULL, mediveil_recipients_new(NULL));
    IS(NULL, mediveil_recipients_add_public(NULL, NULL));
    IS(NULL, mediveil_recipients_add_passphrase(NULL, "x"));
    IS(NULL, mediveil_recipients_add_policy(NULL, "a:b", NULL, NOW));
    IS(NULL, mediveil_keys_new(NULL));
    IS(NULL, mediveil_keys_add_identity(NULL, NULL));
    IS(NULL, mediveil_keys_add_passphrase(NULL, "x"));
    IS(NULL, mediveil_keys_add_attribute_key(NULL, NULL));
    IS(NULL, mediveil_seal(NULL, NULL, NULL, 0, data, 1, NULL, &len));
    IS(NULL, mediveil_open(NULL, NULL, data, 1, NULL, &len));
    IS(NULL, mediveil_seal_stream(NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL));
    IS(NULL, mediveil_open_stream(NULL, NULL, NULL, NULL, NULL, NULL));
    IS(NULL, mediveil_log_open(NULL, true, &log));
    IS(NULL, mediveil_log_open("x", true, NULL));
    IS(NULL, mediveil_log_append_note(NULL, "x", NOW, &index));
    IS(NULL, mediveil_log_head(NULL, NULL, NOW, data, &len));
    IS(NULL, mediveil_log_evidence(NULL, 0, data, 1, data, &len));
    IS(NULL, mediveil_log_consistency(NULL, 0, 1, data, &len));
    IS(NULL, mediveil_log_verify(NULL, NULL, NULL));
    IS(NULL, mediveil_log_check_against(NULL, data, 1, NULL));
    IS(NULL, mediveil_verify_evidence(data, 1, NULL, &index, data, &len));
    IS(NULL, mediveil_verify_consistency(data, 1, data, 1, data, 1, NULL));
    IS(NULL, mediveil_budget_create(NULL, data, "{}", "1", NOW, &budget));
    IS(NULL, mediveil_budget_open(NULL, data, &budget));
    IS(NULL, mediveil_plan_new(NULL, "{}", "1", NULL, 1, &plan));
    IS(NULL, mediveil_plan_new("{}", "{}", "1", NULL, 1, NULL));
    IS(NULL, mediveil_budget_preview(NULL, NULL, &preview));
    IS(NULL, mediveil_budget_reserve(NULL, NULL, NOW, &reservation));
    IS(NULL, mediveil_reservation_add_noise(NULL, 0, &number, 1));
    IS(NULL, mediveil_reservation_settle(NULL, NULL, data, 1, NOW));
    IS(NULL, mediveil_reservation_answer(NULL, data, &len));
    IS(NULL, mediveil_key_set_load(NULL, &set));
    IS(NULL, mediveil_key_set_load("x", NULL));
    IS(NULL, mediveil_key_set_from_bytes(NULL, 5, &set));
    IS(NULL, mediveil_key_set_describe(NULL, &info));
    IS(NULL, mediveil_key_set_key_id(NULL, data));
    IS(NULL, mediveil_key_share_load(NULL, &share));
    IS(NULL, mediveil_key_share_from_bytes(NULL, 5, &share));
    IS(NULL, mediveil_key_share_member(NULL, NULL, &number16));
    IS(NULL, mediveil_threshold_encapsulate(NULL, data, 1, data, data, &len));
    IS(NULL, mediveil_threshold_check(NULL, data, 1, data, 1));
    IS(NULL, mediveil_threshold_decrypt(NULL, NULL, data, 1, data, 1, data, &len));
    IS(NULL, mediveil_threshold_verify(NULL, data, 1, data, 1, data, 1, &number16));
    IS(NULL, mediveil_recipients_add_committee(NULL, NULL, NULL, 0));

    mediveil_identity_free(NULL);
    mediveil_public_free(NULL);
    mediveil_recipients_free(NULL);
    mediveil_keys_free(NULL);
    mediveil_authority_free(NULL);
    mediveil_parameters_free(NULL);
    mediveil_attribute_key_free(NULL);
    mediveil_log_free(NULL);
    mediveil_budget_free(NULL);
    mediveil_plan_free(NULL);
    mediveil_reservation_free(NULL);
    mediveil_key_set_free(NULL);
    mediveil_key_share_free(NULL);
    mediveil_verifying_key_free(NULL);
    mediveil_reservation_free(&reservation);
    (void)to;
    (void)keys;
}

/* Variables where none can be, and data wherever they are. */
static void misaligned(void) {
    _Alignas(16) static unsigned char memory[64 + 4096];
    mediveil_identity *identity = NULL;
    mediveil_public *public = NULL;
    void *volatile odd = memory + 1;
    IS(INVALID, mediveil_identity_generate(false, (mediveil_identity **)odd));
    IS(OK, mediveil_identity_generate(false, &identity));
    IS(OK, mediveil_identity_public(identity, &public));
    size_t len = 4096;
    IS(INVALID, mediveil_public_to_bytes(public, memory + 64, (size_t *)odd));
    IS(OK, mediveil_public_to_bytes(public, memory + 17, &len)); /* bytes are at home anywhere */
    mediveil_public_free(&public);
    IS(OK, mediveil_public_from_bytes(memory + 17, len, &public));
    bool yes = false;
    IS(INVALID, mediveil_policy_satisfied("a:b", (const char *const *)odd, 1, &yes));
    mediveil_identity_free((mediveil_identity **)odd); /* let be */
    mediveil_public_free(&public);
    mediveil_identity_free(&identity);
}

/* --- threads --- */

typedef struct {
    mediveil_recipients *to;
    mediveil_keys *keys;
    mediveil_log *log;
    mediveil_identity *copy;
} shared_t;

static void *work(void *argument) {
    shared_t *shared = argument;
    for (int i = 0; i < 5; i++) {
        uint8_t sealed[8192], opened[64];
        size_t sealed_len = sizeof sealed, opened_len = sizeof opened;
        IS(OK, mediveil_recipients_add_public(shared->to, NULL) == MEDIVEIL_NULL ? MEDIVEIL_OK : MEDIVEIL_FAILED);
        says("NULL"); /* each thread has its own last error */
        IS(OK, mediveil_seal(shared->to, NULL, NULL, 0, (const uint8_t *)"thread", 6, sealed, &sealed_len));
        IS(OK, mediveil_open(shared->keys, NULL, sealed, sealed_len, opened, &opened_len));
        CHECK(opened_len == 6 && memcmp(opened, "thread", 6) == 0);
        IS(OK, mediveil_log_append_note(shared->log, "from a thread", NOW, NULL));
        /* The others free this handle meanwhile. It is there or refused, never half there. */
        mediveil_public *public = NULL;
        mediveil_status status = mediveil_identity_public(shared->copy, &public);
        CHECK(status == MEDIVEIL_OK || status == MEDIVEIL_WRONG_HANDLE);
        mediveil_public_free(&public);
        mediveil_identity *mine = shared->copy;
        mediveil_identity_free(&mine);
    }
    return NULL;
}

/* --- fork --- */

static void child(const char *theirs, shared_t *shared, mediveil_budget *budget, mediveil_plan *plan) {
    alarm(600); /* instead of waiting for ever */
    uint8_t sealed[8192], opened[64];
    size_t sealed_len = sizeof sealed, opened_len = sizeof opened;
    mediveil_identity *own = NULL;
    mediveil_preview preview;
    mediveil_authority *authority = NULL;
    IS(OK, mediveil_identity_generate(false, &own));
    IS(OK, mediveil_seal(shared->to, own, NULL, 0, (const uint8_t *)"child", 5, sealed, &sealed_len));
    IS(OK, mediveil_open(shared->keys, NULL, sealed, sealed_len, opened, &opened_len));
    CHECK(opened_len == 5);
    IS(STATE, mediveil_log_append_note(shared->log, "from a child", NOW, NULL));
    says("forked");
    IS(STATE, mediveil_budget_preview(budget, plan, &preview));
    IS(STATE, mediveil_authority_create("child", &authority));
    says("forked");
    mediveil_key_set *set = NULL;
    IS(STATE, mediveil_key_set_load(in(theirs, "committee.set"), &set));
    /* Proofs are verified on all cores, whose threads the child has to make anew. */
    mediveil_verifying_key *key = NULL;
    size_t registry_len, proof_len, request_len;
    uint8_t *request = contents(theirs, "identity.request", &request_len);
    uint8_t *registry = contents(theirs, "identity.registry", &registry_len);
    uint8_t *proof = contents(theirs, "identity.proof", &proof_len);
    IS(OK, mediveil_verifying_key_load(in(theirs, "identity.vk"), NULL, true, &key));
    IS(OK, mediveil_verify_identity(key, (const char *)request, registry, registry_len, proof, proof_len, NULL));
    mediveil_log_free(&shared->log); /* lets the parent's file be */
    CHECK(shared->log == NULL);
    mediveil_identity_free(&own);
    /* By way of another program: what the parent's threads held is lost in a child, and nobody's leak. */
    execlp("true", "true", (char *)NULL);
    _exit(1);
}

static void together(const char *theirs, const char *ours) {
    shared_t shared = {NULL, NULL, NULL, NULL};
    mediveil_identity *alice = NULL;
    mediveil_public *public = NULL;
    mediveil_budget *budget = NULL;
    mediveil_plan *plan = NULL;
    uint8_t data_set[32] = {1};
    static const char schema[] = "{\"patient\": \"id\", \"rows_per_patient\": 1, \"max_rows\": 10, \"columns\": []}";
    IS(OK, mediveil_identity_generate(false, &alice));
    IS(OK, mediveil_identity_generate(false, &shared.copy));
    IS(OK, mediveil_identity_public(alice, &public));
    IS(OK, mediveil_recipients_new(&shared.to));
    IS(OK, mediveil_recipients_add_public(shared.to, public));
    IS(OK, mediveil_keys_new(&shared.keys));
    IS(OK, mediveil_keys_add_identity(shared.keys, alice));
    IS(OK, mediveil_log_open(in(ours, "threads.log"), true, &shared.log));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, work, &shared) == 0);
    for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    uint64_t size = 0;
    IS(OK, mediveil_log_verify(shared.log, &size, NULL));
    CHECK(size == 20);

    IS(OK, mediveil_budget_create(shared.log, data_set, schema, "1", NOW, &budget));
    IS(OK, mediveil_plan_new(schema, "{\"statistic\": \"count\"}", "0.5", NULL, 1, &plan));
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) child(theirs, &shared, budget, plan);
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    IS(OK, mediveil_log_append_note(shared.log, "after the child", NOW, NULL));
    mediveil_preview preview;
    IS(OK, mediveil_budget_preview(budget, plan, &preview));

    mediveil_plan_free(&plan);
    mediveil_budget_free(&budget);
    mediveil_log_free(&shared.log);
    mediveil_keys_free(&shared.keys);
    mediveil_recipients_free(&shared.to);
    mediveil_public_free(&public);
    mediveil_identity_free(&alice);
}

void misuse(const char *theirs, const char *ours) {
    handles();
    nulls();
    misaligned();
    together(theirs, ours);
}
